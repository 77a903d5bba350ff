//! Ingestion: all or nothing, and only where nothing is.

use bytes::Bytes;

use super::engine::{Model, content, random_key, random_spans, random_value};
use super::{Rng, expect, unexpected};
use crate::engine::{Engine, EngineError, IngestEntry};

/// Which rule of [`Engine::ingest`] is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Breach {
    None,
    SpansOutOfOrder,
    EntriesOutOfOrder,
    KeyTwice,
    Outside,
    SourceFails,
}

/// Ingests random entries into random spans, which may be occupied, and now and then breaks a rule.
pub(super) fn ingest<E: Engine>(rng: &mut Rng, engine: &E, model: &mut Model) -> Result<(), String> {
    let mut spans = random_spans(rng);
    let within = |key: &[u8]| spans.iter().any(|span| span.contains(key));
    let mut keys: Vec<_> = (0..rng.below(60)).map(|_| random_key(rng)).filter(|key| within(key)).collect();
    keys.sort();
    keys.dedup();
    let mut entries: Vec<_> = keys.into_iter().map(|key| (Bytes::from(key), random_value(rng))).collect();
    let occupied = model.last().keys().any(|key| within(key));
    let breach = match rng.below(10) {
        0 if spans.len() == 2 && spans[1].start < spans[1].end => {
            spans.reverse();
            Breach::SpansOutOfOrder
        }
        1 if entries.len() > 1 => {
            entries.swap(0, 1);
            Breach::EntriesOutOfOrder
        }
        2 if !entries.is_empty() => {
            entries.push(entries[entries.len() - 1].clone());
            Breach::KeyTwice
        }
        3 => {
            entries.push((Bytes::from_static(b"z"), Bytes::new()));
            Breach::Outside
        }
        4 => Breach::SourceFails,
        _ => Breach::None,
    };
    let broken = EngineError::Corruption { detail: "an entry cannot be read".into() };
    let failure = (breach == Breach::SourceFails).then(|| Err(broken.clone()));
    let mut source = entries.iter().cloned().map(IngestEntry::Ok).chain(failure);
    let result = engine.ingest(&spans, &mut source);
    match (breach, result) {
        (Breach::None, result) if !occupied => {
            unexpected("an ingestion", result)?;
            model.ingest(&entries);
        }
        (Breach::SourceFails, Err(EngineError::Corruption { .. })) => {}
        (_, Err(EngineError::Refused { .. })) if occupied || breach != Breach::SourceFails => {}
        (Breach::None, other) => return Err(format!("ingesting over what is there gave {other:?}")),
        (breach, other) => return Err(format!("ingesting with {breach:?} gave {other:?}")),
    }
    expect("the content after an ingestion", &content(&engine.view())?, model.last())
}
