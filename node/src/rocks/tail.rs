//! The ends of write-ahead logs and manifests, looked at before RocksDB does.
//!
//! One write is under way at a time, and the next one begins when it was synced. So only the last record of a
//! file may be torn by a loss of power: cut off, or with zeros where its bytes never arrived. RocksDB knows the
//! first case only; for the second one it refuses to start, and it skips zeros amid a file without a word. Here
//! the last record is cut off in both cases, and anything else is damage: if a later record begins behind it, or
//! if what it holds was reported durable.
//!
//! ```text
//! file   = block of 32 KiB *                          the last one may be shorter
//! block  = record * zeros                             fewer zeros than a record's head has bytes
//! record = CRC-32C, masked | u16 length | kind | bytes   little-endian; the checksum covers kind and bytes
//! ```

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::failure::Cause;

const BLOCK: usize = 32 << 10;
const HEAD: usize = 7;
/// A write in one record, or the first, middle and last part of one.
const FULL: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;
/// Of a batch in a write-ahead log: the sequence number of its first change and how many there are.
const BATCH_HEAD: usize = 12;

/// Cuts off what a loss of power left of a last write; `durable` is the sequence number that was reported.
pub(super) fn cut_torn_writes(files: &Path, durable: u64) -> Result<(), Cause> {
    let (mut logs, manifest) = logs_and_manifest(files)?;
    let newest = logs.pop();
    for log in logs {
        let bytes = fs::read(&log)?;
        let end = Scan::of(&bytes).end;
        if end < bytes.len() {
            return Err(damaged(&log, end, "it is not the newest one"));
        }
    }
    if let Some(log) = newest {
        cut(&log, |scan| scan.sequence.is_none_or(|sequence| sequence >= durable))?;
    }
    // Without a manifest it is for RocksDB to complain.
    manifest.map_or(Ok(()), |manifest| cut(&manifest, |_| true))
}

/// The write-ahead logs, the newest last, and the manifest that counts.
fn logs_and_manifest(files: &Path) -> io::Result<(Vec<PathBuf>, Option<PathBuf>)> {
    let current = fs::read(files.join("CURRENT"))?;
    let (mut logs, mut manifest) = (Vec::new(), None);
    for file in fs::read_dir(files)? {
        let path = file?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if current.trim_ascii_end() == name.as_bytes() {
            manifest = Some(path);
        } else if let Some(number) = name.strip_suffix(".log").and_then(|name| name.parse::<u64>().ok()) {
            logs.push((number, path));
        }
    }
    logs.sort();
    Ok((logs.into_iter().map(|(_, path)| path).collect(), manifest))
}

fn cut(path: &Path, holds_enough: impl FnOnce(&Scan) -> bool) -> Result<(), Cause> {
    let bytes = fs::read(path)?;
    let scan = Scan::of(&bytes);
    if scan.end == bytes.len() {
        return Ok(());
    }
    if (scan.end + 1..bytes.len()).any(|at| matches!(record(&bytes, at), Some((FULL | FIRST, _)))) {
        return Err(damaged(path, scan.end, "a later write follows"));
    }
    if !holds_enough(&scan) {
        return Err(damaged(path, scan.end, "what is missing was durable"));
    }
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(scan.end as u64)?;
    Ok(file.sync_all()?)
}

fn damaged(path: &Path, at: usize, why: &str) -> Cause {
    Cause::Corruption(format!("{} cannot be read from byte {at} on, and {why}", path.display()))
}

/// What can be read of a file.
struct Scan {
    /// The end of the last whole write.
    end: usize,
    /// The sequence number of its last change, if it is a batch.
    sequence: Option<u64>,
}

impl Scan {
    fn of(bytes: &[u8]) -> Self {
        let mut scan = Self { end: 0, sequence: None };
        let mut at = 0;
        // The beginning of the write that is being read.
        let mut open: Option<Vec<u8>> = None;
        while at < bytes.len() {
            let left = BLOCK - at % BLOCK;
            if left < HEAD {
                at += left;
                continue;
            }
            let Some((kind, content)) = record(bytes, at) else { break };
            let mut head = match (kind, open.take()) {
                (FULL | FIRST, None) => Vec::new(),
                (MIDDLE | LAST, Some(head)) => head,
                _ => break,
            };
            head.extend(content.iter().take(BATCH_HEAD - head.len()));
            at += HEAD + content.len();
            if matches!(kind, FULL | LAST) {
                scan = Self { end: at, sequence: last_sequence(&head) };
            } else {
                open = Some(head);
            }
        }
        scan
    }
}

fn last_sequence(head: &[u8]) -> Option<u64> {
    let (first, count) = head.split_first_chunk()?;
    let (first, count) = (u64::from_le_bytes(*first), u32::from_le_bytes(count.try_into().ok()?));
    Some(first.saturating_add(count.into()).saturating_sub(1))
}

/// The record at a place, if it is whole.
fn record(bytes: &[u8], at: usize) -> Option<(u8, &[u8])> {
    let (head, rest) = bytes.get(at..)?.split_first_chunk::<HEAD>()?;
    let [c0, c1, c2, c3, l0, l1, kind] = *head;
    let length = usize::from(u16::from_le_bytes([l0, l1]));
    if !(FULL..=LAST).contains(&kind) || at % BLOCK + HEAD + length > BLOCK {
        return None;
    }
    let content = rest.get(..length)?;
    let found = u32::from_le_bytes([c0, c1, c2, c3]);
    (found == masked(crc32c(kind, content))).then_some((kind, content))
}

/// RocksDB masks checksums, because checksums of what contains checksums are weak.
fn masked(checksum: u32) -> u32 {
    checksum.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Castagnoli's CRC-32 (`crc32fast` has another polynomial).
fn crc32c(kind: u8, content: &[u8]) -> u32 {
    let step = |crc: u32, byte: u8| (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)];
    !content.iter().fold(step(!0, kind), |crc, byte| step(crc, *byte))
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut crc = at as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        // The check value of the polynomial, for "123456789".
        assert_eq!(crc32c(b'1', b"23456789"), 0xe306_9283);
    }
}
