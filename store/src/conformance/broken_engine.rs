//! Engines that break one rule each: the suite finds every one of them.

use bytes::Bytes;

use super::in_memory::damage_any;
use super::{EngineHarness, Failure, engine, engine_damage, tables};
use crate::engine::{Batch, Cursor, Engine, EngineError, IngestEntry, Span, View};
use crate::memory::{Choose, MemoryEngine, MemoryView};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bug {
    None,
    TornBatch,
    DeletesForgotten,
    FlushForgets,
    PersistedIsCurrent,
    PersistedIsNever,
    ViewMoves,
    SeekLeavesSpan,
    SeekIsExclusive,
    SeekBeforeIsInclusive,
    NextLeavesSpan,
    PrevLeavesSpan,
    PrevRevivesCursor,
    RemovalNotDurable,
    RemovalTakesEnd,
    RemovalOfFirstSpanOnly,
    IngestNotDurable,
    IngestInParts,
    IngestOverwrites,
    IngestOutside,
    IngestUnordered,
    DamageIsEnd,
    DamageIsAbsence,
}

const BUGS: [Bug; 22] = [
    Bug::TornBatch,
    Bug::DeletesForgotten,
    Bug::FlushForgets,
    Bug::PersistedIsCurrent,
    Bug::PersistedIsNever,
    Bug::ViewMoves,
    Bug::SeekLeavesSpan,
    Bug::SeekIsExclusive,
    Bug::SeekBeforeIsInclusive,
    Bug::NextLeavesSpan,
    Bug::PrevLeavesSpan,
    Bug::PrevRevivesCursor,
    Bug::RemovalNotDurable,
    Bug::RemovalTakesEnd,
    Bug::RemovalOfFirstSpanOnly,
    Bug::IngestNotDurable,
    Bug::IngestInParts,
    Bug::IngestOverwrites,
    Bug::IngestOutside,
    Bug::IngestUnordered,
    Bug::DamageIsEnd,
    Bug::DamageIsAbsence,
];

#[derive(Clone)]
struct Broken {
    inner: MemoryEngine,
    bug: Bug,
}

impl EngineHarness for Broken {
    type Engine = Broken;

    fn open(&mut self) -> Result<Broken, EngineError> {
        Ok(self.clone())
    }

    fn crash(&mut self, choose: Choose<'_>) {
        self.inner.crash(choose);
    }

    fn damage(&mut self, choose: Choose<'_>) -> bool {
        damage_any(&self.inner, choose)
    }
}

fn everything() -> Span {
    Span { start: Vec::new(), end: vec![0xff; 30] }
}

impl Broken {
    fn write_deletes(&self, spans: &[Span]) -> Result<(), EngineError> {
        let mut batch = Batch::default();
        for span in spans {
            for (key, _) in entries(&self.inner.view(), span)? {
                batch.delete(key.to_vec());
            }
        }
        self.inner.write(batch)
    }
}

impl Engine for Broken {
    type View = BrokenView;

    fn write(&self, mut batch: Batch) -> Result<(), EngineError> {
        match self.bug {
            Bug::TornBatch => {
                let rest = batch.changes.split_off(batch.changes.len() / 2);
                self.inner.write(batch)?;
                self.inner.write(Batch { changes: rest })
            }
            Bug::DeletesForgotten => {
                batch.changes.retain(|change| matches!(change, crate::engine::Change::Put { .. }));
                self.inner.write(batch)
            }
            _ => self.inner.write(batch),
        }
    }

    fn view(&self) -> BrokenView {
        BrokenView { engine: self.inner.clone(), view: self.inner.view(), bug: self.bug }
    }

    fn flush(&self) -> Result<(), EngineError> {
        if self.bug == Bug::FlushForgets { Ok(()) } else { self.inner.flush() }
    }

    fn read_persisted(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        match self.bug {
            Bug::PersistedIsCurrent => self.inner.view().get(key),
            Bug::PersistedIsNever => Ok(None),
            _ => self.inner.read_persisted(key),
        }
    }

    fn remove(&self, spans: &[Span]) -> Result<(), EngineError> {
        match self.bug {
            Bug::RemovalNotDurable => self.write_deletes(spans),
            Bug::RemovalTakesEnd => {
                let longer = |span: &Span| Span { end: [&span.end[..], &[0]].concat(), ..span.clone() };
                self.inner.remove(&spans.iter().map(longer).collect::<Vec<_>>())
            }
            Bug::RemovalOfFirstSpanOnly => self.inner.remove(&spans[..1]),
            _ => self.inner.remove(spans),
        }
    }

