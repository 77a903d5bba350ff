use std::cell::Cell;

use bytes::Bytes;

use super::fixture::{Leader, RANGE, bytes, delete, delete_range, operations, put};
use crate::engine::{Cursor, Engine, EngineError, Span, View};
use crate::key::user_span;
use crate::range::gc::gc_batch;
use crate::range::read::{Admission, Reader, admit};
use crate::range::{RangeError, gc};
use crate::request::{Limits, Page, RequestError, Scan};
use crate::timestamp::Timestamp;

fn scan(start: &[u8], end: &[u8], reverse: bool, limit: usize) -> Scan {
    let (start, end) = (Bytes::copy_from_slice(start), Bytes::copy_from_slice(end));
    Scan { start, end, reverse, limit, keys_only: false }
}

fn page(leader: &Leader, at: Timestamp, scan: &Scan, limits: &Limits) -> Page {
    let view = leader.engine.view();
    Reader::new(&view, at, || leader.state.gc_threshold()).scan(scan, limits).unwrap()
}

fn keys(page: &Page) -> Vec<&[u8]> {
    page.rows.iter().map(|row| &row.key[..]).collect()
}

#[test]
fn a_read_sees_the_newest_version_at_or_below_its_timestamp() {
    let mut leader = Leader::new();
    let first = leader.put("k", "1");
    let second = leader.put("k", "2");
    leader.done(operations([delete("k")]));
    let view = leader.engine.view();
    let at = |timestamp| Reader::new(&view, timestamp, || Timestamp::ZERO).get(b"k").unwrap();
    assert_eq!(at(Timestamp(first.0 - 1)), None);
    assert_eq!(at(first).unwrap().value, "1");
    assert_eq!(at(second).unwrap().value, "2");
    assert_eq!(at(second).unwrap().version, second);
    assert_eq!(at(second.next()), None);
    assert_eq!(at(Timestamp::MAX), None);
}

#[test]
fn pages_meet_in_both_directions_whatever_the_keys() {
    let mut leader = Leader::new();
    let all: [&[u8]; 7] = [b"\0", b"\0\0", b"a", b"a\0", b"a\0\0", b"a\x01", b"\xff\xff"];
    for (number, key) in all.iter().enumerate() {
        // The versions of neighbours differ in number: few, and more than are passed one by one.
        for _ in 0..=(number % 3) * 10 {
            leader.put(std::str::from_utf8(key).unwrap_or("\u{7ff}"), "old");
        }
    }
    let now = leader.state.applied().timestamp;
    for key in all {
        leader.put(std::str::from_utf8(key).unwrap_or("\u{7ff}"), "new");
    }
    let limits = Limits { page_keys: 2, ..Limits::default() };
    let whole = page(&leader, now, &scan(b"", b"", false, 0), &Limits::default());
    assert_eq!(whole.rows.len(), 7);
    assert_eq!(whole.resume, None);
    assert!(whole.rows.is_sorted_by(|a, b| a.key < b.key) && whole.rows.iter().all(|row| row.value == "old"));
    for limit in 0..=3 {
        for reverse in [false, true] {
            let mut next = scan(b"", b"", reverse, limit);
            let mut rows = Vec::new();
            loop {
                let page = page(&leader, now, &next, &limits);
                assert!(page.rows.len() <= if limit == 1 { 1 } else { 2 });
                rows.extend(page.rows);
                let Some(resume) = page.resume else { break };
                if reverse { next.end = resume } else { next.start = resume }
            }
            if reverse {
                rows.reverse();
            }
            assert_eq!(rows, whole.rows, "limit {limit}, reverse {reverse}");
        }
    }
}

#[test]
fn a_resume_key_is_exact() {
    let mut leader = Leader::new();
    leader.done(operations([put("a", "1"), put("b", "1"), put("c", "1")]));
    let now = leader.state.applied().timestamp;
    let limits = Limits::default();
    let first = page(&leader, now, &scan(b"", b"", false, 1), &limits);
    assert_eq!((keys(&first), first.resume.as_deref()), (vec![&b"a"[..]], Some(&b"a\0"[..])));
    let last = page(&leader, now, &scan(b"", b"", true, 1), &limits);
    assert_eq!((keys(&last), last.resume.as_deref()), (vec![&b"c"[..]], Some(&b"c"[..])));
    // A page that happens to be full with the last row.
    assert_eq!(page(&leader, now, &scan(b"", b"c", false, 2), &limits).resume, None);
    assert_eq!(page(&leader, now, &scan(b"b", b"", true, 2), &limits).resume, None);
}

