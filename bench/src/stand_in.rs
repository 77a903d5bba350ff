//! For tests of the generator: a server of our API with keys in memory, which can be stalled at a known moment.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use proto::v1::kv_server::{Kv, KvServer};
use proto::v1::{self, batch_item, batch_result, condition, error_detail};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming};

/// Its keys with their values and versions, and when it stalls.
#[derive(Clone, Default, Debug)]
pub struct StandIn {
    keys: Arc<Mutex<BTreeMap<Bytes, (Bytes, u64)>>>,
    stall: Option<(Instant, Duration)>,
    /// Items of each message of a stream.
    pub batches: Arc<Mutex<Vec<usize>>>,
}

impl StandIn {
    /// Serves on the current runtime; returns where.
    pub async fn serve(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tonic::transport::Server::builder().add_service(KvServer::new(self));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        address
    }

    /// Answers nothing for so long, from so long from now on.
    pub fn stalled(after: Duration, length: Duration) -> Self {
        StandIn { stall: Some((Instant::now() + after, length)), ..StandIn::default() }
    }

    async fn wait(&self) {
        if let Some((begin, length)) = self.stall
            && Instant::now() >= begin
        {
            tokio::time::sleep_until((begin + length).into()).await;
        }
    }

    fn set(&self, key: Bytes, value: Bytes) -> u64 {
        let mut keys = self.keys.lock().unwrap();
        let version = keys.values().map(|(_, version)| *version).max().unwrap_or(0) + 1;
        keys.insert(key, (value, version));
        version
    }

    fn find(&self, key: &Bytes) -> Option<v1::VersionedValue> {
        let keys = self.keys.lock().unwrap();
        keys.get(key).map(|(value, version)| v1::VersionedValue { value: value.clone(), version: *version })
    }

    fn swap(&self, request: v1::ConditionalPutRequest) -> v1::ConditionalPutResponse {
        let current = self.find(&request.key);
        let wanted = match request.condition.and_then(|condition| condition.test) {
            Some(condition::Test::Version(version)) => version,
            other => panic!("{other:?}"),
        };
        if current.as_ref().map_or(0, |current| current.version) != wanted {
            let failure = Some(v1::ConditionFailure { index: 0, current });
            return v1::ConditionalPutResponse { failure, timestamp: 0 };
        }
        v1::ConditionalPutResponse { failure: None, timestamp: self.set(request.key, request.value) }
    }

    fn result(&self, item: v1::BatchItem) -> v1::BatchResult {
        let result = match item.request {
            Some(batch_item::Request::Put(put)) if put.key.is_empty() => {
                let kind = Some(error_detail::Kind::Busy(v1::Busy { retry_after_millis: 1 }));
                batch_result::Result::Error(v1::ErrorDetail { message: String::new(), kind })
            }
            Some(batch_item::Request::Put(put)) => {
                batch_result::Result::Put(v1::PutResponse { timestamp: self.set(put.key, put.value) })
            }
            Some(batch_item::Request::Get(get)) => {
                batch_result::Result::Get(v1::GetResponse { value: self.find(&get.key), timestamp: 0 })
            }
            Some(batch_item::Request::ConditionalPut(put)) => {
                batch_result::Result::ConditionalPut(self.swap(put))
            }
            other => panic!("{other:?}"),
        };
        v1::BatchResult { id: item.id, result: Some(result) }
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Kv for StandIn {
    type BatchStream = Pin<Box<dyn Stream<Item = Result<v1::BatchResponse, Status>> + Send>>;

    async fn get(&self, request: Request<v1::GetRequest>) -> Answer<v1::GetResponse> {
        self.wait().await;
        Ok(Response::new(v1::GetResponse { value: self.find(&request.into_inner().key), timestamp: 0 }))
    }

    async fn put(&self, request: Request<v1::PutRequest>) -> Answer<v1::PutResponse> {
        self.wait().await;
        let v1::PutRequest { key, value, .. } = request.into_inner();
        if key.is_empty() {
            return Err(Status::resource_exhausted("busy"));
        }
        Ok(Response::new(v1::PutResponse { timestamp: self.set(key, value) }))
    }

    async fn conditional_put(
        &self,
        request: Request<v1::ConditionalPutRequest>,
    ) -> Answer<v1::ConditionalPutResponse> {
        Ok(Response::new(self.swap(request.into_inner())))
    }

    async fn batch(&self, request: Request<Streaming<v1::BatchRequest>>) -> Answer<Self::BatchStream> {
        let server = self.clone();
        let answers = request.into_inner().map(move |message| {
            let items = message?.items;
            server.batches.lock().unwrap().push(items.len());
            // In another order than asked.
            Ok(v1::BatchResponse {
                results: items.into_iter().rev().map(|item| server.result(item)).collect(),
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn write(&self, _: Request<v1::WriteRequest>) -> Answer<v1::WriteResponse> {
        Err(Status::unimplemented("write"))
    }

    async fn scan(&self, _: Request<v1::ScanRequest>) -> Answer<v1::ScanResponse> {
        Err(Status::unimplemented("scan"))
    }

    async fn delete(&self, _: Request<v1::DeleteRequest>) -> Answer<v1::DeleteResponse> {
        Err(Status::unimplemented("delete"))
    }

    async fn delete_range(&self, _: Request<v1::DeleteRangeRequest>) -> Answer<v1::DeleteRangeResponse> {
        Err(Status::unimplemented("delete_range"))
    }

    async fn open_session(&self, _: Request<v1::OpenSessionRequest>) -> Answer<v1::OpenSessionResponse> {
        Err(Status::unimplemented("open_session"))
    }

    async fn hold(&self, _: Request<v1::HoldRequest>) -> Answer<v1::HoldResponse> {
        Err(Status::unimplemented("hold"))
    }

    async fn release_hold(&self, _: Request<v1::ReleaseHoldRequest>) -> Answer<v1::ReleaseHoldResponse> {
        Err(Status::unimplemented("release_hold"))
    }
}
