//! The status of a KvCluster: what it should say, and how it is written.

mod build;
mod conditions;
mod members;
mod write;

pub use build::{Look, build};
pub use conditions::value;
pub use write::{refuse, write};
