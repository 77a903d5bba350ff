//! What the fuzzer found worth keeping, once more, without a fuzzer.

#[path = "generate/decode.rs"]
mod decode;
mod generate;
#[path = "generate/host.rs"]
mod host;
#[path = "generate/step.rs"]
mod step;
#[path = "generate/world.rs"]
mod world;

use std::fs;
use std::path::Path;

#[allow(clippy::unwrap_used, reason = "part of a test")]
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    for input in &inputs {
        // The last line before a failure names the input.
        println!("{}", input.display());
        run(&fs::read(input).unwrap());
    }
}

#[test]
fn arbitrary_bytes() {
    replay("decode", decode::decode);
}

#[test]
fn arbitrary_messages() {
    replay("step", step::step);
}
