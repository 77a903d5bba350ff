//! The simulator itself: that a seed is a run, that planted bugs fail, that a failing run gets smaller.

use raft::canary::Canary;
use sim::run::{Job, Report, run};
use sim::shrink::shrink;

fn with_text(seed: u64) -> Report {
    run(&Job { keep_text: true, ..Job::of(seed) })
}

#[test]
fn two_runs_of_a_seed_are_byte_identical() {
    for seed in 0..4 {
        let (one, other) = (with_text(seed), with_text(seed));
        assert_eq!(one.violation, None, "seed {seed}");
        assert!(one.text.as_ref().is_some_and(|text| text.lines().count() > 1_000));
        assert_eq!(one.text, other.text, "seed {seed}");
        // Keeping the text changes nothing.
        assert_eq!(run(&Job::of(seed)).hash, one.hash, "seed {seed}");
    }
}

#[test]
fn seeds_differ() {
    assert_ne!(run(&Job::of(1)).hash, run(&Job::of(2)).hash);
}

#[test]
fn a_planted_bug_fails_and_its_run_is_shrunk() {
    let planted = |seed| Job { canary: Some(Canary::OfficeBeforeDurability), ..Job::of(seed) };
    let failing = |job: &Job| run(job).violation.map(|violation| violation.invariant);
    let job = (0..100).map(planted).find(|job| failing(job).is_some()).expect("the bug is found");
    let small = shrink(&job);
    assert!(small.plan().faults.len() < job.plan().faults.len());
    assert_eq!(failing(&small), failing(&job), "the same rule is broken");
}

#[test]
fn without_faults_nothing_goes_wrong() {
    for seed in 100..120 {
        let report = run(&Job { only: Some(Vec::new()), ..Job::of(seed) });
        assert_eq!(report.violation, None, "seed {seed}");
        assert_eq!(report.injected, 0);
        assert!(report.checked > 0);
    }
}
