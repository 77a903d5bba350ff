//! Tests of snapshots: each rule by itself, then random transfers with crashes of both sides.

pub(crate) mod fixture;
mod installing;
mod receiving;
mod sending;
mod transfers;
