//! Tests on a real Kubernetes, which dev/e2e brings up and runs one after the other. The short set is `short`, the others
//! belong to the full set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod crashes;
mod faults;
mod life;
mod measure;
mod operator;
mod outages;
mod short;

use e2e::kube::Ended;
use e2e::load::Report;

/// During every planned step no write fails, and 99 of 100 take less than a second.
fn assert_undisturbed(what: &str, report: &Report) {
    assert_correct(what, report);
    assert_eq!((report.failed, report.unknown, report.unread), (0, 0, 0), "{what}: {report:?}");
    assert!(report.write_p99_millis < 1_000, "{what}: {report:?}");
}

/// The history is linearizable, and no acknowledged write is lost.
fn assert_correct(what: &str, report: &Report) {
    println!("{what}: {report:?}");
    assert_eq!(report.violation, None, "{what}");
    assert!(report.written > 0, "{what}: nothing was written");
}
