//! A node of the cluster: the store's ranges on real disks.

pub mod admin;
pub mod api;
pub mod budget;
pub mod command_line;
pub mod config;
mod data_lock;
pub mod dev;
pub mod handle;
pub mod health;
pub mod http;
pub mod listener;
pub mod logging;
pub mod metrics;
pub mod node;
pub mod observer;
pub mod rocks;
pub mod run;
pub mod services;
mod stop;
pub mod store_loop;
pub mod termination;
pub mod threads;
pub mod transport;
