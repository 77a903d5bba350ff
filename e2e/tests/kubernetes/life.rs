//! Sizes, volumes and images over the life of a cluster.

use e2e::kube::{KvCluster, scene};

use crate::{assert_correct, assert_undisturbed};

#[tokio::test]
async fn five_four_two() {
    scene("demotions", async |namespace| {
        let cluster = KvCluster::running(namespace, 5, 180).await?;
        let load = cluster.under_load("load").await?;
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
        let (image, pods) = (cluster.get().await?["spec"]["image"].clone(), cluster.pods().await?);
        let load = cluster.under_load("load").await?;
        cluster.patch(r#"{"spec": {"image": "localhost/nowhere:1"}}"#).await?;
        cluster.wait("condition=Degraded", 300).await?;
        load.more(300).await?;
        cluster.patch(&format!(r#"{{"spec": {{"image": {image}}}}}"#)).await?;
        cluster.wait_available(300).await?;
        assert_undisturbed("bad image, good image", &load.stop().await?);
        let now = cluster.pods().await?;
        let same = now.iter().filter(|pod| pods.contains(pod)).count();
        assert!(now.len() == 3 && same == 2, "one was tried, the others ran on: {pods:?} became {now:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_cluster_is_made_anew_over_retained_volumes() {
    scene("recreated", async |namespace| {
        let cluster = KvCluster::running(namespace, 3, 120).await?;
        let (id, load) =
            (cluster.get().await?["status"]["clusterId"].clone(), cluster.under_load("load").await?);
        assert_correct("before", &load.stop().await?);
        let scan = ["scan", "--prefix", "load/", "--output", "json"];
        let before = cluster.kvctl(&scan).await?;
        assert!(before.lines().count() > 100, "{before}");
        let pods = cluster.pods().await?;
        namespace.kubectl(&["delete", "kvcluster/kv", "--timeout=120s"]).await?;
        // The old pods may still be on their way out.
        let cluster = KvCluster::apply(namespace, "kv", 3, "").await?;
        cluster.wait("condition=RetainedVolumes", 120).await?;
        let now = cluster.pods().await?;
        assert!(
            now.iter().all(|pod| pods.contains(pod)),
            "something is started before the spec decides: {now:?}"
        );
        cluster.patch(r#"{"spec": {"retainedVolumes": "Adopt"}}"#).await?;
        cluster.wait_available(300).await?;
        assert_eq!(cluster.get().await?["status"]["clusterId"], id);
        assert!(cluster.kvctl(&scan).await? == before, "the keys are not those of before");
        Ok(())
    })
    .await;
}
