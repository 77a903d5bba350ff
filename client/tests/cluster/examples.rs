use std::path::PathBuf;
use std::process::Command;

use crate::three;

/// Cargo builds examples beside the tests.
fn example(name: &str, endpoint: &str) -> String {
    let test = std::env::current_exe().unwrap();
    let program: PathBuf = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(
        program.exists(),
        "there is no {}: run `cargo build -p client --examples` first",
        program.display()
    );
    let output = Command::new(program).arg(endpoint).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[tokio::test]
async fn the_examples_do_what_they_say() {
    let (cluster, _) = three().await;
    let endpoint = cluster.nodes[1].client_address().to_string();
    let quickstart = example("quickstart", &endpoint);
    for line in ["set: true", "fruit/apple = 2", "fruit/plum = 4", "before: Some(b\"1\")", "3 keys removed"] {
        assert!(quickstart.contains(line), "{line}: {quickstart}");
    }
    assert_eq!(example("counter", &endpoint), "counted to 200\n");
}
