//! The directory: files that grow, and what a crash may take of them.

use std::collections::BTreeMap;

use super::{Failure, Rng, expect, unexpected};
use crate::directory::Directory;
use crate::engine::EngineError;
use crate::memory::Choose;

/// How a directory is opened, and how its process stops.
pub trait DirectoryHarness {
    /// The directory.
    type Directory: Directory;

    /// Opens it; the first time it is empty.
    ///
    /// # Errors
    /// It does not open.
    fn open(&mut self) -> Result<Self::Directory, EngineError>;

    /// The process stops; every handle was dropped.
    fn crash(&mut self, choose: Choose<'_>);
}

#[derive(Default)]
struct File {
    content: Vec<u8>,
    /// So much is durable; none if not even the name is.
    synced: Option<usize>,
}

type Model = BTreeMap<String, File>;

/// Holds a directory to the contract of [`Directory`] with `operations` random operations.
///
/// # Errors
/// It breaks the contract.
pub fn directory<H: DirectoryHarness>(
    make: impl FnOnce() -> H,
    seed: u64,
    operations: usize,
) -> Result<(), Failure> {
    let mut harness = make();
    let mut rng = Rng::new(seed);
    let mut model = Model::new();
    let mut operation = 0;
    while operation < operations {
        let failure = |operation, detail| Failure { suite: "directory", seed, operation, detail };
        let opened = unexpected("opening", harness.open()).map_err(|detail| failure(operation, detail))?;
        recover(&opened, &mut model).map_err(|detail| failure(operation, detail))?;
        for _ in 0..1 + rng.below(40) {
            operation += 1;
            step(&opened, &mut rng, &mut model).map_err(|detail| failure(operation, detail))?;
        }
        drop(opened);
        harness.crash(&mut |bound| rng.below(bound));
    }
    Ok(())
}

fn step<D: Directory>(directory: &D, rng: &mut Rng, model: &mut Model) -> Result<(), String> {
    let name = format!("file-{}", rng.below(4));
    match rng.below(10) {
        0..4 => {
            let bytes = rng.bytes(50);
            unexpected("an append", directory.append(&name, &bytes))?;
            model.entry(name).or_default().content.extend_from_slice(&bytes);
        }
        4..6 => {
            if let Some(file) = model.get_mut(&name) {
                unexpected("a sync", directory.sync(&name))?;
                file.synced = Some(file.content.len());
            }
        }
        6 => {
            let length = rng.below(60);
            unexpected("a cut", directory.truncate(&name, length as u64))?;
            if let Some(file) = model.get_mut(&name) {
                file.content.truncate(length);
                file.synced = file.synced.map(|synced| synced.min(length));
            }
        }
        7 if rng.once_in(2) => {
            unexpected("a removal", directory.remove(&name))?;
            model.remove(&name);
        }
        _ => {
            let content = model.get(&name).map_or(&[][..], |file| &file.content);
            let (offset, length) = (rng.below(70), rng.below(70));
            let start = offset.min(content.len());
            let end = (start + length).min(content.len());
            let found = unexpected("a read", directory.read(&name, offset as u64, length))?;
            expect("what was read", &&found[..], &&content[start..end])?;
        }
    }
    let length = unexpected("a length", directory.length("file-0"))?;
    expect("a length", &length, &model.get("file-0").map(|file| file.content.len() as u64))?;
    let expected: Vec<_> =
        model.iter().map(|(name, file)| (name.clone(), file.content.len() as u64)).collect();
    expect("the list of files", &sorted(unexpected("a list", directory.list())?), &expected)
}

fn sorted(mut files: Vec<(String, u64)>) -> Vec<(String, u64)> {
    files.sort();
    files
}

/// After a crash: what was synced is there; of the rest, what is there is taken as it is.
fn recover<D: Directory>(directory: &D, model: &mut Model) -> Result<(), String> {
    let files: BTreeMap<_, _> = unexpected("a list", directory.list())?.into_iter().collect();
    if let Some(name) = files.keys().find(|name| !model.contains_key(*name)) {
        return Err(format!("{name} came out of nowhere"));
    }
    for (name, mut file) in std::mem::take(model) {
        let Some(length) = files.get(&name) else {
            match file.synced {
                Some(_) => return Err(format!("{name} was synced and is gone")),
                None => continue,
            }
        };
        let length = usize::try_from(*length).unwrap_or(usize::MAX);
        let synced = file.synced.unwrap_or(0);
        if length < synced || length > file.content.len() {
            return Err(format!("{name}: {synced} bytes were synced, {length} are left"));
        }
        let found = unexpected("a read", directory.read(&name, 0, length))?;
        expect("what was synced", &&found[..synced], &&file.content[..synced])?;
        file = File { content: found.to_vec(), synced: Some(length) };
        model.insert(name, file);
    }
    Ok(())
}
