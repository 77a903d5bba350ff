//! The log store: batches for several ranges, reads meanwhile, and a crash at any point.

use raft::{LogIndex, RangeId};

use super::log_batches::{RANGES, allowed, random_range, refused};
use super::log_model::LogModel;
use super::{Failure, Rng, expect, unexpected};
use crate::log_store::{LogBatch, LogReader, LogStore, LogStoreError};
use crate::memory::Choose;

/// How a log store is opened, how its process stops, and how its disk rots.
pub trait LogHarness {
    /// The log store.
    type Store: LogStore;

    /// Opens it; the first time it is empty.
    ///
    /// # Errors
    /// It does not open.
    fn open(&mut self) -> Result<Self::Store, LogStoreError>;

    /// The process stops; the readers were dropped.
    fn crash(&mut self, store: Self::Store, choose: Choose<'_>);

    /// The process stops while it writes `batch`, which may be on the disk then, or not, or a part of it.
    fn crash_during(&mut self, store: Self::Store, batch: &LogBatch, choose: Choose<'_>);

    /// Damages the bytes of an entry while the store is closed; says whether it is there.
    fn damage(&mut self, range: RangeId, index: LogIndex) -> bool;

    /// Removes an entry from the disk while the store is closed; says whether it was there.
    fn lose(&mut self, range: RangeId, index: LogIndex) -> bool;
}

/// Holds a log store to the contract of [`LogStore`] with `operations` random operations.
///
/// # Errors
/// It breaks the contract.
pub fn log_store<H: LogHarness>(
    make: impl FnOnce() -> H,
    seed: u64,
    operations: usize,
) -> Result<(), Failure> {
    let mut harness = make();
    let mut rng = Rng::new(seed);
    let mut model = LogModel::default();
    let mut operation = 0;
    while operation < operations {
        let life = operations.min(operation + 1 + rng.below(40));
        let lived = live(&mut harness, &mut rng, &mut model, &mut operation, life);
        lived.map_err(|detail| Failure { suite: "log store", seed, operation, detail })?;
    }
    Ok(())
}

/// From a start to the next crash.
fn live<H: LogHarness>(
    harness: &mut H,
    rng: &mut Rng,
    model: &mut LogModel,
    operation: &mut usize,
    until: usize,
) -> Result<(), String> {
    let mut store = unexpected("opening", harness.open())?;
    let reader = store.reader();
    model.compare_all(&reader)?;
    while *operation < until {
        *operation += 1;
        match rng.below(10) {
            0..4 => {
                let batch = allowed(rng, model);
                unexpected("a write", store.write(&batch)).map_err(|error| format!("{error}: {batch:?}"))?;
                model.apply(&batch);
                model.compare(&reader)?;
            }
            4 => {
                let Some(batch) = refused(rng, model) else { continue };
                match store.write(&batch) {
                    Err(LogStoreError::Refused { .. }) => model.compare_all(&store.reader())?,
                    other => return Err(format!("a batch against the rules gave {other:?}: {batch:?}")),
                }
            }
            _ => read(rng, model, &reader)?,
        }
    }
    model.compare_all(&reader)?;
    drop(reader);
    if rng.once_in(3) {
        harness.crash(store, &mut |bound| rng.below(bound));
        return Ok(());
    }
    let batch = allowed(rng, model);
    harness.crash_during(store, &batch, &mut |bound| rng.below(bound));
    adopt(harness, model, &batch)
}

/// After a crash during a write: all of it is there, or nothing.
fn adopt<H: LogHarness>(harness: &mut H, model: &mut LogModel, batch: &LogBatch) -> Result<(), String> {
    let store = unexpected("opening after a crash", harness.open())?;
    let mut after = model.clone();
    after.apply(batch);
    if after.compare_all(&store.reader()).is_ok() {
        *model = after;
    } else {
        model.compare_all(&store.reader()).map_err(|error| format!("{batch:?} is there in part: {error}"))?;
    }
    harness.crash(store, &mut |_| 0);
    Ok(())
}

fn read(rng: &mut Rng, model: &LogModel, reader: &impl LogReader) -> Result<(), String> {
    let range = RangeId(1 + rng.below(RANGES + 1) as u64);
    let stored = model.logs.get(&range).map(|log| &log.stored);
    let (base, last) = stored.map_or((0, 0), |stored| (stored.base.last.index.0, stored.last.0));
    let mut near = || LogIndex((base + rng.next() % (last - base + 4)).saturating_sub(1));
    let (from, to) = (near(), near());
    let max_bytes = [0, 100, 1_000, usize::MAX][rng.below(4)];
    let found = unexpected("reading entries", reader.entries(range, from, to, max_bytes))?;
    let expected = model.entries(range, from, to, max_bytes);
    expect(&format!("{range:?} from {from:?} to {to:?} within {max_bytes} bytes"), &found, &expected)
}

/// Damages one entry or loses it, `rounds` times: the start or the reading has to say so, and what is read
/// meanwhile is never wrong.
///
/// # Errors
/// The damage stays hidden.
pub fn log_damage<H: LogHarness>(make: impl Fn() -> H, seed: u64, rounds: usize) -> Result<(), Failure> {
    let mut rng = Rng::new(seed);
    for round in 1..=rounds {
        let done = damage(&mut make(), &mut rng);
        done.map_err(|detail| Failure { suite: "log damage", seed, operation: round, detail })?;
    }
    Ok(())
}

fn damage<H: LogHarness>(harness: &mut H, rng: &mut Rng) -> Result<(), String> {
    let mut model = LogModel::default();
    let mut store = unexpected("opening", harness.open())?;
    for _ in 0..10 + rng.below(30) {
        let batch = allowed(rng, &model);
        unexpected("a write", store.write(&batch))?;
        model.apply(&batch);
    }
    harness.crash(store, &mut |_| 0);
    let range = random_range(rng);
    let lose = rng.once_in(2);
    let Some(log) = model.logs.get(&range) else { return Ok(()) };
    let Some(at) = rng.pick(&log.entries).map(|entry| entry.index) else { return Ok(()) };
    // With the last entry gone, a log looks like a shorter one.
    if lose && at == log.stored.last {
        return Ok(());
    }
    let done = if lose { harness.lose(range, at) } else { harness.damage(range, at) };
    expect("whether the entry is there", &done, &true)?;

    let mut seen = false;
    let mut told = |error: LogStoreError| match error {
        LogStoreError::Corruption { .. } => {
            seen = true;
            Ok(())
        }
        other => Err(format!("damage is reported as {other}")),
    };
    match harness.open() {
        Err(error) => told(error)?,
        Ok(store) => {
            let reader = store.reader();
            reader.replicas().map(|_| ()).or_else(&mut told)?;
            for entry in &log.entries {
                match reader.entries(range, entry.index, entry.index, usize::MAX) {
                    Ok(found) => expect("an entry of a damaged log", &found, &vec![entry.clone()])?,
                    Err(error) => told(error)?,
                }
            }
        }
    }
    expect(&format!("whether damage to {at:?} of {range:?} is seen"), &seen, &true)
}
