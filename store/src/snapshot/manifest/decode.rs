//! Bytes to manifests.

use bytes::Bytes;
use raft::RangeId;
use raft::codec::decode_snapshot_meta;

use super::{FORMAT, Manifest, ManifestError, SnapshotTable};
use crate::effects::Malformed;
use crate::effects::reader::Reader;
use crate::engine::Span;
use crate::table::Table;

/// The least bytes of a table: two keys of one byte, its numbers, its hash, and one block.
const LEAST_TABLE: usize = 2 + 2 + 1 + 1 + 33 + 5;

impl Manifest {
    /// The manifest that `bytes` hold, verified first.
    ///
    /// # Errors
    /// The bytes are not exactly what [`Manifest::encode`] makes.
    pub fn decode(bytes: &Bytes) -> Result<Self, ManifestError> {
        let mut reader = Reader::new(content(bytes)?, bytes);
        match reader.byte()? {
            FORMAT => {}
            found => return Err(ManifestError::NewerFormat { found }),
        }
        let range = RangeId(reader.number()?);
        let meta = decode_snapshot_meta(&reader.sized()?).map_err(|error| match error {
            raft::codec::DecodeError::UnknownFormat { found } => ManifestError::NewerMeta { found },
            error => ManifestError::MalformedMeta(error),
        })?;
        let epoch = reader.number()?;
        let (start, end) = (reader.sized()?, reader.sized()?);
        let timestamp = reader.timestamp()?;
        let block_bytes = reader.small_number()?;
        if block_bytes == 0 {
            return Err(not_canonical("blocks without bytes"));
        }
        let (local, user) = (Vec::new(), Vec::new());
        let mut manifest = Self { range, meta, epoch, start, end, timestamp, block_bytes, local, user };
        let [local, user] = manifest.spans();
        manifest.local = reader.tables(&local, block_bytes)?;
        manifest.user = reader.tables(&user, block_bytes)?;
        reader.end()?;
        let total = manifest.tables().try_fold(0u64, |sum, of| sum.checked_add(of.table.bytes));
        total.ok_or(Malformed::TooLarge { bits: 64 })?;
        Ok(manifest)
    }
}

fn not_canonical(what: &'static str) -> ManifestError {
    Malformed::NotCanonical { what }.into()
}

/// What the checksum is of.
fn content(bytes: &[u8]) -> Result<&[u8], ManifestError> {
    match bytes.split_last_chunk() {
        // The checksum of nothing is zero, and zeros are what is left where nothing was written.
        Some((content, crc))
            if !content.is_empty() && crc32fast::hash(content) == u32::from_le_bytes(*crc) =>
        {
            Ok(content)
        }
        _ => Err(ManifestError::Damaged { bytes: bytes.len() }),
    }
}

impl Reader<'_> {
    fn tables(&mut self, span: &Span, block_bytes: u32) -> Result<Vec<SnapshotTable>, ManifestError> {
        let count = self.count(LEAST_TABLE)?;
        let mut tables: Vec<SnapshotTable> = Vec::with_capacity(count);
        for _ in 0..count {
            let next = self.table(block_bytes)?;
            if !span.contains(&next.table.first) || !span.contains(&next.table.last) {
                return Err(not_canonical("a table outside of its span"));
            }
            if tables.last().is_some_and(|of| of.table.last >= next.table.first) {
                return Err(not_canonical("tables whose keys do not rise"));
            }
            tables.push(next);
        }
        Ok(tables)
    }

    fn table(&mut self, block_bytes: u32) -> Result<SnapshotTable, ManifestError> {
        let (first, last) = (self.sized()?.to_vec(), self.sized()?.to_vec());
        let (entries, bytes) = (self.number()?, self.number()?);
        let hash = self.sized()?;
        let hash = hash.as_ref().try_into().map_err(|_| not_canonical("a hash of another length"))?;
        let blocks = self.sized()?;
        let (crcs, rest) = blocks.as_chunks::<4>();
        let count = bytes.div_ceil(u64::from(block_bytes));
        if count == 0 || crcs.len() as u64 != count || !rest.is_empty() {
            return Err(not_canonical("another number of blocks than the length of the table says"));
        }
        if first > last || (first == last) != (entries == 1) || entries == 0 {
            return Err(not_canonical("another number of entries than the keys of the table say"));
        }
        let blocks = crcs.iter().map(|crc| u32::from_le_bytes(*crc)).collect();
        Ok(SnapshotTable { table: Table { first, last, entries, bytes, hash }, blocks })
    }
}
