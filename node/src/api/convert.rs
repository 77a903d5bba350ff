//! Requests and answers, between the contract and the store. Keys and values are never copied.

use std::time::Duration;

use proto::v1;
use proto::v1::batch_item::Request as Asked;
use proto::v1::batch_result::Result as Told;
use proto::v1::condition::Test as AskedTest;
use proto::v1::consistency::Level;
use proto::v1::operation::Kind as AskedOperation;
use store::replica::{Consistency, Query, Read, Reply, Request};
use store::request::{
    Attempt, Condition, Operation, Page, RequestError, Scan, Test, Versioned, Write, WriteOutcome,
};
use store::timestamp::Timestamp;

use super::errors::invalid;

/// The largest bound that a stale read may name.
const MOST_STALE: Duration = Duration::from_secs(600);

type Refused = v1::ErrorDetail;

/// In which form an answer is expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    Get,
    Put,
    ConditionalPut,
    Delete,
    DeleteRange,
    Scan,
    Write,
    OpenSession,
    Hold,
    ReleaseHold,
}

/// Whether a request is one for the leader only.
pub(super) fn is_for_leader(asked: &Asked) -> bool {
    !matches!(asked, Asked::Get(_) | Asked::Scan(_))
}

/// Refuses a write of too many parts before anything is made of them, in the words of the store.
pub(super) fn check_counts(asked: &Asked, limit: usize) -> Result<(), RequestError> {
    let Asked::Write(write) = asked else { return Ok(()) };
    let counts = [
        ("the number of conditions", write.conditions.len()),
        ("the number of operations", write.operations.len()),
    ];
    match counts.into_iter().find(|(_, size)| *size > limit) {
        Some((what, size)) => Err(RequestError::TooLarge { what, size, limit }),
        None => Ok(()),
    }
}

/// What the store is asked.
pub(super) fn request(asked: Asked) -> Result<(Request, Form), Refused> {
    Ok(match asked {
        Asked::Get(get) => {
            no_keyspace(&get.keyspace)?;
            let query = Query::Get { key: get.key };
            (Request::Read(Read { query, consistency: consistency(get.consistency)? }), Form::Get)
        }
        Asked::Scan(scan) => {
            no_keyspace(&scan.keyspace)?;
            let consistency = consistency(scan.consistency)?;
            let limit = usize::try_from(scan.limit).unwrap_or(usize::MAX);
            let v1::ScanRequest { start, end, reverse, keys_only, .. } = scan;
            let query = Query::Scan(Scan { start, end, reverse, limit, keys_only });
            (Request::Read(Read { query, consistency }), Form::Scan)
        }
        Asked::Put(put) => {
            no_keyspace(&put.keyspace)?;
            let operation = Operation::Put { key: put.key, value: put.value };
            (write(Vec::new(), vec![operation], put.attempt), Form::Put)
        }
        Asked::ConditionalPut(put) => {
            no_keyspace(&put.keyspace)?;
            let asked =
                put.condition.ok_or_else(|| invalid("condition is missing: use Put to set a key anyway"))?;
            if !asked.key.is_empty() {
                return Err(invalid(
                    "condition.key is not empty: the condition is on the key of the request",
                ));
            }
            let condition = Condition { key: put.key.clone(), test: test(asked.test)? };
            let operation = Operation::Put { key: put.key, value: put.value };
            (write(vec![condition], vec![operation], put.attempt), Form::ConditionalPut)
        }
        Asked::Delete(delete) => {
            no_keyspace(&delete.keyspace)?;
            let operation = Operation::Delete { key: delete.key };
            (write(Vec::new(), vec![operation], delete.attempt), Form::Delete)
        }
        Asked::DeleteRange(delete) => {
            no_keyspace(&delete.keyspace)?;
            let operation = Operation::DeleteRange { start: delete.start, end: delete.end };
            (write(Vec::new(), vec![operation], delete.attempt), Form::DeleteRange)
        }
        Asked::Write(asked) => {
            no_keyspace(&asked.keyspace)?;
            let conditions = asked.conditions.into_iter().map(condition).collect::<Result<_, _>>()?;
            let operations = asked.operations.into_iter().map(operation).collect::<Result<_, _>>()?;
            (write(conditions, operations, asked.attempt), Form::Write)
        }
        Asked::OpenSession(open) => {
            no_keyspace(&open.keyspace)?;
            (Request::OpenSession, Form::OpenSession)
        }
        Asked::Hold(hold) => {
            no_keyspace(&hold.keyspace)?;
            if hold.duration_millis == 0 {
                return Err(invalid("duration_millis is 0: say how long the timestamp is to be kept"));
            }
            let duration = Duration::from_millis(hold.duration_millis);
            (Request::Hold { timestamp: Timestamp(hold.timestamp), duration }, Form::Hold)
        }
        Asked::ReleaseHold(release) => {
            no_keyspace(&release.keyspace)?;
            (Request::ReleaseHold { id: release.hold }, Form::ReleaseHold)
        }
    })
}

