//! What happened in a run: always as one running hash, on demand as text.

use crate::rng::mix;

/// The record of one run.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    text: Option<String>,
}

impl Trace {
    /// A record that keeps the text only if asked to.
    #[must_use]
    pub fn new(keep_text: bool) -> Self {
        Self { hash: 0, text: keep_text.then(String::new) }
    }

    /// Adds an event: its time, its numbers for the hash, and its words for the text.
    pub fn note(&mut self, now: u64, numbers: [u64; 4], words: impl FnOnce() -> String) {
        let [a, b, c, d] = numbers;
        let low = mix(self.hash ^ now).wrapping_add(a ^ b.rotate_left(32));
        self.hash = mix(low ^ c.rotate_left(16) ^ d.rotate_left(48));
        if let Some(text) = &mut self.text {
            use std::fmt::Write as _;
            // Writing into a string cannot fail.
            let _ = writeln!(text, "{:>6}.{:06}ms {}", now / 1_000_000, now % 1_000_000, words());
        }
    }

    /// The hash of everything so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The text, where it was kept.
    #[must_use]
    pub fn into_text(self) -> Option<String> {
        self.text
    }
}
