//! A leader that does what a test says.

use std::pin::Pin;

use futures_util::Stream;
use proto::peer::v1::forward_server::{Forward, ForwardServer};
use proto::v1::{BatchItem, BatchRequest, BatchResponse, BatchResult};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

use crate::server::Server;

pub struct Leader {
    pub server: Server,
    sessions: UnboundedReceiver<Session>,
}

/// One stream of requests. Dropped, it ends.
pub struct Session {
    requests: Streaming<BatchRequest>,
    read: Vec<BatchItem>,
    answers: UnboundedSender<Result<BatchResponse, Status>>,
}

impl Leader {
    pub fn start() -> Self {
        let (accept, sessions) = unbounded_channel();
        let service = ForwardServer::new(Accepting(accept)).max_decoding_message_size(16 << 20);
        Self { server: Server::start(Routes::new(service)), sessions }
    }

    /// The next stream. It is read only by [`Session::next`].
    pub async fn accept(&mut self) -> Session {
        self.sessions.recv().await.unwrap()
    }
}

impl Session {
    /// The next request; none if the stream ended.
    pub async fn next(&mut self) -> Option<BatchItem> {
        while self.read.is_empty() {
            self.read = self.requests.message().await.ok()??.items;
        }
        Some(self.read.remove(0))
    }

    pub fn answer(&self, results: Vec<BatchResult>) {
        self.answers.send(Ok(BatchResponse { results })).unwrap();
    }
}

struct Accepting(UnboundedSender<Session>);

#[tonic::async_trait]
impl Forward for Accepting {
    type BatchStream = Pin<Box<dyn Stream<Item = Result<BatchResponse, Status>> + Send>>;

    async fn batch(
        &self,
        request: Request<Streaming<BatchRequest>>,
    ) -> Result<Response<Self::BatchStream>, Status> {
        let (answers, told) = unbounded_channel();
        let session = Session { requests: request.into_inner(), read: Vec::new(), answers };
        self.0.send(session).map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(told))))
    }
}
