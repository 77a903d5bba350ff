//! The first frame of a stream: who speaks to whom, and where nodes are.

use proto::peer::v1::{Hello, NodeAddress};
use raft::{Boot, ClusterId, DiskId, Header, NodeId, Peer, Target};

use super::AddressBook;
use super::address_book::Place;

/// Addresses that are taken from one hello.
const MOST_ADDRESSES: usize = 4 * raft::MAX_MEMBERS;

/// What `header`'s sender says first.
pub(super) fn write(header: &Header, book: &AddressBook) -> Hello {
    let Header { cluster, from, to } = header;
    Hello {
        cluster_id: format!("{:032x}", cluster.0),
        from_node: from.node.0,
        from_disk: format!("{:032x}", from.disk.0),
        boot_counter: from.boot.counter,
        boot_nonce: from.boot.nonce,
        to_node: to.node.0,
        to_disk: format!("{:032x}", to.disk.0),
        addresses: addresses(header, book),
    }
}

/// All that `header`'s sender knows of where nodes are.
pub(super) fn addresses(header: &Header, book: &AddressBook) -> Vec<NodeAddress> {
    let Peer { node: me, boot, .. } = header.from;
    let of = |(node, place): (NodeId, Place)| NodeAddress {
        node: node.0,
        peer_address: place.peer.unwrap_or_default(),
        client_address: place.client.unwrap_or_default(),
        boot_counter: place.boot,
    };
    book.all(me, boot.counter).into_iter().map(of).collect()
}

/// Who speaks to whom; none if it is malformed.
pub(super) fn read(hello: &Hello) -> Option<Header> {
    let boot = Boot { counter: hello.boot_counter, nonce: hello.boot_nonce };
    let from = Peer { node: NodeId(hello.from_node), disk: DiskId(id(&hello.from_disk)?), boot };
    let to = Target { node: NodeId(hello.to_node), disk: DiskId(id(&hello.to_disk)?) };
    Some(Header { cluster: ClusterId(id(&hello.cluster_id)?), from, to })
}

/// 32 hexadecimal digits.
pub(crate) fn id(text: &str) -> Option<u128> {
    let is_id = text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_id.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

/// Takes what `from` said of where nodes are into the book: of itself it knows best.
pub(super) fn learn(addresses: &[NodeAddress], from: &Peer, book: &AddressBook) {
    for address in addresses.iter().take(MOST_ADDRESSES) {
        let said = |text: &String| (!text.is_empty()).then(|| text.clone());
        let (peer, client) = (said(&address.peer_address), said(&address.client_address));
        if address.node == from.node.0 {
            book.learn_of_itself(from.node, Place { peer, client, boot: from.boot.counter });
        } else {
            let boot = address.boot_counter;
            book.learn_hearsay(NodeId(address.node), Place { peer, client, boot });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{Mine, PeerAddresses};

    fn book(port: u16) -> AddressBook {
        let mine = Mine { peer: format!("here:{port}"), client: format!("here:{}", port + 1) };
        AddressBook::new(mine, PeerAddresses::default())
    }

    #[test]
    fn a_hello_names_both_sides_and_brings_addresses() {
        let from = Peer { node: NodeId(3), disk: DiskId(7), boot: Boot { counter: 2, nonce: u64::MAX } };
        let header =
            Header { cluster: ClusterId(u128::MAX), from, to: Target { node: NodeId(4), disk: DiskId(1) } };
        let (sender, receiver) = (book(10), book(20));
        sender.learn(NodeId(9), Some("there:1".into()), None);
        let hello = write(&header, &sender);
        assert_eq!(read(&hello), Some(header));
        learn(&hello.addresses, &from, &receiver);
        assert_eq!(receiver.peer(NodeId(3)).as_deref(), Some("here:10"));
        assert_eq!(receiver.client(NodeId(3)).as_deref(), Some("here:11"));
        assert_eq!(receiver.peer(NodeId(9)).as_deref(), Some("there:1"));
        // Hearsay does not replace what a node said of itself.
        sender.learn(NodeId(3), Some("wrong:1".into()), None);
        let from = Peer { node: NodeId(5), ..from };
        learn(&addresses(&Header { from, ..header }, &sender), &from, &receiver);
        assert_eq!(receiver.peer(NodeId(3)).as_deref(), Some("here:10"));
    }

    #[test]
    fn malformed_ids_are_refused() {
        for cluster_id in ["", "1", "+0000000000000000000000000000001", &"é".repeat(16)] {
            let hello = Hello { cluster_id: cluster_id.into(), ..write(&Header::default(), &book(1)) };
            assert_eq!(read(&hello), None, "{cluster_id}");
        }
    }
}
