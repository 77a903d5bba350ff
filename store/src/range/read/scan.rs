//! Pages of a scan.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::rows::{FoundRow, forward, reverse};
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
    let mut filling = Filling::new(scan, limits);
    let left = if scan.reverse {
        reverse(view, &span, at, opened, |row| filling.add(row))?
    } else {
        forward(view, &span, at, opened, |row| filling.add(row))?
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

    /// `left`: entries are left, though it is not known if there are rows among them.
    fn finish(self, left: bool, reverse: bool) -> Page {
        let resume = match self.rows.last() {
            Some(last) if left || self.overfull => Some(if reverse {
                last.key.clone()
            } else {
                // Nothing sorts between a key and itself with a zero behind it.
                [&last.key[..], &[0]].concat().into()
            }),
            _ => None,
        };
        Page { rows: self.rows, resume }
    }
}
