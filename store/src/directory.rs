//! Where files on their way between nodes live: a flat folder of files that only grow.

use bytes::Bytes;

use crate::engine::EngineError;

/// A folder: a handle, whose clones are the same folder. A crash may take every byte that was not synced, and
/// the file if it was never synced; what is left of unsynced bytes need not be what was written.
pub trait Directory: Clone {
    /// The files and their lengths, by name.
    ///
    /// # Errors
    /// The process must stop.
    fn list(&self) -> Result<Vec<(String, u64)>, EngineError>;

    /// The length of a file; none if there is no such file.
    ///
    /// # Errors
    /// The process must stop.
    fn length(&self, name: &str) -> Result<Option<u64>, EngineError>;

    /// Up to `length` bytes of a file from `offset` on; fewer at its end, none behind it or without the file.
    ///
    /// # Errors
    /// The process must stop.
    fn read(&self, name: &str, offset: u64, length: usize) -> Result<Bytes, EngineError>;

    /// Adds bytes to the end of a file, which is made if need be.
    ///
    /// # Errors
    /// The process must stop.
    fn append(&self, name: &str, bytes: &[u8]) -> Result<(), EngineError>;

    /// Makes a file durable, content and name.
    ///
    /// # Errors
    /// The process must stop.
    fn sync(&self, name: &str) -> Result<(), EngineError>;

    /// Cuts a file to `length`, durably before it returns; a shorter or absent one stays as it is.
    ///
    /// # Errors
    /// The process must stop.
    fn truncate(&self, name: &str, length: u64) -> Result<(), EngineError>;

    /// Removes a file, if it is there, durably before it returns.
    ///
    /// # Errors
    /// The process must stop.
    fn remove(&self, name: &str) -> Result<(), EngineError>;
}
