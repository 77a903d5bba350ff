//! Our API, all operations of a connection on one stream: what becomes ready together travels together.

use std::collections::HashMap;
use std::time::Duration;

use proto::v1::kv_client::KvClient;
use proto::v1::{BatchItem, BatchRequest, BatchResult, batch_item, batch_result, error_detail};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use super::unary::{cas, get, put, read, scan, swapped, write, wrote};
use super::{Failure, code};
use crate::workload::{Answer, Operation};

/// Most items of one message.
const MOST_ITEMS: usize = 512;
/// How long to wait before a broken stream is opened again.
const REOPEN: Duration = Duration::from_millis(50);

type Reply = oneshot::Sender<Result<Answer, Failure>>;

/// A stream to one node.
#[derive(Clone, Debug)]
pub struct BatchLink {
    calls: mpsc::Sender<(Operation, Reply)>,
}

impl BatchLink {
    /// Speaks over `channel`.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        let (calls, waiting) = mpsc::channel(MOST_ITEMS);
        tokio::spawn(serve(KvClient::new(channel), waiting));
        BatchLink { calls }
    }

    pub(super) async fn call(&mut self, operation: Operation) -> Result<Answer, Failure> {
        let (reply, answer) = oneshot::channel();
        self.calls.send((operation, reply)).await.map_err(|_| "stream closed")?;
        answer.await.unwrap_or(Err("stream broken"))
    }
}

/// Opens the stream again and again, until nobody holds the link any more.
async fn serve(mut client: KvClient<Channel>, mut calls: mpsc::Receiver<(Operation, Reply)>) {
    loop {
        match stream(&mut client, &mut calls).await {
            Ok(()) => return,
            Err(status) => {
                // What waits learns of it as well, or it would wait for a node that is gone.
                while let Ok((_, reply)) = calls.try_recv() {
                    let _ = reply.send(Err(code(&status)));
                }
                tokio::time::sleep(REOPEN).await;
            }
        }
    }
}

async fn stream(
    client: &mut KvClient<Channel>,
    calls: &mut mpsc::Receiver<(Operation, Reply)>,
) -> Result<(), tonic::Status> {
    let (requests, outgoing) = mpsc::channel(2);
    let mut incoming = client.batch(ReceiverStream::new(outgoing)).await?.into_inner();
    let mut under_way: HashMap<u64, Reply> = HashMap::new();
    let mut ready = Vec::new();
    let mut items = Vec::new();
    let mut last_id = 0;
    loop {
        tokio::select! {
            biased;
            message = incoming.message() => {
                let Some(message) = message? else { return Err(tonic::Status::unavailable("the stream ended")) };
                for result in message.results {
                    if let Some(reply) = under_way.remove(&result.id) {
                        let _ = reply.send(answer(result));
                    }
                }
            }
            // Reading goes on while the node takes no more, so that the two never wait for each other.
            place = requests.reserve(), if !items.is_empty() => match place {
                Ok(place) => place.send(BatchRequest { items: std::mem::take(&mut items) }),
                Err(_) => return Err(tonic::Status::unavailable("the stream ended")),
            },
            count = calls.recv_many(&mut ready, MOST_ITEMS), if items.len() < MOST_ITEMS => {
                if count == 0 {
                    return Ok(());
                }
                for (operation, reply) in ready.drain(..) {
                    last_id += 1;
                    under_way.insert(last_id, reply);
                    items.push(BatchItem { id: last_id, deadline_millis: 0, request: Some(request(operation)) });
                }
            }
        }
    }
}

fn request(operation: Operation) -> batch_item::Request {
    match operation {
        Operation::Put(key, value) => batch_item::Request::Put(put(key, value)),
        Operation::PutMany(pairs) => batch_item::Request::Write(write(pairs)),
        Operation::Get(key) => batch_item::Request::Get(get(key)),
        Operation::Scan(start, limit) => batch_item::Request::Scan(scan(start, limit)),
        Operation::Cas(key, value, version) => batch_item::Request::ConditionalPut(cas(key, value, version)),
    }
}

fn answer(result: BatchResult) -> Result<Answer, Failure> {
    match result.result {
        Some(batch_result::Result::Put(reply)) => Ok(Answer::Written(reply.timestamp)),
        Some(batch_result::Result::Get(reply)) => Ok(read(&reply)),
        Some(batch_result::Result::Scan(reply)) => Ok(Answer::Rows(reply.rows.len())),
        Some(batch_result::Result::Write(reply)) => Ok(wrote(&reply)),
        Some(batch_result::Result::ConditionalPut(reply)) => Ok(swapped(&reply)),
        Some(batch_result::Result::Error(detail)) => Err(kind(detail.kind.as_ref())),
        _ => Err("malformed answer"),
    }
}

fn kind(kind: Option<&error_detail::Kind>) -> Failure {
    match kind {
        Some(error_detail::Kind::NotLeader(_)) => "not leader",
        Some(error_detail::Kind::NoLeader(_)) => "no leader",
        Some(error_detail::Kind::Busy(_)) => "busy",
        Some(error_detail::Kind::DeadlineExceeded(_)) => "deadline exceeded",
        Some(error_detail::Kind::OutcomeUnknown(_)) => "outcome unknown",
        Some(error_detail::Kind::DiskReserve(_)) => "disk reserve",
        Some(_) => "refused",
        None => "malformed answer",
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::link::{Link, Protocol, connect};
    use crate::stand_in::StandIn;

    #[tokio::test]
    async fn what_is_ready_together_travels_together_and_is_answered_apart() {
        let server = StandIn::default();
        let batches = server.batches.clone();
        let link = connect(Protocol::Batch, &[server.serve().await], 1).unwrap().remove(0);
        let call = |operation: Operation| {
            let mut link = link.clone();
            async move { link.call(operation).await }
        };
        let value = Bytes::from_static(b"v");
        let key = |number: u8| Bytes::copy_from_slice(&[number]);
        let puts = (0..100).map(|number| call(Operation::Put(key(number), value.clone())));
        let versions: Vec<_> =
            futures_util::future::join_all(puts).await.into_iter().map(Result::unwrap).collect();
        let distinct: std::collections::BTreeSet<_> =
            versions.iter().map(|answer| format!("{answer:?}")).collect();
        assert_eq!(distinct.len(), 100);
        assert!(batches.lock().unwrap().len() < 10, "{batches:?}");

        // An answer goes to the call that it belongs to.
        let Answer::Written(version) = versions[7] else { panic!("{versions:?}") };
        let (right, wrong, busy, absent) = tokio::join!(
            call(Operation::Cas(key(7), value.clone(), version)),
            call(Operation::Cas(key(8), value.clone(), 0)),
            call(Operation::Put(Bytes::new(), value.clone())),
            call(Operation::Get(key(200))),
        );
        assert!(matches!(right, Ok(Answer::Written(newer)) if newer > version), "{right:?}");
        let Answer::Written(other) = versions[8] else { panic!("{versions:?}") };
        assert_eq!(wrong, Ok(Answer::Other(other)));
        assert_eq!((busy, absent), (Err("busy"), Ok(Answer::Rows(0))));
    }

    #[tokio::test]
    async fn calls_fail_when_nobody_is_there() {
        let mut link = connect(Protocol::Batch, &["127.0.0.1:1".to_owned()], 1).unwrap().remove(0);
        assert!(matches!(link, Link::Batch(_)));
        assert_eq!(link.call(Operation::Get(Bytes::from_static(b"k"))).await, Err("unavailable"));
    }
}