#[test]
fn a_page_is_bounded_by_bytes_and_has_a_row() {
    let mut leader = Leader::new();
    leader.done(operations([put("a", "12345"), put("b", "12"), put("c", "1"), put("d", "")]));
    let now = leader.state.applied().timestamp;
    let limits = Limits { page_bytes: 5, ..Limits::default() };
    let large = page(&leader, now, &scan(b"", b"", false, 0), &limits);
    assert_eq!((keys(&large), large.resume.as_deref()), (vec![&b"a"[..]], Some(&b"a\0"[..])));
    let exact = page(&leader, now, &scan(b"b", b"", false, 0), &limits);
    assert_eq!((keys(&exact), exact.resume.as_deref()), (vec![&b"b"[..], b"c"], Some(&b"c\0"[..])));
    let reverse = page(&leader, now, &scan(b"", b"", true, 0), &limits);
    assert_eq!((keys(&reverse), reverse.resume.as_deref()), (vec![&b"d"[..], b"c"], Some(&b"c"[..])));
    let keys_only = Scan { keys_only: true, ..scan(b"", b"", false, 0) };
    let all = page(&leader, now, &keys_only, &limits);
    assert_eq!((all.rows.len(), all.resume), (4, None));
    assert!(all.rows.iter().all(|row| row.value.is_empty()));
}

#[test]
fn a_page_looks_at_so_many_keys_whatever_it_finds() {
    let mut leader = Leader::new();
    for number in 0..30 {
        leader.put(&format!("{number:02}"), "1");
    }
    leader.done(operations([delete_range("05", "25")]));
    let now = leader.state.applied().timestamp;
    let limits = Limits { looked_at: 7, ..Limits::default() };
    let whole = page(&leader, now, &scan(b"", b"", false, 0), &Limits::default());
    assert_eq!(whole.rows.len(), 10);
    for reverse in [false, true] {
        let mut next = scan(b"", b"", reverse, 0);
        let (mut rows, mut pages) = (Vec::new(), Vec::new());
        loop {
            let page = page(&leader, now, &next, &limits);
            pages.push(page.rows.len());
            rows.extend(page.rows);
            let Some(resume) = page.resume else { break };
            if reverse { next.end = resume } else { next.start = resume }
        }
        if reverse {
            rows.reverse();
        }
        assert_eq!((rows, pages), (whole.rows.clone(), vec![5, 0, 0, 3, 2]));
    }
}

#[test]
fn bounds_that_are_not_in_order_are_invalid() {
    let leader = Leader::new();
    let view = leader.engine.view();
    let refused = Reader::new(&view, Timestamp::MAX, || Timestamp::ZERO)
        .scan(&scan(b"b", b"a", false, 0), &Limits::default());
    assert!(matches!(refused, Err(RangeError::Refused(RequestError::Invalid { .. }))));
}

/// A view that tells when a cursor is opened or moved.
#[derive(Clone)]
struct Watched<V, F>(V, F);

impl<V: View, F: Fn() + Clone + 'static> View for Watched<V, F> {
    type Cursor<'a> = WatchedCursor<V::Cursor<'a>, F>;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.0.get(key)
    }

    fn cursor(&self, span: &Span) -> Self::Cursor<'_> {
        (self.1)();
        WatchedCursor(self.0.cursor(span), self.1.clone())
    }
}

struct WatchedCursor<C, F>(C, F);

impl<C: Cursor, F: Fn()> Cursor for WatchedCursor<C, F> {
    fn seek(&mut self, key: &[u8]) -> Result<(), EngineError> {
        (self.1)();
        self.0.seek(key)
    }

    fn seek_before(&mut self, key: &[u8]) -> Result<(), EngineError> {
        (self.1)();
        self.0.seek_before(key)
    }

    fn next(&mut self) -> Result<(), EngineError> {
        (self.1)();
        self.0.next()
    }

    fn prev(&mut self) -> Result<(), EngineError> {
        (self.1)();
        self.0.prev()
    }

