use testing::{NodeProcess, Options, wait_until};

use crate::{Printed, kvctl};

#[tokio::test]
async fn a_cluster_begins_grows_and_shrinks() {
    let folder = tempfile::tempdir().unwrap();
    let mut nodes = Vec::new();
    for number in 1..=4 {
        let mut node = NodeProcess::new(&folder.path().join(format!("node-{number}")), Options::default());
        node.start();
        node.wait_live().await;
        nodes.push(node);
    }
    let new = nodes[3].peer_address().to_string();
    let first = &nodes[..3];
    let admin = |arguments: &[&str]| kvctl(first, &[&["admin"], arguments].concat());
    let succeeds = async |arguments: &[&str]| -> Printed {
        wait_until(&arguments.join(" "), async || Some(admin(arguments)).filter(|printed| printed.code == 0))
            .await
    };

    assert!(admin(&["status"]).well().contains("waiting"));
    let begun = admin(&["bootstrap"]).well().to_owned();
    assert!(begun.contains("begins with 3 voters"), "{begun}");
    // Harmless to repeat.
    assert_eq!(admin(&["bootstrap"]).well(), begun);

    // There is a leader soon.
    assert!(succeeds(&["reserve"]).await.well().contains("node 4"));
    let unsafe_now = admin(&["promote", "4"]);
    assert_eq!(unsafe_now.code, 6, "{unsafe_now:?}");
    assert!(succeeds(&["add", &new]).await.well().contains("node 4 is a learner"));
    // It has to catch up first.
    succeeds(&["promote", "4"]).await;
    // Whichever node is asked hears of it in the end.
    let count = |role: &str| {
        let members = kvctl(first, &["members", "-o", "json"]).well().to_owned();
        members.lines().filter(|line| line.contains(role)).count()
    };
    let four = async || (count(r#""role":"voter""#) == 4).then_some(());
    wait_until("node 4 is a voter", four).await;
    let well = async || Some(kvctl(first, &["status"])).filter(|status| status.code == 0);
    assert!(wait_until("all are well", well).await.text().contains("leads"));

    succeeds(&["demote", "4"]).await;
    succeeds(&["remove", "4"]).await;
    wait_until("node 4 is no member", async || (count("node") == 3).then_some(())).await;

    let leader = admin(&["status", "-o", "json"]).json("leader");
    let next = if leader == 3 { 2 } else { 3 };
    succeeds(&["transfer", &next.to_string()]).await;
    let leads = async || (admin(&["status", "-o", "json"]).json("leader") == next).then_some(());
    wait_until("the next one leads", leads).await;
}
