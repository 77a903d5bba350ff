//! The parts of kv-operator.

pub mod act;
pub mod admin;
pub mod api;
pub mod caches;
pub mod controller;
pub mod crash;
pub mod crd;
pub mod error;
pub mod events;
pub mod helm_test;
pub mod http;
pub mod kubernetes;
pub mod lease;
pub mod live;
pub mod logging;
pub mod memory;
pub mod metrics;
pub mod objects;
pub mod observe;
pub mod options;
pub mod pass;
pub mod readiness;
pub mod run;
pub mod status;
pub mod trigger;
pub mod upkeep;
