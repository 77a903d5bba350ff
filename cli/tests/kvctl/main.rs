//! `kvctl` as a user calls it, against real nodes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod administration;
mod data;
mod transfer;

use std::io::Write;
use std::process::{Command, Stdio};

use testing::NodeProcess;

/// What a call printed, and its exit code.
#[derive(PartialEq, Eq, Debug)]
struct Printed {
    out: Vec<u8>,
    errors: String,
    code: i32,
}

impl Printed {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    /// Its standard output, if it went well.
    fn well(&self) -> &str {
        assert_eq!(self.code, 0, "{self:?}");
        self.text()
    }

    /// A member of the first JSON object that was printed.
    fn json(&self, member: &str) -> serde_json::Value {
        let object: serde_json::Value = serde_json::from_str(self.text().lines().next().unwrap()).unwrap();
        object[member].clone()
    }
}

/// Calls `kvctl` for these nodes, with this on its standard input.
fn kvctl_with(nodes: &[NodeProcess], arguments: &[&str], input: &[u8]) -> Printed {
    let joined = |addresses: Vec<String>| addresses.join(",");
    let clients = joined(nodes.iter().map(|node| node.client_address().to_string()).collect());
    let peers = joined(nodes.iter().map(|node| node.peer_address().to_string()).collect());
    let mut child = Command::new(env!("CARGO_BIN_EXE_kvctl"))
        .args(arguments)
        .env("KVCTL_ENDPOINTS", clients)
        .env("KVCTL_ADMIN_ENDPOINT", peers)
        .env("KVCTL_TIMEOUT", "20s")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // What does not read its input may be gone already.
    child.stdin.take().unwrap().write_all(input).ok();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    Printed { out: output.stdout, errors, code: output.status.code().unwrap() }
}

fn kvctl(nodes: &[NodeProcess], arguments: &[&str]) -> Printed {
    kvctl_with(nodes, arguments, b"")
}
