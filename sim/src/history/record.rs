//! What clients did and what they were told.

use thiserror::Error;

/// Operation on one key. Values are unique write ids; `None` stands for an absent key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Set the key.
    Write {
        /// To this.
        value: u64,
    },
    /// Set the key if it holds what is expected.
    CompareAndSet {
        /// What it must hold.
        expected: Option<u64>,
        /// What it then becomes.
        new: u64,
    },
    /// Get the key.
    Read,
    /// Remove the key.
    Delete,
}

impl Operation {
    /// The value it leaves behind if it takes effect.
    #[must_use]
    pub fn written(self) -> Option<u64> {
        match self {
            Operation::Write { value } | Operation::CompareAndSet { new: value, .. } => Some(value),
            Operation::Read | Operation::Delete => None,
        }
    }
}

/// What the client learned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The write or the delete took effect.
    Written,
    /// The compare-and-set took effect.
    Swapped,
    /// The compare-and-set found something else.
    CasFailed {
        /// This.
        actual: Option<u64>,
    },
    /// What the read found.
    Value(Option<u64>),
    /// Definitely did not happen.
    Failed,
    /// May or may not have happened, now or at any time later.
    Unknown,
}

/// One operation of a history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// Who asked.
    pub client: u32,
    /// For which key.
    pub key: u64,
    /// What.
    pub operation: Operation,
    /// When: a time or the number of an event.
    pub invoked: u64,
    /// When the client learned the outcome; `None`: never.
    pub completed: Option<u64>,
    /// What the client learned.
    pub outcome: Outcome,
}

impl Record {
    /// What the key held when this took effect, where the outcome tells.
    #[must_use]
    pub fn observed(&self) -> Option<Option<u64>> {
        match (self.operation, self.outcome) {
            (_, Outcome::Value(found) | Outcome::CasFailed { actual: found }) => Some(found),
            (Operation::CompareAndSet { expected, .. }, Outcome::Swapped) => Some(expected),
            _ => None,
        }
    }

    /// The value it left behind, or may have.
    #[must_use]
    pub fn written(&self) -> Option<u64> {
        match self.outcome {
            Outcome::Written | Outcome::Swapped | Outcome::Unknown => self.operation.written(),
            Outcome::CasFailed { .. } | Outcome::Value(_) | Outcome::Failed => None,
        }
    }

    /// Whether its outcome is one that its operation can have, at a time when it can be known.
    pub(super) fn flaw(&self) -> Option<Flaw> {
        use {Operation as Op, Outcome as Out};
        let fits = matches!(
            (self.operation, self.outcome),
            (_, Out::Failed | Out::Unknown)
                | (Op::Write { .. } | Op::Delete, Out::Written)
                | (Op::CompareAndSet { .. }, Out::Swapped | Out::CasFailed { .. })
                | (Op::Read, Out::Value(_))
        );
        match self.completed {
            _ if !fits => Some(Flaw::WrongOutcome),
            Some(at) if at < self.invoked => Some(Flaw::EndsBeforeItBegins),
            None if self.outcome != Out::Unknown => Some(Flaw::NeverCompleted),
            _ => None,
        }
    }
}

/// Why a history says nothing about the store: whoever recorded it made a mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Flaw {
    /// For example a read that was swapped.
    #[error("the operation cannot have this outcome")]
    WrongOutcome,
    /// Time went back.
    #[error("it completed before it was invoked")]
    EndsBeforeItBegins,
    /// Only an unknown outcome may stay open.
    #[error("it has an outcome but never completed")]
    NeverCompleted,
    /// A value must tell who wrote it.
    #[error("two operations on the key write the same value")]
    ValueReused,
    /// The outcome was already known.
    #[error("it was ended a second time")]
    EndedTwice,
}

/// Names an operation that was begun.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct OpId(usize);

/// Everything that the clients of one run did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    records: Vec<Record>,
    ended_twice: Option<usize>,
}

impl History {
    /// Adds a whole record.
    pub fn push(&mut self, record: Record) -> OpId {
        self.records.push(record);
        OpId(self.records.len() - 1)
    }

    /// Adds an operation whose outcome is unknown until [`History::end`].
    pub fn begin(&mut self, client: u32, key: u64, operation: Operation, invoked: u64) -> OpId {
        self.push(Record { client, key, operation, invoked, completed: None, outcome: Outcome::Unknown })
    }

    /// Notes what the client learned. Whoever gave up with [`Outcome::Unknown`] may learn more later; ending
    /// a known outcome again makes the history malformed.
    pub fn end(&mut self, op: OpId, completed: u64, outcome: Outcome) {
        let record = &mut self.records[op.0];
        if record.outcome == Outcome::Unknown {
            record.completed = Some(completed);
            record.outcome = outcome;
        } else {
            self.ended_twice.get_or_insert(op.0);
        }
    }

    /// The records in the order in which they were begun. Their positions are the record numbers in reports.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// How many operations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing was done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The first mistake of the recorder, with the numbers of the records that show it.
    pub(super) fn flaw(&self) -> Option<(Flaw, Vec<usize>)> {
        if let Some(number) = self.ended_twice {
            return Some((Flaw::EndedTwice, vec![number]));
        }
        if let Some((number, flaw)) = self.records.iter().map(Record::flaw).enumerate().find_map(of_number) {
            return Some((flaw, vec![number]));
        }
        let mut writes: Vec<_> = (self.records.iter().enumerate())
            .filter_map(|(number, r)| Some((r.key, r.written()?, number)))
            .collect();
        writes.sort_unstable();
        let reused = writes.windows(2).find(|w| (w[0].0, w[0].1) == (w[1].0, w[1].1))?;
        Some((Flaw::ValueReused, vec![reused[0].2, reused[1].2]))
    }
}

fn of_number((number, flaw): (usize, Option<Flaw>)) -> Option<(usize, Flaw)> {
    flaw.map(|flaw| (number, flaw))
}

impl FromIterator<Record> for History {
    fn from_iter<I: IntoIterator<Item = Record>>(records: I) -> Self {
        Self { records: records.into_iter().collect(), ended_twice: None }
    }
}
