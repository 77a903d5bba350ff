//! Pages of a scan.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::rows::{FoundRow, Left, forward, reverse};
use crate::engine::View;
use crate::key::user_span;
use crate::range::RangeError;
use crate::request::{Limits, Page, RequestError, Row, Scan};
use crate::timestamp::Timestamp;

pub(super) fn page<V: View>(
    view: &V,
    scan: &Scan,
    at: Timestamp,
    limits: &Limits,
    opened: impl FnOnce() -> Result<(), RangeError>,
) -> Result<Page, RangeError> {
    if !scan.end.is_empty() && scan.start > scan.end {
        return Err(RequestError::Invalid { what: "a scan ends before its start: swap them".into() }.into());
    }
    let span = user_span(&scan.start, &scan.end);
    let mut keys = limits.looked_at.max(1);
    let mut filling = Filling::new(scan, limits);
    let left = if scan.reverse {
        reverse(view, &span, at, &mut keys, opened, |row| filling.add(row))?
    } else {
        forward(view, &span, at, &mut keys, opened, |row| filling.add(row))?
    };
    Ok(filling.finish(left, scan.reverse))
}

/// A page in the making.
struct Filling {
    rows: Vec<Row>,
    most_rows: usize,
    /// Still free.
    bytes: usize,
    keys_only: bool,
    /// A row was found that has no room.
    overfull: bool,
}

impl Filling {
    fn new(scan: &Scan, limits: &Limits) -> Self {
        let most_rows = match scan.limit {
            0 => limits.page_keys,
            limit => limit.min(limits.page_keys),
        };
        let rows = Vec::new();
        Self { rows, most_rows, bytes: limits.page_bytes, keys_only: scan.keys_only, overfull: false }
    }

    fn add(&mut self, row: FoundRow<'_>) -> ControlFlow<()> {
        let value = if self.keys_only { &[] } else { row.value };
        let size = row.key.len() + value.len();
        if size > self.bytes && !self.rows.is_empty() {
            self.overfull = true;
            return ControlFlow::Break(());
        }
        self.bytes = self.bytes.saturating_sub(size);
        let (key, value) = (Bytes::copy_from_slice(row.key), Bytes::copy_from_slice(value));
        self.rows.push(Row { key, value, version: row.version });
        if self.rows.len() < self.most_rows { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn finish(self, left: Left, reverse: bool) -> Page {
        // Nothing sorts between a key and itself with a zero behind it.
        let behind = |key: &[u8]| Bytes::from([key, &[0]].concat());
        let last = self.rows.last().map(|row| row.key.clone());
        let resume = match (left, last) {
            (Left::From(key), _) => Some(if reverse { behind(&key) } else { key.into() }),
            (left, Some(last)) if self.overfull || left == Left::Entries => {
                Some(if reverse { last } else { behind(&last) })
            }
            _ => None,
        };
        Page { rows: self.rows, resume }
    }
}
