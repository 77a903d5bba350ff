//! For tests of what a crash leaves behind: the process ends right after an action.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

/// The exit code of such an end.
pub const EXIT_CODE: i32 = 86;

/// Where the process ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CrashPoint {
    /// The name of the action, as in the log.
    pub action: String,
    /// After which of them, counted from 1.
    pub times: NonZeroU32,
}

/// A crash point that cannot be read.
#[derive(thiserror::Error, PartialEq, Eq, Debug)]
#[error("{0:?} is no action: write `action` or `action:times`, with times at least 1")]
pub struct BadCrashPoint(String);

impl FromStr for CrashPoint {
    type Err = BadCrashPoint;

    fn from_str(text: &str) -> Result<Self, BadCrashPoint> {
        let bad = || BadCrashPoint(text.to_owned());
        let (action, times) = text.split_once(':').unwrap_or((text, "1"));
        let times = times.parse().map_err(|_| bad())?;
        if action.is_empty() { Err(bad()) } else { Ok(Self { action: action.to_owned(), times }) }
    }
}

/// Ends the process at the crash point, if there is one.
#[derive(Debug, Default)]
pub struct CrashSwitch {
    point: Option<CrashPoint>,
    seen: AtomicU32,
}

impl CrashSwitch {
    /// With this crash point.
    #[must_use]
    pub fn new(point: Option<CrashPoint>) -> Self {
        Self { point, seen: AtomicU32::new(0) }
    }

    /// Called after `action` was performed.
    pub fn performed(&self, action: &str) {
        if self.is_reached(action) {
            tracing::warn!(action, code = EXIT_CODE, "the crash point is reached");
            std::process::exit(EXIT_CODE);
        }
    }

    fn is_reached(&self, action: &str) -> bool {
        let Some(point) = self.point.as_ref().filter(|point| point.action == action) else { return false };
        self.seen.fetch_add(1, Ordering::Relaxed) + 1 == point.times.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_counts_its_own_action_only() {
        let switch = CrashSwitch::new(Some("create-set:2".parse().unwrap()));
        assert!(!switch.is_reached("create-set"));
        assert!(!switch.is_reached("create-claim"));
        assert!(switch.is_reached("create-set"));
        assert!(!switch.is_reached("create-set"));
    }

    #[test]
    fn a_point_is_an_action_and_a_count() {
        let point = |text: &str| text.parse::<CrashPoint>().map(|point| (point.action, point.times.get()));
        assert_eq!(point("reserve"), Ok(("reserve".to_owned(), 1)));
        for bad in ["", ":1", "reserve:0", "reserve:x"] {
            assert_eq!(point(bad), Err(BadCrashPoint(bad.to_owned())));
        }
    }
}
