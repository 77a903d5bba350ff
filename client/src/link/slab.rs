//! What is awaited on a stream, by the id that comes back with the answer.

/// Ids are never used twice, places are.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Place<T> {
    /// How often the place was used: the upper half of the id.
    round: u32,
    value: Option<T>,
}

impl<T> Slab<T> {
    pub(super) fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.len() == self.free.len()
    }

    pub(super) fn insert(&mut self, value: T) -> u64 {
        let at = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { round: 0, value: None });
            (self.places.len() - 1) as u32
        });
        let place = &mut self.places[at as usize];
        place.round = place.round.wrapping_add(1);
        place.value = Some(value);
        u64::from(place.round) << 32 | u64::from(at)
    }

    /// None: it is not there (any more).
    pub(super) fn remove(&mut self, id: u64) -> Option<T> {
        let (round, at) = ((id >> 32) as u32, id as u32);
        let place = self.places.get_mut(at as usize).filter(|place| place.round == round)?;
        let value = place.value.take()?;
        self.free.push(at);
        Some(value)
    }

    /// The ids of those for which this holds.
    pub(super) fn ids(&self, holds: impl Fn(&T) -> bool) -> Vec<u64> {
        let ids = self.places.iter().zip(0_u64..).filter_map(|(place, at)| {
            let value = place.value.as_ref()?;
            holds(value).then_some(u64::from(place.round) << 32 | at)
        });
        ids.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_means_one_thing_only() {
        let mut slab = Slab::new();
        let (a, b) = (slab.insert('a'), slab.insert('b'));
        assert_eq!(slab.remove(a), Some('a'));
        let c = slab.insert('c');
        assert_ne!(a, c);
        assert_eq!(slab.remove(a), None);
        assert_eq!(slab.remove(u64::MAX), None);
        assert_eq!(slab.ids(|&value| value > 'a'), [c, b]);
        assert_eq!((slab.remove(b), slab.remove(c), slab.is_empty()), (Some('b'), Some('c'), true));
        assert_eq!(slab.places.len(), 2);
    }
}
