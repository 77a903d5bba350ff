//! How an empty disk becomes a member, and a node gets a replica: only by a bootstrap, or by a leader that names
//! exactly this disk; and durably before anything is answered.

use std::collections::BTreeMap;

use raft::{
    Body, ClusterId, Configuration, DiskId, Entry, HardState, Header, Identity, LogIndex, LogWrite, Message,
    NodeId, Raft, RangeId, ReplicaId, Restored, SnapshotMeta, Target, WriteSeq, bootstrap,
};

use super::admin::{AdminError, AdminReply, FIRST_RANGE};
use super::log_writes::BatchSeq;
use super::{Store, mirror};
use crate::engine::Engine;
use crate::log_store::{DiskIdentity, LogItem, LogReader};
use crate::range::RangeState;
use crate::replica::{Now, Replica, StoreFault, Token};

/// A replica that is to be created.
#[derive(Debug)]
pub(super) struct Creation {
    range: RangeId,
    replica: ReplicaId,
    /// The first entry of a cluster.
    first: Option<(HardState, Entry)>,
    /// Who waits for it.
    token: Option<Token>,
}

/// What is on its way to the disk.
#[derive(Debug, Default)]
pub(super) struct Admission {
    /// Who this disk is, and its first replica.
    member: Option<(BatchSeq, (ClusterId, NodeId), Creation)>,
    /// Replicas.
    creations: BTreeMap<RangeId, (BatchSeq, Creation)>,
}

/// Whether only a leader sends this.
fn is_of_leader(message: &Message) -> bool {
    matches!(message.body, Body::Append(_) | Body::Heartbeat(_) | Body::SnapshotOffer(_))
}

impl<L: LogReader, E: Engine> Store<L, E> {
    /// A message for a range that has no replica here. It is dropped; its sender sends another.
    pub(super) fn admit(&mut self, header: &Header, message: &Message) {
        let known = self.admission.member.is_some() || self.admission.creations.contains_key(&message.range);
        if known || !is_of_leader(message) {
            return;
        }
        let creation = Creation { range: message.range, replica: message.to, first: None, token: None };
        match self.identity.member {
            None => self.become_member((header.cluster, header.to.node), creation),
            Some(_) => self.create(creation),
        }
    }

    /// Begins a cluster on this disk.
    pub(super) fn bootstrap(
        &mut self,
        token: Token,
        cluster: ClusterId,
        voters: Vec<(NodeId, DiskId)>,
    ) -> Option<Result<AdminReply, AdminError>> {
        let configuration = Configuration::bootstrap(voters.iter().copied());
        let disk = self.identity.disk;
        let me = voters.iter().find(|(_, of)| *of == disk).map(|(node, _)| *node);
        let refused = |what| Some(Err(AdminError::Voters { what }));
        let Some(me) = me else {
            return refused("this disk is not among the first voters: name it");
        };
        let mut disks: Vec<_> = voters.iter().map(|(_, disk)| *disk).collect();
        disks.sort_unstable();
        disks.dedup();
        if configuration.members.len() != voters.len() || disks.len() != voters.len() {
            return refused("a node or a disk occurs twice among the first voters");
        }
        if me == NodeId(0) || !configuration.is_sound() {
            return refused("the first voters are too many, or one has an impossible id: ids begin with 1");
        }
        match self.identity.member {
            Some(member) if member == (cluster, me) => {
                if self.replicas.contains_key(&FIRST_RANGE) {
                    return Some(Ok(AdminReply::Bootstrapped));
                }
                if self.admission.creations.contains_key(&FIRST_RANGE) {
                    return Some(Err(AdminError::BecomingMember));
                }
            }
            Some((cluster, node)) => return Some(Err(AdminError::Member { cluster, node })),
            None if self.admission.member.is_some() => return Some(Err(AdminError::BecomingMember)),
            None => {}
        }
        let replica = configuration.members.get(&me).map(|member| member.replica).unwrap_or_default();
        let first = Some(bootstrap(configuration));
        let creation = Creation { range: FIRST_RANGE, replica, first, token: Some(token) };
        match self.identity.member {
            None => self.become_member((cluster, me), creation),
            // A crash came between the two.
            Some(_) => self.create(creation),
        }
        None
    }

    fn become_member(&mut self, member: (ClusterId, NodeId), creation: Creation) {
        let identity = DiskIdentity { disk: self.identity.disk, member: Some(member) };
        self.gathered.items.push(LogItem::Identity(identity));
        self.admission.member = Some((self.writes.next(), member, creation));
    }

    fn create(&mut self, creation: Creation) {
        let range = creation.range;
        self.gathered.items.push(LogItem::Create(range, creation.replica));
        if let Some((hard_state, first)) = creation.first.clone() {
            let write = LogWrite {
                seq: WriteSeq(0),
                hard_state: Some(hard_state),
                base: None,
                truncate_from: None,
                entries: vec![first],
            };
            self.gathered.items.push(LogItem::Write(range, write));
        }
        self.admission.creations.insert(range, (self.writes.next(), creation));
    }

    /// The log batches up to `seq` are durable.
    pub(super) fn admission_persisted(&mut self, now: Now, seq: BatchSeq) -> Result<(), StoreFault> {
        if let Some((_, member, creation)) = self.admission.member.take_if(|(until, ..)| *until <= seq) {
            self.set_member(member);
            mirror::write(&self.engine, member)?;
            self.create(creation);
        }
        let created = self.admission.creations.extract_if(.., |_, (until, _)| *until <= seq);
        let created: Vec<_> = created.map(|(_, (_, creation))| creation).collect();
        for creation in created {
            self.created(now, creation)?;
        }
        Ok(())
    }

    fn created(&mut self, now: Now, creation: Creation) -> Result<(), StoreFault> {
        let Creation { range, replica, first, token } = creation;
        let (hard_state, entries) =
            first.map_or_else(Default::default, |(state, entry)| (state, vec![entry]));
        let restored = Restored::scan(hard_state, SnapshotMeta::empty(), entries, LogIndex::ZERO);
        let raft = restored
            .and_then(|restored| self.start_core(now, range, replica, restored))
            .map_err(|cause| StoreFault::DamagedLog { range, cause })?;
        let state = RangeState::load(&self.engine.view(), range, self.settings.supported)?;
        let replica = Replica::new(raft, state, &self.settings, now, (LogIndex::ZERO, Vec::new()));
        self.add(range, replica);
        if let Some(token) = token {
            self.admin_replies.push((token, Ok(AdminReply::Bootstrapped)));
        }
        Ok(())
    }

    pub(super) fn start_core(
        &self,
        now: Now,
        range: RangeId,
        replica: ReplicaId,
        restored: Restored,
    ) -> Result<Raft, raft::RestoreError> {
        let (cluster, _) = self.identity.member.unwrap_or_default();
        let identity = Identity { cluster, peer: self.peer(), range, replica };
        // Each range draws its own timeouts.
        let seed = self.seed ^ range.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Raft::restore(now.time, seed, identity, self.settings.raft.clone(), restored)
    }

    pub(super) fn set_member(&mut self, member: (ClusterId, NodeId)) {
        self.identity.member = Some(member);
        self.peers.set_me(Target { node: member.1, disk: self.identity.disk });
    }
}
