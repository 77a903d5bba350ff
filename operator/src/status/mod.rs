//! The status of a KvCluster: what it should say, and how it is written.

mod build;
mod conditions;
mod members;
mod pace;
mod write;

pub use build::{Look, build};
pub use conditions::value;
pub use pace::pause;
pub use write::{refuse, write};
