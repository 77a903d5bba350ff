//! Remembers which configurations were already searched, within a bound on memory.

/// How many neighbouring slots are tried.
const WAYS: usize = 4;
const FIRST_SLOTS: usize = 64;

/// Configurations searched in vain: which operations were done, the state they left, and what was spent on it.
/// Whoever comes to the same with as much spent or more will search in vain too. The cache may forget some,
/// which costs time and nothing else; it never takes one for another, because it compares them whole.
#[derive(Debug)]
pub(super) struct Cache {
    /// Slots of `width` words each: the state plus one (0: free), what was spent, the set of operations.
    slots: Vec<u64>,
    width: usize,
    filled: usize,
    most_slots: usize,
}

impl Cache {
    /// For sets of `words` words, in at most about `bytes` bytes.
    pub fn new(words: usize, bytes: usize) -> Self {
        let width = words + 2;
        let most_slots = (bytes / 8 / width).max(WAYS);
        Self { slots: Vec::new(), width, filled: 0, most_slots }
    }

    /// Adds a configuration; false if it is known to be in vain.
    pub fn insert(&mut self, set: &[u64], state: usize, spent: usize) -> bool {
        let slots = self.slots.len() / self.width;
        if self.filled * 2 >= slots && slots < self.most_slots {
            self.grow((slots * 2).clamp(FIRST_SLOTS.min(self.most_slots), self.most_slots));
        }
        self.place(set, state as u64 + 1, spent as u64)
    }

    fn place(&mut self, set: &[u64], tag: u64, spent: u64) -> bool {
        let slots = self.slots.len() / self.width;
        let first = (hash(set, tag) % slots as u64) as usize;
        let mut chosen = first;
        for way in 0..WAYS {
            let at = (first + way) % slots;
            let slot = &self.slots[at * self.width..][..self.width];
            if slot[0] == tag && &slot[2..] == set {
                if slot[1] <= spent {
                    return false;
                }
                chosen = at;
                break;
            }
            if slot[0] == 0 {
                self.filled += 1;
                chosen = at;
                break;
            }
        }
        let slot = &mut self.slots[chosen * self.width..][..self.width];
        slot[0] = tag;
        slot[1] = spent;
        slot[2..].copy_from_slice(set);
        true
    }

    fn grow(&mut self, slots: usize) {
        let old = std::mem::replace(&mut self.slots, vec![0; slots * self.width]);
        self.filled = 0;
        for slot in old.chunks_exact(self.width).filter(|slot| slot[0] != 0) {
            self.place(&slot[2..], slot[0], slot[1]);
        }
    }
}

fn hash(set: &[u64], tag: u64) -> u64 {
    let fold = |h: u64, word: &u64| (h.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let h = set.iter().fold(tag, fold);
    (h ^ (h >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_it_has_seen() {
        let mut cache = Cache::new(2, 1 << 20);
        for x in 0..5_000 {
            assert!(cache.insert(&[x, x * x], 3, 7), "{x} is new");
        }
        assert!(cache.insert(&[1, 1], 4, 7), "another state");
        let known = (0..5_000).filter(|x| !cache.insert(&[*x, x * x], 3, 7)).count();
        assert!(known > 4_500, "{known}");
    }

    #[test]
    fn knows_what_is_worse() {
        let mut cache = Cache::new(1, 1 << 20);
        let seen = [5, 6, 5, 4, 5].map(|spent| cache.insert(&[1], 0, spent));
        assert_eq!(seen, [true, false, false, true, false]);
    }

    #[test]
    fn forgets_rather_than_grows() {
        let mut cache = Cache::new(1, 240);
        for x in 0..1_000 {
            assert!(cache.insert(&[x], 0, 0));
        }
        assert_eq!(cache.slots.len(), 30);
        assert!(!cache.insert(&[999], 0, 0));
    }
}
