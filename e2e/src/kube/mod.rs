//! What a test does with Kubernetes. Every command has a time limit, every wait watches instead of sleeping, and a
//! failure carries what the command said.

mod audit;
mod command;
mod helm;
mod kv_cluster;
mod load_pod;
mod local;
mod namespace;
mod scene;
mod usage;

pub use audit::AuditLog;
pub use command::{CommandError, image, kubectl, kubectl_stdin, repository};
pub use helm::Operator;
pub use kv_cluster::KvCluster;
pub use load_pod::LoadPod;
pub use local::{LocalKube, Stopped};
pub use namespace::Namespace;
pub use scene::{Ended, scene};
pub use usage::Usage;
