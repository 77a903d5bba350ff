//! How `kvctl write` has its operations written down: lines of words, or JSON.

use bytes::Bytes;
use client::{Test, Write};
use serde_json::{Map, Value};

use crate::bytes::{parse, take};
use crate::failure::Failure;

/// Part of the help.
pub const SYNTAX: &str = r#"One condition or operation a line; `#` begins a comment:

  if KEY exists             only if KEY has a value
  if KEY absent             only if it has none
  if KEY value VALUE        only if its value is VALUE
  if KEY version VERSION    only if its version is VERSION
  put KEY VALUE             set KEY
  delete KEY                remove KEY
  delete-range START END    remove the keys from START on, before END ("": to the end of all keys)

A word with spaces is written as a JSON string, such as "two words" or "line\n". With --hex all keys and values are
hexadecimal digits. All conditions must hold, and all operations are done, at one moment.

The same as JSON, with key_hex, value_hex, start_hex, end_hex for what is not text:

  {"conditions": [{"key": "a", "absent": true}, {"key": "b", "value": "1"}, {"key": "c", "version": 7}],
   "operations": [{"put": {"key": "a", "value": "1"}}, {"delete": {"key": "b"}},
                  {"delete_range": {"start": "x", "end": "y"}}]}

Example:
  printf 'if from exists\ndelete from\nput to value\n' | kvctl write"#;

/// Reads either form.
pub fn read(text: &str, hex: bool) -> Result<Write, Failure> {
    if text.trim_start().starts_with('{') { from_json(text) } else { from_lines(text, hex) }
}

fn from_lines(text: &str, hex: bool) -> Result<Write, Failure> {
    text.lines().zip(1..).try_fold(Write::new(), |write, (line, number)| {
        from_line(write, line, hex).map_err(|wrong| Failure::Usage(format!("line {number}: {wrong}")))
    })
}

fn from_line(write: Write, line: &str, hex: bool) -> Result<Write, Failure> {
    let words = words(line)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let bytes = |word: &str| parse(word, hex);
    Ok(match words[..] {
        [] => write,
        ["if", key, "exists"] => write.when(bytes(key)?, Test::Exists),
        ["if", key, "absent"] => write.when(bytes(key)?, Test::Absent),
        ["if", key, "value", value] => write.when(bytes(key)?, Test::ValueIs(bytes(value)?)),
        ["if", key, "version", version] => {
            let wrong = |_| Failure::Usage(format!("{version:?} is not a version, which is a number"));
            write.when(bytes(key)?, Test::VersionIs(version.parse().map_err(wrong)?))
        }
        ["put", key, value] => write.put(bytes(key)?, bytes(value)?),
        ["delete", key] => write.delete(bytes(key)?),
        ["delete-range", start, end] => write.delete_range(bytes(start)?, bytes(end)?),
        _ => {
            let what = format!("{line:?} is neither a condition nor an operation: see `kvctl write --help`");
            return Err(Failure::Usage(what));
        }
    })
}

/// Splits a line: at spaces, outside of JSON strings.
fn words(line: &str) -> Result<Vec<String>, Failure> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let length = if rest.starts_with('"') {
            let mut strings = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let word = strings.next().unwrap_or_else(|| Ok(String::new()));
            words.push(
                word.map_err(|error| Failure::Usage(format!("a string is not closed, or wrong: {error}")))?,
            );
            strings.byte_offset()
        } else {
            let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
            words.push(rest[..length].to_owned());
            length
        };
        if !rest[length..].chars().next().is_none_or(char::is_whitespace) {
            return Err(Failure::Usage(format!("a space is missing before {:?}", &rest[length..])));
        }
        rest = rest[length..].trim_start();
    }
    Ok(words)
}

fn from_json(text: &str) -> Result<Write, Failure> {
    let wrong = |error: serde_json::Error| Failure::Usage(format!("not the JSON of a write: {error}"));
    let mut whole: Map<String, Value> = serde_json::from_str(text).map_err(wrong)?;
    let mut write = Write::new();
    for mut condition in objects(&mut whole, "conditions")? {
        let key = take(&mut condition, "key")?;
        let test = test(&mut condition)?;
        nothing_else(&condition)?;
        write = write.when(key, test);
    }
    for mut operation in objects(&mut whole, "operations")? {
        write = operation_from(write, &mut operation)?;
        nothing_else(&operation)?;
    }
    nothing_else(&whole)?;
    Ok(write)
}

