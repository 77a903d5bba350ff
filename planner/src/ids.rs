//! Names of things, each its own type.

use std::fmt;

/// The id of a node: minted by the group's log, used with one disk, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

macro_rules! text_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// The random id that a disk got when it was empty: 32 hexadecimal digits.
    DiskId
}
text_id! {
    /// The random id of a cluster: 32 hexadecimal digits.
    ClusterId
}
text_id! {
    /// What the API server calls one incarnation of an object.
    Uid
}
text_id! {
    /// The hash of what the user decides about pods.
    Template
}

impl fmt::Display for NodeId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// A place in the log. Positions of committed entries are ordered by their index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Counts entries from 1.
    pub index: u64,
    /// The term of the entry there.
    pub term: u64,
}
