//! Bytes as a sequence of messages and local calls: a replica never panics.

#![no_main]

#[path = "../../tests/generate/mod.rs"]
mod generate;
#[path = "../../tests/generate/host.rs"]
mod host;
#[path = "../../tests/generate/step.rs"]
mod step;
#[path = "../../tests/generate/world.rs"]
mod world;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| step::step(bytes));
