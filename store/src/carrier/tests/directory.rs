//! The folder of one range among those of others.

use raft::RangeId;

use crate::carrier::RangeDirectory;
use crate::carrier::directory::ranges;
use crate::conformance::{self, DirectoryHarness};
use crate::directory::Directory;
use crate::engine::EngineError;
use crate::memory::{Choose, MemoryDirectory};

struct Shared(MemoryDirectory);

impl DirectoryHarness for Shared {
    type Directory = RangeDirectory<MemoryDirectory>;

    fn open(&mut self) -> Result<Self::Directory, EngineError> {
        Ok(RangeDirectory::new(self.0.clone(), RangeId(0x17)))
    }

    fn crash(&mut self, choose: Choose<'_>) {
        self.0.crash(choose);
    }
}

#[test]
fn the_folder_of_a_range_is_a_folder_that_leaves_the_others_alone() {
    for seed in 0..20 {
        let shared = MemoryDirectory::default();
        let others = ["0000000000000016-a", "0000000000000170-a", "a", "0000000000000017"];
        for other in others {
            shared.append(other, b"content").unwrap();
            shared.sync(other).unwrap();
        }
        conformance::directory(|| Shared(shared.clone()), seed, 300).unwrap();
        for other in others {
            assert_eq!(shared.length(other), Ok(Some(7)));
        }
        let found = ranges(&shared).unwrap();
        assert!(found.is_superset(&[RangeId(0x16), RangeId(0x170)].into()) && found.len() <= 3);
    }
}
