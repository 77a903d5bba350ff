//! Where nodes are: the configuration wins over what was learned. What was learned is kept in a file, so that a node
//! finds its peers after a restart; nothing of it is needed for safety.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raft::NodeId;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Where peers are, from the configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PeerAddresses {
    /// By node.
    pub known: BTreeMap<u64, String>,
    /// For all others, with `{node}` in it.
    pub template: Option<String>,
}

/// Where this node is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mine {
    /// For peers and administrators, host:port.
    pub peer: String,
    /// For clients, host:port.
    pub client: String,
}

/// Where a node is, as far as that is known; host:port each.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Place {
    /// For peers and administrators.
    pub peer: Option<String>,
    /// For clients.
    pub client: Option<String>,
    /// The start of the node which said so, 0 if it was somebody else: what a later one says is right.
    #[serde(default)]
    pub boot: u64,
}

impl Place {
    /// Takes what is said; what is not, or is too long, stays as it is.
    fn replace(&mut self, peer: Option<String>, client: Option<String>) {
        for (known, said) in [(&mut self.peer, peer), (&mut self.client, client)] {
            *known = said.filter(|said| said.len() <= MOST_BYTES).or(known.take());
        }
    }
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct AddressBook(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    mine: Mine,
    configured: PeerAddresses,
    learned: Mutex<BTreeMap<NodeId, Place>>,
    changed: watch::Sender<()>,
    file: Option<PathBuf>,
}

/// Nodes that are remembered at most.
const MOST_NODES: usize = 1_000;
/// Longest address in bytes.
const MOST_BYTES: usize = 300;

impl AddressBook {
    /// The book of a node, which forgets.
    #[must_use]
    pub fn new(mine: Mine, configured: PeerAddresses) -> Self {
        Self::with(mine, configured, BTreeMap::new(), None)
    }

    /// The book of a node, which keeps what it learns in `file`. A file that cannot be read counts as empty.
    #[must_use]
    pub fn kept_in(file: PathBuf, mine: Mine, configured: PeerAddresses) -> Self {
        let kept = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let kept: BTreeMap<u64, Place> = kept.unwrap_or_default();
        let learned = kept.into_iter().map(|(node, place)| (NodeId(node), place)).collect();
        Self::with(mine, configured, learned, Some(file))
    }

    fn with(
        mine: Mine,
        configured: PeerAddresses,
        learned: BTreeMap<NodeId, Place>,
        file: Option<PathBuf>,
    ) -> Self {
        let (learned, changed) = (Mutex::new(learned), watch::Sender::default());
        Self(Arc::new(Inner { mine, configured, learned, changed, file }))
    }

    /// Where this node is.
    #[must_use]
    pub fn mine(&self) -> &Mine {
        &self.0.mine
    }

    /// Where a node is for peers and administrators.
    #[must_use]
    pub fn peer(&self, node: NodeId) -> Option<String> {
        let PeerAddresses { known, template } = &self.0.configured;
        let configured = known.get(&node.0).cloned();
        let configured =
            configured.or_else(|| Some(template.as_ref()?.replace("{node}", &node.0.to_string())));
        configured.or_else(|| self.learned().get(&node)?.peer.clone())
    }

    /// Waits until a node is not, or no longer, at `address` for peers.
    pub(super) async fn moved(&self, node: NodeId, address: Option<&str>) {
        let mut changes = self.0.changed.subscribe();
        while self.peer(node).as_deref() == address {
            // The sender is in this book.
            let _ = changes.changed().await;
        }
    }

    /// Where a node is for clients.
    #[must_use]
    pub fn client(&self, node: NodeId) -> Option<String> {
        self.learned().get(&node)?.client.clone()
    }

    /// Tells of every change from now on.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    /// Everything that is known, this node's own places under `me`, as of its start number `boot`.
    #[must_use]
    pub fn all(&self, me: NodeId, boot: u64) -> BTreeMap<NodeId, Place> {
        let mut all = self.learned().clone();
        for (node, address) in &self.0.configured.known {
            all.entry(NodeId(*node)).or_default().peer = Some(address.clone());
        }
        let Mine { peer, client } = self.mine().clone();
        all.insert(me, Place { peer: Some(peer), client: Some(client), boot });
        all
    }

    /// Takes what an administrator said of where a node is; none: nothing new.
    pub fn learn(&self, node: NodeId, peer: Option<String>, client: Option<String>) {
        self.take(node, |known| known.replace(peer, client));
    }

