//! etcd's API.

use bytes::Bytes;
use tonic::transport::Channel;

use super::{Failure, code};
use crate::workload::{self, Answer, Operation};

/// Generated from `proto/etcd.proto`.
#[allow(missing_docs, unused_qualifications, clippy::all, reason = "generated; etcd documents its API")]
pub mod api {
    tonic::include_proto!("etcdserverpb");
}

use api::compare::{CompareResult, CompareTarget, TargetUnion};
use api::kv_client::KvClient;
use api::request_op::Request;
use api::response_op::Response;
use api::{Compare, PutRequest, RangeRequest, RequestOp, ResponseHeader, TxnRequest};

/// A connection to one etcd member.
#[derive(Clone, Debug)]
pub struct EtcdLink {
    client: KvClient<Channel>,
}

impl EtcdLink {
    /// Speaks over `channel`.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        EtcdLink { client: KvClient::new(channel) }
    }

    pub(super) async fn call(&mut self, operation: Operation) -> Result<Answer, Failure> {
        match operation {
            Operation::Put(key, value) => {
                let reply =
                    self.client.put(PutRequest { key, value }).await.map_err(|status| code(&status))?;
                Ok(written(reply.into_inner().header.as_ref()))
            }
            Operation::Get(key) => self.range(key, Bytes::new(), 1).await,
            Operation::Scan(start, limit) => self.range(start, workload::end(), i64::from(limit)).await,
            Operation::PutMany(pairs) => {
                let success = pairs.into_iter().map(|(key, value)| put(key, value)).collect();
                self.transact(TxnRequest { success, ..TxnRequest::default() }).await
            }
            Operation::Cas(key, value, version) => {
                let compare = Compare {
                    result: CompareResult::Equal.into(),
                    target: CompareTarget::Mod.into(),
                    key: key.clone(),
                    target_union: Some(TargetUnion::ModRevision(version.cast_signed())),
                };
                let read = RangeRequest { key: key.clone(), ..RangeRequest::default() };
                let failure = vec![RequestOp { request: Some(Request::RequestRange(read)) }];
                let success = vec![put(key, value)];
                self.transact(TxnRequest { compare: vec![compare], success, failure }).await
            }
        }
    }

    async fn range(&mut self, key: Bytes, range_end: Bytes, limit: i64) -> Result<Answer, Failure> {
        let request = RangeRequest { key, range_end, limit, serializable: false };
        let reply = self.client.range(request).await.map_err(|status| code(&status))?;
        Ok(Answer::Rows(reply.into_inner().kvs.len()))
    }

    async fn transact(&mut self, request: TxnRequest) -> Result<Answer, Failure> {
        let reply = self.client.txn(request).await.map_err(|status| code(&status))?.into_inner();
        if reply.succeeded {
            return Ok(written(reply.header.as_ref()));
        }
        match reply.responses.into_iter().next().and_then(|answer| answer.response) {
            Some(Response::ResponseRange(read)) => {
                Ok(Answer::Other(read.kvs.first().map_or(0, |found| found.mod_revision.cast_unsigned())))
            }
            _ => Err("malformed answer"),
        }
    }
}

fn put(key: Bytes, value: Bytes) -> RequestOp {
    RequestOp { request: Some(Request::RequestPut(PutRequest { key, value })) }
}

fn written(header: Option<&ResponseHeader>) -> Answer {
    Answer::Written(header.map_or(0, |header| header.revision.cast_unsigned()))
}
