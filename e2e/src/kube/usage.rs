//! What the control group of a process used, from its files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Pid;

/// Where control groups are.
const ROOT: &str = "/sys/fs/cgroup";

/// Since it was made. Both versions of control groups are read, memory in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Processor time.
    pub cpu: Duration,
    /// Memory now, without the cache of files.
    pub memory: u64,
    /// The most memory, with the cache of files.
    pub most_memory: u64,
}

impl Usage {
    /// Of the group that this process belongs to.
    ///
    /// # Errors
    /// The process is gone.
    pub fn of(process: Pid) -> io::Result<Self> {
        let lines = fs::read_to_string(format!("/proc/{}/cgroup", process.as_raw_pid()))?;
        match (folder(&lines, "cpuacct"), folder(&lines, "memory")) {
            (Some(cpu), Some(memory)) => Ok(Self {
                cpu: Duration::from_nanos(number(&cpu, "cpuacct.usage", "")?),
                memory: number(&memory, "memory.usage_in_bytes", "")?
                    - number(&memory, "memory.stat", "cache")?,
                most_memory: number(&memory, "memory.max_usage_in_bytes", "")?,
            }),
            _ => {
                let group = folder(&lines, "").ok_or_else(|| io::Error::other("no control group"))?;
                Ok(Self {
                    cpu: Duration::from_micros(number(&group, "cpu.stat", "usage_usec")?),
                    memory: number(&group, "memory.current", "")? - number(&group, "memory.stat", "file")?,
                    most_memory: number(&group, "memory.peak", "")?,
                })
            }
        }
    }
}

/// The folder for a controller; without a name that of version 2.
fn folder(lines: &str, controller: &str) -> Option<PathBuf> {
    let path = lines.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|one| one == controller).then_some(path)
    })?;
    Some(Path::new(ROOT).join(controller).join(path.trim_start_matches('/')))
}

/// The number in a file, or that behind a name in it.
fn number(folder: &Path, file: &str, name: &str) -> io::Result<u64> {
    let text = fs::read_to_string(folder.join(file))?;
    let mut numbers = text.lines().map(|line| line.rsplit_once(' ').unwrap_or(("", line)));
    let found = numbers.find(|(of, _)| *of == name).and_then(|(_, number)| number.trim().parse().ok());
    found.ok_or_else(|| io::Error::other(format!("{file} of {} does not tell {name:?}", folder.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_those_of_the_controller() {
        let lines = "4:memory:/pod/a\n2:cpu,cpuacct:/pod/b\n0::/pod/c\n";
        assert_eq!(folder(lines, "memory"), Some("/sys/fs/cgroup/memory/pod/a".into()));
        assert_eq!(folder(lines, "cpuacct"), Some("/sys/fs/cgroup/cpuacct/pod/b".into()));
        assert_eq!(folder(lines, ""), Some("/sys/fs/cgroup/pod/c".into()));
        assert_eq!(folder(lines, "pids"), None);
    }
}
