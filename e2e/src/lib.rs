//! Tests on a real Kubernetes: `KvCluster`s are made, changed and broken while clients write, whose history is then
//! checked.
//!
//! ```text
//!   load     what runs in a pod as kv-load: clients, their history, and its check
//!   kube     what a test does with Kubernetes: kubectl and helm, a namespace, a KvCluster, the audit log
//! ```
//!
//! The tests themselves are in `tests/kubernetes`, and run by `dev/e2e`.

pub mod kube;
pub mod load;
