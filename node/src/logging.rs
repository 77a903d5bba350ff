//! The log: lines for people or JSON, on standard error.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// Begins to log. A second call changes nothing: one process has one log.
pub fn start(config: &Config) {
    // Checked with the configuration.
    let filter = EnvFilter::try_new(&config.log_level).unwrap_or_default();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = match config.log_format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}

/// Lets one line through in a while, for what repeats as fast as requests come.
#[derive(Debug)]
pub struct Seldom {
    every: Duration,
    state: Mutex<(Option<Instant>, u64)>,
}

impl Seldom {
    /// One line in so long.
    #[must_use]
    pub const fn new(every: Duration) -> Self {
        Self { every, state: Mutex::new((None, 0)) }
    }

    /// Whether to log now, and if so how many lines were left out since the last.
    pub fn pass(&self) -> Option<u64> {
        self.pass_at(Instant::now())
    }

    fn pass_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (last, left_out) = &mut *state;
        if last.is_some_and(|last| now.saturating_duration_since(last) < self.every) {
            *left_out += 1;
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_counted_and_left_out() {
        let seldom = Seldom::new(Duration::from_secs(10));
        let begin = Instant::now();
        assert_eq!(seldom.pass_at(begin), Some(0));
        assert_eq!(seldom.pass_at(begin + Duration::from_secs(1)), None);
        assert_eq!(seldom.pass_at(begin + Duration::from_secs(9)), None);
        assert_eq!(seldom.pass_at(begin + Duration::from_secs(11)), Some(2));
    }
}
