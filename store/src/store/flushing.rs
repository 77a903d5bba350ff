//! When the data engine is flushed: the log can only be cut behind what is.

use crate::replica::Settings;

/// What was applied since the last flush began.
#[derive(Debug, Default)]
pub(super) struct Flushing {
    entries: usize,
    bytes: usize,
    under_way: bool,
}

impl Flushing {
    pub(super) fn applied(&mut self, entries: usize, bytes: usize) {
        self.entries += entries;
        self.bytes += bytes;
    }

    /// Whether a flush is to begin.
    pub(super) fn is_due(&mut self, settings: &Settings) -> bool {
        let much = self.bytes >= settings.flush_bytes || self.entries >= settings.flush_entries;
        if self.under_way || !much {
            return false;
        }
        *self = Self { under_way: true, ..Self::default() };
        true
    }

    pub(super) fn done(&mut self) {
        self.under_way = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_flush_at_a_time_when_much_was_applied() {
        let settings = Settings { flush_bytes: 100, flush_entries: 10, ..Settings::default() };
        let mut flushing = Flushing::default();
        flushing.applied(9, 99);
        assert!(!flushing.is_due(&settings));
        flushing.applied(0, 1);
        assert!(flushing.is_due(&settings));
        flushing.applied(10, 0);
        assert!(!flushing.is_due(&settings), "one is under way");
        flushing.done();
        assert!(flushing.is_due(&settings));
    }
}
