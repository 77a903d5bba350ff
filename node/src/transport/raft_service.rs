//! Takes Raft messages of peers.

use std::sync::Arc;

use proto::peer::v1::raft_server::Raft;
use proto::peer::v1::{RaftEnd, RaftFrame};
use raft::Header;
use store::store::NodeEnvelope;
use tonic::{Request, Response, Status, Streaming};

use super::senders::TransportCounters;
use super::{AddressBook, hello};
use crate::handle::Handle;

/// See `kvcluster.peer.v1.Raft`.
pub struct RaftService {
    handle: Handle,
    book: AddressBook,
    counters: Arc<TransportCounters>,
}

impl RaftService {
    /// Brings messages to the store of `handle`, and addresses into `book`.
    #[must_use]
    pub fn new(handle: Handle, book: AddressBook, counters: Arc<TransportCounters>) -> Self {
        Self { handle, book, counters }
    }

    fn refuse(&self, status: Status) -> Status {
        self.counters.refused.add(1);
        if let Some(times) = self.counters.strangers.count() {
            tracing::warn!(times, reason = status.message(), "a stream of a peer is refused");
        }
        status
    }

    /// Takes the first frame.
    fn greet(&self, frame: Option<RaftFrame>) -> Result<(), Status> {
        let Some(hello) = frame.and_then(|frame| frame.hello) else {
            return Err(Status::invalid_argument("the first frame has no hello"));
        };
        let header = hello::read(&hello)
            .ok_or_else(|| Status::invalid_argument("the ids of the hello are malformed"))?;
        self.recognise(&header)?;
        hello::learn(&hello, &self.book);
        self.handle.connected(header);
        Ok(())
    }

    /// Exactly this disk is meant, as far as it knows itself.
    fn recognise(&self, header: &Header) -> Result<(), Status> {
        let identity = self.handle.summary().borrow().identity;
        if header.to.disk != identity.disk {
            let (meant, disk) = (header.to.disk.0, identity.disk.0);
            return Err(Status::failed_precondition(format!(
                "disk {meant:032x} is meant, this is {disk:032x}"
            )));
        }
        match identity.member {
            Some(member) if member != (header.cluster, header.to.node) => {
                let (cluster, node) = member;
                Err(Status::failed_precondition(format!("this is node {node} of cluster {:032x}", cluster.0)))
            }
            _ => Ok(()),
        }
    }
}

#[tonic::async_trait]
impl Raft for RaftService {
    async fn send(&self, request: Request<Streaming<RaftFrame>>) -> Result<Response<RaftEnd>, Status> {
        let mut frames = request.into_inner();
        let first = frames.message().await?;
        self.greet(first).map_err(|status| self.refuse(status))?;
        while let Some(frame) = frames.message().await? {
            for bytes in frame.envelopes {
                let envelope = NodeEnvelope::decode(bytes).map_err(|error| {
                    self.refuse(Status::invalid_argument(format!("an envelope: {error}")))
                })?;
                self.handle.receive(envelope).await;
            }
        }
        Ok(Response::new(RaftEnd {}))
    }
}
