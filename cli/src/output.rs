//! How results are printed.

use std::io::{self, IsTerminal, Write};

use serde_json::{Map, Value};

use crate::bytes::insert;

/// As asked for.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    pub json: bool,
    pub hex: bool,
}

/// A JSON object that is being made.
#[derive(Debug, Default)]
pub struct Object(Map<String, Value>);

impl Object {
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    pub fn bytes(mut self, name: &str, bytes: &[u8], format: Format) -> Self {
        insert(&mut self.0, name, bytes, format.hex);
        self
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Value::Object(object.0)
    }
}

/// One line: the object, or the text.
pub fn print(format: Format, object: Object, text: impl FnOnce() -> String) -> io::Result<()> {
    let line = if format.json { Value::from(object).to_string() } else { text() };
    writeln!(io::stdout().lock(), "{line}")
}

/// Byte for byte; people get a line.
pub fn raw(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    if out.is_terminal() {
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Columns as wide as what is in them.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|at| width(at).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_straight_columns() {
        let rows = [vec!["a".to_owned(), "long".to_owned()], vec!["wide".to_owned(), String::new()]];
        assert_eq!(table(&rows), "a     long\nwide");
    }
}
