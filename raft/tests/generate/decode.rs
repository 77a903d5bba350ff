//! The fuzz target `decode`: any bytes.

use bytes::Bytes;
use raft::codec::{
    decode_entry, decode_envelope, decode_hard_state, decode_snapshot_meta, encode_entry, encode_envelope,
    encode_hard_state, encode_snapshot_meta,
};

/// Decodes the bytes as everything that there is; what is accepted must encode to the same bytes.
pub fn decode(bytes: &[u8]) {
    let shared = Bytes::copy_from_slice(bytes);
    let mut again = Vec::new();
    if let Ok(envelope) = decode_envelope(shared.clone()) {
        encode_envelope(&envelope, &mut again);
        assert_eq!(again, bytes, "{envelope:?}");
    }
    if let Ok(entry) = decode_entry(&shared) {
        again.clear();
        encode_entry(&entry, &mut again);
        assert_eq!(again, bytes, "{entry:?}");
    }
    if let Ok(hard_state) = decode_hard_state(bytes) {
        again.clear();
        encode_hard_state(&hard_state, &mut again);
        assert_eq!(again, bytes, "{hard_state:?}");
    }
    if let Ok(meta) = decode_snapshot_meta(bytes) {
        again.clear();
        encode_snapshot_meta(&meta, &mut again);
        assert_eq!(again, bytes, "{meta:?}");
    }
}
