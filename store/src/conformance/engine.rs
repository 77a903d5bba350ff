//! The engine: batches, views, cursors, flushes, removals and ingestions, in random order, and crashes.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use super::{Failure, Rng, expect, unexpected};
use crate::engine::{Batch, Change, Cursor, Engine, EngineError, Span, View};
use crate::memory::Choose;

/// How an engine is opened, and how its process stops.
pub trait EngineHarness {
    /// The engine.
    type Engine: Engine;

    /// Opens it; the first time it is empty.
    ///
    /// # Errors
    /// It does not open.
    fn open(&mut self) -> Result<Self::Engine, EngineError>;

    /// The process stops and says goodbye to nobody; every handle and view was dropped. What was not durable
    /// may be there or not, which `choose` may be asked for.
    fn crash(&mut self, choose: Choose<'_>);

    /// Flips a bit in what is stored of some entry, while the engine is closed; says whether there is one.
    fn damage(&mut self, choose: Choose<'_>) -> bool;
}

pub(super) type Map = BTreeMap<Bytes, Bytes>;

/// The key that every batch sets to its number, as a range does with its applied index.
const COUNTER: &[u8] = b"counter";
/// All other keys begin with this.
const PREFIX: u8 = b'u';

/// Holds an engine to the contract of [`Engine`] with `operations` random operations.
///
/// # Errors
/// It breaks the contract.
pub fn engine<H: EngineHarness>(
    make: impl FnOnce() -> H,
    seed: u64,
    operations: usize,
) -> Result<(), Failure> {
    let mut harness = make();
    let mut rng = Rng::new(seed);
    let mut model = Model::default();
    let mut operation = 0;
    while operation < operations {
        let life = operations.min(operation + 1 + rng.below(80));
        let lived = live(&mut harness, &mut rng, &mut model, &mut operation, life);
        lived.map_err(|detail| Failure { suite: "engine", seed, operation, detail })?;
        harness.crash(&mut |bound| rng.below(bound));
    }
    Ok(())
}

/// From a start to the next crash.
fn live<H: EngineHarness>(
    harness: &mut H,
    rng: &mut Rng,
    model: &mut Model,
    operation: &mut usize,
    until: usize,
) -> Result<(), String> {
    let engine = unexpected("opening", harness.open())?;
    model.recover(&content(&engine.view())?)?;
    let mut views: Vec<(<H::Engine as Engine>::View, Map)> = Vec::new();
    while *operation < until {
        *operation += 1;
        match rng.below(20) {
            0..6 => {
                let batch = random_batch(rng, model.number() + 1);
                model.write(&batch);
                unexpected("a write", engine.write(batch))?;
            }
            6..9 => {
                let key = random_key(rng);
                let (view, map) = random_view(rng, &views, &engine, model);
                let found = unexpected("a read", view.get(&key))?;
                expect(&format!("key {key:?}"), &found.as_ref(), &map.get(&key[..]))?;
            }
            9..13 => {
                let (view, map) = random_view(rng, &views, &engine, model);
                walk(rng, &view, &map)?;
            }
            13 => {
                if views.len() > 3 {
                    views.swap_remove(rng.below(4));
                }
                views.push((engine.view(), model.last().clone()));
            }
            14 => {
                unexpected("a flush", engine.clone().flush())?;
                model.all_is_durable();
            }
            15..17 => {
                let key = if rng.once_in(2) { COUNTER.to_vec() } else { random_key(rng) };
                let found = unexpected("a read of what is durable", engine.read_persisted(&key))?;
                model.is_durable(&key, found.as_ref())?;
            }
            17 => {
                let spans = random_spans(rng);
                unexpected("a removal", engine.remove(&spans))?;
                model.remove(&spans);
            }
            _ => super::ingest::ingest(rng, &engine, model)?,
        }
    }
    views.push((engine.view(), model.last().clone()));
    for (view, map) in &views {
        expect("the content of a view", &content(view)?, map)?;
    }
    Ok(())
}

/// The states that a crash may leave.
pub(super) struct Model {
    /// What is durable for sure, then one for each batch after it; never empty.
    states: Vec<Map>,
}

impl Default for Model {
    fn default() -> Self {
        Self { states: vec![Map::new()] }
    }
}

impl Model {
    /// The present state.
    pub(super) fn last(&self) -> &Map {
        &self.states[self.states.len() - 1]
    }

    /// The number of the last batch.
    fn number(&self) -> u64 {
        number(self.last())
    }

    fn write(&mut self, batch: &Batch) {
        let mut state = self.last().clone();
        for change in &batch.changes {
            match change {
                Change::Put { key, value } => state.insert(Bytes::copy_from_slice(key), value.clone()),
                Change::Delete { key } => state.remove(&key[..]),
            };
        }
        self.states.push(state);
    }

    /// The first `batches` that were not durable for sure are so.
    fn are_durable(&mut self, batches: usize) {
        self.states.drain(..batches);
    }

    fn all_is_durable(&mut self) {
        self.are_durable(self.states.len() - 1);
    }

    /// Something was read as durable: so is everything before it.
    fn is_durable(&mut self, key: &[u8], value: Option<&Bytes>) -> Result<(), String> {
        match self.states.iter().position(|state| state.get(key) == value) {
            Some(batches) => {
                self.are_durable(batches);
                Ok(())
            }
            None => Err(format!("key {key:?} is said to be durable with {value:?}, which it cannot be")),
        }
    }

    fn remove(&mut self, spans: &[Span]) {
        self.all_is_durable();
        self.states[0].retain(|key, _| !spans.iter().any(|span| span.contains(key)));
    }

    pub(super) fn ingest(&mut self, entries: &[(Bytes, Bytes)]) {
        self.all_is_durable();
        self.states[0].extend(entries.iter().cloned());
    }

    /// After a crash: this was found.
    fn recover(&mut self, found: &Map) -> Result<(), String> {
        let at = number(found);
        let durable = number(&self.states[0]);
        let state = self.states.iter().find(|state| number(state) == at);
        let state = state.ok_or_else(|| format!("a start finds batch {at}, but {durable} was durable"))?;
        expect(&format!("what a crash left of batches up to {at}"), found, state)?;
        *self = Self { states: vec![state.clone()] };
        Ok(())
    }
}

fn number(state: &Map) -> u64 {
    state.get(COUNTER).and_then(|value| value[..].try_into().ok()).map_or(0, u64::from_be_bytes)
}

pub(super) fn random_key(rng: &mut Rng) -> Vec<u8> {
    let mut key = rng.bytes(3);
    key.insert(0, PREFIX);
    key
}

pub(super) fn random_value(rng: &mut Rng) -> Bytes {
    let length = if rng.once_in(30) { 2_000 } else { 12 };
    Bytes::from(rng.bytes(length))
}

/// One or two spans in order, among other keys than the counter.
pub(super) fn random_spans(rng: &mut Rng) -> Vec<Span> {
    let mut keys: Vec<_> = (0..2 + 2 * rng.below(2)).map(|_| random_key(rng)).collect();
    keys.sort();
    keys.chunks_exact(2).map(|pair| Span { start: pair[0].clone(), end: pair[1].clone() }).collect()
}

fn random_batch(rng: &mut Rng, number: u64) -> Batch {
    let mut batch = Batch::default();
    let counter_at = rng.below(8);
    for change in 0..8 {
        if change == counter_at {
            batch.put(COUNTER.to_vec(), number.to_be_bytes().to_vec());
        } else if rng.once_in(3) {
            batch.delete(random_key(rng));
        } else if rng.once_in(2) {
            batch.put(random_key(rng), random_value(rng));
        }
    }
    batch
}

/// A new view, or a kept one, or a clone of that.
fn random_view<E: Engine>(
    rng: &mut Rng,
    views: &[(E::View, Map)],
    engine: &E,
    model: &Model,
) -> (E::View, Map) {
    match rng.pick(views) {
        Some(kept) if rng.once_in(2) => kept.clone(),
        _ => (engine.view(), model.last().clone()),
    }
}

/// Everything in a view, read forwards, and compared with what is read backwards.
pub(super) fn content<V: View>(view: &V) -> Result<Map, String> {
    let all = Span { start: Vec::new(), end: vec![0xff; 16] };
    let mut cursor = view.cursor(&all);
    let mut forwards = Vec::new();
    unexpected("a seek", cursor.seek(&all.start))?;
    while let Some((key, value)) = cursor.entry() {
        forwards.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
        unexpected("a move of a cursor", cursor.next())?;
    }
    let mut backwards = Vec::new();
    unexpected("a seek", cursor.seek_before(&all.end))?;
    while let Some((key, value)) = cursor.entry() {
        backwards.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
        unexpected("a move of a cursor", cursor.prev())?;
    }
    backwards.reverse();
    expect("a view, read backwards", &backwards, &forwards)?;
    Ok(forwards.into_iter().collect())
}

/// Moves a cursor about and compares each step.
fn walk<V: View>(rng: &mut Rng, view: &V, map: &Map) -> Result<(), String> {
    let span = match rng.below(4) {
        0 => Span { start: Vec::new(), end: vec![0xff; 16] },
        // Often empty, or ends before it starts.
        1 => Span { start: random_key(rng), end: random_key(rng) },
        _ => random_spans(rng).swap_remove(0),
    };
    let inside: Map =
        map.iter().filter(|(key, _)| span.contains(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
    let mut cursor = view.cursor(&span);
    let mut at: Option<(Bytes, Bytes)> = None;
    let owned = |entry: (&Bytes, &Bytes)| (entry.0.clone(), entry.1.clone());
    for _ in 0..12 {
        let step;
        match rng.below(6) {
            0 => {
                let key = seek_target(rng, &span);
                at = inside.range::<[u8], _>((Bound::Included(&key[..]), Bound::Unbounded)).next().map(owned);
                step = format!("seek {key:?}");
                unexpected(&step, cursor.seek(&key))?;
            }
            1 => {
                let key = seek_target(rng, &span);
                at = inside
                    .range::<[u8], _>((Bound::Unbounded, Bound::Excluded(&key[..])))
                    .next_back()
                    .map(owned);
                step = format!("seek before {key:?}");
                unexpected(&step, cursor.seek_before(&key))?;
            }
            2..4 => {
                at = at.and_then(|(key, _)| {
                    inside.range((Bound::Excluded(key), Bound::Unbounded)).next().map(owned)
                });
                step = "next".into();
                unexpected(&step, cursor.next())?;
            }
            _ => {
                at = at.and_then(|(key, _)| inside.range(..key).next_back().map(owned));
                step = "prev".into();
                unexpected(&step, cursor.prev())?;
            }
        }
        let found = cursor.entry().map(|(k, v)| (Bytes::copy_from_slice(k), Bytes::copy_from_slice(v)));
        expect(&format!("a cursor within {span:?} after {step}"), &found, &at)?;
    }
    Ok(())
}

/// Within the span, at its edges or outside.
fn seek_target(rng: &mut Rng, span: &Span) -> Vec<u8> {
    match rng.below(6) {
        0 => span.start.clone(),
        1 => span.end.clone(),
        2 => Vec::new(),
        3 => vec![0xff; 20],
        _ => random_key(rng),
    }
}
