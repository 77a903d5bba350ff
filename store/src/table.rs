//! Tables: files of sorted entries that carry a range to another node, or to another engine.
//!
//! ```text
//! table = MAGIC FORMAT entry*          everything in the file counts for its hash
//! entry = u32 u32 key value            lengths of key and value, little-endian; keys rise strictly
//! ```
//!
//! The bytes depend on the entries alone, so that equal content has equal names on all nodes and is not sent
//! twice. (An engine's own files would not do: RocksDB puts a random id into each.) For the same reason a table
//! ends where the keys say so, not where a size is reached: what is added in one place moves no other boundary
//! for long.

use std::fmt::Write;

use bytes::{Buf, Bytes, BytesMut};
use sha2::{Digest, Sha256};

use crate::directory::Directory;
use crate::engine::{Cursor, EngineError, IngestEntry, Span, View};

const MAGIC: &[u8; 7] = b"KVTABLE";
const FORMAT: u8 = 1;
/// Bytes before the key of an entry.
const LENGTHS: usize = 8;
/// Read at a time.
const CHUNK: usize = 256 * 1024;
/// Longer keys and values are refused, so that a damaged length allocates nothing.
const MAX_LENGTH: usize = 1 << 30;

/// What is known of a table without reading it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Table {
    /// Its first key.
    pub first: Vec<u8>,
    /// Its last key.
    pub last: Vec<u8>,
    /// How many entries it has.
    pub entries: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub hash: [u8; 32],
}

impl Table {
    /// The name of its file: the same content has the same name everywhere.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = String::with_capacity(2 * self.hash.len() + 6);
        for byte in self.hash {
            // Writing to a string cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        name + ".table"
    }

    /// The least key that is behind it.
    #[must_use]
    pub fn behind(&self) -> Vec<u8> {
        [&self.last[..], &[0]].concat()
    }
}

/// Writes what `view` has in `span` into synced tables of about `table_bytes` each, and at most twice that
/// plus one entry; one at a time is held in memory. Tables that are there already are kept.
///
/// # Errors
/// The process must stop.
pub fn export<V: View, D: Directory>(
    view: &V,
    span: &Span,
    directory: &D,
    table_bytes: u64,
) -> Result<Vec<Table>, EngineError> {
    let mut tables = Vec::new();
    let mut rest = span.clone();
    while let Some((table, _)) = export_next(view, &rest, directory, table_bytes)? {
        rest.start = table.behind();
        tables.push(table);
    }
    Ok(tables)
}

/// Writes the first table of what `view` has in `span`, synced; none if there is nothing. The next one begins
/// [behind](Table::behind) it: an export can stop between any two. Also gives what the file holds.
///
/// # Errors
/// The process must stop.
pub fn export_next<V: View, D: Directory>(
    view: &V,
    span: &Span,
    directory: &D,
    table_bytes: u64,
) -> Result<Option<(Table, Vec<u8>)>, EngineError> {
    let mut cursor = view.cursor(span);
    cursor.seek(&span.start)?;
    let Some((first, _)) = cursor.entry() else { return Ok(None) };
    let mut builder = Builder::new(first);
    while let Some((key, value)) = cursor.entry() {
        builder.push(key, value)?;
        if builder.ends_with(key, (LENGTHS + key.len() + value.len()) as u64, table_bytes) {
            break;
        }
        cursor.next()?;
    }
    builder.finish(directory).map(Some)
}

/// A table in the making.
struct Builder {
    first: Vec<u8>,
    last: Vec<u8>,
    entries: u64,
    content: Vec<u8>,
}

impl Builder {
    fn new(first: &[u8]) -> Self {
        let content = [MAGIC.as_slice(), &[FORMAT]].concat();
        Self { first: first.to_vec(), last: Vec::new(), entries: 0, content }
    }

    fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), EngineError> {
        for part in [key, value] {
            let length = u32::try_from(part.len()).ok().filter(|length| *length as usize <= MAX_LENGTH);
            let too_long = || EngineError::Refused { detail: "an entry is too long for a table".into() };
            self.content.extend_from_slice(&length.ok_or_else(too_long)?.to_le_bytes());
        }
        self.content.extend_from_slice(key);
        self.content.extend_from_slice(value);
        self.entries += 1;
        self.last.clear();
        self.last.extend_from_slice(key);
        Ok(())
    }

    /// Whether the table ends with this entry. From half of the wanted size on, each byte is as likely to be
    /// the end, so that it is met in the middle between half and more.
    fn ends_with(&self, key: &[u8], entry_bytes: u64, table_bytes: u64) -> bool {
        let size = self.content.len() as u64;
        let half = (table_bytes / 2).max(1);
        let drawn = u64::from(crc32fast::hash(key)).saturating_mul(half);
        size >= half && (drawn >> 32 < entry_bytes || size >= table_bytes.saturating_mul(2))
    }

    fn finish<D: Directory>(self, directory: &D) -> Result<(Table, Vec<u8>), EngineError> {
        let table = Table {
            first: self.first,
            last: self.last,
            entries: self.entries,
            bytes: self.content.len() as u64,
            hash: Sha256::digest(&self.content).into(),
        };
        let name = table.name();
        let there = directory.length(&name)?.is_some();
        if !there || !is_intact(directory, &table)? {
            directory.remove(&name)?;
            directory.append(&name, &self.content)?;
        }
        directory.sync(&name)?;
        Ok((table, self.content))
    }
}