    fn entry(&self) -> Option<(&[u8], &[u8])> {
        self.0.entry()
    }
}

#[test]
fn many_versions_are_jumped_over() {
    let mut leader = Leader::new();
    let mut at = Timestamp::ZERO;
    for number in 0..400 {
        leader.propose(operations([put("a", "v"), put("b", "v")]));
        if number == 200 {
            at = leader.overlay.timestamp();
        }
    }
    leader.commit();
    for (reverse, at) in
        [false, true].into_iter().flat_map(|reverse| [(reverse, at), (reverse, Timestamp::MAX)])
    {
        let moves = std::rc::Rc::new(Cell::new(0));
        let count = moves.clone();
        let view = Watched(leader.engine.view(), move || count.set(count.get() + 1));
        let page = Reader::new(&view, at, || Timestamp::ZERO)
            .scan(&scan(b"", b"", reverse, 0), &Limits::default())
            .unwrap();
        assert_eq!(page.rows.len(), 2);
        assert!(moves.get() < 50, "{} moves for two rows, reverse {reverse}", moves.get());
    }
}

#[test]
fn the_threshold_is_checked_after_the_cursor_is_open() {
    let mut leader = Leader::new();
    let at = leader.put("k", "1");
    // As bad as it can be: the threshold rises while the cursor is opened.
    let threshold = std::rc::Rc::new(Cell::new(at));
    let rise = threshold.clone();
    let view = Watched(leader.engine.view(), move || rise.set(at.next()));
    let too_old = RangeError::Refused(RequestError::TooOld { timestamp: at, oldest: at.next() });
    assert_eq!(Reader::new(&view, at, || threshold.get()).get(b"k"), Err(too_old.clone()));
    for reverse in [false, true] {
        threshold.set(at);
        let page = Reader::new(&view, at, || threshold.get());
        assert_eq!(page.scan(&scan(b"", b"", reverse, 0), &Limits::default()), Err(too_old.clone()));
    }
    // At the threshold itself everything is readable.
    let at_it = Reader::new(&view, at.next(), || threshold.get());
    assert_eq!(at_it.get(b"k").unwrap().unwrap().value, "1");
}

#[test]
fn a_view_is_not_disturbed_by_garbage_collection() {
    let mut leader = Leader::new();
    let old = leader.put("k", "1");
    leader.put("k", "2");
    let view = leader.engine.view();
    let before = leader.state.gc_threshold();
    assert!(leader.raise_gc_threshold(leader.state.applied().timestamp));
    leader.commit();
    leader.engine.flush().unwrap();
    let flushed = gc::flushed_threshold(&leader.engine, RANGE).unwrap();
    let span = user_span(b"", b"");
    let sweep = gc_batch(&leader.engine.view(), &span, &span.start, flushed, 100).unwrap();
    leader.engine.write(sweep.batch).unwrap();
    assert_eq!(Reader::new(&view, old, || before).get(b"k").unwrap().unwrap().value, "1");
    let fresh = leader.engine.view();
    let refused = Reader::new(&fresh, old, || leader.state.gc_threshold()).get(b"k");
    assert!(matches!(refused, Err(RangeError::Refused(RequestError::TooOld { .. }))));
    assert_eq!(leader.value("k"), Some(bytes("2")));
}

#[test]
fn timestamps_ahead_wait_for_a_tick_or_are_refused() {
    let (applied, physical) = (Timestamp::from_millis(2_000), Timestamp::from_millis(1_000));
    let limit = Timestamp::from_millis(6_000);
    assert_eq!(admit(applied, applied, physical), Ok(Admission::Now));
    assert_eq!(admit(applied.next(), applied, physical), Ok(Admission::AfterTick));
    assert_eq!(admit(limit, applied, physical), Ok(Admission::AfterTick));
    let timestamp = limit.next();
    let refused = Err(RequestError::InTheFuture { timestamp, latest: applied });
    assert_eq!(admit(timestamp, applied, physical), refused);
    // What is applied can be read, however far the clocks are behind it.
    let ahead = Timestamp::from_millis(90_000);
    assert_eq!(admit(ahead, ahead, physical), Ok(Admission::Now));
    let timestamp = ahead.next();
    let refused = Err(RequestError::InTheFuture { timestamp, latest: ahead });
    assert_eq!(admit(timestamp, ahead, physical), refused);
}
