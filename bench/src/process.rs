//! What a process costs, as the kernel accounts it in `/proc`.

use std::path::Path;

use serde::Serialize;

/// Microseconds of one tick of `/proc/PID/stat`: 100 a second on every architecture of Linux.
const TICK_MICROS: u64 = 10_000;

/// The counters of one process.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Usage {
    /// User and system time.
    pub cpu_micros: u64,
    /// Bytes that it caused to be sent to the storage.
    pub written_bytes: u64,
    /// Resident memory.
    pub rss_bytes: u64,
    /// The most that it ever was.
    pub rss_most_bytes: u64,
    /// Resident memory that no file backs.
    pub rss_anon_bytes: u64,
}

impl Usage {
    /// Of the process `pid` now; zeros if it is gone or not ours to see.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let read = |name: &str| {
            std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join(name)).unwrap_or_default()
        };
        Usage::parse(&read("stat"), &read("io"), &read("status"))
    }

    /// What was used since `earlier`; memory as it is now.
    #[must_use]
    pub fn since(self, earlier: Usage) -> Usage {
        Usage {
            cpu_micros: self.cpu_micros.saturating_sub(earlier.cpu_micros),
            written_bytes: self.written_bytes.saturating_sub(earlier.written_bytes),
            ..self
        }
    }

    fn parse(stat: &str, io: &str, status: &str) -> Usage {
        // The name of the program is in parentheses and may contain anything, also parentheses.
        let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: u64 = behind_name
            .split_ascii_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        Usage {
            cpu_micros: ticks * TICK_MICROS,
            written_bytes: field(io, "write_bytes:"),
            rss_bytes: field(status, "VmRSS:") * 1024,
            rss_most_bytes: field(status, "VmHWM:") * 1024,
            rss_anon_bytes: field(status, "RssAnon:") * 1024,
        }
    }
}

/// The number behind `name` at the beginning of a line; 0 if there is none.
fn field(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_ascii_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_understood() {
        let stat = "4242 (a (b) c) S 1 4242 4242 0 -1 4194560 5 0 0 0 123 45 6 7 20 0 9 0 100 1 2 3";
        let io = "rchar: 1\nwchar: 22\nread_bytes: 3\nwrite_bytes: 8192\ncancelled_write_bytes: 5\n";
        let status =
            "Name:\tx\nVmHWM:\t    4096 kB\nVmRSS:\t    2048 kB\nRssAnon:\t    1024 kB\nRssFile:\t 1024 kB\n";
        let usage = Usage::parse(stat, io, status);
        assert_eq!((usage.cpu_micros, usage.rss_most_bytes), (1_680_000, 4 << 20));
        assert_eq!((usage.written_bytes, usage.rss_bytes, usage.rss_anon_bytes), (8192, 2 << 20, 1 << 20));
        assert_eq!(Usage::parse("", "", ""), Usage::default());
    }

    #[test]
    fn this_process_uses_memory_and_time() {
        let before = Usage::of(std::process::id());
        let start = std::time::Instant::now();
        while Usage::of(std::process::id()).since(before).cpu_micros == 0 {
            assert!(start.elapsed().as_secs() < 10, "no time passes for this process");
        }
        assert!(before.rss_bytes > before.rss_anon_bytes && before.rss_anon_bytes > 0);
    }
}