    /// Takes what a node said of itself.
    pub fn learn_of_itself(&self, node: NodeId, said: Place) {
        self.take(node, |known| {
            if said.boot >= known.boot {
                known.replace(said.peer, said.client);
                known.boot = said.boot;
            }
        });
    }

    /// Takes what another node said of it: it is right if the node itself said it at a later start.
    pub fn learn_hearsay(&self, node: NodeId, said: Place) {
        self.take(node, |known| {
            if said.boot > known.boot {
                known.replace(said.peer, said.client);
                known.boot = said.boot;
            } else {
                let Place { peer, client, .. } = said;
                let unknown = |known: &Option<String>, said| if known.is_none() { said } else { None };
                known.replace(unknown(&known.peer, peer), unknown(&known.client, client));
            }
        });
    }

    fn take(&self, node: NodeId, change: impl FnOnce(&mut Place)) {
        let mut learned = self.learned();
        if learned.len() >= MOST_NODES && !learned.contains_key(&node) {
            return;
        }
        let place = learned.entry(node).or_default();
        let before = place.clone();
        change(place);
        if *place == before {
            return;
        }
        self.keep(&learned);
        drop(learned);
        self.0.changed.send_replace(());
    }

    /// Written beside it and renamed, so that a crash leaves the old one or the new one.
    fn keep(&self, learned: &BTreeMap<NodeId, Place>) {
        let Some(file) = &self.0.file else { return };
        let content: BTreeMap<u64, &Place> = learned.iter().map(|(node, place)| (node.0, place)).collect();
        let beside = file.with_extension("new");
        let kept = serde_json::to_vec_pretty(&content)
            .map_err(std::io::Error::from)
            .and_then(|bytes| fs::write(&beside, bytes))
            .and_then(|()| fs::rename(&beside, file));
        if let Err(error) = kept {
            tracing::warn!(file = %file.display(), %error, "the addresses of peers cannot be kept");
        }
    }

    fn learned(&self) -> MutexGuard<'_, BTreeMap<NodeId, Place>> {
        self.0.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(address: &str) -> Option<String> {
        Some(address.into())
    }

    fn place(peer: &str, client: &str, boot: u64) -> Place {
        Place { peer: some(peer), client: some(client), boot }
    }

    #[test]
    fn what_a_node_said_last_wins_however_it_comes() {
        let book = AddressBook::new(Mine::default(), PeerAddresses::default());
        book.learn_hearsay(NodeId(3), place("second:1", "second:2", 2));
        book.learn_of_itself(NodeId(3), place("first:1", "first:2", 1));
        assert_eq!(book.client(NodeId(3)), some("second:2"), "an old connection");
        book.learn_hearsay(NodeId(3), place("first:1", "first:2", 1));
        assert_eq!(book.client(NodeId(3)), some("second:2"));
        book.learn_of_itself(NodeId(3), place("third:1", "third:2", 3));
        assert_eq!((book.peer(NodeId(3)), book.client(NodeId(3))), (some("third:1"), some("third:2")));
        book.learn(NodeId(3), some("admin:1"), None);
        assert_eq!((book.peer(NodeId(3)), book.client(NodeId(3))), (some("admin:1"), some("third:2")));
    }

    #[test]
    fn the_configuration_wins() {
        let known = [(1, "one:1".to_owned())].into();
        let template = some("node-{node}:7");
        let book = AddressBook::new(Mine::default(), PeerAddresses { known, template });
        book.learn(NodeId(1), some("else:1"), some("client:1"));
        assert_eq!(book.peer(NodeId(1)), some("one:1"));
        assert_eq!(book.peer(NodeId(22)), some("node-22:7"));
        assert_eq!(book.client(NodeId(1)), some("client:1"));
        let book = AddressBook::new(Mine::default(), PeerAddresses::default());
        assert_eq!(book.peer(NodeId(1)), None);
    }

    #[test]
    fn what_was_learned_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let open =
            || AddressBook::kept_in(folder.path().join("a.json"), Mine::default(), PeerAddresses::default());
        open().learn(NodeId(3), some("three:1"), None);
        let book = open();
        assert_eq!(book.peer(NodeId(3)), some("three:1"));
        book.learn_hearsay(NodeId(3), place("old:1", "three:2", 0));
        book.learn(NodeId(4), some(&"x".repeat(MOST_BYTES + 1)), None);
        let book = open();
        assert_eq!((book.peer(NodeId(3)), book.client(NodeId(3))), (some("three:1"), some("three:2")));
        assert_eq!(book.peer(NodeId(4)), None);
        fs::write(folder.path().join("a.json"), "{").unwrap();
        assert_eq!(open().peer(NodeId(3)), None);
    }
}
