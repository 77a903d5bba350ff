//! `manifest.json` of an export: written last, so an export with it is whole.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::{self, at};
use crate::failure::Failure;

const NAME: &str = "manifest.json";
/// Of the files; another one is refused.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    cluster_id: String,
    /// The moment that the export shows.
    timestamp: u64,
    pub files: Vec<File>,
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub name: String,
    pub rows: u64,
    pub bytes: u64,
    /// Hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    pub fn new(cluster_id: String, timestamp: u64, files: Vec<File>) -> Self {
        Self { format: FORMAT, cluster_id, timestamp, files }
    }

    /// Keys in all files.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// All of it or nothing is there afterwards, also after a power loss.
    pub fn write(&self, folder: &Path) -> Result<(), Failure> {
        let (name, partial) = (folder.join(NAME), folder.join("manifest.partial"));
        let write = || {
            let mut file = fs::File::create_new(&partial)?;
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&partial, &name)?;
            fs::File::open(folder)?.sync_all()
        };
        write().map_err(at("writing", &name))
    }

    pub fn read(folder: &Path) -> Result<Self, Failure> {
        let name = folder.join(NAME);
        let text = fs::read(&name).map_err(at("reading", &name))?;
        let damaged = |why: String| Failure::Local(format!("{}: {why}", name.display()));
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(damaged(format!("format {}, this kvctl knows format {FORMAT}", manifest.format)));
        }
        match manifest.files.iter().find(|file| file.name.contains('/') || file.name.contains("..")) {
            Some(file) => Err(damaged(format!("{:?} is not a file of the export", file.name))),
            None => Ok(manifest),
        }
    }

    /// All files are there and are what was exported.
    pub fn verify(&self, folder: &Path) -> Result<(), Failure> {
        for file in &self.files {
            let (bytes, sha256) = files::checksum(&folder.join(&file.name))?;
            if (bytes, &sha256) != (file.bytes, &file.sha256) {
                let name = &file.name;
                let what =
                    format!("{name} is damaged: {bytes} bytes with SHA-256 {sha256}; the manifest says");
                return Err(Failure::Local(format!("{what} {} bytes with {}", file.bytes, file.sha256)));
            }
        }
        Ok(())
    }
}
