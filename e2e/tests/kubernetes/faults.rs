//! Pods and disks that are lost.

use std::path::PathBuf;

use e2e::kube::{KvCluster, kubectl, scene};

use crate::assert_correct;

#[tokio::test]
async fn all_pods_are_killed_at_once() {
    scene("all-pods", async |namespace| {
        let cluster = KvCluster::running(namespace, 3, 120).await?;
        let members = cluster.members().await?;
        let load = cluster.under_load("load").await?;
        let selector = ["-l", "kvcluster.dev/cluster=kv", "--grace-period=0", "--force"];
        namespace.kubectl(&[&["delete", "pods"], &selector[..]].concat()).await?;
        load.more(300).await?;
        assert_correct("all pods are killed at once", &load.stop().await?);
        cluster.wait_available(120).await?;
        assert_eq!(cluster.members().await?, members);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_volume_of_a_voter_is_wiped() {
    scene("wiped", async |namespace| {
        let cluster = KvCluster::running(namespace, 3, 120).await?;
        let members = cluster.members().await?;
        let load = cluster.under_load("load").await?;
        let leader = cluster.leader().await?;
        let wiped = *members.iter().find(|node| **node != leader).unwrap();
        let claim = format!("kv-m{wiped}");
        let volume = namespace.kubectl(&["get", "pvc", &claim, "-o", "jsonpath={.spec.volumeName}"]).await?;
        let path = kubectl(&["get", "pv", &volume, "-o", "jsonpath={.spec.local.path}"]).await?;
        assert!(!path.is_empty(), "only where volumes are folders of this machine");
        std::fs::remove_dir_all(PathBuf::from(path).join("kv"))?;
        let pod = cluster.pod(wiped);
        namespace.kubectl(&["delete", "pod", &pod, "--grace-period=0", "--force"]).await?;
        // The member is removed at once, and another one takes its place.
        let gone = format!("statefulset/{claim}");
        namespace.wait(&gone, "delete", 180).await?;
        cluster.wait_available(180).await?;
        load.more(300).await?;
        let report = load.stop().await?;
        assert_correct("a voter's volume is wiped", &report);
        assert_eq!(report.failed + report.unknown, 0, "{report:?}");
        let now = cluster.members().await?;
        assert!(now.len() == 3 && !now.contains(&wiped), "{members:?} became {now:?}");
        Ok(())
    })
    .await;
}
