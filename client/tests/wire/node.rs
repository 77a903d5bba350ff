//! A node whose every answer the test decides, and which notes what it was sent.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use client::{Builder, Client};
use futures_util::Stream;
use proto::v1::batch_item::Request as Item;
use proto::v1::batch_result::Result as Answer;
use proto::v1::cluster_server::{Cluster, ClusterServer};
use proto::v1::kv_server::{Kv, KvServer};
use proto::v1::*;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tonic::{Request, Response, Status, Streaming};

/// What a node does with an item.
pub enum Act {
    Answer(Answer),
    /// Nothing.
    Silence,
    /// It breaks the stream.
    Break,
}

type Script = dyn Fn(usize, &Item) -> Act + Send + Sync;

#[derive(Default)]
pub struct Seen {
    /// All items, in the order in which they came.
    pub items: Vec<Item>,
    /// How many items came in each message.
    pub messages: Vec<usize>,
}

impl Seen {
    /// Of all writes.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.items.iter().filter_map(attempt).collect()
    }
}

#[derive(Clone)]
pub struct Node {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    script: Arc<Script>,
    /// None: it does not answer that.
    cluster: Arc<Mutex<Option<GetClusterResponse>>>,
}

impl Node {
    /// `script` decides by the count of items before, and the item; sessions are opened without it, as 1, 2, ….
    pub async fn start(script: impl Fn(usize, &Item) -> Act + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, cluster) = (Arc::default(), Arc::new(Mutex::new(Some(GetClusterResponse::default()))));
        let node = Self { address, seen, script: Arc::new(script), cluster };
        let server = tonic::transport::Server::builder()
            .add_service(KvServer::new(node.clone()))
            .add_service(ClusterServer::new(node.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        node
    }

    /// What it says of the cluster from now on.
    pub fn says(&self, term: u64, leader: u64, members: &[(u64, SocketAddr)]) {
        let member = |&(node, address): &(u64, SocketAddr)| ClusterMember {
            node,
            voter: true,
            client_address: address.to_string(),
        };
        let members = members.iter().map(member).collect();
        *self.cluster.lock().unwrap() =
            Some(GetClusterResponse { term, leader, members, ..Default::default() });
    }

    /// It says nothing of the cluster from now on.
    pub fn says_nothing(&self) {
        *self.cluster.lock().unwrap() = None;
    }

    pub fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap())
    }

    pub fn builder(&self) -> Builder {
        Client::builder([self.address.to_string()])
    }

    fn act(&self, item: Item) -> Act {
        let mut seen = self.seen.lock().unwrap();
        let act = match &item {
            Item::OpenSession(_) => {
                let opened = seen.items.iter().filter(|item| matches!(item, Item::OpenSession(_))).count();
                let session = 1 + opened as u64;
                let expires_after_millis = 3_600_000;
                Act::Answer(Answer::OpenSession(OpenSessionResponse { session, expires_after_millis }))
            }
            item => {
                let before = seen.items.iter().filter(|item| !matches!(item, Item::OpenSession(_))).count();
                (self.script)(before, item)
            }
        };
        seen.items.push(item);
        act
    }

    async fn serve(self, mut items: Streaming<BatchRequest>, answers: mpsc::UnboundedSender<Sent>) {
        while let Ok(Some(request)) = items.message().await {
            self.seen.lock().unwrap().messages.push(request.items.len());
            let mut results = Vec::new();
            for BatchItem { id, request, .. } in request.items {
                match self.act(request.unwrap()) {
                    Act::Answer(answer) => results.push(BatchResult { id, result: Some(answer) }),
                    Act::Silence => {}
                    Act::Break => return,
                }
            }
            answers.send(Ok(BatchResponse { results })).ok();
        }
    }
}

/// The attempt of a write.
pub fn attempt(item: &Item) -> Option<Attempt> {
    match item {
        Item::Put(put) => put.attempt,
        Item::ConditionalPut(put) => put.attempt,
        _ => None,
    }
}

/// The answer to a put.
pub fn done() -> Act {
    Act::Answer(Answer::Put(PutResponse { timestamp: 9 }))
}

pub fn error(kind: error_detail::Kind) -> Act {
    Act::Answer(Answer::Error(ErrorDetail { message: "as the test says".into(), kind: Some(kind) }))
}

type Sent = Result<BatchResponse, Status>;

fn unary<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("the client uses the stream"))
}

#[tonic::async_trait]
impl Kv for Node {
    type BatchStream = Pin<Box<dyn Stream<Item = Sent> + Send>>;

    async fn batch(
        &self,
        request: Request<Streaming<BatchRequest>>,
    ) -> Result<Response<Self::BatchStream>, Status> {
        let (sender, answers) = mpsc::unbounded_channel();
        tokio::spawn(self.clone().serve(request.into_inner(), sender));
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(answers))))
    }

    async fn get(&self, _: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        unary()
    }
    async fn put(&self, _: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        unary()
    }
    async fn conditional_put(
        &self,
        _: Request<ConditionalPutRequest>,
    ) -> Result<Response<ConditionalPutResponse>, Status> {
        unary()
    }
    async fn delete(&self, _: Request<DeleteRequest>) -> Result<Response<DeleteResponse>, Status> {
        unary()
    }
    async fn delete_range(
        &self,
        _: Request<DeleteRangeRequest>,
    ) -> Result<Response<DeleteRangeResponse>, Status> {
        unary()
    }
    async fn scan(&self, _: Request<ScanRequest>) -> Result<Response<ScanResponse>, Status> {
        unary()
    }
    async fn write(&self, _: Request<WriteRequest>) -> Result<Response<WriteResponse>, Status> {
        unary()
    }
    async fn open_session(
        &self,
        _: Request<OpenSessionRequest>,
    ) -> Result<Response<OpenSessionResponse>, Status> {
        unary()
    }
    async fn hold(&self, _: Request<HoldRequest>) -> Result<Response<HoldResponse>, Status> {
        unary()
    }
    async fn release_hold(
        &self,
        _: Request<ReleaseHoldRequest>,
    ) -> Result<Response<ReleaseHoldResponse>, Status> {
        unary()
    }
}

#[tonic::async_trait]
impl Cluster for Node {
    async fn get_cluster(
        &self,
        _: Request<GetClusterRequest>,
    ) -> Result<Response<GetClusterResponse>, Status> {
        let answer = self.cluster.lock().unwrap().clone();
        answer.map(Response::new).ok_or_else(|| Status::unavailable("as the test says"))
    }
}
