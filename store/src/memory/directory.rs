//! A folder in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::{Choose, DiskFault, Faults, lock};
use crate::directory::Directory;
use crate::engine::EngineError;

/// A folder in memory; see [`Directory`].
#[derive(Clone, Debug, Default)]
pub struct MemoryDirectory {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    files: BTreeMap<String, File>,
    faults: Faults,
}

#[derive(Clone, Debug, Default)]
struct File {
    content: Vec<u8>,
    /// So much of it is durable; none if not even its name is.
    synced: Option<usize>,
}

impl Shared {
    fn change(&mut self, action: &'static str) -> Result<(), EngineError> {
        match self.faults.strike() {
            None => Ok(()),
            Some(DiskFault::NoSpace) => Err(EngineError::NoSpace { action }),
            Some(DiskFault::Io) => Err(EngineError::Io { action, detail: "an injected fault".into() }),
        }
    }
}

impl MemoryDirectory {
    /// The process or the machine stops: of every file some unsynced bytes are gone, and some that stay are
    /// zeros; a file that was never synced may be gone.
    pub fn crash(&self, choose: Choose<'_>) {
        let mut shared = lock(&self.shared);
        shared.faults = Faults::default();
        shared.files.retain(|_, file| {
            if file.synced.is_none() && choose(2) == 0 {
                return false;
            }
            let synced = file.synced.unwrap_or(0);
            let kept = synced + choose(file.content.len() - synced + 1);
            file.content.truncate(kept);
            let written = synced + choose(kept - synced + 1);
            file.content[written..].fill(0);
            file.synced = Some(kept);
            true
        });
    }

    /// Another folder that holds what is durable in this one.
    #[must_use]
    pub fn durable_copy(&self) -> Self {
        let shared = lock(&self.shared);
        let files = shared.files.iter().filter_map(|(name, file)| {
            let synced = file.synced?;
            Some((name.clone(), File { content: file.content[..synced].to_vec(), synced: Some(synced) }))
        });
        let copy = Shared { files: files.collect(), ..Shared::default() };
        Self { shared: Arc::new(Mutex::new(copy)) }
    }

    /// Lets the call that changes the folder after `calls` more fail, and all after it.
    pub fn fail_after(&self, calls: usize, fault: DiskFault) {
        lock(&self.shared).faults.armed = Some((calls, fault));
    }

    /// Flips one bit of a file; says whether it is there. Whoever reads it has to notice.
    pub fn flip_bit(&self, name: &str, offset: u64, bit: u8) -> bool {
        let mut shared = lock(&self.shared);
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let byte = shared.files.get_mut(name).and_then(|file| file.content.get_mut(offset));
        byte.map(|byte| *byte ^= 1 << (bit % 8)).is_some()
    }
}

impl Directory for MemoryDirectory {
    fn list(&self) -> Result<Vec<(String, u64)>, EngineError> {
        let shared = lock(&self.shared);
        Ok(shared.files.iter().map(|(name, file)| (name.clone(), file.content.len() as u64)).collect())
    }

    fn length(&self, name: &str) -> Result<Option<u64>, EngineError> {
        Ok(lock(&self.shared).files.get(name).map(|file| file.content.len() as u64))
    }

    fn read(&self, name: &str, offset: u64, length: usize) -> Result<Bytes, EngineError> {
        let shared = lock(&self.shared);
        let content = shared.files.get(name).map_or(&[][..], |file| &file.content);
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let end = start.saturating_add(length).min(content.len());
        Ok(Bytes::copy_from_slice(&content[start..end]))
    }

    fn append(&self, name: &str, bytes: &[u8]) -> Result<(), EngineError> {
        let mut shared = lock(&self.shared);
        shared.change("append to a file")?;
        match shared.files.get_mut(name) {
            Some(file) => file.content.extend_from_slice(bytes),
            None => {
                shared.files.insert(name.to_owned(), File { content: bytes.to_vec(), synced: None });
            }
        }
        Ok(())
    }

    fn sync(&self, name: &str) -> Result<(), EngineError> {
        let mut shared = lock(&self.shared);
        shared.change("sync a file")?;
        match shared.files.get_mut(name) {
            Some(file) => {
                file.synced = Some(file.content.len());
                Ok(())
            }
            None => Err(EngineError::Io { action: "sync a file", detail: format!("there is no {name}") }),
        }
    }

    fn truncate(&self, name: &str, length: u64) -> Result<(), EngineError> {
        let mut shared = lock(&self.shared);
        shared.change("cut a file")?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if let Some(file) = shared.files.get_mut(name) {
            file.content.truncate(length);
            file.synced = file.synced.map(|synced| synced.min(length));
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), EngineError> {
        let mut shared = lock(&self.shared);
        shared.change("remove a file")?;
        shared.files.remove(name);
        Ok(())
    }
}