fn test(condition: &mut Map<String, Value>) -> Result<Test, Failure> {
    if condition.contains_key("value") || condition.contains_key("value_hex") {
        return take(condition, "value").map(Test::ValueIs);
    }
    let tests = ["exists", "absent", "version"].map(|name| condition.remove(name));
    match tests {
        [Some(Value::Bool(true)), None, None] => Ok(Test::Exists),
        [None, Some(Value::Bool(true)), None] => Ok(Test::Absent),
        [None, None, Some(Value::Number(version))] if version.is_u64() => {
            Ok(Test::VersionIs(version.as_u64().unwrap_or_default()))
        }
        _ => {
            let what = "a condition is one of \"exists\": true, \"absent\": true, \"value\", \"version\"";
            Err(Failure::Usage(what.to_owned()))
        }
    }
}

fn operation_from(write: Write, operation: &mut Map<String, Value>) -> Result<Write, Failure> {
    let mut part = |name: &str| match operation.remove(name) {
        Some(Value::Object(part)) => Some(part),
        _ => None,
    };
    let bytes = |part: &mut Map<String, Value>, name: &str| -> Result<Bytes, Failure> { take(part, name) };
    let (write, rest) = if let Some(mut put) = part("put") {
        (write.put(bytes(&mut put, "key")?, bytes(&mut put, "value")?), put)
    } else if let Some(mut delete) = part("delete") {
        (write.delete(bytes(&mut delete, "key")?), delete)
    } else if let Some(mut span) = part("delete_range") {
        (write.delete_range(bytes(&mut span, "start")?, bytes(&mut span, "end")?), span)
    } else {
        let what = "an operation is one of {\"put\": {…}}, {\"delete\": {…}}, {\"delete_range\": {…}}";
        return Err(Failure::Usage(what.to_owned()));
    };
    nothing_else(&rest)?;
    Ok(write)
}

fn objects(whole: &mut Map<String, Value>, name: &str) -> Result<Vec<Map<String, Value>>, Failure> {
    let wrong = || Failure::Usage(format!("{name:?} is not a list of objects"));
    match whole.remove(name) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => items
            .into_iter()
            .map(|item| match item {
                Value::Object(object) => Ok(object),
                _ => Err(wrong()),
            })
            .collect(),
        Some(_) => Err(wrong()),
    }
}

fn nothing_else(object: &Map<String, Value>) -> Result<(), Failure> {
    match object.keys().next() {
        None => Ok(()),
        Some(name) => Err(Failure::Usage(format!("{name:?} is not known here: see `kvctl write --help`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_json_say_the_same() {
        let lines = "# a comment\n\nif a absent\nif \"b c\" value \"1\\n\" # why\nif d version 7\nif e exists\n  \
                     put a 1\ndelete \"b c\"\ndelete-range x \"\"\n";
        let json = r#"{"conditions": [{"key": "a", "absent": true}, {"key": "b c", "value_hex": "310a"},
                       {"key": "d", "version": 7}, {"key": "e", "exists": true}],
                       "operations": [{"put": {"key": "a", "value": "1"}}, {"delete": {"key_hex": "622063"}},
                       {"delete_range": {"start": "x", "end": ""}}]}"#;
        let expected = Write::new()
            .when("a", Test::Absent)
            .when("b c", Test::ValueIs("1\n".into()))
            .when("d", Test::VersionIs(7))
            .when("e", Test::Exists)
            .put("a", "1")
            .delete("b c")
            .delete_range("x", "");
        assert_eq!(read(lines, false).unwrap(), expected);
        assert_eq!(read(json, false).unwrap(), expected);
        assert_eq!(read("put 00 ff", true).unwrap(), Write::new().put(&b"\0"[..], &b"\xff"[..]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("put a", "line 1"),
            ("put a 1\nset b 2", "line 2"),
            ("put \"a", "string"),
            ("put \"a\"b", "space"),
            ("if a version x", "version"),
            (r#"{"operations": [{"set": {}}]}"#, "operation"),
            (r#"{"operations": [{"put": {"key": "a", "value": "b", "ttl": 1}}]}"#, "ttl"),
            (r#"{"conditions": [{"key": "a", "exists": false}]}"#, "condition"),
            (r#"{"operation": []}"#, "operation"),
            ("{", "JSON"),
        ] {
            let error = read(text, false).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
