//! Clients in a pod: they write and read until they are told to stop, then check everything that they saw.

pub mod check;
mod fill;
pub mod history;
mod report;
mod writer;

pub use fill::fill;
pub use report::Report;
pub use writer::{Options, run};
