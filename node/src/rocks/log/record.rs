//! The values of the log: a CRC-32 of key and content, little-endian, then the content.
//!
//! RocksDB has checksums of its own. This one also finds what was damaged in memory, and what stands in another
//! one's place.

use bytes::{Buf, BufMut, Bytes};
use raft::codec::DecodeError;
use raft::{ClusterId, DiskId, NodeId};
use store::log_store::{DiskIdentity, LogStoreError};

const CHECKSUM: usize = 4;

/// The value with this content.
pub(super) fn seal(key: &[u8], content: &[u8]) -> Vec<u8> {
    seal_with(key, |out| out.extend_from_slice(content))
}

/// The value whose content `write` appends.
pub(super) fn seal_with(key: &[u8], write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut value = vec![0; CHECKSUM];
    write(&mut value);
    let checksum = checksum(key, &value[CHECKSUM..]);
    value[..CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    value
}

/// The content of a value.
pub(super) fn open<'a>(key: &[u8], value: &'a [u8]) -> Result<&'a [u8], LogStoreError> {
    match value.split_first_chunk() {
        Some((found, content)) if u32::from_le_bytes(*found) == checksum(key, content) => Ok(content),
        _ => Err(damaged(key, "has a wrong checksum")),
    }
}

/// As [`open`], for what is kept longer than the database lets it be seen.
pub(super) fn open_copy(key: &[u8], value: &[u8]) -> Result<Bytes, LogStoreError> {
    open(key, value).map(Bytes::copy_from_slice)
}

fn checksum(key: &[u8], content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(content);
    hasher.finalize()
}

pub(super) fn damaged(key: &[u8], what: &str) -> LogStoreError {
    LogStoreError::Corruption { detail: format!("record {key:02x?} {what}") }
}

/// A content that does not decode in spite of its checksum.
pub(super) fn undecodable(key: &[u8], error: DecodeError) -> LogStoreError {
    damaged(key, &format!("cannot be read: {error}"))
}

/// A content that is one number.
pub(super) fn number<const N: usize>(key: &[u8], value: &[u8]) -> Result<[u8; N], LogStoreError> {
    open(key, value)?.try_into().map_err(|_| damaged(key, "has a wrong length"))
}

pub(super) fn encode_identity(identity: &DiskIdentity, out: &mut Vec<u8>) {
    out.put_u128_le(identity.disk.0);
    if let Some((cluster, node)) = identity.member {
        out.put_u128_le(cluster.0);
        out.put_u64_le(node.0);
    }
}

pub(super) fn decode_identity(key: &[u8], mut content: &[u8]) -> Result<DiskIdentity, LogStoreError> {
    let short = |_| damaged(key, "has a wrong length");
    let disk = DiskId(content.try_get_u128_le().map_err(short)?);
    if content.is_empty() {
        return Ok(DiskIdentity { disk, member: None });
    }
    let cluster = ClusterId(content.try_get_u128_le().map_err(short)?);
    let node = NodeId(content.try_get_u64_le().map_err(short)?);
    if !content.is_empty() {
        return Err(damaged(key, "has a wrong length"));
    }
    Ok(DiskIdentity { disk, member: Some((cluster, node)) })
}
