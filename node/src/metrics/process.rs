//! What the system knows of this process.

use std::fmt;
use std::fs;

use super::page::{Labels, Page};

/// In `/proc/self/stat`, behind the name of the program: user and system time in ticks.
const USER: usize = 11;
const SYSTEM: usize = 12;
/// The kernel counts otherwise inside, but not in its interface.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) fn write(page: &mut Page<'_>) -> fmt::Result {
    if let Some(seconds) = cpu_seconds() {
        page.counters("process_cpu_seconds", "Processor time of this process", [(Labels::new(), seconds)])?;
    }
    if let Some(bytes) = resident_bytes() {
        page.gauge("process_resident_bytes", "Memory of this process", bytes)?;
    }
    let files = fs::read_dir("/proc/self/fd").map(Iterator::count);
    files.map_or(Ok(()), |files| page.gauge("process_open_files", "Open files and sockets", files as f64))
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(USER)? + ticks(SYSTEM)?) / TICKS_PER_SECOND)
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        assert!(resident_bytes().unwrap() > 100_000.0);
        let mut sum = 0_u64;
        while cpu_seconds().unwrap() == 0.0 {
            sum = std::hint::black_box(sum.wrapping_mul(31) + 1);
        }
    }
}
