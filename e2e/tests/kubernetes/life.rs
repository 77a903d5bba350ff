//! Sizes, volumes and images over the life of a cluster.

use e2e::kube::{KvCluster, LoadPod, Namespace, scene};

use crate::{assert_correct, assert_undisturbed};

#[tokio::test]
async fn five_four_two() {
    scene("demotions", async |namespace| {
        let cluster = KvCluster::running(namespace, 5, 180).await?;
        let load = LoadPod::start(namespace, "load", &cluster.endpoint()).await?;
        for (replicas, voters) in [(4, 3), (2, 1)] {
            load.more(300).await?;
            cluster.scale(replicas).await?;
            cluster.wait_available(300).await?;
            assert_eq!(cluster.get().await?["status"]["voters"], voters, "of {replicas}");
            assert_eq!(cluster.members().await?.len(), replicas as usize);
        }
        assert_undisturbed("5, 4, 2", &load.stop().await?);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_retained_volume_never_comes_back() {
    scene("retained", async |namespace| {
        let cluster = KvCluster::running(namespace, 5, 180).await?;
        let five = cluster.members().await?;
        let load = cluster.under_load("load").await?;
        for replicas in [3, 5] {
            cluster.scale(replicas).await?;
            cluster.wait_available(300).await?;
        }
        load.more(300).await?;
        assert_undisturbed("5, 3, 5", &load.stop().await?);
        let now = cluster.members().await?;
        let new: Vec<_> = now.iter().filter(|node| !five.contains(node)).collect();
        assert_eq!(new.len(), 2, "{five:?} became {now:?}");
        assert!(new.iter().all(|node| *node > five.iter().max().unwrap()), "{five:?} became {now:?}");
        let volumes = namespace.kubectl(&["get", "pvc", "-o", "name"]).await?;
        assert_eq!(volumes.lines().count(), 7, "two are retained: {volumes}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_bad_image_is_rolled_out_and_corrected() {
    scene("bad-image", async |namespace| {
        let cluster = KvCluster::running(namespace, 3, 120).await?;
        let image = cluster.get().await?["spec"]["image"].as_str().unwrap().to_owned();
        let load = cluster.under_load("load").await?;
        cluster.patch(r#"{"spec": {"image": "localhost/nowhere:1"}}"#).await?;
        cluster.wait("condition=Degraded", 300).await?;
        load.more(300).await?;
        let healthy = ready(namespace).await?;
        assert!(healthy >= 2, "{healthy} of three members are ready");
        cluster.patch(&format!(r#"{{"spec": {{"image": "{image}"}}}}"#)).await?;
        cluster.wait_available(300).await?;
        let report = load.stop().await?;
        assert_undisturbed("bad image, good image", &report);
        assert_eq!(ready(namespace).await?, 3);
        Ok(())
    })
    .await;
}

async fn ready(namespace: &Namespace) -> Result<usize, e2e::kube::CommandError> {
    let status = "jsonpath={range .items[*]}{.status.containerStatuses[0].ready}{\"\\n\"}{end}";
    let selector = "app.kubernetes.io/name=kvcluster";
    let printed = namespace.kubectl(&["get", "pods", "-l", selector, "-o", status]).await?;
    Ok(printed.lines().filter(|line| *line == "true").count())
}

#[tokio::test]
async fn a_cluster_is_made_anew_over_retained_volumes() {
    scene("recreated", async |namespace| {
        let cluster = KvCluster::running(namespace, 3, 120).await?;
        let load = cluster.under_load("load").await?;
        assert_correct("before", &load.stop().await?);
        namespace.kubectl(&["delete", "kvcluster/kv", "--timeout=120s"]).await?;
        let cluster = KvCluster::apply(namespace, "kv", 3, "").await?;
        cluster.wait("condition=RetainedVolumes", 120).await?;
        cluster.patch(r#"{"spec": {"retainedVolumes": "Adopt"}}"#).await?;
        cluster.wait_available(300).await?;
        let pod = cluster.pod(cluster.leader().await?);
        let keys = namespace.kubectl(&["exec", &pod, "--", "kvctl", "scan", "--prefix", "load/own/"]).await?;
        assert!(keys.lines().count() > 0, "the keys are there");
        Ok(())
    })
    .await;
}
