//! A state of the whole group: each node's state by its number, the messages in the network, what was spent,
//! and of the past what the properties need.
//!
//! The network is the set of all messages ever sent. A message stays in it when it is delivered: it may come
//! again, late, in any order or never, so loss, duplication and reordering need no steps of their own.

use super::model::Cost;

/// The highest number of nodes.
pub(super) const MAX_NODES: usize = 4;
/// Terms in which leaders are remembered.
const MAX_TERMS: usize = 8;

/// A state of the group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct State {
    /// By node, numbers of local states; unused ones are 0.
    pub(super) nodes: [u32; MAX_NODES],
    /// The number of what was committed so far.
    pub(super) committed: u32,
    /// By term, who led it: node and boot, 0 for nobody.
    leaders: [u8; MAX_TERMS],
    /// How often each cost was paid.
    spent: [u8; Cost::ALL.len()],
    /// Numbers of messages, sorted.
    pub(super) letters: Vec<u32>,
}

impl State {
    pub(super) fn new(nodes: [u32; MAX_NODES]) -> Self {
        Self {
            nodes,
            committed: 0,
            leaders: [0; MAX_TERMS],
            spent: [0; Cost::ALL.len()],
            letters: Vec::new(),
        }
    }

    pub(super) fn spent(&self, cost: Cost) -> u8 {
        self.spent[cost as usize]
    }

    pub(super) fn spend(&mut self, cost: Cost) {
        self.spent[cost as usize] += 1;
    }

    /// Notes the leader of a term; false if another one, or another boot, led it before.
    pub(super) fn note_leader(&mut self, term: u8, node: u8, boot: u8) -> bool {
        let who = node << 4 | boot;
        let led = &mut self.leaders[usize::from(term) % MAX_TERMS];
        if *led == 0 {
            *led = who;
        }
        *led == who
    }

    /// By term, who led it.
    #[cfg(test)]
    pub(super) fn leaders(&self) -> [u8; MAX_TERMS] {
        self.leaders
    }

    /// Adds what was sent.
    pub(super) fn send(&mut self, letters: &[u32]) {
        for letter in letters {
            if let Err(at) = self.letters.binary_search(letter) {
                self.letters.insert(at, *letter);
            }
        }
    }

    /// As words, to be hashed and stored: five of header, then the messages.
    pub(super) fn pack(&self, words: &mut Vec<u32>) {
        let bytes = |all: &[u8]| all.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        let nibbles = |all: &[u8]| all.iter().fold(0, |word, nibble| word << 4 | u32::from(*nibble));
        words.extend(self.nodes);
        words.push(self.committed);
        words.extend([bytes(&self.leaders[..4]), bytes(&self.leaders[4..])]);
        words.push(nibbles(&self.spent));
        words.extend(&self.letters);
    }

    pub(super) fn unpack(words: &[u32]) -> Self {
        let mut state = Self::new([words[0], words[1], words[2], words[3]]);
        state.committed = words[4];
        let leaders = u64::from(words[5]) << 32 | u64::from(words[6]);
        state.leaders = leaders.to_be_bytes();
        for (at, spent) in state.spent.iter_mut().enumerate() {
            *spent = (words[7] >> (28 - 4 * at) & 0xf) as u8;
        }
        state.letters = words[8..].to_vec();
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_and_unpacks() {
        let mut state = State::new([9, 8, 7, 6]);
        state.committed = 5;
        state.spend(Cost::Campaign);
        state.spend(Cost::Read);
        state.send(&[3, 1, 3]);
        assert!(state.note_leader(7, 3, 2) && state.note_leader(2, 1, 1) && !state.note_leader(2, 1, 2));
        let mut words = Vec::new();
        state.pack(&mut words);
        assert_eq!(State::unpack(&words), state);
        assert_eq!(state.letters, [1, 3]);
    }
}
