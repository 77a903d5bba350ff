//! Asks peers for pieces of snapshots.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use proto::peer::v1::fetch_request::Piece as ProtoPiece;
use proto::peer::v1::snapshot_client::SnapshotClient;
use proto::peer::v1::{Block, FetchRequest};
use raft::NodeId;
use store::snapshot::{ChunkContent, ChunkReply, ChunkRequest, Piece};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;
use tonic::transport::Channel;

use super::senders::TransportCounters;
use super::{AddressBook, MESSAGE_BYTES, channel};
use crate::handle::Handle;

/// Pieces under way at a time.
const UNDER_WAY: usize = 16;
/// The disk of a peer may be slow; after this the piece is asked for again.
const PATIENCE: Duration = Duration::from_secs(5);

/// A piece to ask for.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) from: NodeId,
    pub(super) request: ChunkRequest,
}

/// Asks for what comes in, until nothing comes any more.
pub(super) async fn run(
    mut fetches: Receiver<Fetch>,
    handle: Handle,
    book: AddressBook,
    counters: Arc<TransportCounters>,
) {
    let mut channels: HashMap<String, Channel> = HashMap::new();
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some(done) = under_way.next() => match done {
                Some((from, reply)) => handle.chunk_reply(from, reply),
                None => counters.failed_fetches.add(1),
            },
            fetch = fetches.recv(), if under_way.len() < UNDER_WAY => {
                let Some(Fetch { from, request }) = fetch else { return };
                let Some(channel) = channel_to(&mut channels, &book, from) else {
                    counters.failed_fetches.add(1);
                    continue;
                };
                let asked = ask(&handle, from, request);
                under_way.push(async move {
                    let reply = timeout(PATIENCE, call(channel, asked, request)).await.ok()??;
                    Some((from, reply))
                });
            }
        }
    }
}

fn channel_to(channels: &mut HashMap<String, Channel>, book: &AddressBook, node: NodeId) -> Option<Channel> {
    let address = book.peer(node)?;
    if let Some(channel) = channels.get(&address) {
        return Some(channel.clone());
    }
    let channel = channel::connect_later(&address).ok()?;
    // There is one sender at a time: others are old.
    channels.clear();
    channels.insert(address, channel.clone());
    Some(channel)
}

fn ask(handle: &Handle, from: NodeId, request: ChunkRequest) -> FetchRequest {
    let (cluster, me) = handle.summary().borrow().identity.member.unwrap_or_default();
    let piece = match request.piece {
        Piece::Manifest { offset } => ProtoPiece::ManifestOffset(offset),
        Piece::Block { table, block } => ProtoPiece::Block(Block { table, block }),
    };
    FetchRequest {
        cluster_id: format!("{:032x}", cluster.0),
        from_node: me.0,
        to_node: from.0,
        range: request.range.0,
        snapshot: request.id.0,
        piece: Some(piece),
    }
}

async fn call(channel: Channel, asked: FetchRequest, request: ChunkRequest) -> Option<ChunkReply> {
    let mut client = SnapshotClient::new(channel).max_decoding_message_size(MESSAGE_BYTES);
    let response = client.fetch(asked).await.ok()?.into_inner();
    let content = match response.chunk {
        Some(chunk) => ChunkContent::Chunk { data: chunk.data, crc: chunk.crc, total: chunk.total },
        None => ChunkContent::Gone,
    };
    let ChunkRequest { range, id, piece } = request;
    Some(ChunkReply { range, id, piece, content })
}
