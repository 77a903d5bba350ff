//! A peer that tells what it is sent.

use proto::peer::v1::raft_server::{Raft, RaftServer};
use proto::peer::v1::{Hello, NodeAddress, RaftEnd, RaftFrame};
use store::store::NodeEnvelope;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

use crate::server::{Server, listen};

/// What became of its streams.
#[derive(Debug)]
pub enum Event {
    Hello(Hello),
    /// The envelopes of one frame, and their bytes.
    Frame(Vec<NodeEnvelope>, usize),
    /// News of where nodes are.
    Addresses(Vec<NodeAddress>),
    Ended,
}

/// What it does with a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Reads,
    /// Accepts it and lets it wait.
    Waits,
    /// Ends it after the hello.
    Refuses,
}

pub struct Recorder {
    pub server: Server,
    pub manner: watch::Sender<Manner>,
    events: UnboundedReceiver<Event>,
}

impl Recorder {
    pub fn start(manner: Manner) -> Self {
        Self::start_on(listen(), manner)
    }

    pub fn start_on(listener: std::net::TcpListener, manner: Manner) -> Self {
        let (tell, events) = unbounded_channel();
        let manner = watch::Sender::new(manner);
        let peer = RecordingPeer { tell, manner: manner.clone() };
        let service = RaftServer::new(peer).max_decoding_message_size(node::transport::MESSAGE_BYTES);
        Self { server: Server::start_on(listener, Routes::new(service)), manner, events }
    }

    pub fn address(&self) -> String {
        self.server.address.to_string()
    }

    pub async fn next(&mut self) -> Event {
        self.events.recv().await.unwrap()
    }

    pub async fn hello(&mut self) -> Hello {
        match self.next().await {
            Event::Hello(hello) => hello,
            other => panic!("{other:?}"),
        }
    }

    /// The next envelopes, whether or not streams begin and end in between.
    pub async fn envelopes(&mut self) -> Vec<NodeEnvelope> {
        loop {
            if let Event::Frame(envelopes, _) = self.next().await {
                return envelopes;
            }
        }
    }
}

struct RecordingPeer {
    tell: UnboundedSender<Event>,
    manner: watch::Sender<Manner>,
}

/// Tells of the end of a stream, however it ends.
struct Stream(UnboundedSender<Event>);

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.0.send(Event::Ended);
    }
}

#[tonic::async_trait]
impl Raft for RecordingPeer {
    async fn send(&self, request: Request<Streaming<RaftFrame>>) -> Result<Response<RaftEnd>, Status> {
        let mut manner = self.manner.subscribe();
        let stream = Stream(self.tell.clone());
        let mut frames = request.into_inner();
        manner.wait_for(|manner| *manner != Manner::Waits).await.unwrap();
        while let Some(frame) = frames.message().await? {
            if let Some(hello) = frame.hello {
                let _ = stream.0.send(Event::Hello(hello));
                if *manner.borrow() == Manner::Refuses {
                    return Err(Status::failed_precondition("somebody else is meant"));
                }
                continue;
            }
            if !frame.addresses.is_empty() {
                let _ = stream.0.send(Event::Addresses(frame.addresses));
                continue;
            }
            let bytes = frame.envelopes.iter().map(bytes::Bytes::len).sum();
            let envelopes = frame.envelopes.into_iter().map(|bytes| NodeEnvelope::decode(bytes).unwrap());
            let _ = stream.0.send(Event::Frame(envelopes.collect(), bytes));
        }
        Ok(Response::new(RaftEnd {}))
    }
}
