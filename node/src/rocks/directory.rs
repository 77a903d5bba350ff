//! A folder on a real file system.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use store::directory::Directory;
use store::engine::EngineError;

use super::database::{create_folder, sync_folder};
use super::failure::{Cause, Failed};

/// A folder on a disk; see [`Directory`].
#[derive(Clone, Debug)]
pub struct DiskDirectory {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// What was appended to and is not synced. A file stays open meanwhile: another descriptor of it might not be
    /// told that its bytes could not be written.
    unsynced: Mutex<BTreeMap<String, File>>,
    failed: Failed<EngineError>,
}

impl DiskDirectory {
    /// Opens the folder `path`, or makes it.
    ///
    /// # Errors
    /// The process must stop.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        create_folder(path).map_err(|error| Cause::from(error).of_engine("open a folder"))?;
        let shared = Shared { path: path.into(), unsynced: Mutex::default(), failed: Failed::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    fn path(&self, name: &str) -> Result<PathBuf, EngineError> {
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
            return Err(EngineError::Refused { detail: format!("{name:?} is no name of a file") });
        }
        Ok(self.shared.path.join(name))
    }

    /// Does something that changes the disk; a failure is the last thing that this folder does.
    fn change(
        &self,
        name: &str,
        action: &'static str,
        change: impl FnOnce(&Path, &mut BTreeMap<String, File>) -> io::Result<()>,
    ) -> Result<(), EngineError> {
        let path = self.path(name)?;
        self.shared.failed.check()?;
        let mut unsynced = lock(&self.shared.unsynced);
        let changed = change(&path, &mut unsynced);
        self.shared.failed.keep(changed.map_err(|error| Cause::from(error).of_engine(action)))
    }
}

/// A panic elsewhere is that thread's business: every change of the map is done in one piece.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// That a file is not there is an answer, not an error.
fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn list(path: &Path) -> io::Result<Vec<(String, u64)>> {
    let mut files = Vec::new();
    for file in fs::read_dir(path)? {
        let file = file?;
        if let Ok(name) = file.file_name().into_string() {
            files.push((name, file.metadata()?.len()));
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let Some(file) = if_there(File::open(path))? else { return Ok(Vec::new()) };
    let left = file.metadata()?.len().saturating_sub(offset);
    let mut bytes = vec![0; length.min(usize::try_from(left).unwrap_or(usize::MAX))];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

impl Directory for DiskDirectory {
    fn list(&self) -> Result<Vec<(String, u64)>, EngineError> {
        list(&self.shared.path).map_err(|error| Cause::from(error).of_engine("list a folder"))
    }

    fn length(&self, name: &str) -> Result<Option<u64>, EngineError> {
        let found = if_there(fs::metadata(self.path(name)?));
        let found = found.map_err(|error| Cause::from(error).of_engine("look at a file"))?;
        Ok(found.map(|file| file.len()))
    }

    fn read(&self, name: &str, offset: u64, length: usize) -> Result<Bytes, EngineError> {
        let bytes = read(&self.path(name)?, offset, length);
        bytes.map(Bytes::from).map_err(|error| Cause::from(error).of_engine("read a file"))
    }

    fn append(&self, name: &str, bytes: &[u8]) -> Result<(), EngineError> {
        self.change(name, "append to a file", |path, unsynced| {
            if !unsynced.contains_key(name) {
                let file = OpenOptions::new().append(true).create(true).open(path)?;
                unsynced.insert(name.to_owned(), file);
            }
            unsynced.get_mut(name).map_or(Ok(()), |file| file.write_all(bytes))
        })
    }

    fn sync(&self, name: &str) -> Result<(), EngineError> {
        self.change(name, "sync a file", |path, unsynced| {
            match unsynced.remove(name) {
                Some(file) => file.sync_all()?,
                None => File::open(path)?.sync_all()?,
            }
            sync_folder(&self.shared.path)
        })
    }

    fn truncate(&self, name: &str, length: u64) -> Result<(), EngineError> {
        self.change(name, "cut a file", |path, _| {
            let Some(file) = if_there(OpenOptions::new().write(true).open(path))? else { return Ok(()) };
            if file.metadata()?.len() > length {
                file.set_len(length)?;
            }
            file.sync_all()
        })
    }

    fn remove(&self, name: &str) -> Result<(), EngineError> {
        self.change(name, "remove a file", |path, unsynced| {
            unsynced.remove(name);
            if_there(fs::remove_file(path))?;
            sync_folder(&self.shared.path)
        })
    }
}
