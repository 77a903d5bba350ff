//! One process at a time uses a data folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::system::uname;
use store::replica::ExitCode;
use tokio::time::{sleep, timeout};

use crate::termination::Termination;

/// Between two attempts. To be told of the end of another process would take a thread that cannot be stopped.
const AGAIN: Duration = Duration::from_millis(100);
/// The name of a holder is not longer.
const MOST_NAME: u64 = 512;

/// Locks a data folder, which is made, until what is returned is dropped or the process ends. Waits at most `patience`
/// for another process: where a pod is deleted by force, its successor starts while it still stops.
///
/// # Errors
/// The folder cannot be used, or the other process still has it.
pub(crate) async fn lock(data_dir: &Path, patience: Duration) -> Result<File, Termination> {
    let refused = |what: String| {
        Termination::new(ExitCode::Configuration, format!("data_dir is {}: {what}", data_dir.display()), None)
    };
    let unusable = |error: io::Error| refused(format!("{error}; name a folder that this user may write"));
    fs::create_dir_all(data_dir).map_err(unusable)?;
    // Not truncated: the name of whoever has it is there.
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(data_dir.join("lock")).map_err(unusable)?;
    if !try_lock(&file).map_err(unusable)? {
        let holder = holder(&mut file);
        tracing::warn!(
            data = %data_dir.display(), holder, lock_timeout = ?patience,
            "another process uses the data: waiting for its end"
        );
        let locked = async {
            loop {
                sleep(AGAIN).await;
                if try_lock(&file)? {
                    return Ok(());
                }
            }
        };
        match timeout(patience, locked).await {
            Ok(locked) => locked.map_err(unusable)?,
            Err(_) => {
                let what =
                    format!("another process uses it ({holder}); stop that one, or name another folder");
                return Err(refused(what));
            }
        }
    }
    if let Err(error) = name_holder(&mut file) {
        tracing::debug!(%error, "the lock does not say which process has it");
    }
    Ok(file)
}

fn try_lock(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn name_holder(file: &mut File) -> io::Result<()> {
    let name = format!("process {} on {}", std::process::id(), uname().nodename().to_string_lossy());
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(name.as_bytes())
}

/// Whoever has the lock, as far as it says so.
fn holder(file: &mut File) -> String {
    let mut name = String::new();
    match file.take(MOST_NAME).read_to_string(&mut name) {
        Ok(1..) => name,
        Ok(0) | Err(_) => "it does not say which one it is".to_owned(),
    }
}
