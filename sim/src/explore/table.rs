//! Fingerprints of 128 bits, and a flat hash table of them: an exploration sees tens of millions of states and
//! keeps 20 bytes of each. It is never iterated, so its order shows nowhere.

use std::fmt::{self, Debug, Write};
use std::hash::{DefaultHasher, Hasher};

/// Two 64-bit hashes of the same text under different keys. Among 10^8 states the odds that any two share one
/// are below 10^-22.
struct Print(DefaultHasher, DefaultHasher);

impl Print {
    fn new() -> Self {
        let mut print = Print(DefaultHasher::new(), DefaultHasher::new());
        print.0.write_u8(1);
        print.1.write_u8(2);
        print
    }

    fn value(&self) -> u128 {
        u128::from(self.0.finish()) << 64 | u128::from(self.1.finish())
    }
}

impl Write for Print {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        self.1.write(text.as_bytes());
        Ok(())
    }
}

/// The fingerprint of everything that `{:?}` shows.
pub(super) fn print_of(value: &impl Debug) -> u128 {
    let mut print = Print::new();
    // Writing to a hash cannot fail.
    let _ = write!(print, "{value:?}");
    print.value()
}

/// The fingerprint of a few numbers.
pub(super) fn print_of_words(words: &[u32]) -> u128 {
    let (mut a, mut b) = (0x9e37_79b9_7f4a_7c15_u64, 0xc2b2_ae3d_27d4_eb4f_u64);
    for word in words {
        a = fold(a ^ u64::from(*word), 0xa076_1d64_78bd_642f);
        b = fold(b ^ u64::from(*word), 0xe703_7ed1_a0b4_28db);
    }
    u128::from(fold(a, 0x8ebc_6af0_9c88_c6e3)) << 64 | u128::from(fold(b, 0x5899_65cc_7537_4cc3))
}

/// A full multiplication folded to 64 bits: every bit of the input reaches every bit of the result.
fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a ^ 0x2d35_8dcc_aa6c_78a5) * u128::from(b);
    (wide as u64) ^ ((wide >> 64) as u64)
}

/// From fingerprint to number, open addressing.
pub(super) struct Table {
    /// Zero: free.
    keys: Vec<u128>,
    values: Vec<u32>,
    len: usize,
}

impl Table {
    pub(super) fn new() -> Self {
        Self { keys: vec![0; 1024], values: vec![0; 1024], len: 0 }
    }

    pub(super) fn get(&self, key: u128) -> Option<u32> {
        let slot = self.slot(key.max(1));
        (self.keys[slot] != 0).then(|| self.values[slot])
    }

    /// True if the key was not there.
    pub(super) fn insert(&mut self, key: u128, value: u32) -> bool {
        let key = key.max(1);
        let slot = self.slot(key);
        if self.keys[slot] != 0 {
            return false;
        }
        self.keys[slot] = key;
        self.values[slot] = value;
        self.len += 1;
        if self.len * 4 > self.keys.len() * 3 {
            self.grow();
        }
        true
    }

    /// Where the key is, or would be.
    fn slot(&self, key: u128) -> usize {
        let mask = self.keys.len() - 1;
        let mut slot = key as usize & mask;
        while self.keys[slot] != 0 && self.keys[slot] != key {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) {
        let size = self.keys.len() * 2;
        let keys = std::mem::replace(&mut self.keys, vec![0; size]);
        let values = std::mem::replace(&mut self.values, vec![0; size]);
        for (key, value) in keys.into_iter().zip(values).filter(|(key, _)| *key != 0) {
            let slot = self.slot(key);
            self.keys[slot] = key;
            self.values[slot] = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn equals_a_map() {
        let (mut table, mut map) = (Table::new(), BTreeMap::new());
        for n in 0..20_000_u32 {
            let key = print_of_words(&[n % 7_000, 1]);
            let new = !map.contains_key(&key);
            map.entry(key).or_insert(n);
            assert_eq!(table.insert(key, n), new);
        }
        assert!(map.iter().all(|(key, value)| table.get(*key) == Some(*value)));
        assert_eq!(table.get(print_of_words(&[7_000, 1])), None);
    }

    #[test]
    fn order_and_length_count() {
        let prints = [&[][..], &[0], &[0, 0], &[1, 2], &[2, 1]].map(print_of_words);
        let distinct: std::collections::BTreeSet<_> = prints.iter().collect();
        assert_eq!(distinct.len(), prints.len());
    }
}
