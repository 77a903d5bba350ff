//! Reads what a range knows about itself from the engine, at the start and after a snapshot.

use bytes::Bytes;
use raft::RangeId;

use super::{RangeState, codec};
use crate::effects::{ClusterVersion, Malformed};
use crate::engine::{Cursor, View};
use crate::key::{Local, decode_local, local, local_span};
use crate::range::StateError;
use crate::request::WriteOutcome;
use crate::timestamp::Timestamp;

impl RangeState {
    /// What `view` holds of the range; if nothing, it is before its first entry. `supported` is the newest
    /// cluster version that this program understands.
    ///
    /// # Errors
    /// The replica cannot start.
    pub fn load<V: View>(view: &V, range: RangeId, supported: ClusterVersion) -> Result<Self, StateError> {
        let mut state = Self::empty(range, supported);
        let span = local_span(range);
        let mut cursor = view.cursor(&span);
        cursor.seek(&span.start)?;
        while let Some((key, value)) = cursor.entry() {
            let (_, what) = decode_local(key)?;
            state.take(what, value)?;
            cursor.next()?;
        }
        if state.cluster_version > supported {
            return Err(StateError::NewerClusterVersion { found: state.cluster_version, supported });
        }
        Ok(state)
    }

    fn take(&mut self, what: Local, value: &[u8]) -> Result<(), StateError> {
        if let Local::SessionWrite(session, number) = what {
            // A session comes before its writes in the order of keys. The outcome itself is not needed now.
            let session = self.sessions.get_mut(&session);
            let cause = Malformed::NotCanonical { what: "an outcome without its session" };
            session.ok_or(StateError::Local { what, cause })?.writes.insert(number);
            return Ok(());
        }
        let value = &Bytes::copy_from_slice(value);
        match what {
            Local::Applied => self.applied = codec::decode_applied(value)?,
            Local::Descriptor => self.descriptor = codec::decode_descriptor(value)?,
            Local::ClusterVersion => self.cluster_version = codec::decode_cluster_version(value)?,
            Local::GcThreshold => self.gc_threshold = codec::decode_timestamp(what, value)?,
            Local::SessionFloor => self.session_floor = codec::decode_timestamp(what, value)?,
            Local::Session(id) => {
                self.sessions.insert(id, codec::decode_session(what, value)?);
            }
            Local::Hold(id) => {
                self.holds.insert(id, codec::decode_hold(what, value)?);
            }
            Local::SessionWrite(..) => {}
        }
        Ok(())
    }

    /// The recorded outcome of a write of a session.
    pub(in crate::range) fn outcome<V: View>(
        &self,
        view: &V,
        session: Timestamp,
        number: u64,
    ) -> Result<WriteOutcome, StateError> {
        let what = Local::SessionWrite(session, number);
        let cause = Malformed::Truncated;
        let stored = view.get(&local(self.range, what))?.ok_or(StateError::Local { what, cause })?;
        codec::decode_outcome(what, &stored)
    }
}
