//! What every implementation of the storage traits has to pass: random operations against a naive model, with
//! crashes in between. The seed fixes all choices.
//!
//! An implementation says by a small harness how it is opened and how it crashes; [`engine`],
//! [`engine_damage`], [`tables`], [`log_store`], [`log_damage`] and [`directory`] do the rest.

mod directory;
mod engine;
mod engine_damage;
mod ingest;
mod log;
mod log_batches;
mod log_model;
mod tables;

#[cfg(test)]
mod broken_directory;
#[cfg(test)]
mod broken_engine;
#[cfg(test)]
mod broken_log;
#[cfg(test)]
mod in_memory;

pub use directory::{DirectoryHarness, directory};
pub use engine::{EngineHarness, engine};
pub use engine_damage::engine_damage;
pub use log::{LogHarness, log_damage, log_store};
pub use tables::tables;

use thiserror::Error;

/// An implementation does not do what its trait says.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{suite} with seed {seed}, operation {operation}: {detail}")]
pub struct Failure {
    /// The suite that found it.
    pub suite: &'static str,
    /// The seed that finds it again.
    pub seed: u64,
    /// The operation of the run, from 1.
    pub operation: usize,
    /// What is wrong.
    pub detail: String,
}

/// The random numbers of a run: `SplitMix64`.
struct Rng(u64);

impl Rng {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`; 0 for a bound of 0. The modulo bias of 64 bits does not matter here.
    fn below(&mut self, bound: usize) -> usize {
        self.next().checked_rem(bound as u64).and_then(|drawn| usize::try_from(drawn).ok()).unwrap_or(0)
    }

    /// True once in `times`.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    /// Up to `longest` bytes, few different ones, among them the lowest and the highest.
    fn bytes(&mut self, longest: usize) -> Vec<u8> {
        (0..self.below(longest + 1)).map(|_| [0, 1, b'a', b'b', 0xff][self.below(5)]).collect()
    }
}

/// Fails unless what was found is what was to be found.
fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: found {found:?}, expected {expected:?}"))
}

/// An error that was not to be.
fn unexpected<T>(what: &str, result: Result<T, impl std::fmt::Display>) -> Result<T, String> {
    result.map_err(|error| format!("{what} failed: {error}"))
}
