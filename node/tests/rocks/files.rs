//! Folders for tests, and what is done to the files in them.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use raft::{Entry, LogIndex, LogWrite, Payload, RangeId, Term, WriteSeq};
use store::log_store::{LogBatch, LogItem};

/// `SplitMix64`.
pub struct Rng(pub u64);

impl Rng {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }
}

/// The files of a database whose names end so, the newest last.
pub fn ending(folder: &Path, end: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(folder.join("db")).expect("there is a database");
    let mut files: Vec<_> = files.map(|file| file.expect("it can be listed").path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(end));
    files.sort();
    files
}

pub fn flip_bit(file: &Path, byte: usize, bit: usize) {
    let mut bytes = fs::read(file).expect("the file is there");
    bytes[byte] ^= 1 << bit;
    fs::write(file, bytes).expect("it can be written");
}

/// Copies a folder with everything in it, as it is on the disk.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the copy can be made");
    for file in fs::read_dir(from).expect("the folder is there") {
        let file = file.expect("it can be listed");
        let target = to.join(file.file_name());
        if file.path().is_dir() {
            copy(&file.path(), &target);
        } else {
            fs::copy(file.path(), target).expect("it can be copied");
        }
    }
}

pub const RANGE: RangeId = RangeId(1);

pub fn write(entries: Vec<Entry>) -> LogWrite {
    LogWrite { seq: WriteSeq(1), hard_state: None, base: None, truncate_from: None, entries }
}

pub fn append(entries: Vec<Entry>) -> LogBatch {
    LogBatch { items: vec![LogItem::Write(RANGE, write(entries))] }
}

/// The entry of an index: always the same one, of a length that depends on it.
pub fn entry(index: u64) -> Entry {
    let content: Vec<u8> = (0..index * 37 % 700).map(|byte| (byte ^ index) as u8).collect();
    Entry {
        index: LogIndex(index),
        term: Term(1 + index / 10),
        payload: Payload::Command(Bytes::from(content)),
    }
}
