//! The storage of a node on a real file system: state machine data and logs in a RocksDB each, files on their way
//! between nodes in a folder.
//!
//! Whatever fails once fails for good: a handle whose write, flush or sync failed refuses every further change
//! with the same error, because what the disk holds is unknown from then on.

mod database;
mod directory;
mod engine;
mod failure;
mod levels;
mod log;
mod mark;
mod tail;

pub use directory::DiskDirectory;
pub use engine::{EngineSettings, RocksCursor, RocksEngine, RocksView};
pub use levels::{Gauge, Levels};
pub use log::{LogSettings, RocksLogReader, RocksLogStore};
