//! Fewer faults that still fail: what is left of a schedule when nothing more can be taken out.

use crate::run::{Job, Simulation};

/// Runs at most so many smaller schedules.
const MOST_RUNS: usize = 400;

/// A job that breaks the same rule as `job`, which must fail, with as few faults as can be found by leaving
/// out halves, then quarters, down to single ones.
#[must_use]
pub fn shrink<S: Simulation>(job: &Job<S>) -> Job<S> {
    let Some(broken) = S::run(job).violation.map(|violation| violation.invariant) else { return job.clone() };
    let whole = S::faults(job.seed).len();
    let mut kept: Vec<usize> = job.only.clone().unwrap_or_else(|| (0..whole).collect());
    let (mut size, mut runs) = (kept.len().div_ceil(2), 0);
    while size > 0 && runs < MOST_RUNS {
        let mut at = 0;
        while at < kept.len() && runs < MOST_RUNS {
            let mut fewer = kept.clone();
            fewer.drain(at..kept.len().min(at + size));
            let smaller = Job { only: Some(fewer.clone()), ..job.clone() };
            runs += 1;
            if S::run(&smaller).violation.is_some_and(|violation| violation.invariant == broken) {
                kept = fewer;
            } else {
                at += size;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    Job { only: Some(kept), ..job.clone() }
}
