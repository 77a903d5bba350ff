//! Tests of one range: each rule by itself, then random histories against a naive model.

mod apply;
mod conditions;
mod fixture;
mod garbage;
mod history;
mod load;
mod model;
mod operations;
mod overlay;
mod random;
mod read;
mod sessions;
