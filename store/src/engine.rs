//! Where state machine data live: one ordered key space for all ranges of a node, without a log of its own.
//!
//! The Raft log is the engine's write-ahead log: a batch is visible at once, and durable with the next flush,
//! together with everything before it. A crash leaves exactly the batches up to some point, at least up to
//! the last flush that was reported; never a part of one.

use std::fmt::Debug;

use bytes::Bytes;
use thiserror::Error;

/// What to change, atomically and in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// The changes; later ones win.
    pub changes: Vec<Change>,
}

/// One change of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Set a key.
    Put {
        /// The engine key.
        key: Vec<u8>,
        /// Its value.
        value: Bytes,
    },
    /// Remove a key; no matter if it is there.
    Delete {
        /// The engine key.
        key: Vec<u8>,
    },
}

impl Batch {
    /// Adds a put.
    pub fn put(&mut self, key: Vec<u8>, value: impl Into<Bytes>) {
        self.changes.push(Change::Put { key, value: value.into() });
    }

    /// Adds a removal.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.changes.push(Change::Delete { key });
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Keys from `start` on, before `end`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// The first.
    pub start: Vec<u8>,
    /// Behind the last.
    pub end: Vec<u8>,
}

impl Span {
    /// Whether a key lies in it.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.start.as_slice() <= key && key < self.end.as_slice()
    }

    /// Whether no key lies in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    /// Whether spans follow each other in the order of keys, without overlap.
    #[must_use]
    pub fn are_ordered(spans: &[Span]) -> bool {
        spans.is_sorted_by(|one, next| one.end <= next.start)
    }
}

/// An entry on its way into an engine, or why there are no more.
pub type IngestEntry = Result<(Bytes, Bytes), EngineError>;

/// Why an engine cannot go on. All of these stop the process: nothing is retried. What was being made durable
/// when it failed may be there or not after the next start.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum EngineError {
    /// The device or the file system refused.
    #[error("the data engine cannot {action}: {detail}; this process stops, look at the disk")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        detail: String,
    },
    /// No space is left.
    #[error("the disk is full while the data engine was to {action}: free space or grow the volume")]
    NoSpace {
        /// What was tried.
        action: &'static str,
    },
    /// A checksum or an encoding is wrong.
    #[error("the data are damaged: {detail}; replace this node, its peers have good copies")]
    Corruption {
        /// Where, and what.
        detail: String,
    },
    /// The call breaks a rule of the engine: a bug. Nothing was changed.
    #[error("the data engine refuses a call: {detail}; this is a bug, please report it")]
    Refused {
        /// Which rule.
        detail: String,
    },
}

/// State machine data: a handle, whose clones are the same engine. One thread writes; what takes long (a flush,
/// a removal, an ingestion, the reading of a view) may be done by another one meanwhile.
pub trait Engine: Clone {
    /// A consistent view, as of the moment of its making.
    type View: View;

    /// Applies a batch: visible to every later view, durable with the next flush that begins after it.
    ///
    /// # Errors
    /// The process must stop.
    fn write(&self, batch: Batch) -> Result<(), EngineError>;

    /// The present state; nothing that happens later shows in it.
    fn view(&self) -> Self::View;

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// The process must stop.
    fn flush(&self) -> Result<(), EngineError>;

    /// The value of a key as far as it is durable, whatever was written since: what is read was made durable
    /// together with everything before it, by [`Engine::flush`] or by the engine on its own.
    ///
    /// # Errors
    /// The process must stop.
    fn read_persisted(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// Removes everything in the spans, all at once, durably before it returns, and with it everything that
    /// was written before.
    ///
    /// # Errors
    /// The process must stop.
    fn remove(&self, spans: &[Span]) -> Result<(), EngineError>;

    /// Takes in entries in the order of their keys, all or none, durably before it returns, and with them
    /// everything that was written before. The spans follow each other in order, hold nothing yet, and are to
    /// hold every entry; else, and after an error among the entries, nothing is taken in.
    ///
    /// # Errors
    /// The process must stop.
    fn ingest(
        &self,
        spans: &[Span],
        entries: &mut dyn Iterator<Item = IngestEntry>,
    ) -> Result<(), EngineError>;
}

/// A consistent view of an engine; cheap to clone, and kept for as long as needed.
pub trait View: Clone + 'static {
    /// A position in the order of keys.
    type Cursor<'a>: Cursor
    where
        Self: 'a;

    /// The value of a key.
    ///
    /// # Errors
    /// The process must stop.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// A cursor that moves within `span` only, as if there were nothing else. It stands nowhere until it is sent
    /// somewhere.
    fn cursor(&self, span: &Span) -> Self::Cursor<'_>;
}

/// A position in the order of keys.
pub trait Cursor {
    /// Goes to the first entry at or after `key`.
    ///
    /// # Errors
    /// The process must stop.
    fn seek(&mut self, key: &[u8]) -> Result<(), EngineError>;

    /// Goes to the last entry before `key`.
    ///
    /// # Errors
    /// The process must stop.
    fn seek_before(&mut self, key: &[u8]) -> Result<(), EngineError>;

    /// Goes one entry on; behind the last one it stands nowhere. If it stands nowhere, it stays so.
    ///
    /// # Errors
    /// The process must stop.
    fn next(&mut self) -> Result<(), EngineError>;

    /// Goes one entry back; before the first one it stands nowhere. If it stands nowhere, it stays so.
    ///
    /// # Errors
    /// The process must stop.
    fn prev(&mut self) -> Result<(), EngineError>;

    /// The entry where it stands, if it stands on one.
    fn entry(&self) -> Option<(&[u8], &[u8])>;
}
