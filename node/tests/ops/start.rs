//! From nothing to a node that serves.

use std::process::Command;

use proto::admin::v1::NodeState;
use rustix::process::Signal;
use testing::{Cluster, NodeProcess, Options, get, kv_node, wait_until};

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_wrong_configuration_ends_with_64_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, "hearbeat: 1s\n").unwrap();
    let ended = Command::new(kv_node())
        .args(["run".as_ref(), "--config".as_ref(), file.as_os_str()])
        .args(["--termination-log".as_ref(), log.as_os_str()])
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(64));
    assert!(String::from_utf8(ended.stderr).unwrap().contains("there is no setting \"hearbeat\""));
    let reason = json(&std::fs::read_to_string(log).unwrap());
    assert_eq!((reason["reason"].as_str(), reason["exit_code"].as_u64()), (Some("configuration"), Some(64)));
}

#[test]
fn an_unknown_flag_ends_with_64_and_help_with_0() {
    let run = |arguments: &[&str]| Command::new(kv_node()).args(arguments).output().unwrap();
    assert_eq!(run(&["run", "--nonsense", "1"]).status.code(), Some(64));
    assert_eq!(run(&["run", "--tls-cert-file", "x"]).status.code(), Some(64));
    assert_eq!(run(&["run", "--help"]).status.code(), Some(0));
}

#[test]
fn what_counts_is_printed_with_where_it_is_from() {
    let printed = Command::new(kv_node())
        .args(["config", "print", "--deadline", "3s"])
        .env("KV_NODE_DEADLINE", "2s")
        .env("KV_NODE_HEARTBEAT", "50ms")
        .output()
        .unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    assert!(text.contains("deadline: \"3s\" # from the flag --deadline"), "{text}");
    assert!(text.contains("heartbeat: \"50ms\" # from the environment, KV_NODE_HEARTBEAT"), "{text}");
}

#[tokio::test]
async fn an_empty_disk_is_live_and_waits_and_a_cluster_of_one_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = NodeProcess::new(folder.path(), Options::default());
    node.start();
    let status = node.wait_live().await;
    assert_eq!((status.state(), status.node, status.ready), (NodeState::Waiting, 0, false));
    assert_eq!(get(node.http_address(), "/livez").unwrap().0, 200);
    let (code, body) = get(node.http_address(), "/readyz").unwrap();
    assert_eq!((code, json(&body)["reason"].as_str()), (503, Some("waiting")));
    drop(node);

    let cluster = Cluster::start(1, Options::default()).await;
    let node = cluster.node(1);
    let (_, body) = wait_until("it is ready", async || {
        get(node.http_address(), "/readyz").ok().filter(|(code, _)| *code == 200)
    })
    .await;
    assert_eq!(json(&body)["ready"].as_bool(), Some(true));
}

#[tokio::test]
async fn a_stop_is_orderly_and_a_restart_is_the_same_node() {
    let mut cluster = Cluster::start(1, Options::default()).await;
    let before = cluster.leader().await;
    let node = cluster.node_mut(1);
    assert_eq!(node.stop().await.code(), Some(0));
    assert!(!node.termination_log().exists());
    node.start();
    node.wait_live().await;
    let after = cluster.leader().await;
    assert_eq!((&after.cluster_id, after.node, &after.disk_id), (&before.cluster_id, 1, &before.disk_id));
    assert_eq!(after.boot_counter, before.boot_counter + 1);
    assert!(after.term > before.term && after.applied_index > before.applied_index);
}

#[tokio::test]
async fn an_interrupt_is_a_stop() {
    let mut cluster = Cluster::start(1, Options::default()).await;
    let node = cluster.node_mut(1);
    node.signal(Signal::INT);
    assert_eq!(node.wait().await.code(), Some(0));
}
