//! What one node tells another: messages of all ranges, and what nodes report about themselves around them.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes};
use raft::codec::{DecodeError, MAX_MESSAGES, decode_envelope, encode_envelope};
use raft::{Body, ClusterId, Entry, Envelope, Header, Message, Outgoing, Peer, Target};

use crate::effects::ClusterVersion;

/// An envelope is closed here, far below what a receiver takes; one message alone may be larger.
const ENVELOPE_MESSAGES: usize = 16 * 1024;
const ENVELOPE_BYTES: usize = 4 << 20;
/// The first byte of the encoding.
const FORMAT: u8 = 1;
/// Format, clock, spare space and version.
const REPORT: usize = 21;

/// Everything that one node tells another at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeEnvelope {
    /// Who speaks to whom, and the messages.
    pub envelope: Envelope,
    /// The sender's wall clock, in milliseconds since 1970.
    pub clock_millis: u64,
    /// Free space on the sender's disk beyond its own reserve, which only the sender knows; 0: it is short of space.
    pub spare_bytes: u64,
    /// The newest cluster version that the sender understands.
    pub supported: ClusterVersion,
}

impl NodeEnvelope {
    /// Appends it to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(FORMAT);
        out.put_u64_le(self.clock_millis);
        out.put_u64_le(self.spare_bytes);
        out.put_u32_le(self.supported.0);
        encode_envelope(&self.envelope, out);
    }

    /// The envelope that `bytes` hold. Commands share their memory.
    ///
    /// # Errors
    /// The bytes are not exactly what [`NodeEnvelope::encode`] makes.
    pub fn decode(mut bytes: Bytes) -> Result<Self, DecodeError> {
        match bytes.first() {
            Some(&FORMAT) if bytes.len() >= REPORT => {}
            None | Some(&FORMAT) => return Err(DecodeError::Truncated),
            Some(&found) => return Err(DecodeError::UnknownFormat { found }),
        }
        let envelope = decode_envelope(bytes.split_off(REPORT))?;
        bytes.advance(1);
        let (clock_millis, spare_bytes) = (bytes.get_u64_le(), bytes.get_u64_le());
        let supported = ClusterVersion(bytes.get_u32_le());
        Ok(Self { envelope, clock_millis, spare_bytes, supported })
    }
}

/// Messages by receiver, closed into envelopes.
pub(super) fn close(
    messages: Vec<Outgoing>,
    (cluster, from): (ClusterId, Peer),
    (clock_millis, spare_bytes, supported): (u64, u64, ClusterVersion),
) -> Vec<NodeEnvelope> {
    let mut by_target: BTreeMap<Target, (Vec<Message>, usize)> = BTreeMap::new();
    let mut closed = Vec::new();
    let envelope = |to, messages| NodeEnvelope {
        envelope: Envelope { header: Header { cluster, from, to }, messages },
        clock_millis,
        spare_bytes,
        supported,
    };
    for Outgoing { to, message } in messages {
        let (messages, bytes) = by_target.entry(to).or_default();
        let size = size_of(&message);
        let full = messages.len() >= ENVELOPE_MESSAGES.min(MAX_MESSAGES) || *bytes + size > ENVELOPE_BYTES;
        if full && !messages.is_empty() {
            closed.push(envelope(to, std::mem::take(messages)));
            *bytes = 0;
        }
        messages.push(message);
        *bytes += size;
    }
    closed.extend(by_target.into_iter().map(|(to, (messages, _))| envelope(to, messages)));
    closed
}

/// About as many bytes as a message takes.
fn size_of(message: &Message) -> usize {
    match &message.body {
        Body::Append(append) => append.entries.iter().map(Entry::size).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raft::{Append, LogIndex, LogPosition, NodeId, Payload, RangeId, ReplicaId, Term};

    const REPORTED: (u64, u64, ClusterVersion) = (5, 6, ClusterVersion(7));

    fn append(to: u64, bytes: usize) -> Outgoing {
        let payload = Payload::Command(vec![7; bytes].into());
        let entries = vec![Entry { index: LogIndex(1), term: Term(1), payload }];
        let body = Body::Append(Append { prev: LogPosition::default(), entries, commit: LogIndex::ZERO });
        let (from, term) = (ReplicaId(1), Term(1));
        let message = Message { range: RangeId(1), from, to: ReplicaId(to), term, body };
        Outgoing { to: Target { node: NodeId(to), ..Target::default() }, message }
    }

    #[test]
    fn a_pair_of_nodes_shares_an_envelope_up_to_a_size() {
        let messages = vec![append(1, 3 << 20), append(2, 8 << 20), append(1, 2 << 20), append(1, 9)];
        let closed = close(messages, (ClusterId(3), Peer::default()), REPORTED);
        let found: Vec<_> = closed
            .iter()
            .map(|closed| (closed.envelope.header.to.node.0, closed.envelope.messages.len()))
            .collect();
        assert_eq!(found, [(1, 1), (1, 2), (2, 1)]);
    }

    #[test]
    fn bytes_hold_all_of_an_envelope() {
        for sent in close(vec![append(1, 100), append(2, 0)], (ClusterId(3), Peer::default()), REPORTED) {
            let mut bytes = Vec::new();
            sent.encode(&mut bytes);
            assert_eq!(NodeEnvelope::decode(bytes.clone().into()), Ok(sent));
            assert_eq!(bytes[..REPORT], [1, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0]);
            for length in 0..bytes.len() {
                assert!(NodeEnvelope::decode(Bytes::copy_from_slice(&bytes[..length])).is_err());
            }
        }
    }
}
