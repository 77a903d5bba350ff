//! The `Kv` service.

use std::time::Duration;

use proto::v1::batch_item::Request as Asked;
use proto::v1::batch_result::Result as Told;
use proto::v1::kv_server::Kv;
use proto::v1::{
    BatchItem, BatchRequest, ConditionalPutRequest, ConditionalPutResponse, DeleteRangeRequest,
    DeleteRangeResponse, DeleteRequest, DeleteResponse, GetRequest, GetResponse, HoldRequest, HoldResponse,
    OpenSessionRequest, OpenSessionResponse, PutRequest, PutResponse, ReleaseHoldRequest,
    ReleaseHoldResponse, ScanRequest, ScanResponse, WriteRequest, WriteResponse,
};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tonic::{Request, Response, Status, Streaming};

use super::batch::Batches;
use super::executor::Executor;
use super::{convert, errors};

/// An answer that comes when the client has just given up is of no use: this much earlier, at most, the server does.
const WAY_BACK: Duration = Duration::from_millis(20);

/// See `kvcluster.v1.Kv`.
pub struct KvService {
    executor: Executor,
}

impl KvService {
    /// Serves with this executor.
    #[must_use]
    pub fn new(executor: Executor) -> Self {
        Self { executor }
    }

    /// One request. A client that goes away takes nothing back: what was begun is executed.
    async fn call(&self, patience: Duration, request: Asked) -> Result<Told, Status> {
        let deadline_millis = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX).max(1);
        let changes = convert::is_for_leader(&request);
        let (answered, answer) = oneshot::channel();
        self.executor.execute(BatchItem { id: 0, deadline_millis, request: Some(request) }, |result| {
            // Whoever asked may have given up.
            let _ = answered.send(result);
        });
        let result = match timeout(patience, answer).await {
            Ok(Ok(result)) => result.result,
            Ok(Err(_)) => Some(Told::Error(errors::lost(changes))),
            Err(_) => Some(Told::Error(errors::deadline())),
        };
        match result {
            Some(Told::Error(detail)) => Err(errors::status(detail)),
            Some(told) => Ok(told),
            None => Err(mismatch()),
        }
    }

    fn patience<T>(&self, request: &Request<T>) -> Duration {
        let asked = request.metadata().get("grpc-timeout").and_then(|text| text.to_str().ok());
        match asked.and_then(parse_timeout) {
            Some(patience) => patience - WAY_BACK.min(patience / 10),
            None => self.executor.default_deadline(),
        }
    }
}

fn mismatch() -> Status {
    Status::internal("the answer is of another kind than the request: this is a bug, please report it")
}

/// gRPC's own format: digits and a unit.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count.checked_mul(3_600)?)),
        "M" => Some(Duration::from_secs(count.checked_mul(60)?)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// All unary calls are alike. The whole of the service, because `async_trait` does not look into macros.
macro_rules! serve {
    ($($name:ident: $request:ident -> $response:ident as $variant:ident;)*) => {
        #[tonic::async_trait]
        impl Kv for KvService {
            type BatchStream = Batches;

            async fn batch(
                &self,
                request: Request<Streaming<BatchRequest>>,
            ) -> Result<Response<Batches>, Status> {
                Ok(Response::new(Batches::new(self.executor.clone(), request.into_inner())))
            }

            $(async fn $name(&self, request: Request<$request>) -> Result<Response<$response>, Status> {
                let patience = self.patience(&request);
                match self.call(patience, Asked::$variant(request.into_inner())).await? {
                    Told::$variant(response) => Ok(Response::new(response)),
                    _ => Err(mismatch()),
                }
            })*
        }
    };
}

serve! {
    get: GetRequest -> GetResponse as Get;
    put: PutRequest -> PutResponse as Put;
    conditional_put: ConditionalPutRequest -> ConditionalPutResponse as ConditionalPut;
    delete: DeleteRequest -> DeleteResponse as Delete;
    delete_range: DeleteRangeRequest -> DeleteRangeResponse as DeleteRange;
    scan: ScanRequest -> ScanResponse as Scan;
    write: WriteRequest -> WriteResponse as Write;
    open_session: OpenSessionRequest -> OpenSessionResponse as OpenSession;
    hold: HoldRequest -> HoldResponse as Hold;
    release_hold: ReleaseHoldRequest -> ReleaseHoldResponse as ReleaseHold;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_those_of_grpc() {
        assert_eq!(parse_timeout("5S"), Some(Duration::from_secs(5)));
        assert_eq!(parse_timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse_timeout("1H"), Some(Duration::from_secs(3_600)));
        for wrong in ["", "S", "5", "5x", "-1S", "é", "99999999999999999999H", "18446744073709551615H"] {
            assert_eq!(parse_timeout(wrong), None, "{wrong}");
        }
    }
}
