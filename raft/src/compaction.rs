//! What the caller may drop of the log, and what a snapshot of its state machine covers (§5). When to do either
//! is the caller's to decide.

use crate::entry::SnapshotMeta;
use crate::error::CompactError;
use crate::raft::Raft;
use crate::types::LogIndex;

impl Raft {
    /// Drops the log up to `upto`, which the caller must hold durably in the state machine. While a snapshot
    /// is in transfer to a follower, what follows it is kept, up to a cap. Says up to where it was dropped.
    ///
    /// # Errors
    /// The index is not applied, or was compacted before.
    pub fn compact(&mut self, upto: LogIndex) -> Result<LogIndex, CompactError> {
        self.check_applied(upto)?;
        let upto = upto.min(self.pinned_by_transfers()).min(self.durability.persisted());
        if upto > self.log.base().index && !self.inbound.is_installing() {
            self.log.compact(upto);
            self.durability.log_changed();
        }
        Ok(self.log.base().index)
    }

    /// What a snapshot of the state machine at the applied index `index` covers.
    ///
    /// # Errors
    /// The index is not applied, or was compacted.
    pub fn snapshot_meta(&self, index: LogIndex) -> Result<SnapshotMeta, CompactError> {
        self.check_applied(index)?;
        let first = self.log.base().index;
        self.log.meta(index).ok_or(CompactError::Compacted { index, first })
    }

    fn check_applied(&self, index: LogIndex) -> Result<(), CompactError> {
        let (applied, first) = (self.applied, self.log.base().index);
        if index > applied {
            return Err(CompactError::NotApplied { index, applied });
        }
        if index < first {
            return Err(CompactError::Compacted { index, first });
        }
        Ok(())
    }
}
