//! Manifests to bytes.

use bytes::Bytes;
use raft::codec::encode_snapshot_meta;

use super::{FORMAT, Manifest, SnapshotTable};
use crate::effects::writer::{Sink, Writer};

impl Manifest {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut meta = Vec::new();
        encode_snapshot_meta(&self.meta, &mut meta);
        let mut size = size_of::<u32>();
        self.write(&meta, &mut size);
        let mut out = Vec::with_capacity(size);
        self.write(&meta, &mut out);
        let crc = crc32fast::hash(&out);
        out.extend(crc.to_le_bytes());
        debug_assert_eq!(out.len(), size);
        out.into()
    }

    fn write(&self, meta: &[u8], out: &mut impl Sink) {
        let mut writer = Writer::new(out);
        writer.byte(FORMAT);
        writer.number(self.range.0);
        writer.sized(meta);
        writer.number(self.epoch);
        writer.sized(&self.start);
        writer.sized(&self.end);
        writer.timestamp(self.timestamp);
        writer.number(u64::from(self.block_bytes));
        for tables in [&self.local, &self.user] {
            writer.count(tables.len());
            for table in tables {
                writer.table(table);
            }
        }
    }
}

impl<S: Sink> Writer<'_, S> {
    fn table(&mut self, SnapshotTable { table, blocks }: &SnapshotTable) {
        self.sized(&table.first);
        self.sized(&table.last);
        self.number(table.entries);
        self.number(table.bytes);
        self.sized(&table.hash);
        let blocks: Vec<u8> = blocks.iter().flat_map(|crc| crc.to_le_bytes()).collect();
        self.sized(&blocks);
    }
}
