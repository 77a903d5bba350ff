//! Envelopes: who speaks to whom, and the messages.

use bytes::Bytes;

use super::error::DecodeError;
use super::message::LEAST_MESSAGE;
use super::reader::Reader;
use super::writer::Writer;
use super::{FORMAT, MAX_MESSAGES};
use crate::identity::{ClusterId, Header, Peer, Target};
use crate::message::Envelope;

/// What a header and a heartbeat usually take.
const TYPICAL_HEADER: usize = 80;
const TYPICAL_MESSAGE: usize = 20;

/// Appends an envelope to `out`.
///
/// # Panics
/// With more than [`MAX_MESSAGES`] messages, or an append whose entries do not follow each other.
pub fn encode_envelope(envelope: &Envelope, out: &mut Vec<u8>) {
    let (header, messages) = (&envelope.header, &envelope.messages);
    assert!(messages.len() <= MAX_MESSAGES, "an envelope holds at most {MAX_MESSAGES} messages");
    out.reserve(TYPICAL_HEADER + messages.len() * TYPICAL_MESSAGE);
    let mut writer = Writer::new(out);
    writer.byte(FORMAT);
    writer.bytes(&header.cluster.0.to_le_bytes());
    writer.number(header.from.node.0);
    writer.disk(header.from.disk);
    writer.boot(header.from.boot);
    writer.number(header.to.node.0);
    writer.disk(header.to.disk);
    writer.count(messages.len());
    for message in messages {
        writer.message(message);
    }
}

/// The envelope that `bytes` holds. Commands share its memory, without a copy, where they are a good part
/// of it.
///
/// # Errors
/// The bytes are not exactly what [`encode_envelope`] makes.
#[expect(clippy::needless_pass_by_value, reason = "the envelope takes the memory over")]
pub fn decode_envelope(bytes: Bytes) -> Result<Envelope, DecodeError> {
    let mut reader = Reader::new(&bytes)?;
    let cluster = ClusterId(reader.random()?);
    let from = Peer { node: reader.node()?, disk: reader.disk()?, boot: reader.boot()? };
    let to = Target { node: reader.node()?, disk: reader.disk()? };
    let count = reader.count("messages", MAX_MESSAGES, LEAST_MESSAGE)?;
    let mut messages = Vec::with_capacity(count);
    for _ in 0..count {
        messages.push(reader.message(&bytes)?);
    }
    reader.end()?;
    Ok(Envelope { header: Header { cluster, from, to }, messages })
}
