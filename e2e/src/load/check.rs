//! Is a history linearizable, and is every acknowledged write in it?
//!
//! Answers name their timestamps, so the order in which everything happened need not be searched for: it is claimed by
//! the cluster. The claim is checked: it agrees with real time, each read saw the last write before its timestamp, and
//! each value was written by somebody.

use std::collections::BTreeMap;
use std::time::Duration;

use super::history::{Done, Found, Outcome, Request};

/// What is wrong with a history.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Violation {
    /// A request that began after another one had ended was given an earlier timestamp.
    #[error("{later:?} began after a request with timestamp {before} had been answered")]
    OutOfOrder {
        /// The later request.
        later: Box<Done>,
        /// The highest timestamp that was answered before.
        before: u64,
    },
    /// Two writes of a key have one timestamp.
    #[error("two writes of {key} have the timestamp {timestamp}")]
    SameTimestamp {
        /// The key.
        key: String,
        /// Of both.
        timestamp: u64,
    },
    /// A read did not see an acknowledged write.
    #[error("{read:?} does not see the write that was acknowledged with timestamp {missed}")]
    Missed {
        /// The read.
        read: Box<Done>,
        /// The timestamp of the write.
        missed: u64,
    },
    /// A read saw what nobody wrote, or not what was written with that timestamp.
    #[error("{read:?} sees what was not written")]
    Invented {
        /// The read.
        read: Box<Done>,
    },
}

/// Checks a history; the number of answers that were checked.
///
/// # Errors
/// The first violation that is found.
pub fn check(history: &[Done]) -> Result<usize, Violation> {
    real_time(history)?;
    let mut keys: BTreeMap<&str, Vec<&Done>> = BTreeMap::new();
    for done in history {
        keys.entry(&done.key).or_default().push(done);
    }
    for (key, of_key) in keys {
        one_key(key, &of_key)?;
    }
    Ok(history.iter().filter(|done| done.timestamp().is_some()).count())
}

/// Timestamps agree with real time: nothing is ordered before what had been answered when it began.
fn real_time(history: &[Done]) -> Result<(), Violation> {
    let answered = || history.iter().filter_map(|done| Some((done, done.timestamp()?)));
    let mut ends: Vec<(Duration, u64)> =
        answered().map(|(done, timestamp)| (done.returned, timestamp)).collect();
    ends.sort_unstable();
    let mut begins: Vec<(&Done, u64)> = answered().collect();
    begins.sort_by_key(|(done, _)| done.invoked);
    let (mut ended, mut before) = (ends.into_iter().peekable(), 0);
    for (done, timestamp) in begins {
        while let Some((_, answered)) = ended.next_if(|(end, _)| *end < done.invoked) {
            before = before.max(answered);
        }
        if timestamp < before || (done.is_write() && timestamp == before) {
            return Err(Violation::OutOfOrder { later: Box::new(done.clone()), before });
        }
    }
    Ok(())
}

