//! What comes out.

use raft::RangeId;

use super::Store;
use super::admin::{AdminError, AdminReply};
use super::envelope::{self, NodeEnvelope};
use super::log_writes::BatchSeq;
use crate::engine::Engine;
use crate::log_store::{LogBatch, LogReader};
use crate::replica::{Gathered, Host, Now, Reply, SnapshotEvent, StoreFault, Token};
use crate::request::RequestError;

/// What is to be done, all of it at once and in parallel; if in order, then in this one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Output {
    /// To be sent. Nothing in them waits for `log`.
    pub envelopes: Vec<NodeEnvelope>,
    /// To be made durable, in the order of the numbers; then call [`Store::log_persisted`].
    pub log: Option<(BatchSeq, LogBatch)>,
    /// Answers to clients.
    pub replies: Vec<(Token, Result<Reply, RequestError>)>,
    /// Answers to administrators.
    pub admin: Vec<(Token, Result<AdminReply, AdminError>)>,
    /// For the carrier of snapshots.
    pub snapshots: Vec<SnapshotEvent>,
    /// Flush the data engine, also while the store goes on; then call [`Store::flushed`].
    pub flush: bool,
    /// Stop the process; nothing else is in the output, and nothing comes after it.
    pub fault: Option<StoreFault>,
}

impl<L: LogReader, E: Engine> Store<L, E> {
    /// What is to be done since the last call; none if there is nothing. To be called until there is none, with
    /// whatever came in meanwhile given in between.
    pub fn poll_output(&mut self, now: Now) -> Option<Output> {
        for range in std::mem::take(&mut self.dirty) {
            if self.fault.is_some() {
                break;
            }
            self.serve(now, range);
        }
        if let Some(fault) = &self.fault {
            let fault = (!std::mem::replace(&mut self.fault_told, true)).then(|| fault.clone());
            return fault.map(|fault| Output { fault: Some(fault), ..Output::default() });
        }
        let output = self.take(now);
        (!self.dirty.is_empty() || output != Output::default()).then_some(output)
    }

    /// It stays dirty if that was not all.
    fn serve(&mut self, now: Now, range: RangeId) {
        let Self { log, engine, settings, peers, gathered, .. } = self;
        let Some(replica) = self.replicas.get_mut(&range) else { return };
        let served = replica.serve(&Host { now, log, engine, settings, peers }, gathered);
        self.deadlines.schedule(range, replica.next_deadline());
        match served {
            Ok(true) => {}
            Ok(false) => {
                self.dirty.insert(range);
            }
            Err(fault) => self.fail(Err(fault)),
        }
    }

    fn take(&mut self, now: Now) -> Output {
        let gathered = std::mem::take(&mut self.gathered);
        let Gathered {
            messages,
            items,
            writes,
            replies,
            changes,
            snapshots,
            applied_entries,
            applied_bytes,
            ..
        } = gathered;
        self.flushing.applied(applied_entries, applied_bytes);
        let cluster = self.identity.member.unwrap_or_default().0;
        let reported = (now.wall_millis, self.peers.spare_bytes(), self.settings.supported);
        let changed = changes.into_iter().map(|(token, result)| (token, Ok(AdminReply::Changed(result))));
        self.admin_replies.extend(changed);
        let log = (!items.is_empty()).then(|| (self.writes.submit(writes), LogBatch { items }));
        Output {
            envelopes: envelope::close(messages, (cluster, self.peer()), reported),
            log,
            replies,
            admin: std::mem::take(&mut self.admin_replies),
            snapshots,
            flush: self.flushing.is_due(&self.settings),
            fault: None,
        }
    }
}