fn no_keyspace(keyspace: &str) -> Result<(), Refused> {
    if keyspace.is_empty() {
        return Ok(());
    }
    Err(invalid(format!("keyspace is {keyspace:?}: there is only one keyspace yet, leave it empty")))
}

fn consistency(asked: Option<v1::Consistency>) -> Result<Consistency, Refused> {
    let Some(v1::Consistency { level }) = asked else { return Ok(Consistency::Linearizable) };
    match level {
        // Maybe one that this version does not know.
        None => Err(invalid("consistency has no level: set one, or leave consistency out")),
        Some(Level::Linearizable(_)) => Ok(Consistency::Linearizable),
        Some(Level::SnapshotTimestamp(timestamp)) => Ok(Consistency::Snapshot(Timestamp(timestamp))),
        Some(Level::StaleWithinMillis(millis)) => {
            let bound = Duration::from_millis(millis);
            if bound > MOST_STALE {
                let most = MOST_STALE.as_millis();
                return Err(invalid(format!("stale_within_millis is {millis}: at most {most} is possible")));
            }
            Ok(Consistency::Stale(bound))
        }
    }
}

fn write(conditions: Vec<Condition>, operations: Vec<Operation>, attempt: Option<v1::Attempt>) -> Request {
    let attempt = attempt.map(|attempt| Attempt {
        session: Timestamp(attempt.session),
        number: attempt.number,
        acknowledged_below: attempt.acknowledged_below,
        retry: attempt.retry,
    });
    Request::Write(Write { conditions, operations, attempt })
}

fn condition(asked: v1::Condition) -> Result<Condition, Refused> {
    Ok(Condition { key: asked.key, test: test(asked.test)? })
}

fn test(asked: Option<AskedTest>) -> Result<Test, Refused> {
    Ok(match asked {
        Some(AskedTest::Exists(true)) => Test::Exists,
        Some(AskedTest::Exists(false)) => Test::Absent,
        Some(AskedTest::Value(value)) => Test::ValueIs(value),
        Some(AskedTest::Version(version)) => Test::VersionIs(Timestamp(version)),
        None => return Err(invalid("a condition has no test: set exists, value or version")),
    })
}

fn operation(asked: v1::Operation) -> Result<Operation, Refused> {
    Ok(match asked.kind {
        Some(AskedOperation::Put(put)) => Operation::Put { key: put.key, value: put.value },
        Some(AskedOperation::Delete(delete)) => Operation::Delete { key: delete.key },
        Some(AskedOperation::DeleteRange(delete)) => {
            Operation::DeleteRange { start: delete.start, end: delete.end }
        }
        None => return Err(invalid("an operation has no kind: set put, delete or delete_range")),
    })
}

/// What the client is told. None: the answer is of another kind than the request, a bug.
pub(super) fn told(form: Form, reply: Reply, session_expiry: Duration) -> Option<Told> {
    Some(match (form, reply) {
        (Form::Get, Reply::Value { timestamp, found }) => {
            Told::Get(v1::GetResponse { value: found.map(versioned), timestamp: timestamp.0 })
        }
        (Form::Scan, Reply::Page { timestamp, page }) => Told::Scan(page_of(timestamp, page)),
        (Form::OpenSession, Reply::Session(session)) => Told::OpenSession(v1::OpenSessionResponse {
            session: session.0,
            expires_after_millis: u64::try_from(session_expiry.as_millis()).unwrap_or(u64::MAX),
        }),
        (Form::Hold, Reply::Hold { id }) => Told::Hold(v1::HoldResponse { hold: id }),
        (Form::ReleaseHold, Reply::Done) => Told::ReleaseHold(v1::ReleaseHoldResponse {}),
        (form, Reply::Write(outcome)) => return of_write(form, outcome),
        _ => return None,
    })
}

fn of_write(form: Form, outcome: WriteOutcome) -> Option<Told> {
    let (timestamp, deleted, failure) = match outcome {
        WriteOutcome::Written { timestamp, deleted } => (timestamp.0, deleted, None),
        WriteOutcome::ConditionFailed { timestamp, index, version, value } => {
            let current = value.map(|value| v1::VersionedValue { value, version: version.0 });
            (timestamp.0, 0, Some(v1::ConditionFailure { index, current }))
        }
    };
    Some(match form {
        Form::Put => Told::Put(v1::PutResponse { timestamp }),
        Form::ConditionalPut => Told::ConditionalPut(v1::ConditionalPutResponse { failure, timestamp }),
        Form::Delete => Told::Delete(v1::DeleteResponse { deleted: deleted > 0, timestamp }),
        Form::DeleteRange => Told::DeleteRange(v1::DeleteRangeResponse { deleted, timestamp }),
        Form::Write => Told::Write(v1::WriteResponse { failure, timestamp, deleted }),
        Form::Get | Form::Scan | Form::OpenSession | Form::Hold | Form::ReleaseHold => return None,
    })
}

