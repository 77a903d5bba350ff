//! Our API, a call per operation; and the requests that it shares with the stream.

use bytes::Bytes;
use proto::v1::kv_client::KvClient;
use proto::v1::{
    Condition, ConditionFailure, ConditionalPutRequest, ConditionalPutResponse, GetRequest, GetResponse,
    Operation as Part, PutOperation, PutRequest, ScanRequest, WriteRequest, WriteResponse, condition,
    operation,
};
use tonic::transport::Channel;

use super::{Failure, code};
use crate::workload::{self, Answer, Operation};

/// A connection to one node.
#[derive(Clone, Debug)]
pub struct UnaryLink {
    client: KvClient<Channel>,
}

impl UnaryLink {
    /// Speaks over `channel`.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        UnaryLink { client: KvClient::new(channel) }
    }

    pub(super) async fn call(&mut self, operation: Operation) -> Result<Answer, Failure> {
        let client = &mut self.client;
        let answer = match operation {
            Operation::Put(key, value) => {
                client.put(put(key, value)).await.map(|reply| Answer::Written(reply.get_ref().timestamp))
            }
            Operation::Get(key) => client.get(get(key)).await.map(|reply| read(reply.get_ref())),
            Operation::Scan(start, limit) => {
                client.scan(scan(start, limit)).await.map(|reply| Answer::Rows(reply.get_ref().rows.len()))
            }
            Operation::PutMany(pairs) => client.write(write(pairs)).await.map(|reply| wrote(reply.get_ref())),
            Operation::Cas(key, value, version) => {
                client.conditional_put(cas(key, value, version)).await.map(|reply| swapped(reply.get_ref()))
            }
        };
        answer.map_err(|status| code(&status))
    }
}

pub(super) fn get(key: Bytes) -> GetRequest {
    GetRequest { key, ..GetRequest::default() }
}

pub(super) fn put(key: Bytes, value: Bytes) -> PutRequest {
    PutRequest { key, value, ..PutRequest::default() }
}

pub(super) fn scan(start: Bytes, limit: u32) -> ScanRequest {
    ScanRequest { start, end: workload::end(), limit, ..ScanRequest::default() }
}

pub(super) fn write(pairs: Vec<(Bytes, Bytes)>) -> WriteRequest {
    let part = |(key, value)| Part { kind: Some(operation::Kind::Put(PutOperation { key, value })) };
    WriteRequest { operations: pairs.into_iter().map(part).collect(), ..WriteRequest::default() }
}

pub(super) fn cas(key: Bytes, value: Bytes, version: u64) -> ConditionalPutRequest {
    let condition = Condition { key: Bytes::new(), test: Some(condition::Test::Version(version)) };
    ConditionalPutRequest { key, value, condition: Some(condition), ..ConditionalPutRequest::default() }
}

pub(super) fn read(reply: &GetResponse) -> Answer {
    Answer::Rows(usize::from(reply.value.is_some()))
}

pub(super) fn wrote(reply: &WriteResponse) -> Answer {
    reply.failure.as_ref().map_or(Answer::Written(reply.timestamp), other)
}

pub(super) fn swapped(reply: &ConditionalPutResponse) -> Answer {
    reply.failure.as_ref().map_or(Answer::Written(reply.timestamp), other)
}

fn other(failure: &ConditionFailure) -> Answer {
    Answer::Other(failure.current.as_ref().map_or(0, |current| current.version))
}
