//! Planted bugs: the random test finds each of them soon, or it tests nothing.

mod chance;
#[allow(dead_code, reason = "some of it is for the tests of single rules")]
mod world;

use planner::canary::{Canary, Planted};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Cases within which a planted bug is found.
const CASES: usize = 20_000;

/// The number of the first case that is failed.
fn found(canary: Option<Canary>) -> Option<(usize, String)> {
    let _planted = Planted::new(canary);
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (1..=CASES).find_map(|number| {
        let case = chance::case().new_tree(&mut runner).ok()?.current();
        chance::run(&case).err().map(|broken| (number, broken))
    })
}

#[test]
fn every_planted_bug_is_found() {
    for canary in Canary::ALL {
        let Some((number, broken)) = found(Some(*canary)) else { panic!("{canary:?} is not found") };
        let broken = broken.lines().next().unwrap_or_default();
        println!("{canary:?} is found by case {number}: {broken}");
    }
}
