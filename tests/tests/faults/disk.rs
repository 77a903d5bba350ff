//! Disks that lose data, and one that is full.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use process_tests::{Load, verify};
use proto::admin::v1::NodeState;
use proto::v1::consistency::Level;
use proto::v1::{Consistency, GetRequest, Linearizable, PutRequest};
use testing::{Cluster, NodeProcess, wait_until};

use crate::{alone, three};

/// So long nothing may be answered.
const WATCHED: Duration = Duration::from_secs(4);

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success(), "cp -a {} {}", from.display(), to.display());
}

/// A follower, not the leader.
async fn follower(cluster: &Cluster) -> u64 {
    cluster.leader().await.node % 3 + 1
}

async fn answers_nothing(node: &NodeProcess) {
    let mut kv = node.kv();
    for level in [Level::Linearizable(Linearizable {}), Level::StaleWithinMillis(600_000)] {
        let consistency = Some(Consistency { level: Some(level) });
        let request = GetRequest { key: "key-01".into(), consistency, keyspace: String::new() };
        let answer = kv.get(request).await;
        assert!(answer.is_err(), "a node without its data answers {answer:?}");
    }
    let request = PutRequest { key: "other".into(), value: "lost".into(), ..PutRequest::default() };
    let answer = kv.put(request).await;
    assert!(answer.is_err(), "a node without its data answers {answer:?}");
}

fn others(of: u64) -> Vec<u64> {
    (1..=3).filter(|node| *node != of).collect()
}

#[tokio::test]
async fn a_wiped_disk_is_not_the_member_that_it_was() {
    let _alone = alone().await;
    let mut cluster = three().await;
    let load = Load::start(&cluster, 0);
    load.more(300).await;
    let lost = follower(&cluster).await;
    let node = cluster.node_mut(lost);
    node.kill();
    fs::remove_dir_all(node.data()).unwrap();
    node.start();
    node.wait_live().await;
    let begun = Instant::now();
    while begun.elapsed() < WATCHED {
        let status = cluster.node(lost).status().await.expect("it runs");
        assert_eq!((status.state(), status.node, status.ready), (NodeState::Waiting, 0, false));
        answers_nothing(cluster.node(lost)).await;
        load.more(50).await;
    }
    verify("follower wiped", &mut cluster, &others(lost), load.stop().await).await;
}

#[tokio::test]
async fn a_disk_that_was_rolled_back_is_lost() {
    let _alone = alone().await;
    let mut cluster = three().await;
    let load = Load::start(&cluster, 0);
    load.more(300).await;
    let lost = follower(&cluster).await;
    let node = cluster.node_mut(lost);
    let (data, older) = (node.data(), node.data().with_extension("older"));
    node.kill();
    copy(&data, &older);
    node.start();
    node.wait_live().await;
    load.more(300).await;
    let node = cluster.node_mut(lost);
    node.kill();
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&older, &data).unwrap();
    node.start();
    wait_until("the node is told that its disk lost data", async || {
        let status = cluster.node(lost).status().await?;
        (status.state() == NodeState::LostDisk).then_some(())
    })
    .await;
    let begun = Instant::now();
    while begun.elapsed() < WATCHED {
        answers_nothing(cluster.node(lost)).await;
        load.more(50).await;
    }
    // It remembers.
    let node = cluster.node_mut(lost);
    node.kill();
    node.start();
    wait_until("the node knows that its disk lost data", async || {
        let status = cluster.node(lost).status().await?;
        (status.state() == NodeState::LostDisk).then_some(())
    })
    .await;
    answers_nothing(cluster.node(lost)).await;
    verify("follower rolled back", &mut cluster, &others(lost), load.stop().await).await;
}

/// A file system of its own over a folder, until it is dropped: larger than the reserve of a node, which is sent nothing
/// while it has less.
struct Small(PathBuf);

impl Small {
    fn mount(folder: &Path) -> Self {
        let options = ["-t", "tmpfs", "-o", "size=2g", "tmpfs"];
        let mounted = Command::new("mount").args(options).arg(folder).status().unwrap();
        assert!(mounted.success(), "mount {}", folder.display());
        Self(folder.to_owned())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Its processes may not have ended yet: it goes when they have.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_node_with_a_full_disk_cannot_start_and_comes_back_when_there_is_space() {
    let _alone = alone().await;
    if !rustix::process::geteuid().is_root() {
        println!("disk full: SKIPPED, to mount a small file system takes root");
        return;
    }
    let mut cluster = three().await;
    let full = follower(&cluster).await;
    let node = cluster.node_mut(full);
    node.kill();
    let (data, aside) = (node.data(), node.data().with_extension("aside"));
    fs::rename(&data, &aside).unwrap();
    fs::create_dir(&data).unwrap();
    let _small = Small::mount(&data);
    copy(&aside.join("."), &data);
    node.start();
    node.wait_live().await;
    let load = Load::start(&cluster, 200);
    load.more(300).await;

    let filler = data.join("filler");
    let mut file = File::create(&filler).unwrap();
    while file.write_all(&[7; 1 << 16]).is_ok() {}
    while file.write_all(&[7]).is_ok() {}
    drop(file);
    load.more(300).await;
    // It was sent nothing any more, or it has ended; in any case it cannot start.
    let node = cluster.node_mut(full);
    node.kill();
    node.start();
    assert_eq!(node.wait().await.code(), Some(71));
    load.more(100).await;
    fs::remove_file(&filler).unwrap();
    cluster.node_mut(full).start();
    load.more(300).await;
    verify("disk of a follower full", &mut cluster, &[1, 2, 3], load.stop().await).await;
}
