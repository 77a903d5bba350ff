//! Takes requests that other nodes forward.

use proto::peer::v1::forward_server::Forward;
use proto::v1::BatchRequest;
use tonic::{Request, Response, Status, Streaming};

use super::batch::Batches;
use super::executor::Executor;
use crate::transport::{RECEIVER, receiver};

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
        let meant = request.metadata().get(RECEIVER).and_then(|receiver| receiver.to_str().ok());
        let me = self.executor.member().map(|(cluster, node)| receiver(cluster, node));
        if meant.is_none() || meant != me.as_deref() {
            return Err(Status::failed_precondition(format!(
                "{RECEIVER} is {meant:?}, this is {me:?}: the address leads to another node"
            )));
        }
        Ok(Response::new(Batches::new(self.executor.clone(), request.into_inner())))
    }
}