fn versioned(found: Versioned) -> v1::VersionedValue {
    v1::VersionedValue { value: found.value, version: found.version.0 }
}

fn page_of(timestamp: Timestamp, page: Page) -> v1::ScanResponse {
    let row = |row: store::request::Row| v1::Row { key: row.key, value: row.value, version: row.version.0 };
    let rows = page.rows.into_iter().map(row).collect();
    v1::ScanResponse { rows, resume: page.resume, timestamp: timestamp.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn refused(asked: Asked) -> String {
        request(asked).unwrap_err().message
    }

    #[test]
    fn a_keyspace_is_refused_everywhere() {
        let keyspace = || "x".to_owned();
        let all = [
            Asked::Get(v1::GetRequest { keyspace: keyspace(), ..Default::default() }),
            Asked::Scan(v1::ScanRequest { keyspace: keyspace(), ..Default::default() }),
            Asked::Put(v1::PutRequest { keyspace: keyspace(), ..Default::default() }),
            Asked::ConditionalPut(v1::ConditionalPutRequest { keyspace: keyspace(), ..Default::default() }),
            Asked::Delete(v1::DeleteRequest { keyspace: keyspace(), ..Default::default() }),
            Asked::DeleteRange(v1::DeleteRangeRequest { keyspace: keyspace(), ..Default::default() }),
            Asked::Write(v1::WriteRequest { keyspace: keyspace(), ..Default::default() }),
            Asked::OpenSession(v1::OpenSessionRequest { keyspace: keyspace() }),
            Asked::Hold(v1::HoldRequest { keyspace: keyspace(), ..Default::default() }),
            Asked::ReleaseHold(v1::ReleaseHoldRequest { keyspace: keyspace(), ..Default::default() }),
        ];
        for asked in all {
            assert!(refused(asked).contains("leave it empty"));
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let put = v1::ConditionalPutRequest { key: Bytes::from_static(b"k"), ..Default::default() };
        assert!(refused(Asked::ConditionalPut(put.clone())).contains("condition is missing"));
        let condition = |key: &'static [u8], test| Some(v1::Condition { key: Bytes::from_static(key), test });
        let with = |condition| Asked::ConditionalPut(v1::ConditionalPutRequest { condition, ..put.clone() });
        assert!(refused(with(condition(b"k", Some(AskedTest::Exists(true))))).contains("condition.key"));
        assert!(refused(with(condition(b"", None))).contains("has no test"));
        let write = v1::WriteRequest { operations: vec![v1::Operation { kind: None }], ..Default::default() };
        assert!(refused(Asked::Write(write)).contains("has no kind"));
        let get = |level| {
            let consistency = Some(v1::Consistency { level });
            refused(Asked::Get(v1::GetRequest { consistency, ..Default::default() }))
        };
        assert!(get(Some(Level::StaleWithinMillis(600_001))).contains("at most 600000"));
        assert!(get(None).contains("has no level"));
        assert!(refused(Asked::Hold(v1::HoldRequest::default())).contains("duration_millis is 0"));
    }

    #[test]
    fn a_conditional_put_tests_its_own_key() {
        let put = v1::ConditionalPutRequest {
            key: Bytes::from_static(b"k"),
            value: Bytes::from_static(b"v"),
            condition: Some(v1::Condition { key: Bytes::new(), test: Some(AskedTest::Version(7)) }),
            attempt: Some(v1::Attempt { session: 1, number: 2, acknowledged_below: 2, retry: true }),
            keyspace: String::new(),
        };
        let (Request::Write(write), Form::ConditionalPut) = request(Asked::ConditionalPut(put)).unwrap()
        else {
            panic!("no write");
        };
        let key = Bytes::from_static(b"k");
        assert_eq!(write.conditions, [Condition { key, test: Test::VersionIs(Timestamp(7)) }]);
        let attempt = Attempt { session: Timestamp(1), number: 2, acknowledged_below: 2, retry: true };
        assert_eq!(write.attempt, Some(attempt));
    }

    #[test]
    fn a_failed_condition_is_an_answer() {
        let failed = WriteOutcome::ConditionFailed {
            timestamp: Timestamp(9),
            index: 3,
            version: Timestamp(4),
            value: Some(Bytes::from_static(b"there")),
        };
        let Some(Told::Write(response)) = told(Form::Write, Reply::Write(failed), Duration::ZERO) else {
            panic!("no answer to a write");
        };
        let failure = response.failure.unwrap();
        let current = failure.current.unwrap();
        assert_eq!((failure.index, current.version, &current.value[..]), (3, 4, &b"there"[..]));
        assert_eq!(told(Form::Get, Reply::Done, Duration::ZERO), None);
    }
}
