//! Any bytes: what decodes must encode to the same bytes.

#![no_main]

#[path = "../../tests/generate/decode.rs"]
mod decode;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decode::decode(bytes));
