//! The checker of histories is right: on a corpus of good and bad histories, on executions of a register that
//! is atomic by construction, and on small histories of any kind, where it must agree with trying every order.

#![expect(clippy::expect_used, reason = "clippy takes only the test functions themselves for tests")]

use std::collections::BTreeSet;
use std::path::Path;

use proptest::collection::{SizeRange, vec};
use proptest::option;
use proptest::prelude::*;
use sim::history::{
    CheckReport, Flaw, History, Limits, Numbered, Operation, Outcome, Record, Verdict, Violation, check,
    check_within, text,
};

const BUDGET: u64 = 1_000_000;
/// Above this many operations on a key, trying every order takes too long.
const FEW: usize = 10;

// ---- the corpus --------------------------------------------------------------------------------------

fn corpus(folder: &str) -> Vec<(String, History)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/histories").join(folder);
    let files = std::fs::read_dir(&folder).expect("the corpus is there");
    let mut paths: Vec<_> = files.map(|file| file.expect("it can be listed").path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let name = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
            let lines = std::fs::read_to_string(path).expect("it can be read");
            let history = text::parse(&lines).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, history)
        })
        .collect()
}

#[test]
fn good_histories_pass() {
    let histories = corpus("good");
    assert!(histories.len() >= 15);
    for (name, history) in histories {
        let report = check(&history, BUDGET).unwrap_or_else(|violation| panic!("{name}: {violation}"));
        assert_eq!(report.operations, history.len(), "{name}");
        assert_eq!(any_order_explains(&history), Some(true), "{name}");
    }
}

#[test]
fn bad_histories_do_not_pass() {
    let histories = corpus("bad");
    assert!(histories.len() >= 15);
    for (name, history) in histories {
        let violation = check(&history, BUDGET).expect_err(&name);
        assert_eq!(violation.verdict, Verdict::NotLinearizable, "{name}");
        assert_ne!(any_order_explains(&history), Some(true), "{name}");
        assert_explains(&violation, &history);
        let core = violation.explanation.core.len();
        assert!(core <= 6, "{name}: {core} records are too many to read\n{violation}");
    }
}

/// The records named are from the history, and show by themselves that it is bad.
fn assert_explains(violation: &Violation, history: &History) {
    let explanation = &violation.explanation;
    let core: History = explanation.core.iter().map(|n| n.record).collect();
    assert_eq!(verdict(&core), Some(Verdict::NotLinearizable), "{violation}");
    assert_ne!(any_order_explains(&core), Some(true), "{violation}");
    for Numbered { number, record } in &explanation.core {
        let real = history.records()[*number];
        let still_open = Record { completed: None, outcome: Outcome::Unknown, ..real };
        assert!(*record == real || *record == still_open, "{violation}");
    }
    let stuck = explanation.stuck.expect("a record with which it broke");
    assert!(violation.to_string().contains(&format!("#{stuck} ")), "{violation}");
}

// ---- single cases ------------------------------------------------------------------------------------

fn verdict(history: &History) -> Option<Verdict> {
    check(history, BUDGET).err().map(|violation| violation.verdict)
}

#[test]
fn explanations_can_be_read() {
    let history = text::parse(
        "0..10 c1 k1 write 1 -> written\n0..10 c1 k2 write 9 -> written\n11..15 c2 k1 read -> value 1\n\
         16..30 c1 k1 cas 1 2 -> swapped\n32..40 c2 k1 read -> value 2\n41..50 c3 k1 read -> value 1\n\
         55..60 c2 k1 read -> value 2\n45..70 c1 k1 write 3 -> written\n",
    )
    .expect("it is a history");
    let violation = check(&history, BUDGET).expect_err("it is stale");
    assert_eq!(
        violation.to_string(),
        "key 1 is not linearizable
The first record that nothing explains:
  record  client  time    operation  outcome
  #5      c3      41..50  read       value 1

The records that show it, 3 of 7 as known at that time:
  record  client  time    operation  outcome
  #0      c1      0..10   write 1    written
  #3      c1      16..30  cas 1 2    swapped
  #5      c3      41..50  read       value 1

The longest order found has 2 of 7 operations. Its end, and what is next:
          record  client  time    operation  outcome
  placed  #0      c1      0..10   write 1    written
  placed  #2      c2      11..15  read       value 1
  -       #3      c1      16..30  cas 1 2    swapped
  -       #4      c2      32..40  read       value 2
  -       #5      c3      41..50  read       value 1
  -       #7      c1      45..70  write 3    written
  -       #6      c2      55..60  read       value 2
The key then holds 1.
"
    );
}

#[test]
fn running_out_of_steps_is_no_pass() {
    let (_, history) = corpus("good").swap_remove(0);
    let CheckReport { steps, .. } = check(&history, BUDGET).expect("it is good");
    assert!(check(&history, steps).is_ok());
    let violation = check(&history, steps - 1).expect_err("one step too few");
    assert_eq!(violation.verdict, Verdict::Exhausted { budget: steps - 1 });
    assert!(violation.to_string().contains("was not decided within"));
}

