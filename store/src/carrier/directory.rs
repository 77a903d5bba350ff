//! One folder for all ranges: the files of a range have its number in front of their names.

use std::collections::BTreeSet;

use bytes::Bytes;
use raft::RangeId;

use crate::directory::Directory;
use crate::engine::EngineError;

/// Digits of a number, and what follows them.
const PREFIX: usize = 17;

/// The files of one range.
#[derive(Clone, Debug)]
pub struct RangeDirectory<D> {
    directory: D,
    prefix: String,
}

impl<D: Directory> RangeDirectory<D> {
    /// Those of `range` in `directory`.
    pub fn new(directory: D, range: RangeId) -> Self {
        Self { directory, prefix: format!("{:016x}-", range.0) }
    }

    fn name(&self, name: &str) -> String {
        [&self.prefix, name].concat()
    }
}

/// The ranges that have files; whatever else is there is no business of theirs.
pub(super) fn ranges<D: Directory>(directory: &D) -> Result<BTreeSet<RangeId>, EngineError> {
    let files = directory.list()?;
    let range = |(name, _): &(String, u64)| {
        let digits = name.get(..PREFIX)?.strip_suffix('-')?;
        u64::from_str_radix(digits, 16).ok().map(RangeId)
    };
    Ok(files.iter().filter_map(range).collect())
}

impl<D: Directory> Directory for RangeDirectory<D> {
    fn list(&self) -> Result<Vec<(String, u64)>, EngineError> {
        let files = self.directory.list()?.into_iter();
        let mine = |(name, length): (String, u64)| {
            let name = name.strip_prefix(&self.prefix)?;
            Some((name.to_owned(), length))
        };
        Ok(files.filter_map(mine).collect())
    }

    fn length(&self, name: &str) -> Result<Option<u64>, EngineError> {
        self.directory.length(&self.name(name))
    }

    fn read(&self, name: &str, offset: u64, length: usize) -> Result<Bytes, EngineError> {
        self.directory.read(&self.name(name), offset, length)
    }

    fn append(&self, name: &str, bytes: &[u8]) -> Result<(), EngineError> {
        self.directory.append(&self.name(name), bytes)
    }

    fn sync(&self, name: &str) -> Result<(), EngineError> {
        self.directory.sync(&self.name(name))
    }

    fn truncate(&self, name: &str, length: u64) -> Result<(), EngineError> {
        self.directory.truncate(&self.name(name), length)
    }

    fn remove(&self, name: &str) -> Result<(), EngineError> {
        self.directory.remove(&self.name(name))
    }
}
