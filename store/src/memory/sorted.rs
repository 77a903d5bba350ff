//! An ordered map whose copies are cheap: sorted chunks, shared until they are written to.

use std::sync::Arc;

use bytes::Bytes;

/// A full chunk is cut in half.
const CHUNK: usize = 32;

/// A value, and whether it can still be read.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) value: Bytes,
    pub(super) damaged: bool,
}

type Chunk = Vec<(Bytes, Record)>;

/// Keys in order; no chunk is empty.
#[derive(Clone, Debug, Default)]
pub(super) struct SortedMap {
    chunks: Arc<Vec<Arc<Chunk>>>,
}

/// A place in a map: a chunk and an entry of it. Behind the last entry it is (number of chunks, 0).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place(usize, usize);

impl SortedMap {
    /// The first place whose key is not below `key`.
    pub(super) fn lower_bound(&self, key: &[u8]) -> Place {
        let chunk =
            self.chunks.partition_point(|chunk| chunk.last().is_some_and(|(last, _)| &last[..] < key));
        let entries = self.chunks.get(chunk).map_or(0, |chunk| chunk.partition_point(|(k, _)| &k[..] < key));
        Place(chunk, entries)
    }

    pub(super) fn at(&self, place: Place) -> Option<(&Bytes, &Record)> {
        self.chunks.get(place.0)?.get(place.1).map(|(key, record)| (key, record))
    }

    pub(super) fn after(&self, place: Place) -> Place {
        match self.chunks.get(place.0) {
            Some(chunk) if place.1 + 1 < chunk.len() => Place(place.0, place.1 + 1),
            Some(_) => Place(place.0 + 1, 0),
            None => place,
        }
    }

    pub(super) fn before(&self, place: Place) -> Option<Place> {
        if place.1 > 0 {
            return Some(Place(place.0, place.1 - 1));
        }
        let chunk = place.0.checked_sub(1)?;
        Some(Place(chunk, self.chunks.get(chunk)?.len().saturating_sub(1)))
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Record> {
        self.at(self.lower_bound(key)).filter(|(found, _)| &found[..] == key).map(|(_, record)| record)
    }

    pub(super) fn insert(&mut self, key: Bytes, value: Bytes) {
        let record = Record { value, damaged: false };
        let Place(mut at, mut entry) = self.lower_bound(&key);
        let chunks = Arc::make_mut(&mut self.chunks);
        if at == chunks.len() {
            match at.checked_sub(1) {
                Some(last) => {
                    at = last;
                    entry = chunks[last].len();
                }
                None => chunks.push(Arc::default()),
            }
        }
        let chunk = Arc::make_mut(&mut chunks[at]);
        match chunk.get_mut(entry) {
            Some((found, old)) if *found == key => *old = record,
            _ => chunk.insert(entry, (key, record)),
        }
        if chunk.len() >= CHUNK {
            let upper = chunk.split_off(CHUNK / 2);
            chunks.insert(at + 1, Arc::new(upper));
        }
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        let Place(at, entry) = self.lower_bound(key);
        if self.at(Place(at, entry)).is_none_or(|(found, _)| &found[..] != key) {
            return;
        }
        let chunks = Arc::make_mut(&mut self.chunks);
        let chunk = Arc::make_mut(&mut chunks[at]);
        chunk.remove(entry);
        if chunk.is_empty() {
            chunks.remove(at);
        }
    }

    /// Makes the value of a key unreadable; says whether the key is there.
    pub(super) fn damage(&mut self, key: &[u8]) -> bool {
        let Some(Record { value, .. }) = self.get(key).cloned() else { return false };
        let Place(at, entry) = self.lower_bound(key);
        let chunk = Arc::make_mut(&mut Arc::make_mut(&mut self.chunks)[at]);
        chunk[entry].1 = Record { value, damaged: true };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn keys(map: &SortedMap) -> Vec<Bytes> {
        let mut place = map.lower_bound(b"");
        let mut found = Vec::new();
        while let Some((key, _)) = map.at(place) {
            found.push(key.clone());
            place = map.after(place);
        }
        found
    }

    #[test]
    fn it_is_an_ordered_map_and_copies_stay_as_they_were() {
        let mut map = SortedMap::default();
        let mut model = BTreeMap::new();
        let mut copies = Vec::new();
        for step in 0..4_000u32 {
            let number = step.wrapping_mul(2_654_435_761) >> 22;
            let key = Bytes::copy_from_slice(&number.to_be_bytes());
            if step % 3 == 2 || step > 3_000 {
                map.remove(&key);
                model.remove(&key);
            } else {
                map.insert(key.clone(), Bytes::new());
                model.insert(key, ());
            }
            if step % 500 == 0 {
                copies.push((map.clone(), model.clone()));
            }
        }
        copies.push((map, model));
        for (map, model) in &copies {
            assert!(map.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() < CHUNK));
            assert!(keys(map).iter().eq(model.keys()));
            for number in 0..1_024u32 {
                let key = number.to_be_bytes();
                assert_eq!(map.get(&key).is_some(), model.contains_key(&key[..]));
                let before = map.before(map.lower_bound(&key)).and_then(|place| map.at(place));
                let expected = model.range(..Bytes::copy_from_slice(&key)).next_back();
                assert_eq!(before.map(|(key, _)| key), expected.map(|(key, ())| key));
            }
        }
    }
}
