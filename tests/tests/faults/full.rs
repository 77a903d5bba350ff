//! Disks without space, and with it again.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use process_tests::{Load, verify};
use testing::Cluster;

use crate::{SYNC_ERROR, alone, copy, follower, is_root, lead, three};

/// A file system of its own over the data of a node, until it is dropped: larger than the reserve of a node, which is
/// sent nothing while it has less.
struct Small {
    folder: PathBuf,
}

impl Small {
    /// Restarts a node with its data on a small file system.
    async fn under(cluster: &mut Cluster, node: u64) -> Self {
        let node = cluster.node_mut(node);
        node.kill();
        let (data, aside) = (node.data(), node.data().with_extension("aside"));
        fs::rename(&data, &aside).unwrap();
        fs::create_dir(&data).unwrap();
        let options = ["-t", "tmpfs", "-o", "size=2g", "tmpfs"];
        let mounted = Command::new("mount").args(options).arg(&data).status().unwrap();
        assert!(mounted.success(), "mount {}", data.display());
        let small = Self { folder: data.clone() };
        copy(&aside.join("."), &data);
        node.start();
        node.wait_live().await;
        small
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Its processes may not have ended yet: it goes when they have.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}

/// Leaves no byte free; the space returns when this is dropped.
struct Filler(PathBuf);

impl Filler {
    async fn fill(folder: &Path) -> Self {
        let path = folder.join("filler");
        // The load goes on meanwhile.
        let filled = tokio::task::spawn_blocking(move || {
            let mut file = File::create(&path).unwrap();
            while file.write_all(&[7; 1 << 16]).is_ok() {}
            while file.write_all(&[7]).is_ok() {}
            path
        });
        Self(filled.await.unwrap())
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn a_node_with_a_full_disk_cannot_start_and_comes_back_when_there_is_space() {
    let fault = "disk of a follower full at its start";
    let _alone = alone().await;
    if !is_root(fault) {
        return;
    }
    let mut cluster = three().await;
    let full = follower(&cluster).await;
    let small = Small::under(&mut cluster, full).await;
    let load = Load::start(&cluster, 200);
    load.more(300).await;
    let filler = Filler::fill(&small.folder).await;
    load.more(300).await;
    // It was sent nothing any more, or it has ended; in any case it cannot start.
    let node = cluster.node_mut(full);
    node.kill();
    node.start();
    assert_eq!(node.wait().await.code(), SYNC_ERROR);
    load.more(100).await;
    drop(filler);
    cluster.node_mut(full).start();
    load.more(300).await;
    verify(fault, &mut cluster, &[1, 2, 3], load.stop().await).await;
}

/// The disk of a node fills up while it runs: it ends, or goes on with what it has of space. It is there again when the
/// space is.
async fn fills_up(fault: &str, node: u64, leader: u64) {
    let _alone = alone().await;
    if !is_root(fault) {
        return;
    }
    let mut cluster = three().await;
    let small = Small::under(&mut cluster, node).await;
    lead(&cluster, leader).await;
    let load = Load::start(&cluster, 2_000);
    load.more(300).await;
    let filler = Filler::fill(&small.folder).await;
    load.more(1_000).await;
    drop(filler);
    if let Some(ended) = cluster.node_mut(node).ended() {
        assert_eq!(ended.code(), SYNC_ERROR);
        cluster.node_mut(node).start();
    }
    load.more(300).await;
    verify(fault, &mut cluster, &[1, 2, 3], load.stop().await).await;
}

#[tokio::test]
async fn the_disk_of_a_follower_fills_up() {
    fills_up("disk of a follower fills up", 2, 1).await;
}

#[tokio::test]
async fn the_disk_of_the_leader_fills_up() {
    fills_up("disk of the leader fills up", 1, 1).await;
}
