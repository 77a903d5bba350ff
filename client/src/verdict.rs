//! What the end of an attempt means for its call: the rules that make a write happen once, and a failure definite.

use std::time::Duration;

use proto::v1::batch_result::Result as Answer;

use crate::error::Error;

/// How an attempt ended.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum End {
    /// The node answered; without an error.
    Answered(Answer),
    /// The node answered with an error.
    Refused(Error),
    /// It never left this process.
    NotSent(Error),
    /// It left, and no answer can come any more.
    Lost(Error),
    /// It left, and there was no answer in time.
    TimedOut,
}

/// What is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// May be done any number of times.
    Harmless,
    /// Is done once, by its number.
    Write,
}

/// What to do now.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Step {
    /// The call has its answer.
    Done(Answer),
    /// The call has failed.
    Fail(Error),
    /// The write was surely not done, and its session is gone: it is a new write of a new session.
    NewSession,
    /// Try again.
    Again(Again),
}

/// How to try again.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Again {
    /// What the call fails with if it is not tried again.
    pub error: Error,
    /// Not before.
    pub after: Duration,
    /// The cluster did not keep up: only within the budget.
    pub costly: bool,
}

/// The attempts of one call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Trial {
    kind: Kind,
    /// An attempt may have been executed, or may still be. Only the record of the write ends this.
    unknown: bool,
}

impl Trial {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, unknown: false }
    }

    /// Whether an earlier attempt may have been executed, or may still be.
    pub(crate) fn unknown(&self) -> bool {
        self.unknown
    }

    /// Judges the end of the attempt that was made last; those before have been forgotten.
    pub(crate) fn judge(&mut self, end: End) -> Step {
        match end {
            End::Answered(answer) => Step::Done(answer),
            End::NotSent(error) => self.again(error, false),
            End::Lost(error) => {
                self.unknown = self.kind == Kind::Write;
                self.again(error, false)
            }
            End::TimedOut => {
                self.unknown = self.kind == Kind::Write;
                self.again(Error::DeadlineExceeded, true)
            }
            End::Refused(error) => self.refused(error),
        }
    }

    fn refused(&mut self, error: Error) -> Step {
        match error {
            Error::NotLeader { .. } | Error::NoLeader | Error::TooStale | Error::Unavailable { .. } => {
                self.again(error, false)
            }
            Error::Busy { retry_after } => {
                Step::Again(Again { error: self.failure(error), after: retry_after, costly: true })
            }
            Error::DeadlineExceeded => self.judge(End::TimedOut),
            Error::OutcomeUnknown { .. } => self.judge(End::Lost(error)),
            Error::SessionExpired if self.kind == Kind::Write && !self.unknown => Step::NewSession,
            // What this client does not understand may say anything.
            Error::Unexpected { .. } => {
                self.unknown = self.kind == Kind::Write;
                Step::Fail(self.failure(error))
            }
            error => Step::Fail(self.failure(error)),
        }
    }

    fn again(&self, error: Error, costly: bool) -> Step {
        Step::Again(Again { error: self.failure(error), after: Duration::ZERO, costly })
    }

    /// What the call fails with if this was its last attempt.
    pub(crate) fn failure(&self, error: Error) -> Error {
        if !self.unknown || error.outcome_unknown() {
            return error;
        }
        Error::OutcomeUnknown { message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use proto::v1::PutResponse;

    use super::*;

    fn definite() -> [Error; 3] {
        let too_large = Error::TooLarge { what: "value".into(), size: 2, limit: 1 };
        [Error::Invalid { message: "empty key".into() }, too_large, Error::DiskReserve { nodes: vec![1] }]
    }

    /// Nothing was done, and it may work later.
    fn harmless() -> [End; 5] {
        [
            End::NotSent(Error::Unavailable { address: "a:1".into(), message: "refused".into() }),
            End::Refused(Error::NotLeader { leader: 2, address: "b:1".into() }),
            End::Refused(Error::NoLeader),
            End::Refused(Error::Busy { retry_after: Duration::from_millis(7) }),
            End::Refused(Error::TooStale),
        ]
    }

    /// It may have been done.
    fn doubtful() -> [End; 4] {
        [
            End::TimedOut,
            End::Lost(Error::Unavailable { address: "a:1".into(), message: "broken pipe".into() }),
            End::Refused(Error::DeadlineExceeded),
            End::Refused(Error::OutcomeUnknown { message: "stepped down".into() }),
        ]
    }

    fn again(step: Step) -> Again {
        match step {
            Step::Again(again) => again,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_attempt_that_was_surely_not_executed_leaves_nothing_unknown() {
        for end in harmless() {
            let mut trial = Trial::new(Kind::Write);
            let again = again(trial.judge(end));
            assert!(!trial.unknown());
            assert!(!again.error.outcome_unknown(), "{again:?}");
        }
    }

    #[test]
    fn once_unknown_stays_unknown_until_the_record_answers() {
        for first in doubtful() {
            let mut trial = Trial::new(Kind::Write);
            assert!(again(trial.judge(first)).error.outcome_unknown());
            for next in harmless() {
                assert!(again(trial.judge(next)).error.outcome_unknown());
                assert!(trial.unknown());
            }
            for error in definite() {
                let Step::Fail(error) = trial.judge(End::Refused(error)) else { panic!() };
                assert!(error.outcome_unknown());
            }
            let answer = Answer::Put(PutResponse { timestamp: 5 });
            assert_eq!(trial.judge(End::Answered(answer.clone())), Step::Done(answer));
        }
    }

    #[test]
    fn what_is_wrong_fails_at_once() {
        for error in definite() {
            let mut trial = Trial::new(Kind::Write);
            assert_eq!(trial.judge(End::Refused(error.clone())), Step::Fail(error));
        }
    }

    #[test]
    fn an_expired_session_is_replaced_only_if_nothing_is_unknown() {
        let mut trial = Trial::new(Kind::Write);
        assert_eq!(trial.judge(End::Refused(Error::SessionExpired)), Step::NewSession);
        trial.judge(End::TimedOut);
        assert_eq!(trial.judge(End::Refused(Error::SessionExpired)), Step::Fail(Error::SessionExpired));
        assert!(Error::SessionExpired.outcome_unknown());
    }

    #[test]
    fn a_read_is_never_unknown() {
        for end in doubtful().into_iter().chain(harmless()) {
            let mut trial = Trial::new(Kind::Harmless);
            again(trial.judge(end));
            assert!(!trial.unknown());
        }
    }

    #[test]
    fn what_an_overloaded_cluster_does_costs_from_the_budget() {
        let mut trial = Trial::new(Kind::Write);
        let costly = |end| again(trial.judge(end)).costly;
        assert_eq!(harmless().map(costly), [false, false, false, true, false]);
        let mut trial = Trial::new(Kind::Write);
        assert_eq!(doubtful().map(|end| again(trial.judge(end)).costly), [true, false, true, false]);
    }

    #[test]
    fn what_is_not_understood_is_unknown_for_a_write() {
        let odd = Error::Unexpected { address: "a:1".into(), message: "no result".into() };
        let Step::Fail(error) = Trial::new(Kind::Write).judge(End::Refused(odd.clone())) else { panic!() };
        assert!(error.outcome_unknown());
        assert_eq!(Trial::new(Kind::Harmless).judge(End::Refused(odd.clone())), Step::Fail(odd));
    }
}
