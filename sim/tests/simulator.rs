//! The simulator itself: that a seed is a run, that planted bugs fail, that a failing run gets smaller.

use raft::canary::Canary;
use sim::nodes::Nodes;
use sim::run::{Groups, Job, Report, Simulation};
use sim::shrink::shrink;

fn with_text(seed: u64) -> Report {
    Groups::run(&Job { keep_text: true, ..Job::of(seed) })
}

#[test]
fn two_runs_of_a_seed_are_byte_identical() {
    for seed in 0..4 {
        let (one, other) = (with_text(seed), with_text(seed));
        assert_eq!(one.violation, None, "seed {seed}");
        assert!(one.text.as_ref().is_some_and(|text| text.lines().count() > 1_000));
        assert_eq!(one.text, other.text, "seed {seed}");
        // Keeping the text changes nothing.
        assert_eq!(Groups::run(&Job::of(seed)).hash, one.hash, "seed {seed}");
    }
}

#[test]
fn seeds_differ() {
    assert_ne!(Groups::run(&Job::of(1)).hash, Groups::run(&Job::of(2)).hash);
}

#[test]
fn a_planted_bug_fails_and_its_run_is_shrunk() {
    let planted = |seed| Job { canary: Some(Canary::OfficeBeforeDurability), ..Job::of(seed) };
    let failing = |job: &Job<Groups>| Groups::run(job).violation.map(|violation| violation.invariant);
    let job = (0..100).map(planted).find(|job| failing(job).is_some()).expect("the bug is found");
    let small = shrink(&job);
    assert!(small.faults().len() < job.faults().len());
    assert_eq!(failing(&small), failing(&job), "the same rule is broken");
}

#[test]
fn without_faults_nothing_goes_wrong() {
    for seed in 100..120 {
        let report = Groups::run(&Job { only: Some(Vec::new()), ..Job::of(seed) });
        assert_eq!(report.violation, None, "seed {seed}");
        assert_eq!(report.injected, 0);
        assert!(report.checked > 0);
    }
}

#[test]
fn two_runs_of_whole_nodes_are_byte_identical() {
    for seed in 0..6 {
        let with_text = || Nodes::run(&Job { keep_text: true, ..Job::of(seed) });
        let (one, other) = (with_text(), with_text());
        assert_eq!(one.violation, None, "seed {seed}");
        assert!(one.text.as_ref().is_some_and(|text| text.lines().count() > 500));
        assert_eq!(one.text, other.text, "seed {seed}");
        assert_eq!(Nodes::run(&Job::of(seed)).hash, one.hash, "seed {seed}");
    }
    assert_ne!(Nodes::run(&Job::of(1)).hash, Nodes::run(&Job::of(2)).hash);
}

#[test]
fn whole_nodes_without_faults_do_well() {
    for seed in 100..130 {
        let report = Nodes::run(&Job { only: Some(Vec::new()), ..Job::of(seed) });
        assert_eq!(report.violation, None, "seed {seed}");
        assert!(report.checked > 0);
    }
}

#[test]
fn a_bug_planted_in_the_store_is_found_and_gone_after_the_run() {
    let job = |seed| Job { canary: Some(store::canary::Canary::TornBatch), ..Job::of(seed) };
    let failing = |job: &Job<Nodes>| Nodes::run(job).violation.map(|violation| violation.invariant);
    let found = (0..100).map(job).find(|job| failing(job).is_some()).expect("the bug is found");
    assert_eq!(failing(&Job::of(found.seed)), None, "without the bug the seed passes");
    assert_eq!(failing(&shrink(&found)), failing(&found), "the same rule is broken");
}
