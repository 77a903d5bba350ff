//! The protobuf contracts between the parts, and their generated types.
//!
//! [`v1`] is what clients speak, [`peer`] what nodes say to each other, [`admin`] what operators and
//! administrators use. The files in `proto/` are the reference.

#![allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    reason = "generated; the protobuf files hold the documentation"
)]

/// `kvcluster.v1`: keys and values, and what a client may know of the cluster.
pub mod v1 {
    tonic::include_proto!("kvcluster.v1");
}

/// `kvcluster.peer.v1`: between nodes.
pub mod peer {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("kvcluster.peer.v1");
    }
}

/// `kvcluster.admin.v1`: administration.
pub mod admin {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("kvcluster.admin.v1");
    }
}

/// All files of the contract with their comments, as a `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