/// Whether a table is there, whole and as it was written.
///
/// # Errors
/// The process must stop.
pub fn is_intact<D: Directory>(directory: &D, table: &Table) -> Result<bool, EngineError> {
    for entry in read(directory, std::slice::from_ref(table)) {
        match entry {
            Ok(_) => {}
            Err(EngineError::Corruption { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// The entries of tables, one table after the other. A table that is not what it should be ends them with
/// [`EngineError::Corruption`]: nothing before that may be relied upon.
pub fn read<'a, D: Directory>(
    directory: &'a D,
    tables: &'a [Table],
) -> impl Iterator<Item = IngestEntry> + 'a {
    tables.iter().flat_map(|table| Reader::new(directory, table))
}

/// Reads one table, and compares it with what is known of it at its end.
struct Reader<'a, D> {
    directory: &'a D,
    table: &'a Table,
    offset: u64,
    buffer: BytesMut,
    hash: Sha256,
    entries: u64,
    last: Bytes,
    done: bool,
}

impl<'a, D: Directory> Reader<'a, D> {
    fn new(directory: &'a D, table: &'a Table) -> Self {
        Self {
            directory,
            table,
            offset: 0,
            buffer: BytesMut::new(),
            hash: Sha256::new(),
            entries: 0,
            last: Bytes::new(),
            done: false,
        }
    }

    fn damaged(&self, what: &str) -> EngineError {
        EngineError::Corruption { detail: format!("table {}: {what}", self.table.name()) }
    }

    /// Has at least `wanted` bytes in the buffer, unless the file ends before.
    fn fill(&mut self, wanted: usize) -> Result<bool, EngineError> {
        while self.buffer.len() < wanted {
            let chunk = self.directory.read(&self.table.name(), self.offset, CHUNK)?;
            if chunk.is_empty() {
                return Ok(false);
            }
            self.hash.update(&chunk);
            self.offset += chunk.len() as u64;
            self.buffer.extend_from_slice(&chunk);
        }
        Ok(true)
    }

    fn next_entry(&mut self) -> Result<Option<(Bytes, Bytes)>, EngineError> {
        if self.offset == 0 {
            if !self.fill(MAGIC.len() + 1)? {
                return Err(self.damaged("it is too short, or not there"));
            }
            if self.buffer[..MAGIC.len()] != MAGIC[..] || self.buffer[MAGIC.len()] != FORMAT {
                return Err(self.damaged("it is not a table of this format"));
            }
            self.buffer.advance(MAGIC.len() + 1);
        }
        if !self.fill(1)? {
            return self.check_end().map(|()| None);
        }
        if !self.fill(LENGTHS)? {
            return Err(self.damaged("it ends within an entry"));
        }
        let (key, value) = (self.buffer.get_u32_le() as usize, self.buffer.get_u32_le() as usize);
        if key > MAX_LENGTH || value > MAX_LENGTH || !self.fill(key + value)? {
            return Err(self.damaged("it ends within an entry"));
        }
        let key = self.buffer.split_to(key).freeze();
        let value = self.buffer.split_to(value).freeze();
        let in_order = if self.entries == 0 { key[..] == self.table.first[..] } else { self.last < key };
        if !in_order {
            return Err(self.damaged("a key is out of order"));
        }
        self.entries += 1;
        self.last = key.clone();
        Ok(Some((key, value)))
    }

    fn check_end(&mut self) -> Result<(), EngineError> {
        let hash: [u8; 32] = std::mem::take(&mut self.hash).finalize().into();
        let table = self.table;
        if hash != table.hash
            || self.offset != table.bytes
            || self.entries != table.entries
            || self.last[..] != table.last[..]
        {
            return Err(self.damaged("its content is not what its hash says"));
        }
        Ok(())
    }
}

impl<D: Directory> Iterator for Reader<'_, D> {
    type Item = IngestEntry;

    fn next(&mut self) -> Option<IngestEntry> {
        if self.done {
            return None;
        }
        let next = self.next_entry().transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Batch, Engine};
    use crate::memory::{MemoryDirectory, MemoryEngine};
    use std::collections::BTreeSet;

    fn span() -> Span {
        Span { start: vec![0], end: vec![0xff] }
    }

    /// Many entries, and one more with a key of its own.
    fn engine(extra: &[u8]) -> MemoryEngine {
        let engine = MemoryEngine::default();
        let mut batch = Batch::default();
        for number in 0..5_000u32 {
            batch.put(number.to_be_bytes().to_vec(), vec![7; 100]);
        }
        batch.put(extra.to_vec(), Bytes::new());
        engine.write(batch).expect("nothing fails");
        engine
    }

    fn exported(extra: &[u8]) -> (MemoryDirectory, Vec<Table>) {
        let directory = MemoryDirectory::default();
        let tables = export(&engine(extra).view(), &span(), &directory, 10_000).expect("nothing fails");
        (directory, tables)
    }

    #[test]
    fn what_is_added_in_one_place_leaves_the_other_tables_as_they_are() {
        let names = |extra: &[u8]| exported(extra).1.iter().map(Table::name).collect::<BTreeSet<_>>();
        let (one, two) = (names(b"\0\0\0\0first"), names(b"\0\0\x09middle"));
        assert!(one.len() > 30);
        assert!(two.difference(&one).count() <= 6, "{} of {}", two.difference(&one).count(), two.len());
    }

    #[test]
    fn tables_keep_their_size_and_say_what_they_hold() {
        let (directory, tables) = exported(b"\0\0\0\0first");
        let (last, others) = tables.split_last().expect("there are some");
        assert!(others.iter().all(|table| (5_000..20_200).contains(&table.bytes)) && last.bytes < 20_200);
        assert_eq!(tables.iter().map(|table| table.entries).sum::<u64>(), 5_001);
        assert!(tables.is_sorted_by(|one, next| one.last < next.first));
        assert_eq!(read(&directory, &tables).filter(Result::is_ok).count(), 5_001);
    }

    #[test]
    fn a_table_that_is_damaged_or_cut_is_written_anew() {
        let (directory, tables) = exported(b"\0\0\0\0first");
        let name = tables[0].name();
        assert!(directory.flip_bit(&name, 50, 3));
        assert_eq!(is_intact(&directory, &tables[0]), Ok(false));
        directory.truncate(&tables[1].name(), 100).expect("nothing fails");
        assert_eq!(is_intact(&directory, &tables[1]), Ok(false));
        let again = export(&engine(b"\0\0\0\0first").view(), &span(), &directory, 10_000);
        assert_eq!(again.as_ref(), Ok(&tables));
        assert!(tables.iter().all(|table| is_intact(&directory, table) == Ok(true)));
    }

    #[test]
    fn nothing_gives_no_table() {
        let directory = MemoryDirectory::default();
        let none = export(&MemoryEngine::default().view(), &span(), &directory, 10_000);
        assert_eq!(none, Ok(Vec::new()));
        assert_eq!(directory.list(), Ok(Vec::new()));
    }
}
