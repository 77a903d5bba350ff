//! How much memory this process may use.

use std::fs;
use std::path::Path;

use crate::config::Size;

/// A limit, and whose it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryLimit {
    /// In bytes.
    pub size: Size,
    /// For people.
    pub from: &'static str,
}

/// The limit of the cgroup that this process is in, of version 1 or 2, or of one above it; without one, the memory
/// of the machine.
#[must_use]
pub fn memory_limit() -> MemoryLimit {
    let machine = machine();
    let cgroup = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    // Without a limit there is a number larger than any machine, or a word.
    match cgroup_limit(Path::new("/sys/fs/cgroup"), &cgroup).filter(|limit| *limit < machine) {
        Some(limit) => MemoryLimit { size: Size(limit), from: "the limit of the cgroup" },
        None => MemoryLimit { size: Size(machine), from: "the memory of the machine" },
    }
}

fn machine() -> usize {
    let info = rustix::system::sysinfo();
    let unit = (info.mem_unit as usize).max(1);
    usize::try_from(info.totalram).unwrap_or(usize::MAX).saturating_mul(unit)
}

/// The smallest limit on the way from the root of the hierarchy to the group of this process.
fn cgroup_limit(root: &Path, groups: &str) -> Option<usize> {
    let limits = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, group) = (parts.next()?, parts.next()?);
        let (root, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|controller| controller == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let group = group.trim_start_matches('/');
        // In a container the path is that of the host, which is not visible: then the root is this group.
        let folders = Path::new(group).ancestors().map(|group| root.join(group).join(file));
        folders.filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok()).min()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, file: &str, text: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_smallest_limit_on_the_way_counts() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "a/memory.max", "4096\n");
        write(root.path(), "a/b/memory.max", "max\n");
        write(root.path(), "memory/x/memory.limit_in_bytes", "1024\n");
        assert_eq!(cgroup_limit(root.path(), "0::/a/b\n"), Some(4096));
        assert_eq!(cgroup_limit(root.path(), "0::/\n"), None);
        assert_eq!(cgroup_limit(root.path(), "5:cpu,memory:/x\n0::/a\n"), Some(1024));
        assert_eq!(cgroup_limit(root.path(), "5:cpu:/x\nnonsense\n"), None);
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_root() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "memory.max", "8192");
        assert_eq!(cgroup_limit(root.path(), "0::/kubepods/pod1/c\n"), Some(8192));
    }

    #[test]
    fn there_is_some_memory_here() {
        assert!(memory_limit().size > Size(64 << 20));
    }
}
