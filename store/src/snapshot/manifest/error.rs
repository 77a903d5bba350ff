//! Why a manifest is refused: three reasons that are handled differently.

use thiserror::Error;

use super::FORMAT;
use crate::effects::Malformed;

/// What is wrong with a manifest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ManifestError {
    /// Damage, on the way or on the disk.
    #[error("a manifest of {bytes} bytes is damaged: its checksum does not match")]
    Damaged {
        /// How long it is.
        bytes: usize,
    },
    /// Undamaged, but of a layout that this version does not know.
    #[error("a manifest was written by a newer version: format {found}, this version reads {FORMAT}")]
    NewerFormat {
        /// The first byte.
        found: u8,
    },
    /// Undamaged, but what the snapshot covers has a layout that this version does not know.
    #[error("a manifest was written by a newer version: its position has format {found}")]
    NewerMeta {
        /// The first byte of that part.
        found: u8,
    },
    /// Undamaged, and yet nothing that any version writes: a bug of the sender.
    #[error("a manifest is undamaged but malformed: {0}")]
    Malformed(#[from] Malformed),
    /// The same, in what the snapshot covers.
    #[error("a manifest is undamaged but malformed: its position: {0}")]
    MalformedMeta(raft::codec::DecodeError),
}
