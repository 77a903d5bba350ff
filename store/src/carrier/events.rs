//! What the store tells the carrier.

use raft::{LogIndex, NodeId, SnapshotMeta};

use super::Carrier;
use super::range::{Carried, Surroundings};
use crate::directory::Directory;
use crate::engine::{Engine, EngineError, View};
use crate::replica::{SnapshotEvent, StoreFault};
use crate::snapshot::Stage;
use crate::store::StoreCall;

impl<E: Engine, D: Directory> Carrier<E, D> {
    /// Takes an event of the store, each once and in order.
    ///
    /// # Errors
    /// The process must stop.
    pub fn event(&mut self, event: SnapshotEvent) -> Result<(), StoreFault> {
        self.add(event.range())?;
        match event {
            SnapshotEvent::Wanted { range, to, base } => {
                self.with(range, |carried, around| carried.wanted(to, base, around))
            }
            SnapshotEvent::Unwanted { range, to } => self.with(range, |carried, _| {
                carried.followers.remove(&to);
                Ok(carried.snapshots.withdraw(to)?)
            }),
            SnapshotEvent::Covers { range, index, meta } => {
                self.with(range, |carried, around| carried.covers(index, meta, around))
            }
            SnapshotEvent::Fetch { range, fetch } => self.with(range, |carried, _| {
                carried.without_fetch = None;
                carried.snapshots.fetch(fetch);
                Ok(())
            }),
            SnapshotEvent::Install { range, meta } => {
                self.with(range, |carried, around| carried.install(&meta, around))
            }
            SnapshotEvent::IntentDurable { range } => self.with(range, |carried, _| {
                if let Some((install, _)) = carried.snapshots.install() {
                    install.intent_persisted();
                }
                Ok(())
            }),
            SnapshotEvent::Installed { range } => {
                self.with(range, |carried, around| carried.installed(around))
            }
            SnapshotEvent::Unneeded { range } => self.with(range, |carried, _| carried.unneeded()),
            SnapshotEvent::LogCut { range, base, last } => self.with(range, |carried, around| {
                carried.log_cut(base, last)?;
                carried.offer_or_make(around)
            }),
        }
    }
}

impl<V: View, D: Directory> Carried<V, D> {
    fn wanted<E: Engine<View = V>>(
        &mut self,
        to: NodeId,
        base: LogIndex,
        around: &mut Surroundings<'_, E>,
    ) -> Result<(), StoreFault> {
        self.base = base;
        self.followers.insert(to, true);
        self.offer_or_make(around)
    }

    /// What the view covers is known: the export begins.
    fn covers<E: Engine<View = V>>(
        &mut self,
        index: LogIndex,
        meta: Option<SnapshotMeta>,
        around: &mut Surroundings<'_, E>,
    ) -> Result<(), StoreFault> {
        let Some((_, view)) = self.view.take_if(|(of, _)| *of == index) else { return Ok(()) };
        match meta {
            Some(meta) => self.snapshots.export(view, meta, around.settings.supported)?,
            // The store asks again if it still needs one.
            None => self.followers.values_mut().for_each(|waits| *waits = false),
        }
        Ok(())
    }

    fn install<E: Engine>(
        &mut self,
        meta: &SnapshotMeta,
        around: &mut Surroundings<'_, E>,
    ) -> Result<(), StoreFault> {
        // What is being exported is replaced.
        self.view = None;
        self.snapshots.abandon_export();
        let found = self.snapshots.install().map(|(install, _)| install);
        let Some(install) = found.filter(|install| install.manifest().meta == *meta) else {
            let detail = format!("{:?} is to be installed, and is not here", meta.last);
            return Err(EngineError::Refused { detail }.into());
        };
        around.output.calls.push(StoreCall::Intend { range: self.range, intent: install.intent() });
        Ok(())
    }

    fn unneeded(&mut self) -> Result<(), StoreFault> {
        if self.snapshots.installing() == Some(Stage::Received) {
            self.snapshots.end_install()?;
        }
        Ok(())
    }

    fn installed<E: Engine>(&mut self, around: &mut Surroundings<'_, E>) -> Result<(), StoreFault> {
        if let Some((install, _)) = self.snapshots.install() {
            install.log_reset_persisted();
            around.counters.installed += 1;
        }
        Ok(self.snapshots.end_install()?)
    }

    /// A replica that cuts entries which came after the last fetch has caught up: what is left of transfers that ended
    /// is of no use. One that waits for the rest of a snapshot may only cut what it had before.
    fn log_cut(&mut self, base: LogIndex, last: LogIndex) -> Result<(), StoreFault> {
        self.base = self.base.max(base);
        if self.snapshots.exporting().is_some_and(|index| index < base) {
            self.snapshots.abandon_export();
        }
        self.snapshots.log_compacted(base)?;
        if !self.snapshots.is_fetching() && base >= *self.without_fetch.get_or_insert(last) {
            self.snapshots.clear_leftovers()?;
        }
        Ok(())
    }
}
