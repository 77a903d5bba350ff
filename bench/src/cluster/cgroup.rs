//! A limit on the CPU time of processes, by a cgroup of version 1 or 2.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::BenchError;

const PERIOD_MICROS: u32 = 100_000;

/// A group with a quota; it goes when this is dropped, once it is empty.
#[derive(Debug)]
pub struct Quota {
    group: PathBuf,
}

impl Quota {
    /// Holds the process `pid` to `share` of one core.
    ///
    /// # Errors
    /// There is no CPU controller, or it may not be used.
    pub fn hold(pid: u32, share: f64) -> Result<Self, BenchError> {
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let hierarchy = Hierarchy::find(&mounts, |root| {
            fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default()
        })
        .ok_or_else(|| {
            BenchError::Unable("this machine has no CPU controller of cgroups: see /proc/mounts".into())
        })?;
        let quota = (f64::from(PERIOD_MICROS) * share) as u32;
        let (root, settings) = match &hierarchy {
            Hierarchy::One(root) => (
                root,
                vec![
                    ("cpu.cfs_period_us", PERIOD_MICROS.to_string()),
                    ("cpu.cfs_quota_us", quota.to_string()),
                ],
            ),
            Hierarchy::Two(root) => {
                // A group hands a controller down only when told to; refused, the write below says so.
                let _ = fs::write(root.join("cgroup.subtree_control"), "+cpu");
                (root, vec![("cpu.max", format!("{quota} {PERIOD_MICROS}"))])
            }
        };
        let made = Quota { group: root.join(format!("kvbench-{pid}")) };
        fs::create_dir_all(&made.group).map_err(BenchError::file(&made.group))?;
        for (name, value) in settings.into_iter().chain([("cgroup.procs", pid.to_string())]) {
            let file = made.group.join(name);
            fs::write(&file, value).map_err(BenchError::file(&file))?;
        }
        Ok(made)
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.group);
    }
}

#[derive(PartialEq, Eq, Debug)]
enum Hierarchy {
    One(PathBuf),
    Two(PathBuf),
}

impl Hierarchy {
    /// The mounted hierarchy that controls CPU time; `controllers` reads those of a root of version 2.
    fn find(mounts: &str, controllers: impl Fn(&Path) -> String) -> Option<Self> {
        mounts.lines().find_map(|line| {
            let fields: Vec<_> = line.split(' ').collect();
            let [_, at, kind, options, ..] = fields.as_slice() else { return None };
            let root = PathBuf::from(at);
            match *kind {
                "cgroup" if options.split(',').any(|option| option == "cpu") => Some(Hierarchy::One(root)),
                "cgroup2" if controllers(&root).split_whitespace().any(|name| name == "cpu") => {
                    Some(Hierarchy::Two(root))
                }
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_version_is_found_where_it_controls_cpu_time() {
        let one = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /c/cpuset cgroup rw,cpuset 0 0\n\
                   cgroup /c/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\ncgroup2 /c/unified cgroup2 rw 0 0\n";
        let none = |_: &Path| String::new();
        assert_eq!(Hierarchy::find(one, none), Some(Hierarchy::One("/c/cpu,cpuacct".into())));
        let two = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n";
        assert_eq!(
            Hierarchy::find(two, |_| "cpuset cpu io".into()),
            Some(Hierarchy::Two("/sys/fs/cgroup".into()))
        );
        assert_eq!(Hierarchy::find(two, none), None);
    }
}
