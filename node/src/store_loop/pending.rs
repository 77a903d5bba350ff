//! Who waits for an answer of the store.

use store::replica::Token;

/// What waits, by token. A token is never used twice: one that was answered finds nobody.
pub(super) struct Pending<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

struct Slot<T> {
    /// How often it was used.
    generation: u32,
    waits: Option<T>,
}

impl<T> Pending<T> {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    pub(super) fn insert(&mut self, waits: T) -> Token {
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, waits: None });
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let slot = &mut self.slots[place as usize];
        slot.generation = slot.generation.wrapping_add(1);
        slot.waits = Some(waits);
        Token(u64::from(slot.generation) << 32 | u64::from(place))
    }

    pub(super) fn remove(&mut self, token: Token) -> Option<T> {
        let place = (token.0 & u64::from(u32::MAX)) as u32;
        let slot = self.slots.get_mut(place as usize)?;
        if u64::from(slot.generation) != token.0 >> 32 {
            return None;
        }
        let waits = slot.waits.take()?;
        self.free.push(place);
        Some(waits)
    }

    /// Everybody.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = T> {
        self.free.clear();
        self.slots.drain(..).filter_map(|slot| slot.waits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_finds_its_own_and_only_once() {
        let mut pending = Pending::new();
        let (first, second) = (pending.insert("first"), pending.insert("second"));
        assert_eq!(pending.remove(first), Some("first"));
        assert_eq!(pending.remove(first), None);
        let third = pending.insert("third");
        assert_ne!(first, third, "the place is used again, the token is not");
        assert_eq!(pending.remove(first), None);
        assert_eq!(pending.remove(second), Some("second"));
        assert_eq!(pending.drain().collect::<Vec<_>>(), ["third"]);
    }
}