    fn ingest(
        &self,
        spans: &[Span],
        entries: &mut dyn Iterator<Item = IngestEntry>,
    ) -> Result<(), EngineError> {
        match self.bug {
            Bug::IngestNotDurable => {
                let entries = entries.collect::<Result<Vec<_>, _>>()?;
                let probe = MemoryEngine::default();
                probe.write(puts(&self.inner)?)?;
                probe.ingest(spans, &mut entries.iter().cloned().map(Ok))?;
                self.inner.write(puts(&probe)?)
            }
            Bug::IngestInParts => {
                self.inner.ingest(spans, &mut std::iter::empty())?;
                for entry in entries {
                    let key = entry.as_ref().map_or(Vec::new(), |(key, _)| key.to_vec());
                    let span = spans.iter().find(|span| span.contains(&key));
                    let one = Span { start: key.clone(), end: [&key[..], &[0]].concat() };
                    self.inner.ingest(span.map(|_| one).as_slice(), &mut std::iter::once(entry))?;
                }
                Ok(())
            }
            Bug::IngestOverwrites => {
                let entries = entries.collect::<Result<Vec<_>, _>>()?;
                MemoryEngine::default().ingest(spans, &mut entries.iter().cloned().map(Ok))?;
                self.inner.remove(spans)?;
                self.inner.ingest(spans, &mut entries.into_iter().map(Ok))
            }
            Bug::IngestOutside => {
                let wide = [spans[0].clone(), Span { start: b"y".to_vec(), end: everything().end }];
                let refused = self.inner.ingest(spans, &mut std::iter::empty());
                refused.and_then(|()| self.inner.ingest(&wide, entries))
            }
            Bug::IngestUnordered => {
                let mut sorted = entries.collect::<Result<Vec<_>, _>>()?;
                sorted.sort();
                self.inner.ingest(spans, &mut sorted.into_iter().map(Ok))
            }
            _ => self.inner.ingest(spans, entries),
        }
    }
}

fn puts(engine: &MemoryEngine) -> Result<Batch, EngineError> {
    let mut batch = Batch::default();
    for (key, value) in entries(&engine.view(), &everything())? {
        batch.put(key.to_vec(), value);
    }
    Ok(batch)
}

fn entries(view: &MemoryView, span: &Span) -> Result<Vec<(Bytes, Bytes)>, EngineError> {
    let mut cursor = view.cursor(span);
    let mut found = Vec::new();
    cursor.seek(&span.start)?;
    while let Some((key, value)) = cursor.entry() {
        found.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
        cursor.next()?;
    }
    Ok(found)
}

#[derive(Clone)]
struct BrokenView {
    engine: MemoryEngine,
    view: MemoryView,
    bug: Bug,
}

impl BrokenView {
    fn now(&self) -> MemoryView {
        if self.bug == Bug::ViewMoves { self.engine.view() } else { self.view.clone() }
    }
}

impl View for BrokenView {
    type Cursor<'a> = BrokenCursor;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        match self.now().get(key) {
            Err(_) if self.bug == Bug::DamageIsAbsence => Ok(None),
            result => result,
        }
    }

    fn cursor(&self, span: &Span) -> BrokenCursor {
        let all = entries(&self.now(), &everything());
        let failed = all.as_ref().err().filter(|_| self.bug != Bug::DamageIsEnd).cloned();
        BrokenCursor { all: all.unwrap_or_default(), failed, span: span.clone(), at: None, bug: self.bug }
    }
}

/// A cursor over a copy of everything.
struct BrokenCursor {
    all: Vec<(Bytes, Bytes)>,
    failed: Option<EngineError>,
    span: Span,
    at: Option<usize>,
    bug: Bug,
}

impl BrokenCursor {
    fn go(&mut self, at: Option<usize>, leaves_span: Option<Bug>) -> Result<(), EngineError> {
        let inside = |at: &usize| {
            self.all.get(*at).is_some_and(|(key, _)| self.span.contains(key) || leaves_span == Some(self.bug))
        };
        self.at = at.filter(inside);
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn first_from(&self, key: &[u8]) -> usize {
        self.all.partition_point(|(found, _)| &found[..] < key)
    }
}

impl Cursor for BrokenCursor {
    fn seek(&mut self, key: &[u8]) -> Result<(), EngineError> {
        let from = if self.bug == Bug::SeekLeavesSpan { key } else { key.max(&self.span.start) };
        let mut at = self.first_from(from);
        if self.bug == Bug::SeekIsExclusive && self.all.get(at).is_some_and(|(found, _)| found == key) {
            at += 1;
        }
        self.go(Some(at), Some(Bug::SeekLeavesSpan))
    }

    fn seek_before(&mut self, key: &[u8]) -> Result<(), EngineError> {
        let before = self.first_from(key.min(&self.span.end));
        let hit = self.all.get(before).is_some_and(|(found, _)| found == key);
        let at = if self.bug == Bug::SeekBeforeIsInclusive && hit { before + 1 } else { before };
        self.go(at.checked_sub(1), None)
    }

    fn next(&mut self) -> Result<(), EngineError> {
        self.go(self.at.map(|at| at + 1), Some(Bug::NextLeavesSpan))
    }

    fn prev(&mut self) -> Result<(), EngineError> {
        let at = match self.at {
            None if self.bug == Bug::PrevRevivesCursor => self.first_from(&self.span.end).checked_sub(1),
            at => at.and_then(|at| at.checked_sub(1)),
        };
        self.go(at, Some(Bug::PrevLeavesSpan))
    }

    fn entry(&self) -> Option<(&[u8], &[u8])> {
        let (key, value) = self.all.get(self.at?)?;
        Some((key, value))
    }
}

fn run(bug: Bug) -> Result<(), Failure> {
    for seed in 0..15 {
        let make = || Broken { inner: MemoryEngine::default(), bug };
        engine(make, seed, 400)?;
        tables(make, seed, 3)?;
        engine_damage(make, seed, 5)?;
    }
    Ok(())
}

#[test]
fn every_broken_engine_is_found() {
    run(Bug::None).expect("nothing is broken");
    for bug in BUGS {
        let found = run(bug);
        assert!(found.is_err(), "{bug:?} is not found");
    }
}
