//! The replicated state machine of the simulation: a few registers, and a chain over everything applied.

use bytes::{BufMut, Bytes, BytesMut};
use raft::{Entry, LogIndex, LogPosition, Payload};

use crate::rng::mix;

/// Registers of one group.
pub const KEYS: usize = 8;
const SNAPSHOT_BYTES: usize = 8 * (KEYS + 3);
const COMMAND_BYTES: usize = 8 * 4 + 2;

/// What a client wants of one register. Written values are unique and never 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Set it.
    Write(u64),
    /// Set it if it holds the first value; 0 stands for none.
    CompareAndSet(u64, u64),
    /// Clear it.
    Delete,
}

/// A command in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command {
    /// The register.
    pub key: u8,
    /// Who asked, unique in the run.
    pub id: u64,
    /// What to do.
    pub action: Action,
}

impl Command {
    /// The command as bytes, with `padding` more.
    #[must_use]
    pub fn encode(&self, padding: usize) -> Bytes {
        let (tag, a, b) = match self.action {
            Action::Write(value) => (0, value, 0),
            Action::CompareAndSet(expected, value) => (1, expected, value),
            Action::Delete => (2, 0, 0),
        };
        let mut bytes = BytesMut::with_capacity(COMMAND_BYTES + padding);
        bytes.put_u8(tag);
        bytes.put_u8(self.key);
        bytes.put_u64(self.id);
        bytes.put_u64(a);
        bytes.put_u64(b);
        bytes.put_bytes(0, COMMAND_BYTES - 26 + padding);
        bytes.freeze()
    }

    /// The command in `bytes`, if there is one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Command> {
        let number = |at: usize| Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let (id, a, b) = (number(2)?, number(10)?, number(18)?);
        let key = *bytes.get(1)?;
        let action = match bytes.first()? {
            0 => Action::Write(a),
            1 => Action::CompareAndSet(a, b),
            2 => Action::Delete,
            _ => return None,
        };
        (usize::from(key) < KEYS).then_some(Command { key, id, action })
    }
}

/// What a command did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// What it says.
    Done,
    /// Nothing: the register held this.
    Mismatch(u64),
}

/// The state: small enough to be copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Machine {
    values: [u64; KEYS],
    chain: u64,
    applied: LogPosition,
}

impl Machine {
    /// The last entry applied.
    #[must_use]
    pub fn applied(&self) -> LogPosition {
        self.applied
    }

    /// The value of a register; 0 stands for none.
    #[must_use]
    pub fn get(&self, key: u8) -> u64 {
        self.values[usize::from(key)]
    }

    /// Applies the next entry.
    pub fn apply(&mut self, entry: &Entry) -> Effect {
        assert_eq!(entry.index, self.applied.index.next(), "entries are applied in order, each once");
        self.applied = entry.position();
        let command = match &entry.payload {
            Payload::Command(bytes) => Command::decode(bytes),
            Payload::Noop | Payload::Configuration(_) => None,
        };
        let Some(command) = command else {
            self.chain = mix(self.chain ^ entry.index.0);
            return Effect::Done;
        };
        let value = &mut self.values[usize::from(command.key)];
        let effect = match command.action {
            Action::CompareAndSet(expected, _) if *value != expected => Effect::Mismatch(*value),
            Action::Write(new) | Action::CompareAndSet(_, new) => {
                *value = new;
                Effect::Done
            }
            Action::Delete => {
                *value = 0;
                Effect::Done
            }
        };
        self.chain = mix(self.chain ^ mix(command.id) ^ u64::from(effect == Effect::Done));
        effect
    }

    /// A hash of the state and of how it came about.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.values.iter().fold(self.chain, |hash, value| mix(hash ^ value))
    }

    /// The whole state as bytes.
    #[must_use]
    pub fn to_snapshot(self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(SNAPSHOT_BYTES);
        for value in self.values {
            bytes.put_u64(value);
        }
        bytes.put_u64(self.chain);
        bytes.put_u64(self.applied.index.0);
        bytes.put_u64(self.applied.term.0);
        bytes.freeze()
    }

    /// The state in `bytes`, if they are whole.
    #[must_use]
    pub fn from_snapshot(bytes: &[u8]) -> Option<Machine> {
        if bytes.len() != SNAPSHOT_BYTES {
            return None;
        }
        let mut numbers = bytes.chunks_exact(8).map(|c| c.try_into().map(u64::from_be_bytes).unwrap_or(0));
        let values = std::array::from_fn(|_| numbers.next().unwrap_or(0));
        let [chain, index, term] = std::array::from_fn(|_| numbers.next().unwrap_or(0));
        let applied = LogPosition::new(LogIndex(index), raft::Term(term));
        Some(Machine { values, chain, applied })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raft::Term;

    fn entry(index: u64, command: Command) -> Entry {
        Entry { index: LogIndex(index), term: Term(1), payload: Payload::Command(command.encode(3)) }
    }

    #[test]
    fn commands_and_snapshots_round_trip() {
        let mut machine = Machine::default();
        let actions = [Action::Write(9), Action::CompareAndSet(9, 8), Action::CompareAndSet(9, 7)];
        let done: Vec<Effect> = (1..)
            .zip(actions)
            .map(|(i, action)| {
                let command = Command { key: 2, id: i, action };
                assert_eq!(Command::decode(&command.encode(5)), Some(command));
                machine.apply(&entry(i, command))
            })
            .collect();
        assert_eq!((done, machine.get(2)), (vec![Effect::Done, Effect::Done, Effect::Mismatch(8)], 8));
        assert_eq!(Machine::from_snapshot(&machine.to_snapshot()), Some(machine));
        assert_eq!(Machine::from_snapshot(&machine.to_snapshot()[1..]), None);
    }
}
