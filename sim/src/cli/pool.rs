//! Work for several threads: each run is deterministic in itself, so they may run side by side in any order.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Calls `work` for 0 to `count - 1` on `jobs` threads, until one call returns false. Shows progress under
/// the name `what`.
pub fn for_all(what: &str, count: usize, jobs: usize, work: impl Fn(usize) -> bool + Sync) {
    let (next, done, stop) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let progress = Mutex::new(Progress::new(what, count));
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    if !work(number) {
                        stop.store(true, Ordering::Relaxed);
                    }
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    if let Ok(mut progress) = progress.try_lock() {
                        progress.show(done);
                    }
                }
            });
        }
    });
    if let Ok(mut progress) = progress.lock() {
        progress.end();
    }
}

/// A clock for what people see; nothing that is simulated reads it.
#[expect(clippy::disallowed_methods, reason = "progress and totals are about real time")]
pub fn now() -> Instant {
    Instant::now()
}

struct Progress<'a> {
    what: &'a str,
    count: usize,
    began: Instant,
    shown: Instant,
    terminal: bool,
}

impl<'a> Progress<'a> {
    fn new(what: &'a str, count: usize) -> Self {
        let began = now();
        Self { what, count, began, shown: began, terminal: std::io::stderr().is_terminal() }
    }

    fn show(&mut self, done: usize) {
        let interval = Duration::from_millis(if self.terminal { 200 } else { 30_000 });
        if self.shown.elapsed() < interval {
            return;
        }
        self.shown = now();
        let seconds = self.began.elapsed().as_secs_f64();
        let left = seconds / done.max(1) as f64 * (self.count - done) as f64;
        let (what, count) = (self.what, self.count);
        let line = format!("{what}: {done} of {count}, {seconds:.0} s, about {left:.0} s left");
        let (start, end) = if self.terminal { ("\r\x1b[K", "") } else { ("", "\n") };
        // Nobody is hurt if progress cannot be shown.
        let _ = write!(std::io::stderr(), "{start}{line}{end}");
    }

    fn end(&mut self) {
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
