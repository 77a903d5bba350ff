//! A table on its way in: how much of it is there, and whether it is whole.

use super::manifest::SnapshotTable;
use crate::directory::Directory;
use crate::engine::EngineError;
use crate::table;

/// What is there of a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum There {
    /// All of it, verified and durable.
    Whole,
    /// So many blocks, each as it should be, and nothing behind them.
    Blocks(u32),
}

/// Looks at what a restart, another transfer or an export of our own left of a table, and cuts off what is not
/// good.
pub(super) fn examine<D: Directory>(
    directory: &D,
    of: &SnapshotTable,
    block_bytes: u32,
) -> Result<There, EngineError> {
    let name = of.table.name();
    let Some(length) = directory.length(&name)? else { return Ok(There::Blocks(0)) };
    if length == of.table.bytes && verify(directory, of)? {
        return Ok(There::Whole);
    }
    let mut good = 0;
    for crc in &of.blocks {
        let data = directory.read(&name, offset(good, block_bytes), block_length(of, good, block_bytes))?;
        if data.len() != block_length(of, good, block_bytes) || crc32fast::hash(&data) != *crc {
            break;
        }
        good += 1;
    }
    if good == 0 || good as usize == of.blocks.len() {
        // Nothing is good, or all of it and yet not the whole.
        directory.remove(&name)?;
        return Ok(There::Blocks(0));
    }
    directory.truncate(&name, offset(good, block_bytes))?;
    Ok(There::Blocks(good))
}

/// Whether a table whose last block is there is whole; if so, it is durable now.
pub(super) fn verify<D: Directory>(directory: &D, of: &SnapshotTable) -> Result<bool, EngineError> {
    let intact = table::is_intact(directory, &of.table)?;
    if intact {
        directory.sync(&of.table.name())?;
    }
    Ok(intact)
}

/// Where a block begins.
pub(super) fn offset(block: u32, block_bytes: u32) -> u64 {
    u64::from(block) * u64::from(block_bytes)
}

/// How long a block is.
pub(super) fn block_length(of: &SnapshotTable, block: u32, block_bytes: u32) -> usize {
    let rest = of.table.bytes.saturating_sub(offset(block, block_bytes));
    rest.min(u64::from(block_bytes)) as usize
}
