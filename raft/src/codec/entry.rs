//! Entries: a run of them in an append, and single ones on disk with what else the log's disk format needs.

use bytes::Bytes;

use super::error::DecodeError;
use super::reader::Reader;
use super::writer::Writer;
use super::{FORMAT, MAX_ENTRIES};
use crate::entry::{Entry, Payload, SnapshotMeta};
use crate::output::HardState;
use crate::types::{LogIndex, LogPosition, MAX_NUMBER, Term};

const NOOP: u8 = 0;
const CONFIGURATION: u8 = 1;
const COMMAND: u8 = 2;
/// How many terms the entry is above the one before follows.
const NEW_TERM: u8 = 4;

const VOTED: u8 = 1;
const LOST_DISK: u8 = 2;

/// Commands share the envelope's memory unless they are a smaller part of it than one in this many: a small
/// command in the log must not keep a large envelope alive, beyond every budget.
const LARGEST_WASTE: usize = 4;

fn tag(payload: &Payload) -> u8 {
    match payload {
        Payload::Noop => NOOP,
        Payload::Configuration(_) => CONFIGURATION,
        Payload::Command(_) => COMMAND,
    }
}

impl Writer<'_> {
    fn payload(&mut self, payload: &Payload) {
        match payload {
            Payload::Noop => {}
            Payload::Configuration(configuration) => self.configuration(configuration),
            Payload::Command(command) => {
                self.count(command.len());
                self.bytes(command);
            }
        }
    }

    /// Entries that follow `prev`; anything else is a bug of the caller.
    pub(super) fn entries(&mut self, prev: LogPosition, entries: &[Entry]) {
        assert!(entries.len() <= MAX_ENTRIES, "an append holds at most {MAX_ENTRIES} entries");
        self.count(entries.len());
        let mut previous = prev;
        for entry in entries {
            let follows = entry.index == previous.index.next() && entry.term >= previous.term;
            assert!(follows, "the entries of an append are consecutive");
            if entry.term == previous.term {
                self.byte(tag(&entry.payload));
            } else {
                self.byte(tag(&entry.payload) | NEW_TERM);
                self.number(entry.term.0 - previous.term.0);
            }
            self.payload(&entry.payload);
            previous = entry.position();
        }
    }
}

impl Reader<'_> {
    fn payload(&mut self, tag: u8, whole: &Bytes) -> Result<Payload, DecodeError> {
        match tag {
            NOOP => Ok(Payload::Noop),
            CONFIGURATION => Ok(Payload::Configuration(self.configuration()?)),
            COMMAND => Ok(Payload::Command(whole.slice_ref(self.sized()?))),
            tag => Err(DecodeError::UnknownTag { tag }),
        }
    }

    pub(super) fn entries(&mut self, prev: LogPosition, whole: &Bytes) -> Result<Vec<Entry>, DecodeError> {
        let count = self.count("entries", MAX_ENTRIES, 1)?;
        let last = prev.index.0 + count as u64;
        if last >= MAX_NUMBER {
            return Err(DecodeError::TooLarge { value: last, limit: MAX_NUMBER });
        }
        let mut entries = Vec::with_capacity(count);
        let (mut previous, mut commands) = (prev, 0);
        for _ in 0..count {
            let tag = self.byte()?;
            let mut term = previous.term;
            if tag & NEW_TERM != 0 {
                term = self.term_above(term)?;
            }
            let payload = self.payload(tag & !NEW_TERM, whole)?;
            if let Payload::Command(command) = &payload {
                commands += command.len();
            }
            let entry = Entry { index: previous.index.next(), term, payload };
            previous = entry.position();
            entries.push(entry);
        }
        if commands.saturating_mul(LARGEST_WASTE) < whole.len() {
            own(&mut entries, commands);
        }
        Ok(entries)
    }

    fn term_above(&mut self, term: Term) -> Result<Term, DecodeError> {
        let above = self.bounded()?;
        if above == 0 {
            return Err(DecodeError::NotCanonical { what: "a new term that is the old one" });
        }
        match term.0 + above {
            value if value < MAX_NUMBER => Ok(Term(value)),
            value => Err(DecodeError::TooLarge { value, limit: MAX_NUMBER }),
        }
    }
}

/// Gives the commands memory of their own, in one piece.
fn own(entries: &mut [Entry], total: usize) {
    let mut copy = Vec::with_capacity(total);
    for entry in &*entries {
        if let Payload::Command(command) = &entry.payload {
            copy.extend_from_slice(command);
        }
    }
    let mut copy = Bytes::from(copy);
    for entry in entries {
        if let Payload::Command(command) = &mut entry.payload {
            *command = copy.split_to(command.len());
        }
    }
}

/// Appends one entry, with its place, to `out`.
pub fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out);
    writer.byte(FORMAT);
    writer.position(entry.position());
    writer.byte(tag(&entry.payload));
    writer.payload(&entry.payload);
}

/// The entry that `bytes` holds. Its command shares the memory of `bytes`.
///
/// # Errors
/// The bytes are not exactly what [`encode_entry`] makes.
pub fn decode_entry(bytes: &Bytes) -> Result<Entry, DecodeError> {
    let mut reader = Reader::new(bytes)?;
    let position = reader.position()?;
    let tag = reader.byte()?;
    let payload = reader.payload(tag, bytes)?;
    reader.end()?;
    Ok(Entry { index: position.index, term: position.term, payload })
}

/// Appends a hard state to `out`.
pub fn encode_hard_state(hard_state: &HardState, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out);
    let voted = if hard_state.vote.is_some() { VOTED } else { 0 };
    let lost_disk = if hard_state.lost_disk { LOST_DISK } else { 0 };
    writer.byte(FORMAT);
    writer.byte(voted | lost_disk);
    writer.number(hard_state.term.0);
    if let Some(vote) = hard_state.vote {
        writer.number(vote.0);
    }
    writer.duration(hard_state.promise);
    writer.number(hard_state.commit.0);
}

/// The hard state that `bytes` holds.
///
/// # Errors
/// The bytes are not exactly what [`encode_hard_state`] makes.
pub fn decode_hard_state(bytes: &[u8]) -> Result<HardState, DecodeError> {
    let mut reader = Reader::new(bytes)?;
    let flags = reader.byte()?;
    if flags & !(VOTED | LOST_DISK) != 0 {
        return Err(DecodeError::UnknownFlag { found: flags });
    }
    let term = reader.term()?;
    let vote = if flags & VOTED != 0 { Some(reader.node()?) } else { None };
    let (promise, commit): (_, LogIndex) = (reader.duration()?, reader.index()?);
    reader.end()?;
    Ok(HardState { term, vote, promise, commit, lost_disk: flags & LOST_DISK != 0 })
}

/// Appends what a snapshot covers to `out`.
pub fn encode_snapshot_meta(meta: &SnapshotMeta, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out);
    writer.byte(FORMAT);
    writer.snapshot_meta(meta);
}

/// What the snapshot covers whose meta data `bytes` holds.
///
/// # Errors
/// The bytes are not exactly what [`encode_snapshot_meta`] makes.
pub fn decode_snapshot_meta(bytes: &[u8]) -> Result<SnapshotMeta, DecodeError> {
    let mut reader = Reader::new(bytes)?;
    let meta = reader.snapshot_meta()?;
    reader.end()?;
    Ok(meta)
}
