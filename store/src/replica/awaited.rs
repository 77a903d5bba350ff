//! Clients that wait for their proposal to be applied.

use std::collections::BTreeMap;
use std::time::Duration;

use raft::{LogIndex, LogPosition, NodeId, Term, Time};

use super::host::Gathered;
use super::request::{Reply, Token};
use crate::range;
use crate::request::RequestError;

/// What a client waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Awaits {
    Write(Token),
    Session(Token),
    Hold(Token),
    Done(Token),
}

impl Awaits {
    fn token(self) -> Token {
        match self {
            Awaits::Write(token) | Awaits::Session(token) | Awaits::Hold(token) | Awaits::Done(token) => {
                token
            }
        }
    }

    fn answer(self, applied: &range::Reply) -> Result<Reply, RequestError> {
        match self {
            // A write's entry has an outcome; if this one has none, nothing is known of the write.
            Awaits::Write(_) => applied.outcome.clone().map(Reply::Write).ok_or(RequestError::OutcomeUnknown),
            Awaits::Session(_) => Ok(Reply::Session(applied.timestamp)),
            Awaits::Hold(_) => Ok(Reply::Hold { id: applied.timestamp.0 }),
            Awaits::Done(_) => Ok(Reply::Done),
        }
    }
}

/// By the position of the proposal. Those of an earlier leadership stay: the next leader may commit them.
#[derive(Clone, Debug, Default)]
pub(super) struct Awaited {
    by_position: BTreeMap<(LogIndex, Term), Awaits>,
    /// When the leadership ended.
    lost_at: Option<Time>,
}

impl Awaited {
    pub(super) fn len(&self) -> usize {
        self.by_position.len()
    }

    pub(super) fn add(&mut self, position: LogPosition, awaits: Awaits) {
        self.by_position.insert((position.index, position.term), awaits);
    }

    /// Everything up to `index` is applied: `replies`, in order. Another entry in the place of a proposal means
    /// that the proposal never was, and never will be.
    pub(super) fn settle(
        &mut self,
        index: LogIndex,
        replies: &[range::Reply],
        leader: Option<NodeId>,
        out: &mut Gathered,
    ) {
        while let Some(entry) = self.by_position.first_entry().filter(|entry| entry.key().0 <= index) {
            let ((index, term), awaits) = entry.remove_entry();
            let position = LogPosition::new(index, term);
            let found = replies.binary_search_by_key(&index, |reply| reply.position.index);
            let reply = found.ok().and_then(|at| replies.get(at)).filter(|reply| reply.position == position);
            let answer = match reply {
                Some(reply) => awaits.answer(reply),
                None => Err(RequestError::NotLeader { leader }),
            };
            out.replies.push((awaits.token(), answer));
        }
        if self.by_position.is_empty() {
            self.lost_at = None;
        }
    }

    /// The leadership ended.
    pub(super) fn lost(&mut self, now: Time) {
        if !self.by_position.is_empty() {
            // Those of two leaderships are given up together, so that nobody waits for longer.
            self.lost_at.get_or_insert(now);
        }
    }

    /// When those of an ended leadership are given up.
    pub(super) fn deadline(&self, patience: Duration) -> Option<Time> {
        self.lost_at.filter(|_| !self.by_position.is_empty()).map(|at| at + patience)
    }

    /// Gives up those who waited for too long since their leadership ended.
    pub(super) fn expire(&mut self, now: Time, patience: Duration, term: Option<Term>, out: &mut Gathered) {
        if self.deadline(patience).is_some_and(|deadline| deadline <= now) {
            self.lost_at = None;
            for (_, awaits) in self.by_position.extract_if(.., |(_, of), _| Some(*of) != term) {
                out.refuse(awaits.token(), RequestError::OutcomeUnknown);
            }
        }
    }

    /// A snapshot took the place of entries: which ones, nobody will say.
    pub(super) fn overtaken(&mut self, out: &mut Gathered) {
        while let Some((_, awaits)) = self.by_position.pop_first() {
            out.refuse(awaits.token(), RequestError::OutcomeUnknown);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;

    fn position(index: u64, term: u64) -> LogPosition {
        LogPosition::new(LogIndex(index), Term(term))
    }

    fn applied(index: u64, term: u64) -> range::Reply {
        range::Reply { position: position(index, term), timestamp: Timestamp(index), outcome: None }
    }

    #[test]
    fn another_entry_in_its_place_means_never() {
        let (mut awaited, mut out) = (Awaited::default(), Gathered::default());
        for (index, term, token) in [(5, 2, 1), (6, 2, 2), (7, 2, 3), (6, 3, 4)] {
            awaited.add(position(index, term), Awaits::Session(Token(token)));
        }
        awaited.settle(LogIndex(6), &[applied(5, 2), applied(6, 3)], Some(NodeId(9)), &mut out);
        let refused = || Err(RequestError::NotLeader { leader: Some(NodeId(9)) });
        let session = |at| Ok(Reply::Session(Timestamp(at)));
        let expected = [(Token(1), session(5)), (Token(2), refused()), (Token(4), session(6))];
        assert_eq!(out.replies, expected);
        assert_eq!(awaited.len(), 1, "7 is not applied");
    }

    #[test]
    fn an_entry_without_a_command_is_another_one() {
        let (mut awaited, mut out) = (Awaited::default(), Gathered::default());
        awaited.add(position(5, 2), Awaits::Done(Token(1)));
        awaited.settle(LogIndex(5), &[], None, &mut out);
        assert_eq!(out.replies, [(Token(1), Err(RequestError::NotLeader { leader: None }))]);
    }

    #[test]
    fn after_a_lost_leadership_nobody_waits_for_ever() {
        let (mut awaited, mut out) = (Awaited::default(), Gathered::default());
        let patience = Duration::from_secs(1);
        awaited.add(position(5, 2), Awaits::Done(Token(1)));
        assert_eq!(awaited.deadline(patience), None);
        awaited.lost(Time::ZERO);
        awaited.add(position(6, 4), Awaits::Done(Token(2)));
        awaited.expire(Time::from_nanos(1), patience, Some(Term(4)), &mut out);
        assert!(out.replies.is_empty());
        awaited.expire(Time::ZERO + patience, patience, Some(Term(4)), &mut out);
        assert_eq!(out.replies, [(Token(1), Err(RequestError::OutcomeUnknown))]);
        assert_eq!(awaited.len(), 1, "that of the present leadership stays");
    }

    #[test]
    fn a_snapshot_leaves_the_outcome_open() {
        let (mut awaited, mut out) = (Awaited::default(), Gathered::default());
        awaited.add(position(5, 2), Awaits::Done(Token(1)));
        awaited.overtaken(&mut out);
        assert_eq!(out.replies, [(Token(1), Err(RequestError::OutcomeUnknown))]);
    }
}
