//! About how many bytes of memory something takes that waits.

use raft::{Body, Entry};
use store::replica::{Query, Read, Request};
use store::request::{Operation, Test, Write};
use store::store::NodeEnvelope;

use super::inbox::Input;

/// Of anything, beside its keys and values.
const OVERHEAD: usize = 128;

pub(super) fn of_request(request: &Request) -> usize {
    OVERHEAD
        + match request {
            Request::Write(write) => of_write(write),
            Request::Read(Read { query: Query::Get { key }, .. }) => key.len(),
            Request::Read(Read { query: Query::Scan(scan), .. }) => scan.start.len() + scan.end.len(),
            Request::OpenSession
            | Request::Hold { .. }
            | Request::ReleaseHold { .. }
            | Request::SetClusterVersion { .. } => 0,
        }
}

fn of_write(write: &Write) -> usize {
    let conditions = write.conditions.iter().map(|condition| {
        OVERHEAD
            + condition.key.len()
            + match &condition.test {
                Test::ValueIs(value) => value.len(),
                Test::Exists | Test::Absent | Test::VersionIs(_) => 0,
            }
    });
    let operations = write.operations.iter().map(|operation| {
        OVERHEAD
            + match operation {
                Operation::Put { key, value } => key.len() + value.len(),
                Operation::Delete { key } => key.len(),
                Operation::DeleteRange { start, end } => start.len() + end.len(),
            }
    });
    conditions.chain(operations).sum()
}

pub(super) fn of_input(input: &Input) -> usize {
    match input {
        Input::Envelope(envelope) => of_envelope(envelope),
        _ => OVERHEAD,
    }
}

fn of_envelope(envelope: &NodeEnvelope) -> usize {
    let messages = envelope.envelope.messages.iter().map(|message| {
        OVERHEAD
            + match &message.body {
                Body::Append(append) => append.entries.iter().map(Entry::size).sum(),
                _ => 0,
            }
    });
    OVERHEAD + messages.sum::<usize>()
}
