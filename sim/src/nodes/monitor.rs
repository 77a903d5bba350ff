//! Watches the log as it is applied, and compares every replica with a state machine that applied the same
//! entries and to which nothing ever happened.

use std::collections::BTreeMap;

use raft::{Entry, LogIndex, LogPosition, Payload, RangeId};
use store::canary;
use store::effects::decode;
use store::engine::Engine;
use store::memory::{MemoryEngine, MemoryView};
use store::range::{RangeState, apply, state_hash};
use store::replica::Settings;
use store::store::FIRST_RANGE;

use super::model::Model;
use super::rules::Rules;
use crate::world::Violation;

/// Everything that was applied anywhere.
#[derive(Debug)]
pub struct Monitor {
    /// The rules of the log.
    pub rules: Rules,
    /// The versions.
    pub model: Model,
    entries: Vec<Entry>,
    state: RangeState,
    engine: MemoryEngine,
    /// After each entry.
    views: Vec<MemoryView>,
    hashes: BTreeMap<LogIndex, [u8; 32]>,
}

const RANGE: RangeId = FIRST_RANGE;

fn broken(rule: &str, detail: impl ToString) -> Violation {
    Violation::new(rule, detail.to_string())
}

impl Monitor {
    /// Before the first entry.
    ///
    /// # Errors
    /// An empty state cannot be loaded.
    pub fn new(settings: &Settings) -> Result<Self, Violation> {
        let engine = MemoryEngine::default();
        let state = RangeState::load(&engine.view(), RANGE, settings.supported);
        Ok(Self {
            rules: Rules::new(settings.session_expiry, settings.retention),
            model: Model::default(),
            entries: Vec::new(),
            state: state.map_err(|error| broken("an empty state is sound", error))?,
            views: vec![engine.view()],
            engine,
            hashes: BTreeMap::new(),
        })
    }

    /// The last entry that was applied anywhere.
    pub fn last(&self) -> LogIndex {
        LogIndex(self.entries.len() as u64)
    }

    /// Every entry that was applied anywhere, from the first on.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// A host has applied an entry.
    ///
    /// # Errors
    /// It is not the one that others applied, or breaks a rule.
    pub fn applied(&mut self, now: u64, host: usize, entry: &Entry) -> Result<(), Violation> {
        let at = entry.index.0 as usize;
        if let Some(known) = at.checked_sub(1).and_then(|at| self.entries.get(at)) {
            if known != entry {
                let detail = format!("h{host} applied {entry:?}, others {known:?}");
                return Err(broken("all apply the same entries", detail));
            }
            return Ok(());
        }
        if at != self.entries.len() + 1 {
            let detail = format!("h{host} has applied {at}, nobody {}", self.entries.len() + 1);
            return Err(broken("entries are applied in order", detail));
        }
        if let Payload::Command(bytes) = &entry.payload {
            let effects = canary::without(|| decode(bytes));
            let effects = effects.map_err(|error| broken("what is applied can be read", error))?;
            self.rules.command(now, &effects)?;
            self.model.add(effects);
        }
        let applied = canary::without(|| apply(&mut self.state, std::slice::from_ref(entry)));
        let applied = applied.map_err(|error| broken("what is applied can be applied", error))?;
        self.engine.write(applied.batch).map_err(|error| broken("the model works", error))?;
        self.entries.push(entry.clone());
        self.views.push(self.engine.view());
        Ok(())
    }

    /// What a host shows is at `position`, and has this hash.
    ///
    /// # Errors
    /// It is not what the log leads to.
    pub fn compare(&mut self, host: usize, position: LogPosition, found: &[u8; 32]) -> Result<(), Violation> {
        let index = position.index;
        let (at, rule) = (index.0 as usize, "equal state at an equal index");
        let term = at.checked_sub(1).map(|at| self.entries.get(at).map(|entry| entry.term));
        let Some(view) = self.views.get(at).filter(|_| term.is_none_or(|term| term == Some(position.term)))
        else {
            return Err(broken(rule, format!("h{host} is at {position:?}, where nobody was")));
        };
        let expected = match self.hashes.get(&index) {
            Some(hash) => *hash,
            None => {
                let hash = canary::without(|| state_hash(view, RANGE));
                hash.map_err(|error| broken("the model can be read", error))?
            }
        };
        self.hashes.insert(index, expected);
        if expected != *found {
            return Err(broken(rule, format!("h{host} has another state than the log leads to at {index}")));
        }
        Ok(())
    }
}
