//! Takes Raft messages of peers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::peer::v1::raft_server::Raft;
use proto::peer::v1::{Hello, RaftEnd, RaftFrame};
use raft::Header;
use store::store::NodeEnvelope;
use tokio::time::timeout;
use tonic::{Request, Response, Status, Streaming};

use super::senders::TransportCounters;
use super::{AddressBook, hello};
use crate::handle::Handle;

/// A stream on which nobody introduces himself for so long is ended: its memory is for peers.
const FIRST_FRAME: Duration = Duration::from_secs(3);

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

    /// Takes what the first frame has to begin with. Who speaks to whom.
    async fn greet(&self, hello: Option<Hello>) -> Result<Header, Status> {
        let hello = hello.ok_or_else(|| Status::invalid_argument("the first frame has no hello"))?;
        let header = hello::read(&hello)
            .ok_or_else(|| Status::invalid_argument("the ids of the hello are malformed"))?;
        self.recognise(&header)?;
        hello::learn(&hello.addresses, &header.from, &self.book);
        self.handle.connected(header).await;
        Ok(header)
    }

    /// The envelope that `bytes` hold, from and to whom the hello named.
    fn open(header: &Header, bytes: Bytes) -> Result<NodeEnvelope, Status> {
        let received = NodeEnvelope::decode(bytes)
            .map_err(|error| Status::invalid_argument(format!("an envelope: {error}")))?;
        if received.envelope.header != *header {
            return Err(Status::invalid_argument("an envelope names others than the hello"));
        }
        Ok(received)
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
        let first = timeout(FIRST_FRAME, frames.message()).await;
        let first = first.map_err(|_| self.refuse(Status::deadline_exceeded("no hello came")))?;
        let mut frame = first?.unwrap_or_default();
        let header = self.greet(frame.hello.take()).await.map_err(|status| self.refuse(status))?;
        loop {
            hello::learn(&frame.addresses, &header.from, &self.book);
            self.counters.received.add(frame.envelopes.len() as u64);
            self.counters.received_bytes.add(frame.envelopes.iter().map(|bytes| bytes.len() as u64).sum());
            for bytes in frame.envelopes {
                let envelope = Self::open(&header, bytes).map_err(|status| self.refuse(status))?;
                self.handle.receive(envelope).await;
            }
            frame = match frames.message().await? {
                Some(RaftFrame { hello: Some(_), .. }) => {
                    return Err(self.refuse(Status::invalid_argument("a second hello")));
                }
                Some(next) => next,
                None => return Ok(Response::new(RaftEnd {})),
            };
        }
    }
}
