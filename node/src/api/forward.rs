//! Takes requests that other nodes forward.

use proto::peer::v1::forward_server::Forward;
use proto::v1::BatchRequest;
use tonic::{Request, Response, Status, Streaming};

use super::batch::Batches;
use super::executor::Executor;

/// See `kvcluster.peer.v1.Forward`.
pub struct ForwardService {
    executor: Executor,
}

impl ForwardService {
    /// Serves with an executor that forwards nothing: one hop is all.
    #[must_use]
    pub fn new(executor: Executor) -> Self {
        Self { executor }
    }
}

#[tonic::async_trait]
impl Forward for ForwardService {
    type BatchStream = Batches;

    async fn batch(&self, request: Request<Streaming<BatchRequest>>) -> Result<Response<Batches>, Status> {
        Ok(Response::new(Batches::new(self.executor.clone(), request.into_inner())))
    }
}
