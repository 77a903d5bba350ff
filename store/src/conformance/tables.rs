//! A range on its way from one engine to another: exported from a view, and ingested.

use bytes::Bytes;

use super::engine::{EngineHarness, Map, content};
use super::{Failure, Rng, expect, unexpected};
use crate::directory::Directory;
use crate::engine::{Batch, Engine, EngineError, Span};
use crate::memory::MemoryDirectory;
use crate::table::{self, Table};

/// Exports from one engine and ingests into another one, both made by `make`, `rounds` times.
///
/// # Errors
/// They break their contracts.
pub fn tables<H: EngineHarness>(make: impl Fn() -> H, seed: u64, rounds: usize) -> Result<(), Failure> {
    let mut rng = Rng::new(seed);
    for round in 1..=rounds {
        let done = carry(&mut make(), &mut make(), &mut rng);
        done.map_err(|detail| Failure { suite: "tables", seed, operation: round, detail })?;
    }
    Ok(())
}

fn carry<H: EngineHarness>(from: &mut H, to: &mut H, rng: &mut Rng) -> Result<(), String> {
    let sender = unexpected("opening", from.open())?;
    let span = Span { start: vec![2], end: vec![9] };
    let mut expected = Map::new();
    for _ in 0..1 + rng.below(12) {
        let mut batch = Batch::default();
        for _ in 0..rng.below(80) {
            let key = vec![u8::try_from(rng.below(11)).unwrap_or(0), rng.below(250) as u8];
            let value = Bytes::from(rng.bytes(40));
            if span.contains(&key) {
                expected.insert(Bytes::copy_from_slice(&key), value.clone());
            }
            batch.put(key, value);
        }
        unexpected("a write", sender.write(batch))?;
    }
    let table_bytes = 1 + rng.below(4_000) as u64;

    let view = sender.view();
    unexpected("a removal", sender.remove(std::slice::from_ref(&span)))?;
    let directory = MemoryDirectory::default();
    let tables = unexpected("an export", table::export(&view, &span, &directory, table_bytes))?;
    directory.crash(&mut |_| 0);
    same_again(&view, &span, table_bytes, &directory, &tables)?;

    let receiver = unexpected("opening", to.open())?;
    if let Some(damaged) = rng.pick(&tables) {
        let (offset, bit) =
            (rng.below(usize::try_from(damaged.bytes).unwrap_or(0)) as u64, rng.below(8) as u8);
        directory.flip_bit(&damaged.name(), offset, bit);
        let result = ingest(&receiver, &span, &directory, &tables);
        if !matches!(result, Err(EngineError::Corruption { .. })) {
            return Err(format!("ingesting a table with bit {bit} of byte {offset} flipped gave {result:?}"));
        }
        expect("the content after a failed ingestion", &content(&receiver.view())?, &Map::new())?;
        directory.flip_bit(&damaged.name(), offset, bit);
    }
    unexpected("an ingestion", ingest(&receiver, &span, &directory, &tables))?;
    drop(receiver);
    to.crash(&mut |bound| rng.below(bound));
    let receiver = unexpected("opening", to.open())?;
    expect("what was ingested, after a crash", &content(&receiver.view())?, &expected)?;
    same_again(&receiver.view(), &span, table_bytes, &directory, &tables)
}

fn ingest<E: Engine>(
    engine: &E,
    span: &Span,
    directory: &MemoryDirectory,
    tables: &[Table],
) -> Result<(), EngineError> {
    engine.ingest(std::slice::from_ref(span), &mut table::read(directory, tables))
}

/// The same entries give the same tables, byte for byte.
fn same_again<V: crate::engine::View>(
    view: &V,
    span: &Span,
    table_bytes: u64,
    directory: &MemoryDirectory,
    tables: &[Table],
) -> Result<(), String> {
    let other = MemoryDirectory::default();
    let again = unexpected("an export", table::export(view, span, &other, table_bytes))?;
    expect("the tables of another export", &again, &tables.to_vec())?;
    for table in tables {
        let whole = usize::try_from(table.bytes).unwrap_or(usize::MAX);
        let one = unexpected("a read", directory.read(&table.name(), 0, whole))?;
        let two = unexpected("a read", other.read(&table.name(), 0, whole))?;
        expect("the bytes of another export", &two, &one)?;
    }
    Ok(())
}
