//! The objects of a cluster, as they should be: pure functions of a KvCluster and, for those of a member, its node id.

pub mod annotations;
pub mod budget;
pub mod claim;
pub mod compare;
pub mod container;
pub mod labels;
pub mod metadata;
pub mod names;
pub mod pod;
pub mod quantity;
pub mod services;
pub mod set;
pub mod template;

pub use budget::budget;
pub use claim::claim;
pub use compare::needs_apply;
pub use services::{client_service, peer_service};
pub use set::set;
pub use template::template_hash;
