//! Engine, log and directory on real files: the conformance suites of the store, and what only real files have.

// Helpers of tests are tests too.
#![allow(clippy::expect_used)]

mod conformance;
mod damage;
mod files;
mod full;
mod kill;
mod parallel;
