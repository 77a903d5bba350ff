//! How a process ends when something is wrong, and what the next start does.

use std::fs;
use std::path::{Path, PathBuf};

use proto::admin::v1::{BootstrapRequest, NodeState};
use testing::{Cluster, NodeProcess, Options, get, wait_until};

fn reason(node: &NodeProcess) -> (String, u64) {
    let text = fs::read_to_string(node.termination_log()).unwrap();
    let reason: serde_json::Value = serde_json::from_str(&text).unwrap();
    (reason["reason"].as_str().unwrap().to_owned(), reason["exit_code"].as_u64().unwrap())
}

/// The newest write-ahead log below a folder.
fn logs(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut logs: Vec<_> = files.filter(|path| path.extension().is_some_and(|kind| kind == "log")).collect();
    logs.sort();
    logs
}

#[tokio::test]
async fn after_corruption_it_stays_up_and_takes_no_part() {
    let mut cluster = Cluster::start(1, Options::default()).await;
    let node = cluster.node_mut(1);
    let disk = node.status().await.unwrap().disk_id;
    node.stop().await;
    let log = logs(&node.data().join("log/db")).pop().unwrap();
    let mut bytes = fs::read(&log).unwrap();
    // In the middle: what is at the end might be a torn write.
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&log, bytes).unwrap();

    node.start();
    assert_eq!(node.wait().await.code(), Some(70));
    assert_eq!(reason(node), ("corruption".to_owned(), 70));

    node.start();
    let status = node.wait_live().await;
    assert_eq!((status.state(), status.ready), (NodeState::Corruption, false));
    assert!(!status.fault.is_empty());
    assert_eq!(status.disk_id, disk, "for whoever replaces it");
    assert_eq!(get(node.http_address(), "/livez").unwrap().0, 200);
    assert_eq!(get(node.http_address(), "/readyz").unwrap().0, 503);
    let refused = node.admin().bootstrap(BootstrapRequest::default()).await.unwrap_err();
    assert!(refused.message().contains("replace it"), "{refused}");
    assert_eq!(node.stop().await.code(), Some(0));
}

#[tokio::test]
async fn data_without_their_log_are_a_lost_disk() {
    let mut cluster = Cluster::start(1, Options::default()).await;
    let node = cluster.node_mut(1);
    node.stop().await;
    fs::remove_dir_all(node.data().join("log")).unwrap();
    node.start();
    assert_eq!(node.wait().await.code(), Some(72));
    assert_eq!(reason(node).0, "lost_disk");
    node.start();
    assert_eq!(node.wait_live().await.state(), NodeState::LostDisk);
}

#[tokio::test]
async fn a_start_waits_for_the_process_that_has_the_data() {
    let mut cluster = Cluster::start(1, Options::default()).await;
    let disk = cluster.node(1).status().await.unwrap().disk_id;
    let folder = tempfile::tempdir().unwrap();
    let mut next = NodeProcess::new(folder.path(), Options::default());
    std::os::unix::fs::symlink(cluster.node(1).data(), next.data()).unwrap();
    for is_told_to_stop in [true, false] {
        next.start();
        wait_until("it says that it waits", async || {
            let lines = fs::read_to_string(next.log()).unwrap();
            lines.contains("waiting for its end").then_some(())
        })
        .await;
        if is_told_to_stop {
            assert_eq!(next.stop().await.code(), Some(0));
            fs::remove_file(next.log()).unwrap();
        }
    }
    let holder = format!("process {} on ", cluster.node(1).id());
    let lines = fs::read_to_string(next.log()).unwrap();
    assert_eq!(lines.matches(&holder).count(), 1, "{lines}");
    cluster.node_mut(1).stop().await;
    assert_eq!(next.wait_live().await.disk_id, disk);
}

#[tokio::test]
async fn a_data_folder_has_one_process_and_a_port_one_listener() {
    let mut cluster = Cluster::start(1, Options::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let mut same_folder = NodeProcess::new(folder.path(), Options::default());
    let data = cluster.node(1).data().display().to_string();
    same_folder.options.flags = ["--lock-timeout", "200ms"].map(str::to_owned).to_vec();
    std::os::unix::fs::symlink(data, same_folder.data()).unwrap();
    same_folder.start();
    assert_eq!(same_folder.wait().await.code(), Some(64));
    assert!(fs::read_to_string(same_folder.termination_log()).unwrap().contains("another process uses it"));

    let taken = cluster.node(1).peer_address();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let node = cluster.node_mut(1);
    node.stop().await;
    let squatter = wait_until("the port is free", async || std::net::TcpListener::bind(taken).ok()).await;
    node.start();
    assert_eq!(node.wait().await.code(), Some(64));
    drop((held, squatter));
}
