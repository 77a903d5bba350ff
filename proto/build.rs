//! Generates the types of the protobuf files, without a protobuf compiler.

use std::error::Error;
use std::path::PathBuf;

const FILES: [&str; 4] = [
    "kvcluster/v1/kv.proto",
    "kvcluster/v1/cluster.proto",
    "kvcluster/peer/v1/peer.proto",
    "kvcluster/admin/v1/admin.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(FILES)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // Served by reflection, hence with the comments.
    std::fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    // Keys, values and envelopes share the memory of what was received.
    tonic_prost_build::configure().bytes(".").compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