#[test]
fn what_the_recorder_got_wrong_is_told() {
    for (lines, flaw, numbers) in [
        ("0..1 c1 k1 read -> swapped", Flaw::WrongOutcome, vec![0]),
        ("0..1 c1 k1 write 1 -> value 1", Flaw::WrongOutcome, vec![0]),
        ("1..0 c1 k1 read -> value 1", Flaw::EndsBeforeItBegins, vec![0]),
        ("1.. c1 k1 delete -> written", Flaw::NeverCompleted, vec![0]),
        ("0..1 c1 k1 write 1 -> written\n2..3 c1 k1 cas 1 1 -> unknown", Flaw::ValueReused, vec![0, 1]),
    ] {
        let history = text::parse(lines).expect("it can be read");
        let violation = check(&history, BUDGET).expect_err(lines);
        assert_eq!(violation.verdict, Verdict::Malformed(flaw));
        assert_eq!(violation.explanation.core.iter().map(|n| n.number).collect::<Vec<_>>(), numbers);
    }
    // The value of a failed write is free again.
    let again = "0..1 c1 k1 write 1 -> failed\n2..3 c1 k1 write 1 -> written";
    assert_eq!(verdict(&text::parse(again).expect("it can be read")), None);
}

#[test]
fn operations_begin_and_end() {
    let mut history = History::default();
    let write = history.begin(1, 1, Operation::Write { value: 1 }, 0);
    let read = history.begin(2, 1, Operation::Read, 5);
    assert_eq!(verdict(&history), None, "nothing is known yet");
    history.end(read, 9, Outcome::Value(Some(1)));
    assert_eq!(verdict(&history), None, "the write happened, whatever its client knows");
    history.end(write, 10, Outcome::Unknown);
    history.end(write, 12, Outcome::Failed);
    assert_eq!(verdict(&history), Some(Verdict::NotLinearizable), "the client learned that it did not");
    history.end(write, 14, Outcome::Written);
    assert_eq!(verdict(&history), Some(Verdict::Malformed(Flaw::EndedTwice)));
}

// ---- the judge: every order --------------------------------------------------------------------------

/// Whether some order explains every key; `None` if there are too many operations to try.
fn any_order_explains(history: &History) -> Option<bool> {
    let keys: BTreeSet<u64> = history.records().iter().map(|r| r.key).collect();
    let mut explained = true;
    for key in keys {
        let happened = |r: &&Record| r.key == key && r.outcome != Outcome::Failed;
        let mut records: Vec<Record> = history.records().iter().filter(happened).copied().collect();
        if records.len() > FEW {
            return None;
        }
        explained &= can_finish(None, &mut records);
    }
    Some(explained)
}

/// Whether what is `left` can follow when the key holds `held`.
fn can_finish(held: Option<u64>, left: &mut Vec<Record>) -> bool {
    if left.iter().all(|r| r.outcome == Outcome::Unknown) {
        return true;
    }
    (0..left.len()).any(|at| {
        let next = left[at];
        let is_before = |r: &Record| r.outcome != Outcome::Unknown && r.completed < Some(next.invoked);
        if left.iter().any(is_before) {
            return false;
        }
        let (after, outcome) = apply(held, next.operation);
        if next.outcome != Outcome::Unknown && next.outcome != outcome {
            return false;
        }
        left.remove(at);
        let can = can_finish(after, left);
        left.insert(at, next);
        can
    })
}

/// What the key then holds, and what the client is told.
fn apply(held: Option<u64>, operation: Operation) -> (Option<u64>, Outcome) {
    match operation {
        Operation::Write { value } => (Some(value), Outcome::Written),
        Operation::Delete => (None, Outcome::Written),
        Operation::Read => (held, Outcome::Value(held)),
        Operation::CompareAndSet { expected, new } if expected == held => (Some(new), Outcome::Swapped),
        Operation::CompareAndSet { .. } => (held, Outcome::CasFailed { actual: held }),
    }
}

// ---- executions of an atomic register ------------------------------------------------------------------

/// One operation of an execution. Times are small, so that many coincide.
#[derive(Clone, Copy, Debug)]
struct Draw {
    key: u64,
    what: u8,
    invoked: u64,
    /// From the invocation to the instant at which it takes effect.
    before: u64,
    /// From there to the completion.
    after: u64,
    fate: u8,
    /// For a compare-and-set: expect what is there, or else what this one writes.
    expect: Option<usize>,
}

fn draws(count: impl Into<SizeRange>, keys: u64, time: u64) -> impl Strategy<Value = Vec<Draw>> {
    let one = (0..keys, 0u8..10, 0..time, 0u64..6, 0u64..6, 0u8..20, option::weighted(0.4, 0usize..8));
    let draw = one.prop_map(|(key, what, invoked, before, after, fate, expect)| Draw {
        key,
        what,
        invoked,
        before,
        after,
        fate,
        expect,
    });
    vec(draw, count)
}

