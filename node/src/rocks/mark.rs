//! How far a database was reported durable: a file of its own beside it.
//!
//! RocksDB takes a record whose length reaches behind the end of a write-ahead log or of a manifest for the torn
//! tail of a crash, and goes on without it and what follows. A flipped bit in a length looks the same. The mark is
//! written after a sync was reported and before anybody is told; it is not synced, so that after a loss of power
//! it may be old, and it is never too new. A database that opens with less than its mark was damaged.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::failure::Cause;

/// The sequence number, and a CRC-32 of it, both little-endian: within one sector, so that it is never torn.
const LENGTH: usize = 12;

/// The mark of a database.
#[derive(Debug)]
pub(super) struct Mark {
    file: File,
}

impl Mark {
    /// Opens the mark, or makes it together with its folder's first file; says what it holds.
    pub(super) fn open(path: &Path) -> Result<(Self, Option<u64>), Cause> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mark = Self { file };
        if bytes.is_empty() {
            return Ok((mark, None));
        }
        let damaged = || Cause::Corruption(format!("{} has a wrong checksum", path.display()));
        let number = bytes.first_chunk().map(|number| u64::from_le_bytes(*number)).ok_or_else(damaged)?;
        if bytes != encode(number) {
            return Err(damaged());
        }
        Ok((mark, Some(number)))
    }

    /// Everything up to this sequence number is durable.
    pub(super) fn set(&self, sequence: u64) -> io::Result<()> {
        self.file.write_all_at(&encode(sequence), 0)
    }

    /// Makes the mark itself durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

fn encode(sequence: u64) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let (number, checksum) = bytes.split_at_mut(8);
    number.copy_from_slice(&sequence.to_le_bytes());
    checksum.copy_from_slice(&crc32fast::hash(number).to_le_bytes());
    bytes
}
