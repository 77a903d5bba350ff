//! Requests and answers as they are on the wire, from and to those that the checkers know.

use prost::Message;
use proto::v1;
use proto::v1::condition::Test as AskedTest;
use proto::v1::consistency::Level;
use proto::v1::error_detail::Kind;
use proto::v1::kv_client::KvClient;
use proto::v1::operation::Kind as AskedOperation;
use store::replica::{Consistency, Query, Reply, Request};
use store::request::{Attempt, Condition, Operation, Page, Row, Test, Versioned, Write, WriteOutcome};
use store::timestamp::Timestamp;
use tonic::transport::Channel;
use tonic::{ConnectError, Status};

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The node says why.
    Told(Kind),
    /// Nobody was there to ask.
    NotSent,
    /// The connection broke: nothing is known.
    Broken,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let told = tonic_types::Status::decode(status.details())
            .ok()
            .and_then(|rich| v1::ErrorDetail::decode(rich.details.first()?.value.as_slice()).ok()?.kind);
        if let Some(kind) = told {
            return Self::Told(kind);
        }
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&status);
        while let Some(error) = cause {
            if error.is::<ConnectError>() {
                return Self::NotSent;
            }
            cause = error.source();
        }
        Self::Broken
    }
}

/// Asks a node.
pub(crate) async fn ask(kv: &mut KvClient<Channel>, request: Request) -> Result<Reply, Failure> {
    Ok(match request {
        Request::Read(read) => {
            let consistency = Some(consistency(read.consistency));
            let keyspace = String::new();
            match read.query {
                Query::Get { key } => {
                    let told = kv.get(v1::GetRequest { key, consistency, keyspace }).await?.into_inner();
                    let found = told
                        .value
                        .map(|found| Versioned { value: found.value, version: Timestamp(found.version) });
                    Reply::Value { timestamp: Timestamp(told.timestamp), found }
                }
                Query::Scan(scan) => {
                    let request = v1::ScanRequest {
                        start: scan.start,
                        end: scan.end,
                        reverse: scan.reverse,
                        limit: scan.limit as u32,
                        keys_only: scan.keys_only,
                        consistency,
                        keyspace,
                    };
                    let told = kv.scan(request).await?.into_inner();
                    let row = |row: v1::Row| Row {
                        key: row.key,
                        value: row.value,
                        version: Timestamp(row.version),
                    };
                    let page = Page { rows: told.rows.into_iter().map(row).collect(), resume: told.resume };
                    Reply::Page { timestamp: Timestamp(told.timestamp), page }
                }
            }
        }
        Request::Write(write) => Reply::Write(outcome(kv.write(wire_write(write)).await?.into_inner())),
        Request::OpenSession => {
            let told = kv.open_session(v1::OpenSessionRequest::default()).await?.into_inner();
            Reply::Session(Timestamp(told.session))
        }
        request => panic!("clients cannot ask for {request:?}"),
    })
}

fn consistency(wanted: Consistency) -> v1::Consistency {
    let level = match wanted {
        Consistency::Linearizable => Level::Linearizable(v1::Linearizable {}),
        Consistency::Snapshot(at) => Level::SnapshotTimestamp(at.0),
        Consistency::Stale(bound) => Level::StaleWithinMillis(bound.as_millis() as u64),
    };
    v1::Consistency { level: Some(level) }
}

fn wire_write(write: Write) -> v1::WriteRequest {
    v1::WriteRequest {
        conditions: write.conditions.into_iter().map(condition).collect(),
        operations: write.operations.into_iter().map(operation).collect(),
        attempt: write.attempt.map(|Attempt { session, number, acknowledged_below, retry }| v1::Attempt {
            session: session.0,
            number,
            acknowledged_below,
            retry,
        }),
        keyspace: String::new(),
    }
}

fn condition(Condition { key, test }: Condition) -> v1::Condition {
    let test = match test {
        Test::Exists => AskedTest::Exists(true),
        Test::Absent => AskedTest::Exists(false),
        Test::ValueIs(value) => AskedTest::Value(value),
        Test::VersionIs(version) => AskedTest::Version(version.0),
    };
    v1::Condition { key, test: Some(test) }
}

fn operation(operation: Operation) -> v1::Operation {
    let kind = match operation {
        Operation::Put { key, value } => AskedOperation::Put(v1::PutOperation { key, value }),
        Operation::Delete { key } => AskedOperation::Delete(v1::DeleteOperation { key }),
        Operation::DeleteRange { start, end } => {
            AskedOperation::DeleteRange(v1::DeleteRangeOperation { start, end })
        }
    };
    v1::Operation { kind: Some(kind) }
}

fn outcome(told: v1::WriteResponse) -> WriteOutcome {
    let timestamp = Timestamp(told.timestamp);
    match told.failure {
        None => WriteOutcome::Written { timestamp, deleted: told.deleted },
        Some(v1::ConditionFailure { index, current }) => WriteOutcome::ConditionFailed {
            timestamp,
            index,
            version: Timestamp(current.as_ref().map_or(0, |current| current.version)),
            value: current.map(|current| current.value),
        },
    }
}
