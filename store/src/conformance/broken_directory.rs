//! Directories that break one rule each: the suite finds every one of them.

use bytes::Bytes;

use super::{DirectoryHarness, Failure, directory};
use crate::directory::Directory;
use crate::engine::EngineError;
use crate::memory::{Choose, MemoryDirectory};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bug {
    None,
    SyncForgets,
    RemovalForgets,
    CutForgets,
    ReadsOneMore,
    AppendOverwrites,
}

#[derive(Clone)]
struct Broken {
    inner: MemoryDirectory,
    bug: Bug,
}

impl DirectoryHarness for Broken {
    type Directory = Broken;

    fn open(&mut self) -> Result<Broken, EngineError> {
        Ok(self.clone())
    }

    fn crash(&mut self, choose: Choose<'_>) {
        self.inner.crash(choose);
    }
}

impl Directory for Broken {
    fn list(&self) -> Result<Vec<(String, u64)>, EngineError> {
        self.inner.list()
    }

    fn length(&self, name: &str) -> Result<Option<u64>, EngineError> {
        self.inner.length(name)
    }

    fn read(&self, name: &str, offset: u64, length: usize) -> Result<Bytes, EngineError> {
        self.inner.read(name, offset, length + usize::from(self.bug == Bug::ReadsOneMore))
    }

    fn append(&self, name: &str, bytes: &[u8]) -> Result<(), EngineError> {
        if self.bug == Bug::AppendOverwrites {
            self.inner.remove(name)?;
        }
        self.inner.append(name, bytes)
    }

    fn sync(&self, name: &str) -> Result<(), EngineError> {
        if self.bug == Bug::SyncForgets { Ok(()) } else { self.inner.sync(name) }
    }

    fn truncate(&self, name: &str, length: u64) -> Result<(), EngineError> {
        if self.bug == Bug::CutForgets { Ok(()) } else { self.inner.truncate(name, length) }
    }

    fn remove(&self, name: &str) -> Result<(), EngineError> {
        if self.bug == Bug::RemovalForgets { Ok(()) } else { self.inner.remove(name) }
    }
}

fn run(bug: Bug) -> Result<(), Failure> {
    (0..10).try_for_each(|seed| directory(|| Broken { inner: MemoryDirectory::default(), bug }, seed, 400))
}

#[test]
fn every_broken_directory_is_found() {
    run(Bug::None).expect("nothing is broken");
    for bug in
        [Bug::SyncForgets, Bug::RemovalForgets, Bug::CutForgets, Bug::ReadsOneMore, Bug::AppendOverwrites]
    {
        assert!(run(bug).is_err(), "{bug:?} is not found");
    }
}
