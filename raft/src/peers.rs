//! Who is who: checks sender and receiver of every message, and remembers the latest boot of each peer.

use std::collections::BTreeMap;

use crate::configuration::Configuration;
use crate::identity::{Boot, Header, Identity};
use crate::message::Message;
use crate::types::NodeId;

/// Peers remembered at most beside the members, for whom there is always room.
const MAX_STRANGERS: usize = 256;

/// The latest boot seen of each node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peers {
    boots: BTreeMap<NodeId, Boot>,
}

impl Peers {
    /// Whether `boot` is of the past: older, or the same counter with another nonce.
    pub(crate) fn is_past(&self, node: NodeId, boot: Boot) -> bool {
        self.boots.get(&node).is_some_and(|seen| boot.counter < seen.counter || is_twin(boot, *seen))
    }

    /// Remembers a boot that is not of the past.
    pub(crate) fn note(&mut self, node: NodeId, boot: Boot, member: bool) {
        if member || self.boots.len() < MAX_STRANGERS || self.boots.contains_key(&node) {
            self.boots.insert(node, boot);
        }
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

    #[test]
    fn older_boots_and_twins_are_of_the_past() {
        let mut peers = Peers::default();
        peers.note(NodeId(1), Boot { counter: 5, nonce: 1 }, true);
        assert!(peers.is_past(NodeId(1), Boot { counter: 4, nonce: 9 }));
        assert!(peers.is_past(NodeId(1), Boot { counter: 5, nonce: 2 }));
        assert!(!peers.is_past(NodeId(1), Boot { counter: 5, nonce: 1 }));
        assert!(!peers.is_past(NodeId(1), Boot { counter: 6, nonce: 2 }));
        assert!(!peers.is_past(NodeId(2), Boot { counter: 1, nonce: 2 }));
    }
}
