//! Requests in short, and the kinds of refusals.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;
use proto::v1::batch_item::Request as Asked;
use proto::v1::batch_result::Result as Told;
use proto::v1::condition::Test;
use proto::v1::consistency::Level;
use proto::v1::error_detail::Kind;
use proto::v1::kv_client::KvClient;
use proto::v1::operation::Kind as Operated;
use proto::v1::*;
use testing::{Cluster, Options};
use tokio_stream::iter;
use tonic::Status;
use tonic::transport::Channel;

/// A cluster of one node.
pub async fn one() -> (Cluster, KvClient<Channel>) {
    let cluster = Cluster::start(1, Options::default()).await;
    let kv = cluster.node(1).kv();
    (cluster, kv)
}

pub fn get(key: &str) -> GetRequest {
    GetRequest { key: Bytes::copy_from_slice(key.as_bytes()), ..GetRequest::default() }
}

pub fn get_at(key: &str, level: Level) -> GetRequest {
    GetRequest { consistency: Some(Consistency { level: Some(level) }), ..get(key) }
}

pub fn put(key: &str, value: &str) -> PutRequest {
    let (key, value) = (Bytes::copy_from_slice(key.as_bytes()), Bytes::copy_from_slice(value.as_bytes()));
    PutRequest { key, value, ..PutRequest::default() }
}

pub fn delete(key: &str) -> DeleteRequest {
    DeleteRequest { key: Bytes::copy_from_slice(key.as_bytes()), ..DeleteRequest::default() }
}

pub fn put_if(key: &str, value: &str, test: Test) -> ConditionalPutRequest {
    let PutRequest { key, value, .. } = put(key, value);
    let condition = Some(Condition { key: Bytes::new(), test: Some(test) });
    ConditionalPutRequest { key, value, condition, ..ConditionalPutRequest::default() }
}

pub fn condition(key: &'static str, test: Test) -> Condition {
    Condition { key: key.into(), test: Some(test) }
}

pub fn putting(key: &str, value: &str) -> Operation {
    let PutRequest { key, value, .. } = put(key, value);
    Operation { kind: Some(Operated::Put(PutOperation { key, value })) }
}

pub fn deleting(key: &str) -> Operation {
    Operation { kind: Some(Operated::Delete(DeleteOperation { key: delete(key).key })) }
}

pub fn deleting_range(start: &str, end: &str) -> Operation {
    let (start, end) = (delete(start).key, delete(end).key);
    Operation { kind: Some(Operated::DeleteRange(DeleteRangeOperation { start, end })) }
}

/// The typed detail of a refusal, and how long to wait if that is said.
pub fn detail(status: &Status) -> (ErrorDetail, Option<u64>) {
    let rich = tonic_types::Status::decode(status.details()).unwrap();
    assert_eq!((rich.code, rich.message.as_str()), (status.code().into(), status.message()));
    let find =
        |name: &str| rich.details.iter().find(|any| any.type_url == format!("type.googleapis.com/{name}"));
    let detail = find("kvcluster.v1.ErrorDetail").expect("an ErrorDetail");
    let retry = find("google.rpc.RetryInfo").map(|any| {
        let delay = tonic_types::pb::RetryInfo::decode(&any.value[..]).unwrap().retry_delay.unwrap();
        u64::try_from(delay.seconds * 1_000 + i64::from(delay.nanos) / 1_000_000).unwrap()
    });
    (ErrorDetail::decode(&detail.value[..]).unwrap(), retry)
}

pub fn kind(status: &Status) -> Kind {
    detail(status).0.kind.unwrap()
}

pub fn item(id: u64, request: Asked) -> BatchItem {
    BatchItem { id, deadline_millis: 0, request: Some(request) }
}

/// The answers to messages on one stream, by id, and in how many messages they came. Each id has one.
pub async fn batches(
    kv: &mut KvClient<Channel>,
    messages: Vec<Vec<BatchItem>>,
) -> (BTreeMap<u64, Told>, usize) {
    let messages = messages.into_iter().map(|items| BatchRequest { items });
    let mut stream = kv.batch(iter(messages)).await.unwrap().into_inner();
    let (mut answers, mut count) = (BTreeMap::new(), 0);
    while let Some(BatchResponse { results }) = stream.message().await.unwrap() {
        count += 1;
        for BatchResult { id, result } in results {
            assert!(answers.insert(id, result.unwrap()).is_none(), "two answers to {id}");
        }
    }
    (answers, count)
}
