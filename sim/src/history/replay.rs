//! Replays an order against a plain key. Every pass of the checker is confirmed here, by code that knows
//! nothing of how the order was found.

use super::{Numbered, Operation, Outcome};

/// What the key holds after `order`, which names positions in `records`; an error if some operation did not
/// find what it says it found, or came too late in real time.
pub(super) fn replay(records: &[Numbered], order: &[usize]) -> Result<Option<u64>, String> {
    let mut held: Option<u64> = None;
    let mut latest_call = 0;
    for Numbered { number, record } in order.iter().map(|at| &records[*at]) {
        latest_call = latest_call.max(record.invoked);
        let known = record.outcome != Outcome::Unknown;
        if known && record.completed.is_none_or(|at| at < latest_call) {
            return Err(format!("record {number} had completed before one placed earlier was invoked"));
        }
        let (matches, after) = match record.operation {
            Operation::Write { value } => (!known || record.outcome == Outcome::Written, Some(value)),
            Operation::Delete => (!known || record.outcome == Outcome::Written, None),
            Operation::Read => (record.outcome == Outcome::Value(held), held),
            Operation::CompareAndSet { expected, new } if held == expected => {
                (!known || record.outcome == Outcome::Swapped, Some(new))
            }
            Operation::CompareAndSet { .. } => {
                (!known || record.outcome == Outcome::CasFailed { actual: held }, held)
            }
        };
        if !matches {
            return Err(format!("record {number} contradicts the state {held:?}"));
        }
        held = after;
    }
    Ok(held)
}

/// [`replay`], and that nothing with a known outcome is left out and nothing comes twice.
pub(super) fn confirm(records: &[Numbered], order: &[usize]) -> Result<(), String> {
    let mut placed = vec![false; records.len()];
    for at in order {
        if std::mem::replace(&mut placed[*at], true) {
            return Err(format!("record {} has two places", records[*at].number));
        }
    }
    let must = |n: &Numbered| !matches!(n.record.outcome, Outcome::Failed | Outcome::Unknown);
    match records.iter().zip(&placed).find(|(n, placed)| must(n) && !**placed) {
        Some((n, _)) => Err(format!("record {} has no place", n.number)),
        None => replay(records, order).map(drop),
    }
}
