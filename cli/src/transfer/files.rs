//! The files of an export: rows in key order, each as the lengths of key and value (4 bytes each, big-endian), key,
//! value.

use std::fs;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::manifest::File;
use crate::bytes::to_hex;
use crate::failure::Failure;

/// A file ends behind this; the next begins.
const FILE_BYTES: u64 = 64 << 20;
/// No key and no value is longer; what says so is damaged.
const MOST_BYTES: u32 = 16 << 20;

pub struct Writer {
    folder: PathBuf,
    open: Option<Open>,
    files: Vec<File>,
    rows: u64,
}

struct Open {
    name: String,
    file: BufWriter<fs::File>,
    hash: Sha256,
    rows: u64,
    bytes: u64,
}

impl Writer {
    /// In a folder that is new or empty.
    pub fn create(folder: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(folder).map_err(at("creating", folder))?;
        if fs::read_dir(folder).map_err(at("reading", folder))?.next().is_some() {
            return Err(Failure::Usage(format!("{} is not empty: give a new folder", folder.display())));
        }
        Ok(Self { folder: folder.to_owned(), open: None, files: Vec::new(), rows: 0 })
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    pub fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        if self.open.as_ref().is_some_and(|open| open.bytes >= FILE_BYTES) {
            self.close()?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(Open::create(&self.folder, self.files.len() + 1)?),
        };
        open.add(key, value).map_err(at("writing", &self.folder.join(&open.name)))?;
        self.rows += 1;
        Ok(())
    }

    /// All files, on disk.
    pub fn finish(mut self) -> Result<Vec<File>, Failure> {
        self.close()?;
        Ok(self.files)
    }

    fn close(&mut self) -> Result<(), Failure> {
        if let Some(open) = self.open.take() {
            let path = self.folder.join(&open.name);
            self.files.push(open.close().map_err(at("writing", &path))?);
        }
        Ok(())
    }
}

impl Open {
    fn create(folder: &Path, number: usize) -> Result<Self, Failure> {
        let name = format!("{number:05}.rows");
        let path = folder.join(&name);
        let file = BufWriter::new(fs::File::create_new(&path).map_err(at("creating", &path))?);
        Ok(Self { name, file, hash: Sha256::new(), rows: 0, bytes: 0 })
    }

    fn add(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let length = |part: &[u8]| u32::try_from(part.len()).map_err(io::Error::other);
        for part in [&length(key)?.to_be_bytes()[..], &length(value)?.to_be_bytes(), key, value] {
            self.file.write_all(part)?;
            self.hash.update(part);
            self.bytes += part.len() as u64;
        }
        self.rows += 1;
        Ok(())
    }

    fn close(self) -> io::Result<File> {
        let Self { name, file, hash, rows, bytes } = self;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(File { name, rows, bytes, sha256: to_hex(&hash.finalize()) })
    }
}

/// The length of a file, and its SHA-256.
pub fn checksum(path: &Path) -> Result<(u64, String), Failure> {
    let sum = || {
        let (mut file, mut hash) = (fs::File::open(path)?, Sha256::new());
        let (mut buffer, mut bytes) = (vec![0; 1 << 16], 0);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok((bytes, to_hex(&hash.finalize()))),
                read => {
                    hash.update(&buffer[..read]);
                    bytes += read as u64;
                }
            }
        }
    };
    sum().map_err(at("reading", path))
}

pub struct Reader {
    path: PathBuf,
    file: BufReader<fs::File>,
    left: u64,
}

impl Reader {
    pub fn open(folder: &Path, file: &File) -> Result<Self, Failure> {
        let path = folder.join(&file.name);
        let open = fs::File::open(&path).map_err(at("reading", &path))?;
        Ok(Self { path, file: BufReader::new(open), left: file.rows })
    }

    /// The next row; none behind the last.
    pub fn next(&mut self) -> Result<Option<(Bytes, Bytes)>, Failure> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.row().map(Some).map_err(at("reading", &self.path))
    }

    fn row(&mut self) -> io::Result<(Bytes, Bytes)> {
        let (key, value) = (self.length()?, self.length()?);
        Ok((self.part(key)?, self.part(value)?))
    }

    fn length(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.file.read_exact(&mut bytes)?;
        let length = u32::from_be_bytes(bytes);
        let too_long = || io::Error::new(ErrorKind::InvalidData, format!("a row of {length} bytes: damaged"));
        (length <= MOST_BYTES).then_some(length).ok_or_else(too_long)
    }

    fn part(&mut self, length: u32) -> io::Result<Bytes> {
        let mut part = vec![0; length as usize];
        self.file.read_exact(&mut part)?;
        Ok(part.into())
    }
}

/// Says with which file it failed.
pub fn at(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> Failure {
    let doing = format!("{doing} {}", path.display());
    move |error| Failure::local(doing, error)
}

#[cfg(test)]
mod tests {
    use super::super::manifest::Manifest;
    use super::*;

    fn export(folder: &Path) -> Manifest {
        let mut writer = Writer::create(folder).unwrap();
        // More than one file.
        let value = vec![7; 1 << 20];
        (0..=64_u8).for_each(|key| writer.add(&[key], &value).unwrap());
        writer.add(b"\xff", b"").unwrap();
        let manifest = Manifest::new("ab".into(), 5, writer.finish().unwrap());
        manifest.write(folder).unwrap();
        manifest
    }

    #[test]
    fn what_was_written_is_read_and_damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let written = export(folder.path());
        let manifest = Manifest::read(folder.path()).unwrap();
        assert_eq!((manifest.files.len(), manifest.rows()), (2, 66));
        assert_eq!(manifest.files, written.files);
        manifest.verify(folder.path()).unwrap();
        let mut keys = Vec::new();
        for file in &manifest.files {
            let mut reader = Reader::open(folder.path(), file).unwrap();
            while let Some((key, _)) = reader.next().unwrap() {
                keys.extend(key);
            }
        }
        assert_eq!(keys, (0..=64).chain([0xff]).collect::<Vec<u8>>());

        let damaged = folder.path().join(&manifest.files[1].name);
        let mut bytes = fs::read(&damaged).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&damaged, &bytes).unwrap();
        let error = manifest.verify(folder.path()).unwrap_err().to_string();
        assert!(error.contains("00002.rows is damaged"), "{error}");
        fs::remove_file(&damaged).unwrap();
        assert!(matches!(manifest.verify(folder.path()), Err(Failure::Local(_))));
    }

    #[test]
    fn only_a_whole_export_can_be_read_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        drop(Writer::create(folder.path()).unwrap().add(b"k", b"v"));
        assert!(matches!(Manifest::read(folder.path()), Err(Failure::Local(_))));
        assert!(matches!(Writer::create(folder.path()), Err(Failure::Usage(_))));
        let manifest = Manifest::new("ab".into(), 5, Vec::new());
        manifest.write(folder.path()).unwrap();
        let path = folder.path().join("manifest.json");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
        assert!(Manifest::read(folder.path()).unwrap_err().to_string().contains("format 2"));
        let file = r#"{"name": "../x", "rows": 1, "bytes": 1, "sha256": ""}"#;
        fs::write(&path, text.replace("[]", &format!("[{file}]"))).unwrap();
        assert!(Manifest::read(folder.path()).unwrap_err().to_string().contains("../x"));
    }
}
