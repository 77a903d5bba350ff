//! Who is who: checks sender and receiver of every message, and remembers the latest boot of each peer.

use std::collections::BTreeMap;

use crate::configuration::Configuration;
use crate::identity::{Boot, Header, Identity, Peer};
use crate::message::Message;
use crate::types::{LogPosition, NodeId, ReplicaId};

/// Peers remembered at most; members come before strangers.
const MAX_PEERS: usize = 256;
/// Senders that are recognised at once: as many as usually send to one replica.
const RECOGNISED: usize = 4;

/// The latest boot seen of each node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peers {
    boots: BTreeMap<NodeId, Boot>,
    /// By node id, modulo their number.
    accepted: [Option<Accepted>; RECOGNISED],
}

/// A sender that passed every check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Accepted {
    from: Peer,
    replica: ReplicaId,
    /// The place of the configuration in force, which was committed.
    checked_by: LogPosition,
}

fn place_of(node: NodeId) -> usize {
    node.0 as usize % RECOGNISED
}

impl Peers {
    /// Whether `boot` is of the past: older, or the same counter with another nonce.
    pub(crate) fn is_past(&self, node: NodeId, boot: Boot) -> bool {
        self.boots.get(&node).is_some_and(|seen| boot.counter < seen.counter || is_twin(boot, *seen))
    }

    /// Whether the last message of this node passed every check, under the same configuration, and came from
    /// the same boot, disk and replica, as nearly every message does.
    pub(crate) fn recognise(&self, from: Peer, replica: ReplicaId, checked_by: LogPosition) -> bool {
        self.accepted[place_of(from.node)] == Some(Accepted { from, replica, checked_by })
    }

    /// Reads what recognises this node.
    pub(crate) fn warm(&self, node: NodeId) -> u64 {
        u64::from(self.accepted[place_of(node)].is_some())
    }

    /// Remembers a sender that passed every check; it is recognised only if one configuration decided them.
    pub(crate) fn accept(
        &mut self,
        from: Peer,
        replica: ReplicaId,
        checked_by: Option<LogPosition>,
        configuration: &Configuration,
    ) {
        self.accepted[place_of(from.node)] = checked_by.map(|at| Accepted { from, replica, checked_by: at });
        self.note(from.node, from.boot, configuration);
    }

    /// Recognises nobody.
    #[cfg(feature = "canary")]
    pub(crate) fn forget_history(&mut self) {
        self.accepted = Default::default();
    }

    /// Remembers a boot that is not of the past.
    fn note(&mut self, node: NodeId, boot: Boot, configuration: &Configuration) {
        let is_member = |node: &NodeId| configuration.members.contains_key(node);
        if self.boots.len() >= MAX_PEERS && !self.boots.contains_key(&node) {
            if !is_member(&node) {
                return;
            }
            // Make room: members of the past are strangers.
            self.boots.retain(|known, _| is_member(known));
        }
        self.boots.insert(node, boot);
    }
}

/// Two starts that both took the same number: one of them ran from a copied or rolled-back disk.
fn is_twin(a: Boot, b: Boot) -> bool {
    a.counter == b.counter && a.nonce != b.nonce
}

/// Whether `boot` is below the one that the node had when it was added: its disk was rolled back.
pub(crate) fn is_below_recorded(configuration: &Configuration, node: NodeId, boot: Boot) -> bool {
    configuration.members.get(&node).is_some_and(|member| boot.counter < member.boot)
}

/// Whether the message is meant for this replica, disk included.
pub(crate) fn is_for(me: &Identity, header: &Header, message: &Message) -> bool {
    header.cluster == me.cluster
        && header.to.node == me.peer.node
        && header.to.disk == me.peer.disk
        && message.range == me.range
        && message.to == me.replica
}

/// Whether the sender is who the configuration says, as far as it knows it.
pub(crate) fn is_known_or_new(configuration: &Configuration, header: &Header, message: &Message) -> bool {
    configuration
        .members
        .get(&header.from.node)
        .is_none_or(|member| member.disk == header.from.disk && member.replica == message.from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::DiskId;
    use crate::types::{LogIndex, Term};

    #[test]
    fn older_boots_and_twins_are_of_the_past() {
        let mut peers = Peers::default();
        peers.note(NodeId(1), Boot { counter: 5, nonce: 1 }, &Configuration::default());
        assert!(peers.is_past(NodeId(1), Boot { counter: 4, nonce: 9 }));
        assert!(peers.is_past(NodeId(1), Boot { counter: 5, nonce: 2 }));
        assert!(!peers.is_past(NodeId(1), Boot { counter: 5, nonce: 1 }));
        assert!(!peers.is_past(NodeId(1), Boot { counter: 6, nonce: 2 }));
        assert!(!peers.is_past(NodeId(2), Boot { counter: 1, nonce: 2 }));
    }

    #[test]
    fn only_the_same_sender_under_the_same_configuration_is_recognised() {
        let boot = |counter| Boot { counter, nonce: 1 };
        let from = |counter| Peer { node: NodeId(1), disk: DiskId(7), boot: boot(counter) };
        let at = |index| LogPosition::new(LogIndex(index), Term(1));
        let mut peers = Peers::default();
        assert!(!peers.recognise(from(5), ReplicaId(1), at(1)));
        peers.accept(from(5), ReplicaId(1), Some(at(1)), &Configuration::default());
        assert!(peers.recognise(from(5), ReplicaId(1), at(1)));
        assert!(!peers.recognise(from(4), ReplicaId(1), at(1)));
        assert!(!peers.recognise(from(5), ReplicaId(2), at(1)));
        assert!(!peers.recognise(from(5), ReplicaId(1), at(2)));
        assert!(!peers.recognise(Peer { disk: DiskId(8), ..from(5) }, ReplicaId(1), at(1)));
        peers.accept(from(6), ReplicaId(1), None, &Configuration::default());
        assert!(!peers.recognise(from(5), ReplicaId(1), at(1)), "a boot of the past");
        assert!(!peers.recognise(from(6), ReplicaId(1), at(1)), "checked by two configurations");
    }
}
