//! Replays what clients saw on the model, in the order of timestamps.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use store::effects::Body;
use store::replica::{Consistency, Query, Read, Reply, Request};
use store::request::{Limits, Operation, Page, RequestError, Scan, Write, WriteOutcome};
use store::timestamp::Timestamp;

use super::history::{Done, Outcome, Seen, timestamp};
use super::model::{Changes, Model, changes_of};
use crate::world::Violation;

/// What a history is held against.
pub struct Check<'a> {
    /// The requests, those without an answer included.
    pub history: &'a [Done],
    /// What the log has done.
    pub model: &'a Model,
    /// The limits of pages.
    pub limits: &'a Limits,
    /// The oldest timestamp that can be read in the end.
    pub threshold: Timestamp,
}

fn ensure(holds: bool, rule: &str, detail: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation::new(rule, detail())) }
}

impl Check<'_> {
    /// Checks everything; says how many answers were checked.
    ///
    /// # Errors
    /// The first rule that did not hold.
    pub fn run(&self) -> Result<u64, Violation> {
        let seen = Seen::new(self.history);
        let mut written = BTreeSet::new();
        let mut checked = 0;
        for done in self.history {
            match &done.outcome {
                Outcome::Answered(reply) => {
                    self.answer(done, reply, &seen, &mut written)?;
                    checked += 1;
                }
                Outcome::Refused(RequestError::TooOld { timestamp, oldest }) => {
                    ensure(timestamp < oldest && *oldest <= self.threshold, "too old for a reason", || {
                        format!("{done:?}, the threshold is {:?}", self.threshold)
                    })?;
                }
                Outcome::Refused(_) | Outcome::Unknown => {}
            }
        }
        self.log()?;
        Ok(checked)
    }

    fn answer(
        &self,
        done: &Done,
        reply: &Reply,
        seen: &Seen,
        written: &mut BTreeSet<Timestamp>,
    ) -> Result<(), Violation> {
        let before = seen.before(done.invoked);
        match (&done.request, reply) {
            (Request::Write(write), Reply::Write(outcome)) => self.outcome(write, outcome, before, written),
            (Request::Read(read), reply) => self.read(done, read, reply, before, seen),
            (Request::OpenSession | Request::Hold { .. }, Reply::Session(_) | Reply::Hold { .. }) => {
                let at = timestamp(reply).unwrap_or_default();
                ensure(at > before && written.insert(at), "real-time order", || format!("{done:?}"))?;
                ensure(self.model.commands.contains_key(&at), "acknowledged is in the log", || {
                    format!("{done:?}")
                })
            }
            (Request::ReleaseHold { .. }, Reply::Done) => Ok(()),
            _ => Err(Violation::new("an answer fits its request", format!("{done:?}"))),
        }
    }

    fn read(
        &self,
        done: &Done,
        read: &Read,
        reply: &Reply,
        before: Timestamp,
        seen: &Seen,
    ) -> Result<(), Violation> {
        let at = timestamp(reply).unwrap_or_default();
        let in_time = match read.consistency {
            Consistency::Linearizable => at >= before,
            Consistency::Snapshot(wanted) => at == wanted,
            Consistency::Stale(bound) => at >= seen.until(done.invoked_at, bound),
        };
        ensure(in_time, "a read shows what was there before it", || format!("{done:?} after {before:?}"))?;
        match (&read.query, reply) {
            (Query::Get { key }, Reply::Value { found, .. }) => {
                let found = found.as_ref().map(|found| (found.version, &found.value));
                let expected = self.model.get(key, at);
                ensure(found == expected, "a read shows the state at its timestamp", || {
                    format!("{expected:?} was there: {done:?}")
                })
            }
            (Query::Scan(scan), Reply::Page { page, .. }) => self.page(scan, page, at),
            _ => Err(Violation::new("an answer fits its request", format!("{done:?}"))),
        }
    }

    fn page(&self, scan: &Scan, page: &Page, at: Timestamp) -> Result<(), Violation> {
        let rule = "a scan shows the state at its timestamp";
        let mut expected = self.model.live(&scan.start, &scan.end, at);
        if scan.reverse {
            expected.reverse();
        }
        let detail = || format!("{scan:?} at {at:?}: {page:?}, there was {expected:?}");
        let most = if scan.limit == 0 { usize::MAX } else { scan.limit }.min(self.limits.page_keys);
        let fits = page.rows.len() <= expected.len().min(most)
            && page.rows.iter().zip(&expected).all(|(row, key)| row.key == key);
        ensure(fits, rule, detail)?;
        let mut bytes = 0;
        for row in &page.rows {
            let value = if scan.keys_only { None } else { Some(&row.value) };
            let found = self
                .model
                .get(&row.key, at)
                .map(|(version, found)| (version, if scan.keys_only { None } else { Some(found) }));
            ensure(found == Some((row.version, value)), rule, detail)?;
            bytes += row.key.len() + row.value.len();
        }
        let rest = &expected[page.rows.len()..];
        match (&page.resume, page.rows.last()) {
            (None, _) => ensure(rest.is_empty(), rule, detail),
            (Some(resume), Some(last)) => {
                let behind =
                    if scan.reverse { last.key.clone() } else { [&last.key[..], &[0]].concat().into() };
                let next = rest.first().and_then(|key| Some((key, self.model.get(key, at)?.1)));
                let next =
                    next.map_or(0, |(key, value)| key.len() + if scan.keys_only { 0 } else { value.len() });
                let full = page.rows.len() == most || bytes + next > self.limits.page_bytes;
                ensure(*resume == behind && (full || rest.is_empty()), "a page is full", detail)
            }
            (Some(_), None) => ensure(false, "a page has a row", detail),
        }
    }

    fn outcome(
        &self,
        write: &Write,
        outcome: &WriteOutcome,
        before: Timestamp,
        written: &mut BTreeSet<Timestamp>,
    ) -> Result<(), Violation> {
        match outcome {
            WriteOutcome::Written { timestamp, deleted } => {
                ensure(*timestamp > before, "real-time order", || {
                    format!("{write:?} at {timestamp:?} follows {before:?}")
                })?;
                ensure(written.insert(*timestamp), "a moment has one command", || format!("{write:?}"))?;
                let Some(effects) = self.model.commands.get(timestamp) else {
                    let detail = format!("{write:?} at {timestamp:?}");
                    return Err(Violation::new("acknowledged is in the log", detail));
                };
                let changes = changes_of(effects);
                self.executed(write, *timestamp, &changes)?;
                let removed = changes.values().filter(|value| value.is_none()).count() as u64;
                ensure(removed == *deleted, "removed keys are counted", || format!("{write:?}: {outcome:?}"))
            }
            WriteOutcome::ConditionFailed { timestamp, index, version, value } => {
                // What it looked at is the same up to a moment between request and answer.
                for at in [*timestamp, before.max(*timestamp)] {
                    let detail = || format!("{write:?}: {outcome:?}, looked at {at:?}");
                    let failed = self.model.first_failed(&write.conditions, at);
                    let rule = "a failed condition was false";
                    ensure(failed == Some(*index as usize), rule, detail)?;
                    let found = self.model.get(&write.conditions[*index as usize].key, at);
                    ensure(found == value.as_ref().map(|value| (*version, value)), rule, detail)?;
                }
                Ok(())
            }
        }
    }

    /// A write took effect.
    fn executed(&self, write: &Write, at: Timestamp, found: &Changes) -> Result<(), Violation> {
        let just_before = Timestamp(at.0 - 1);
        let failed = self.model.first_failed(&write.conditions, just_before);
        ensure(failed.is_none(), "what was written met its conditions", || {
            format!("condition {failed:?} of {write:?} at {at:?}")
        })?;
        let expected = self.model.changes(&write.operations, at);
        ensure(*found == expected, "a write does all that it says", || {
            format!("{write:?} at {at:?} did {found:?}")
        })
    }

    /// Every command of the log is of a request, which was executed once and not refused.
    fn log(&self) -> Result<(), Violation> {
        let (mut by_value, mut by_number) = (BTreeMap::new(), BTreeMap::new());
        for (at, done) in self.history.iter().enumerate() {
            let Request::Write(write) = &done.request else { continue };
            for operation in &write.operations {
                if let Operation::Put { value, .. } = operation {
                    by_value.insert(value.clone(), at);
                }
            }
            if let Some(attempt) = write.attempt {
                by_number.insert((attempt.session, attempt.number), at);
            }
        }
        let mut executed = BTreeSet::new();
        for (timestamp, effects) in &self.model.commands {
            let changes = changes_of(effects);
            let value: Option<&Bytes> = changes.values().flatten().next();
            let of_record =
                effects.record().map(|record| by_number.get(&(record.session, record.number)).copied());
            let Some(at) = of_record.or_else(|| value.map(|value| by_value.get(value).copied())) else {
                continue;
            };
            let Some(done) = at.map(|at| &self.history[at]) else {
                return Err(Violation::new("nothing is made up", format!("{effects:?}")));
            };
            let Request::Write(write) = &done.request else { continue };
            ensure(executed.insert(at), "a write is executed once", || format!("{done:?}"))?;
            match &effects.body {
                Body::Written(_) => self.executed(write, *timestamp, &changes)?,
                Body::ConditionFailed(failed) => {
                    let found = self.model.first_failed(&write.conditions, *timestamp);
                    ensure(found == Some(failed.index as usize), "a failed condition was false", || {
                        format!("{effects:?} of {done:?}")
                    })?;
                }
                _ => {}
            }
            let told = match &done.outcome {
                Outcome::Answered(Reply::Write(WriteOutcome::Written { timestamp: told, .. })) => {
                    told == timestamp
                }
                Outcome::Answered(Reply::Write(WriteOutcome::ConditionFailed {
                    timestamp: told, ..
                })) => told == timestamp && matches!(effects.body, Body::ConditionFailed(_)),
                Outcome::Unknown => true,
                Outcome::Answered(_) | Outcome::Refused(_) => false,
            };
            ensure(told, "what is told is what was done", || format!("{effects:?} of {done:?}"))?;
        }
        Ok(())
    }
}
