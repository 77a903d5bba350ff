//! Bounded exhaustive exploration: small worlds of two or three nodes, of which every reachable state is
//! visited. It complements random schedules: those go far and see a sample, this sees all that is near.
//!
//! [`Model`] says what may happen and how often, `models` lists what is explored. A state of the world
//! (`state`) is made of states of single nodes (`replica`, `local`) and of the messages in the network;
//! `search` goes through all of them, `properties` judges each, `forget` says which states need not be told
//! apart, `table` remembers what was seen and `report` prints it.

mod forget;
mod local;
mod model;
mod models;
mod properties;
mod replica;
mod report;
mod search;
mod state;
mod table;

pub use model::{Cost, Model, Start};
pub use report::run_all;
