use testing::{Cluster, Options};

use crate::{kvctl, kvctl_with};

#[tokio::test]
async fn keys_and_values() {
    let cluster = &Cluster::start(3, Options::default()).await;
    let missing = kvctl(&cluster.nodes, &["get", "k"]);
    assert_eq!((missing.code, missing.text()), (1, ""));
    assert!(missing.errors.contains("k has no value"));

    assert!(kvctl(&cluster.nodes, &["put", "k", "one"]).well().starts_with("version "));
    assert_eq!(kvctl(&cluster.nodes, &["get", "k"]).well(), "one");
    let found = kvctl(&cluster.nodes, &["get", "k", "-o", "json"]);
    assert_eq!((found.json("value"), found.json("found")), ("one".into(), true.into()));

    let version = found.json("version").to_string();
    assert_eq!(kvctl(&cluster.nodes, &["cas", "k", "two", "--if-version", &version]).code, 0);
    let failed = kvctl(&cluster.nodes, &["cas", "k", "three", "--if-absent"]);
    assert_eq!(failed.code, 1);
    assert!(failed.errors.contains("value two"), "{failed:?}");
    let failed = kvctl(&cluster.nodes, &["cas", "k", "three", "--if-value", "one", "-o", "json"]);
    assert_eq!((failed.code, failed.json("value"), failed.json("done")), (1, "two".into(), false.into()));
    assert_eq!(kvctl(&cluster.nodes, &["get", "k", "--at", &version]).well(), "one");
    assert_eq!(kvctl(&cluster.nodes, &["get", "k", "--stale", "20s"]).well(), "two");

    assert_eq!(kvctl(&cluster.nodes, &["del", "k"]).code, 0);
    assert_eq!(kvctl(&cluster.nodes, &["del", "k"]).code, 1);

    let refused = kvctl(&cluster.nodes, &["put", "", "v"]);
    assert_eq!(refused.code, 2);
    assert!(refused.errors.contains("empty"), "{refused:?}");
}

#[tokio::test]
async fn any_bytes() {
    let cluster = &Cluster::start(1, Options::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    std::fs::write(&from, &bytes).unwrap();

    kvctl(&cluster.nodes, &["put", "a", "--file", from.to_str().unwrap()]).well();
    assert_eq!(kvctl(&cluster.nodes, &["get", "a", "--file", to.to_str().unwrap()]).well(), "");
    assert!(std::fs::read(&to).unwrap() == bytes);
    kvctl_with(&cluster.nodes, &["put", "b", "--file", "-"], &bytes).well();
    assert!(kvctl(&cluster.nodes, &["get", "b"]).out == bytes);

    kvctl(&cluster.nodes, &["--hex", "put", "00ff", "c3a90a"]).well();
    assert_eq!(kvctl(&cluster.nodes, &["--hex", "get", "00ff"]).well(), "c3a90a\n");
    assert_eq!(kvctl(&cluster.nodes, &["--hex", "scan", "00", "01"]).well(), "00ff\tc3a90a\n");
    let row = kvctl(&cluster.nodes, &["scan", "--all", "--limit", "1", "-o", "json"]);
    assert_eq!((row.json("key_hex"), row.json("value")), ("00ff".into(), "é\n".into()));
    let line = kvctl(&cluster.nodes, &["scan", "--all", "--limit", "1"]);
    assert_eq!(line.well(), "\\x00\\xff\té\\n\n");
}

#[tokio::test]
async fn spans_and_batches() {
    let cluster = &Cluster::start(1, Options::default()).await;
    let batch = "if a absent\nput a 1\nput \"b b\" 2\nput c 3\n";
    assert!(kvctl_with(&cluster.nodes, &["write"], batch.as_bytes()).well().starts_with("version "));
    let again = kvctl_with(&cluster.nodes, &["write", "-"], batch.as_bytes());
    assert_eq!(again.code, 1);
    assert!(again.errors.contains("condition 0 does not hold"), "{again:?}");
    let wrong = kvctl_with(&cluster.nodes, &["write"], b"put a 1\nset b 2\n");
    assert_eq!(wrong.code, 2);
    assert!(wrong.errors.contains("line 2"), "{wrong:?}");

    assert_eq!(kvctl(&cluster.nodes, &["scan", "--all"]).well(), "a\t1\nb b\t2\nc\t3\n");
    assert_eq!(kvctl(&cluster.nodes, &["scan", "b", "--reverse", "--keys-only"]).well(), "c\nb b\n");
    assert_eq!(kvctl(&cluster.nodes, &["scan", "--prefix", "b"]).well(), "b b\t2\n");
    assert_eq!(kvctl(&cluster.nodes, &["del-range", "a", "c"]).well(), "2 keys removed\n");
    assert_eq!(kvctl(&cluster.nodes, &["scan", "--all"]).well(), "c\t3\n");
    assert_eq!(kvctl(&cluster.nodes, &["del-range", "--all", "--paged", "-o", "json"]).json("deleted"), 1);
}

#[test]
fn nobody_there_is_said_with_what_to_do() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_kvctl"))
        // Nobody may listen on the discard port.
        .args(["get", "k", "--endpoints", "127.0.0.1:9", "--timeout", "200ms"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("127.0.0.1:9") && errors.contains("--endpoints"), "{errors}");
}
