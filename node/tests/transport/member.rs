//! A real node: store, threads, RocksDB, and this transport on a port of the system's choice.

use std::path::Path;
use std::sync::Arc;

use node::transport::{
    AddressBook, MESSAGE_BYTES, Mine, PeerAddresses, RaftService, Senders, SnapshotService, TransportCounters,
};
use proto::peer::v1::raft_server::RaftServer;
use proto::peer::v1::snapshot_server::SnapshotServer;
use raft::NodeId;
use tokio::runtime::Handle as Runtime;
use tonic::service::Routes;

use crate::server::{Server, listen};
use crate::store_rig::Node;

pub struct Member {
    pub node: Node,
    pub book: AddressBook,
    pub counters: Arc<TransportCounters>,
    pub server: Server,
}

impl Member {
    pub fn start(data: &Path) -> Self {
        let listener = listen();
        let peer = listener.local_addr().unwrap().to_string();
        let mine = Mine { client: format!("client-of-{peer}"), peer };
        let book = AddressBook::kept_in(data.join("addresses.json"), mine, PeerAddresses::default());
        let counters = Arc::<TransportCounters>::default();
        let mut senders = Senders::new(Runtime::current(), book.clone(), Arc::clone(&counters));
        let start_fetching = senders.fetching();
        let node = Node::start(data, senders);
        let handle = &node.handle;
        start_fetching(handle.clone());
        let raft = RaftService::new(handle.clone(), book.clone(), Arc::clone(&counters));
        let snapshot = SnapshotService::new(handle.clone(), Arc::clone(&counters));
        let routes = Routes::new(RaftServer::new(raft).max_decoding_message_size(2 * MESSAGE_BYTES))
            .add_service(SnapshotServer::new(snapshot));
        Self { server: Server::start_on(listener, routes), node, book, counters }
    }

    /// Waits until it knows where the node at `peer` serves clients; itself it knows anyway.
    pub async fn knows_client(&self, node: NodeId, peer: &str) {
        let me = self.node.handle.summary().borrow().identity.member;
        let there = format!("client-of-{peer}");
        while me.is_none_or(|(_, me)| me != node) && self.book.client(node).as_ref() != Some(&there) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// Cuts it off, then ends its threads.
    pub fn stop(self) {
        drop(self.server);
        self.node.stop();
    }
}
