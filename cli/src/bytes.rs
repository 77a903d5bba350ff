//! Keys and values as arguments and in results.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::failure::Failure;

/// As given on the command line.
pub fn parse(text: &str, hex: bool) -> Result<Bytes, Failure> {
    if hex { from_hex(text).map(Bytes::from) } else { Ok(Bytes::copy_from_slice(text.as_bytes())) }
}

fn from_hex(text: &str) -> Result<Vec<u8>, Failure> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 => {
            Ok(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
        }
        _ => Err(Failure::Usage(format!("{text:?} is not an even number of hexadecimal digits"))),
    }
}

pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// On one line: text as it is; what is not printable as `\n`, `\t`, `\\` or `\x00`.
pub fn line(bytes: &[u8], hex: bool) -> String {
    if hex {
        return to_hex(bytes);
    }
    let mut line = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => line.push_str(r"\\"),
                '\n' | '\r' | '\t' => line.extend(c.escape_default()),
                c if c.is_control() => line.extend(c.to_string().bytes().map(hex_escape)),
                c => line.push(c),
            }
        }
        line.extend(chunk.invalid().iter().copied().map(hex_escape));
    }
    line
}

fn hex_escape(byte: u8) -> String {
    format!(r"\x{byte:02x}")
}

/// As a member of a JSON object: `name` as text, or `name_hex` if it is not text or hexadecimal digits are wanted.
pub fn insert(object: &mut Map<String, Value>, name: &str, bytes: &[u8], hex: bool) {
    let (name, text) = match std::str::from_utf8(bytes) {
        Ok(text) if !hex => (name.to_owned(), text.to_owned()),
        _ => (format!("{name}_hex"), to_hex(bytes)),
    };
    object.insert(name, Value::String(text));
}

/// From a JSON object that [`insert`] has made.
pub fn take(object: &mut Map<String, Value>, name: &str) -> Result<Bytes, Failure> {
    let hex_name = format!("{name}_hex");
    match (object.remove(name), object.remove(&hex_name)) {
        (Some(Value::String(text)), None) => Ok(Bytes::from(text)),
        (None, Some(Value::String(text))) => parse(&text, true),
        _ => Err(Failure::Usage(format!("give either {name:?} or {hex_name:?}, as a string"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_can_be_given_and_are_printed_on_one_line() {
        assert_eq!(parse("00fF", true).unwrap(), &b"\x00\xff"[..]);
        for wrong in ["0", "0g", "é0"] {
            assert!(matches!(parse(wrong, true), Err(Failure::Usage(_))), "{wrong}");
        }
        assert_eq!(line("é\\\n\t".as_bytes(), false), r"é\\\n\t");
        assert_eq!(line(b"a\xff\x00", false), r"a\xff\x00");
        assert_eq!(line(b"a\xff", true), "61ff");
    }

    #[test]
    fn json_holds_any_bytes() {
        for bytes in [&b"text"[..], b"\xff\x00", b""] {
            for hex in [false, true] {
                let mut object = Map::new();
                insert(&mut object, "key", bytes, hex);
                assert_eq!(object.contains_key("key_hex"), hex || bytes == b"\xff\x00");
                assert_eq!(take(&mut object, "key").unwrap(), bytes);
                assert!(object.is_empty());
            }
        }
        assert!(take(&mut Map::new(), "key").is_err());
    }
}
