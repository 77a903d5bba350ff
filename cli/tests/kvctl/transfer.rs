use testing::{Cluster, Options};

use crate::{kvctl, kvctl_with};

#[tokio::test]
async fn what_was_exported_is_imported() {
    let (from, to) =
        (&Cluster::start(1, Options::default()).await, &Cluster::start(1, Options::default()).await);
    // More than a page, and more than one write of an import.
    for part in 0..4 {
        let lines: Vec<_> = (0..600).map(|row| format!("put k{part}-{row:04} v{row}")).collect();
        kvctl_with(&from.nodes, &["write"], lines.join("\n").as_bytes()).well();
    }
    kvctl(&from.nodes, &["--hex", "put", "00ff", ""]).well();
    let everything = kvctl(&from.nodes, &["scan", "--all"]).well().replace("\r", "");

    let folder = tempfile::tempdir().unwrap();
    let export = folder.path().join("export");
    let path = export.to_str().unwrap();
    let exported = kvctl(&from.nodes, &["export", path]);
    assert!(exported.errors.contains("2401 keys"), "{exported:?}");
    assert_eq!(kvctl(&from.nodes, &["export", path]).code, 2);

    // Not into a cluster that holds something.
    let refused = kvctl(&from.nodes, &["import", path]);
    assert_eq!(refused.code, 2);
    assert!(refused.errors.contains("not empty"), "{refused:?}");

    kvctl(&to.nodes, &["import", path]).well();
    assert_eq!(kvctl(&to.nodes, &["scan", "--all"]).well(), everything);

    // Nothing of a damaged export is imported.
    kvctl(&to.nodes, &["del-range", "--all", "--paged"]).well();
    let rows = export.join("00001.rows");
    let mut bytes = std::fs::read(&rows).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&rows, bytes).unwrap();
    let damaged = kvctl(&to.nodes, &["import", path]);
    assert_eq!(damaged.code, 5);
    assert!(damaged.errors.contains("damaged"), "{damaged:?}");
    assert_eq!(kvctl(&to.nodes, &["scan", "--all"]).well(), "");
}