/// What the clients see of a register that is atomic by construction.
fn execute(draws: &[Draw]) -> History {
    let mut by_effect: Vec<usize> = (0..draws.len()).collect();
    let late = |d: &Draw| if d.fate == 0 { 40 } else { 0 };
    by_effect.sort_by_key(|at| draws[*at].invoked + draws[*at].before + late(&draws[*at]));
    let mut held = [None; 8];
    let mut records = Vec::new();
    for at in by_effect {
        let Draw { key, what, invoked, before, after, fate, expect } = draws[at];
        let held = &mut held[key as usize];
        let value = at as u64 + 1;
        let operation = match what {
            0..3 => Operation::Write { value },
            3..6 => {
                let expected = expect.map_or(*held, |other| (other != at).then_some(other as u64 + 1));
                Operation::CompareAndSet { expected, new: value }
            }
            6 => Operation::Delete,
            _ => Operation::Read,
        };
        // Of 20: one takes effect late, one soon, one never, all without an answer; and one fails.
        let took_effect = !matches!(fate, 2 | 3);
        let (then, outcome) = if took_effect { apply(*held, operation) } else { (*held, Outcome::Failed) };
        *held = then;
        let outcome = if fate < 3 { Outcome::Unknown } else { outcome };
        let completed = (fate != 0).then_some(invoked + before + after);
        records.push((at, Record { client: at as u32 % 7, key, operation, invoked, completed, outcome }));
    }
    records.sort_by_key(|(at, _)| *at);
    records.into_iter().map(|(_, record)| record).collect()
}

/// The history, with the answer of one observer replaced by `answer`.
fn falsify(history: &History, which: usize, answer: Option<u64>) -> History {
    let mut records = history.records().to_vec();
    let observers = records.iter_mut().filter_map(|r| match &mut r.outcome {
        Outcome::Value(found) | Outcome::CasFailed { actual: found } => Some(found),
        _ => None,
    });
    let mut observers: Vec<_> = observers.collect();
    let count = observers.len().max(1);
    if let Some(found) = observers.get_mut(which % count) {
        **found = answer;
    }
    records.into_iter().collect()
}

// ---- histories of any kind -----------------------------------------------------------------------------

/// Records with outcomes out of the blue. Value `n + 1` is written by record `n`, if it writes.
fn anything() -> impl Strategy<Value = History> {
    let value = || option::weighted(0.75, 1u64..8);
    let one = (0u8..10, 0u64..14, 0u64..7, value(), value(), 0u8..12);
    vec(one, 0..=7).prop_map(|draws| {
        let record = |(at, (what, invoked, takes, expected, found, fate)): (usize, (_, _, _, _, _, u8))| {
            let value = at as u64 + 1;
            let (operation, outcome) = match what {
                0..2 => (Operation::Write { value }, Outcome::Written),
                2 => (Operation::Delete, Outcome::Written),
                3..5 => (Operation::CompareAndSet { expected, new: value }, Outcome::Swapped),
                5 => {
                    (Operation::CompareAndSet { expected, new: value }, Outcome::CasFailed { actual: found })
                }
                _ => (Operation::Read, Outcome::Value(found)),
            };
            let outcome = match fate {
                0..3 => Outcome::Unknown,
                3 => Outcome::Failed,
                _ => outcome,
            };
            Record { client: 1, key: 1, operation, invoked, completed: Some(invoked + takes), outcome }
        };
        draws.into_iter().enumerate().map(record).collect()
    })
}

/// The checker and the judge agree, also with hardly any memory.
fn assert_judged(history: &History) -> Result<(), TestCaseError> {
    let expected = any_order_explains(history).expect("it is small");
    let result = check(history, BUDGET);
    prop_assert_eq!(result.is_ok(), expected, "{}\n{:?}", text::format(history), result);
    let forgetful = check_within(history, &Limits { steps: BUDGET, cache_bytes: 0 });
    prop_assert_eq!(forgetful.is_ok(), expected, "without memory\n{}", text::format(history));
    if let Err(violation) = result {
        prop_assert_eq!(violation.verdict, Verdict::NotLinearizable);
        assert_explains(&violation, history);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn atomic_executions_pass(draws in draws(0..400, 5, 300)) {
        let history = execute(&draws);
        let report = check(&history, BUDGET).map_err(|v| TestCaseError::fail(v.to_string()))?;
        prop_assert_eq!(report.operations, history.len());
        prop_assert_eq!(check(&history, BUDGET), Ok(report), "the same again");
    }

    #[test]
    fn a_written_history_reads_the_same(draws in draws(0..40, 3, 50)) {
        let history = execute(&draws);
        prop_assert_eq!(text::parse(&text::format(&history)), Ok(history));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn small_histories_of_any_kind_are_judged_right(history in anything()) {
        assert_judged(&history)?;
    }

    #[test]
    fn small_executions_are_judged_right(draws in draws(0..=8, 1, 14)) {
        let history = execute(&draws);
        prop_assert_eq!(any_order_explains(&history), Some(true));
        assert_judged(&history)?;
    }

    #[test]
    fn one_false_answer_is_judged_right(
        draws in draws(2..=8, 1, 14),
        which in 0usize..8,
        answer in option::weighted(0.8, 1u64..9),
    ) {
        assert_judged(&falsify(&execute(&draws), which, answer))?;
    }
}