fn one_key(key: &str, of_key: &[&Done]) -> Result<(), Violation> {
    let mut written: BTreeMap<u64, &str> = BTreeMap::new();
    let mut unknown: Vec<&str> = Vec::new();
    for done in of_key {
        let Request::Put(value) = &done.request else { continue };
        match done.outcome {
            Outcome::Answered { timestamp, .. } => {
                if written.insert(timestamp, value).is_some() {
                    return Err(Violation::SameTimestamp { key: key.to_owned(), timestamp });
                }
            }
            Outcome::Unknown => unknown.push(value),
            Outcome::Failed => {}
        }
    }
    // A write of unknown outcome that was seen once has happened, at the timestamp that was seen.
    for done in of_key {
        let Outcome::Answered { timestamp, found: Some(Found { version, value }) } = &done.outcome else {
            continue;
        };
        let invented = || Violation::Invented { read: Box::new((*done).clone()) };
        let known = match written.get(version) {
            Some(known) => *known,
            None => {
                let seen = unknown.iter().position(|candidate| candidate == value).ok_or_else(invented)?;
                let seen = unknown.swap_remove(seen);
                written.insert(*version, seen);
                seen
            }
        };
        if known != value || version > timestamp {
            return Err(invented());
        }
    }
    for done in of_key.iter().filter(|done| !done.is_write()) {
        let Outcome::Answered { timestamp, found } = &done.outcome else { continue };
        let seen = found.as_ref().map_or(0, |found| found.version);
        let last = written.range(..=timestamp).next_back().map_or(0, |(version, _)| *version);
        if seen != last {
            return Err(Violation::Missed { read: Box::new((*done).clone()), missed: last });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(value: &str, millis: (u64, u64), timestamp: Option<u64>) -> Done {
        let outcome =
            timestamp.map_or(Outcome::Unknown, |timestamp| Outcome::Answered { timestamp, found: None });
        done(Request::Put(value.to_owned()), millis, outcome)
    }

    fn get(found: Option<(u64, &str)>, millis: (u64, u64), timestamp: u64) -> Done {
        let found = found.map(|(version, value)| Found { version, value: value.to_owned() });
        done(Request::Get, millis, Outcome::Answered { timestamp, found })
    }

    fn done(request: Request, (invoked, returned): (u64, u64), outcome: Outcome) -> Done {
        let (invoked, returned) = (Duration::from_millis(invoked), Duration::from_millis(returned));
        Done { key: "key".to_owned(), request, invoked, returned, outcome }
    }

    #[test]
    fn a_good_history_passes() {
        let history = [
            get(None, (0, 1), 1),
            put("a", (2, 3), Some(2)),
            get(Some((2, "a")), (4, 5), 2),
            put("lost", (6, 7), None),
            put("b", (6, 9), Some(5)),
            get(Some((4, "done later")), (7, 9), 4),
            put("done later", (3, 8), None),
            get(Some((5, "b")), (10, 11), 6),
        ];
        assert_eq!(check(&history), Ok(6));
    }

    #[test]
    fn a_lost_write_is_found() {
        let history = [put("a", (0, 1), Some(1)), get(None, (2, 3), 2)];
        assert!(matches!(check(&history), Err(Violation::Missed { missed: 1, .. })));
    }

    #[test]
    fn a_stale_read_is_found() {
        let history = [put("a", (0, 1), Some(1)), put("b", (2, 3), Some(2)), get(Some((1, "a")), (4, 5), 3)];
        assert!(matches!(check(&history), Err(Violation::Missed { missed: 2, .. })));
        let history = [put("a", (0, 1), Some(1)), put("b", (2, 3), Some(2)), get(Some((1, "a")), (4, 5), 1)];
        assert!(matches!(check(&history), Err(Violation::OutOfOrder { before: 2, .. })));
    }

    #[test]
    fn a_write_of_unknown_outcome_does_not_come_and_go() {
        let history = [put("a", (0, 1), None), get(Some((1, "a")), (2, 3), 2), get(None, (4, 5), 3)];
        assert!(matches!(check(&history), Err(Violation::Missed { missed: 1, .. })));
        let history =
            [put("a", (0, 1), None), get(Some((1, "a")), (2, 3), 2), get(Some((3, "a")), (4, 5), 4)];
        assert!(matches!(check(&history), Err(Violation::Invented { .. })));
    }

    #[test]
    fn an_invented_value_is_found() {
        let history = [put("a", (0, 1), Some(1)), get(Some((1, "b")), (2, 3), 2)];
        assert!(matches!(check(&history), Err(Violation::Invented { .. })));
    }

    #[test]
    fn two_writes_at_once_are_found() {
        let history = [put("a", (0, 2), Some(1)), put("b", (1, 3), Some(1))];
        assert!(matches!(check(&history), Err(Violation::SameTimestamp { timestamp: 1, .. })));
    }
}
