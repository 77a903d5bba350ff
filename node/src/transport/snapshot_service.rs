//! Gives pieces of snapshots to peers.

use std::sync::Arc;

use proto::peer::v1::fetch_request::Piece as ProtoPiece;
use proto::peer::v1::snapshot_server::Snapshot;
use proto::peer::v1::{Chunk, FetchRequest, FetchResponse};
use raft::{NodeId, RangeId, SnapshotId};
use store::snapshot::{ChunkContent, ChunkRequest, Piece};
use tonic::{Request, Response, Status};

use super::hello;
use super::senders::TransportCounters;
use crate::handle::Handle;

/// See `kvcluster.peer.v1.Snapshot`.
pub struct SnapshotService {
    handle: Handle,
    counters: Arc<TransportCounters>,
}

impl SnapshotService {
    /// Gives what the store of `handle` offers.
    #[must_use]
    pub fn new(handle: Handle, counters: Arc<TransportCounters>) -> Self {
        Self { handle, counters }
    }
}

#[tonic::async_trait]
impl Snapshot for SnapshotService {
    async fn fetch(&self, request: Request<FetchRequest>) -> Result<Response<FetchResponse>, Status> {
        let request = request.into_inner();
        let me = self.handle.summary().borrow().identity.member;
        let (cluster, node) = me.unwrap_or_default();
        if hello::id(&request.cluster_id) != Some(cluster.0) || request.to_node != node.0 {
            self.counters.refused.add(1);
            return Err(Status::failed_precondition("this is another node"));
        }
        let piece = match request.piece {
            Some(ProtoPiece::ManifestOffset(offset)) => Piece::Manifest { offset },
            Some(ProtoPiece::Block(block)) => Piece::Block { table: block.table, block: block.block },
            None => return Err(Status::invalid_argument("piece is missing")),
        };
        let wanted = ChunkRequest { range: RangeId(request.range), id: SnapshotId(request.snapshot), piece };
        match self.handle.chunk(NodeId(request.from_node), wanted).await {
            Some(ChunkContent::Chunk { data, crc, total }) => {
                Ok(Response::new(FetchResponse { chunk: Some(Chunk { data, crc, total }) }))
            }
            Some(ChunkContent::Gone) => Ok(Response::new(FetchResponse { chunk: None })),
            None => Err(Status::resource_exhausted("too many pieces are asked for: ask again")),
        }
    }
}
