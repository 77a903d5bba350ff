//! The numbers of one session: which are given out, and which are acknowledged.

/// As many writes of a session may be unacknowledged as the servers keep records of.
pub(crate) const WIDTH: u64 = 256;

const WORD: u64 = u64::BITS as u64;

/// Numbers are given out in order and come back in any; the floor follows behind the lowest that is out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Window {
    /// Every number below has come back.
    floor: u64,
    /// The next to give out; at most `WIDTH` above the floor.
    next: u64,
    /// Which have come back, of those from the floor on; bit `number % WIDTH`.
    back: [u64; (WIDTH / WORD) as usize],
}

impl Window {
    pub(crate) fn new() -> Self {
        Self { floor: 1, next: 1, back: [0; (WIDTH / WORD) as usize] }
    }

    /// The client knows, or will not ask any more, how every write below ended.
    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }

    /// The next number; none while the window is full.
    pub(crate) fn take(&mut self) -> Option<u64> {
        let number = self.next;
        if number - self.floor == WIDTH {
            return None;
        }
        self.next += 1;
        Some(number)
    }

    /// No attempt with this number will be made any more.
    pub(crate) fn give_back(&mut self, number: u64) {
        debug_assert!(self.floor <= number && number < self.next, "{number} is not out: {self:?}");
        *self.word(number) |= bit(number);
        while *self.word(self.floor) & bit(self.floor) != 0 {
            let floor = self.floor;
            *self.word(floor) &= !bit(floor);
            self.floor += 1;
        }
    }

    fn word(&mut self, number: u64) -> &mut u64 {
        &mut self.back[(number % WIDTH / WORD) as usize]
    }
}

fn bit(number: u64) -> u64 {
    1 << (number % WORD)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_floor_is_the_lowest_that_is_out() {
        let mut window = Window::new();
        let mut out = BTreeSet::new();
        let mut next = 1;
        // A walk over thousands of numbers, mostly full, with a few that stay out for long.
        for step in 0..50_000_u64 {
            match window.take() {
                Some(number) => {
                    assert_eq!(number, next);
                    next += 1;
                    out.insert(number);
                }
                None => assert_eq!(window.floor() + WIDTH, next),
            }
            let chosen = (step * 7_919) % WIDTH;
            if let Some(&number) = out.range(window.floor() + chosen..).next()
                && (number % 97 != 0 || step % 200 == 0)
            {
                out.remove(&number);
                window.give_back(number);
            }
            assert_eq!(window.floor(), out.first().copied().unwrap_or(next));
        }
        assert!(next > 2_000, "{next}");
    }

    #[test]
    fn one_that_stays_out_stops_the_window() {
        let mut window = Window::new();
        assert_eq!(window.take(), Some(1));
        for number in 2..=WIDTH {
            assert_eq!(window.take(), Some(number));
            window.give_back(number);
        }
        assert_eq!((window.take(), window.floor()), (None, 1));
        window.give_back(1);
        assert_eq!((window.take(), window.floor()), (Some(WIDTH + 1), WIDTH + 1));
    }
}
