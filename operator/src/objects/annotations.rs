//! Keys of annotations.

/// On a StatefulSet and its pod: the hash of what the user decides about pods.
pub const TEMPLATE_HASH: &str = "kvcluster.dev/template-hash";
/// On a member's StatefulSet, with the value "true", by a user: replace this member by a new one.
pub const REPLACE: &str = "kvcluster.dev/replace";
