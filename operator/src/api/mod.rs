//! The KvCluster resource: what users write and read. From these types the definition of the resource is made, and its
//! descriptions are the comments here.

mod pods;
mod raft;
mod spec;
mod status;
mod storage;

pub use pods::PullPolicy;
pub use raft::{RaftTimings, ReadMode};
pub use spec::{KvCluster, KvClusterSpec};
pub use status::{Configuration, FirstMember, KvClusterStatus, MemberRole, MemberStatus, Phase};
pub use storage::{AccessMode, RetainedVolumes, Retention, Storage};
