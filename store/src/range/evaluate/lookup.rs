//! Looks at keys as the log will have left them, and notes which effects in flight it has seen.

use std::cell::OnceCell;

use super::{LogIndex, Overlay, RangeState, StateError, Timestamp};
use crate::engine::Engine;
use crate::range::read;
use crate::request::{Depends, Versioned};

/// Applied state with the overlay on top.
pub(super) struct Lookup<'a, E: Engine> {
    overlay: &'a Overlay,
    engine: &'a E,
    /// Made when it is needed: a write that looks at nothing applied needs none.
    view: OnceCell<E::View>,
    seen: LogIndex,
    seen_at: Timestamp,
}

impl<'a, E: Engine> Lookup<'a, E> {
    pub(super) fn new(state: &RangeState, overlay: &'a Overlay, engine: &'a E) -> Self {
        let applied = state.applied();
        let (seen, seen_at) = (applied.position.index, applied.timestamp);
        Self { overlay, engine, view: OnceCell::new(), seen, seen_at }
    }

    pub(super) fn view(&self) -> &E::View {
        self.view.get_or_init(|| self.engine.view())
    }

    /// Effects in flight at `index`, of this timestamp, were looked at.
    pub(super) fn saw(&mut self, index: LogIndex, timestamp: Timestamp) {
        self.seen = self.seen.max(index);
        self.seen_at = self.seen_at.max(timestamp);
    }

    /// What must be applied before anything that was seen is told.
    pub(super) fn depends(&self) -> Depends {
        Depends { on: self.seen }
    }

    /// The moment of what was seen. Not that of the last effects in flight: those may be lost, and the next
    /// leader may have other ones at a lower timestamp.
    pub(super) fn timestamp(&self) -> Timestamp {
        self.seen_at
    }

    /// The value of a key.
    pub(super) fn get(&mut self, key: &[u8]) -> Result<Option<Versioned>, StateError> {
        let Some(pending) = self.overlay.key(key) else { return read::newest(self.view(), key) };
        self.saw(pending.index, pending.version);
        let version = pending.version;
        Ok(pending.value.clone().map(|value| Versioned { value, version }))
    }

    /// Whether a key has a value. Only for what is proposed: it need not be noted.
    pub(super) fn exists(&self, key: &[u8]) -> Result<bool, StateError> {
        match self.overlay.key(key) {
            Some(pending) => Ok(pending.value.is_some()),
            None => read::exists(self.view(), key),
        }
    }
}
