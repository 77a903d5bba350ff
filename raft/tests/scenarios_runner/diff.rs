//! Lines that differ.

use std::fmt::Write as _;

/// The lines of both, common ones once: `-` is only expected, `+` is only there.
pub(super) fn unified(expected: &[String], actual: &[String]) -> String {
    let common = common_lengths(expected, actual);
    let (mut left, mut right) = (0, 0);
    let mut text = String::new();
    while left < expected.len() || right < actual.len() {
        let (sign, line) = match (expected.get(left), actual.get(right)) {
            (Some(old), Some(new)) if old == new => {
                (left, right) = (left + 1, right + 1);
                (' ', old)
            }
            (Some(old), new) if new.is_none() || common[left + 1][right] >= common[left][right + 1] => {
                left += 1;
                ('-', old)
            }
            (_, Some(new)) => {
                right += 1;
                ('+', new)
            }
            (_, None) => break,
        };
        let _ = writeln!(text, "  {sign} {line}");
    }
    text
}

/// `[i][j]`: the longest common subsequence of what follows `i` in one and `j` in the other.
fn common_lengths(expected: &[String], actual: &[String]) -> Vec<Vec<usize>> {
    let mut lengths = vec![vec![0; actual.len() + 2]; expected.len() + 2];
    for left in (0..expected.len()).rev() {
        for right in (0..actual.len()).rev() {
            lengths[left][right] = if expected[left] == actual[right] {
                lengths[left + 1][right + 1] + 1
            } else {
                lengths[left + 1][right].max(lengths[left][right + 1])
            };
        }
    }
    lengths
}
