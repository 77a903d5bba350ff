//! Pods and disks that are lost, or come back as they were before.

use std::path::Path;

use e2e::kube::{CommandError, KvCluster, LoadPod, Namespace, scene};
use tokio::process::Command;

use crate::{Ended, assert_correct, assert_undisturbed};

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
        let load = cluster.under_load("load").await?;
        let wiped = wipe_follower(&cluster).await?;
        is_replaced(namespace, &cluster, wiped).await?;
        load.more(300).await?;
        assert_undisturbed("a voter's volume is wiped", &load.stop().await?);
        Ok(())
    })
    .await;
}

/// Empties the disk of a voter that does not lead, and restarts it.
pub async fn wipe_follower(cluster: &KvCluster<'_>) -> Result<u64, Box<dyn std::error::Error>> {
    let wiped = follower(cluster).await?;
    std::fs::remove_dir_all(cluster.volume(wiped).await?.join("kv"))?;
    cluster.kill(wiped).await?;
    Ok(wiped)
}

async fn follower(cluster: &KvCluster<'_>) -> Result<u64, CommandError> {
    let leader = cluster.leader().await?;
    Ok(cluster.members().await?.into_iter().find(|node| *node != leader).unwrap())
}

/// The member is removed, and another one takes its place.
pub async fn is_replaced(namespace: &Namespace, cluster: &KvCluster<'_>, node: u64) -> Ended {
    namespace.wait(&format!("statefulset/{}", cluster.member(node)), "delete", 240).await?;
    cluster.wait_at_rest(240).await?;
    let now = cluster.members().await?;
    assert!(now.len() == 3 && now.iter().all(|other| *other != node), "member {node} lost its disk: {now:?}");
    Ok(())
}

#[tokio::test]
async fn an_old_copy_of_a_disk_is_put_back() {
    scene("old-copy", async |namespace| {
        let cluster = KvCluster::running(namespace, 3, 120).await?;
        let load = LoadPod::start(namespace, "load", &cluster.endpoint(), 2_000).await?;
        load.more(1_000).await?;
        let node = follower(&cluster).await?;
        let volume = cluster.volume(node).await?;
        let copy = volume.with_extension("copy");
        // So that the operator does not start what is stopped here.
        cluster.patch(r#"{"spec": {"paused": true}}"#).await?;
        cluster.wait("condition=Paused", 60).await?;
        stop_member(namespace, &cluster, node).await?;
        copy_folder(&volume, &copy).await?;
        start_member(namespace, &cluster, node).await?;
        namespace.wait(&format!("pod/{}", cluster.pod(node)), "condition=Ready", 120).await?;
        load.more(10_000).await?;
        stop_member(namespace, &cluster, node).await?;
        std::fs::remove_dir_all(volume.join("kv"))?;
        copy_folder(&copy.join("kv"), &volume.join("kv")).await?;
        std::fs::remove_dir_all(&copy)?;
        start_member(namespace, &cluster, node).await?;
        cluster.patch(r#"{"spec": {"paused": false}}"#).await?;
        is_replaced(namespace, &cluster, node).await?;
        load.more(300).await?;
        assert_undisturbed("an old copy of a disk is put back", &load.stop().await?);
        Ok(())
    })
    .await;
}

async fn stop_member(namespace: &Namespace, cluster: &KvCluster<'_>, node: u64) -> Result<(), CommandError> {
    namespace.kubectl(&["scale", "statefulset", &cluster.member(node), "--replicas=0"]).await?;
    namespace.wait(&format!("pod/{}", cluster.pod(node)), "delete", 120).await
}

async fn start_member(namespace: &Namespace, cluster: &KvCluster<'_>, node: u64) -> Result<(), CommandError> {
    namespace.kubectl(&["scale", "statefulset", &cluster.member(node), "--replicas=1"]).await?;
    namespace.wait(&format!("pod/{}", cluster.pod(node)), "create", 60).await
}

/// With owners and modes, as a copy of the volume has them.
async fn copy_folder(from: &Path, to: &Path) -> Ended {
    let status = Command::new("cp").arg("-a").args([from, to]).status().await?;
    assert!(status.success(), "{} is not copied: {status}", from.display());
    Ok(())
}

#[tokio::test]
async fn a_voter_is_killed_during_a_roll_of_five() {
    scene("kill-in-roll", async |namespace| {
        let cluster = KvCluster::running(namespace, 5, 180).await?;
        let (members, pods) = (cluster.members().await?, cluster.pods().await?);
        let load = cluster.under_load("load").await?;
        let first = *members.iter().rev().find(|node| **node != members[0]).unwrap();
        let victim = follower(&cluster).await?;
        assert_ne!(first, victim, "the highest is rolled first, the lowest is killed");
        cluster.patch(r#"{"spec": {"podAnnotations": {"rolled": "yes"}}}"#).await?;
        namespace.wait(&format!("pod/{}", cluster.pod(first)), "delete", 60).await?;
        cluster.kill(victim).await?;
        cluster.wait_available(300).await?;
        assert_undisturbed("a voter is killed during a roll", &load.stop().await?);
        assert_eq!(cluster.members().await?, members, "nobody is replaced");
        let now = cluster.pods().await?;
        assert!(now.iter().all(|pod| !pods.contains(pod)), "all are rolled: {pods:?} became {now:?}");
        let rolled = "jsonpath={.items[*].metadata.annotations.rolled}";
        let selector = "kvcluster.dev/cluster=kv";
        let rolled = namespace.kubectl(&["get", "pods", "-l", selector, "-o", rolled]).await?;
        assert_eq!(rolled, "yes yes yes yes yes");
        Ok(())
    })
    .await;
}
