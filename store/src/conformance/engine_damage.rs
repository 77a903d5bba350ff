//! The engine on a disk that rots.

use super::engine::{EngineHarness, Map, random_key, random_value};
use super::{Failure, Rng, expect, unexpected};
use crate::engine::{Batch, Cursor, Engine, EngineError, Span, View};

/// Flips a bit of what is stored, `rounds` times: the start or the reading has to say so, and what is read
/// meanwhile is never wrong.
///
/// # Errors
/// The damage stays hidden.
pub fn engine_damage<H: EngineHarness>(
    make: impl Fn() -> H,
    seed: u64,
    rounds: usize,
) -> Result<(), Failure> {
    let mut rng = Rng::new(seed);
    for round in 1..=rounds {
        let done = damage(&mut make(), &mut rng);
        done.map_err(|detail| Failure { suite: "engine damage", seed, operation: round, detail })?;
    }
    Ok(())
}

fn damage<H: EngineHarness>(harness: &mut H, rng: &mut Rng) -> Result<(), String> {
    let mut expected = Map::new();
    let engine = unexpected("opening", harness.open())?;
    for _ in 0..1 + rng.below(20) {
        let (key, value) = (random_key(rng), random_value(rng));
        let mut batch = Batch::default();
        batch.put(key.clone(), value.clone());
        expected.insert(key.into(), value);
        unexpected("a write", engine.write(batch))?;
    }
    unexpected("a flush", engine.flush())?;
    drop(engine);
    harness.crash(&mut |_| 0);
    expect("whether there is something to damage", &harness.damage(&mut |bound| rng.below(bound)), &true)?;
    let seen = match harness.open() {
        Ok(engine) => read_all(&engine.view(), &expected)?,
        Err(error) => is_told(error)?,
    };
    expect("whether damage is seen", &seen, &true)
}

fn is_told(error: EngineError) -> Result<bool, String> {
    match error {
        EngineError::Corruption { .. } => Ok(true),
        other => Err(format!("damage is reported as {other}")),
    }
}

/// Reads everything in three ways; says whether damage was met in each.
fn read_all<V: View>(view: &V, expected: &Map) -> Result<bool, String> {
    let mut seen = false;
    for (key, value) in expected {
        match view.get(key) {
            Ok(found) => expect(&format!("key {key:?}"), &found.as_ref(), &Some(value))?,
            Err(error) => seen = is_told(error)?,
        }
    }
    Ok(seen & scan(view, expected, true)? & scan(view, expected, false)?)
}

fn scan<V: View>(view: &V, expected: &Map, forwards: bool) -> Result<bool, String> {
    let all = Span { start: Vec::new(), end: vec![0xff; 16] };
    let mut cursor = view.cursor(&all);
    let mut left: Vec<_> = expected.iter().map(|(key, value)| (&key[..], &value[..])).collect();
    if forwards {
        left.reverse();
    }
    let mut moved = if forwards { cursor.seek(&all.start) } else { cursor.seek_before(&all.end) };
    loop {
        if let Err(error) = moved {
            return is_told(error);
        }
        expect("an entry of a damaged engine", &cursor.entry(), &left.pop())?;
        if cursor.entry().is_none() {
            return Ok(false);
        }
        moved = if forwards { cursor.next() } else { cursor.prev() };
    }
}
