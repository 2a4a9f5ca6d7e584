//! JSON: objects with the columns' names, as one array or one object per line.

use std::io::{self, Write};

use serde_json::value::RawValue;

use super::{Render, unique_names};
use crate::model::value::Value;
use crate::query::{base64, clock, wire};
use crate::store::SqlColumn;

pub struct Json<W> {
    out: W,
    array: bool,
    columns: Vec<SqlColumn>,
    first: bool,
    object: Vec<u8>,
}

impl<W: Write> Json<W> {
    /// One array.
    pub fn array(out: W) -> Json<W> {
        Json {
            out,
            array: true,
            columns: Vec::new(),
            first: true,
            object: Vec::new(),
        }
    }

    /// One object per line.
    pub fn lines(out: W) -> Json<W> {
        Json {
            array: false,
            ..Json::array(out)
        }
    }
}

impl<W: Write> Render for Json<W> {
    fn begin(&mut self, columns: &[SqlColumn]) -> io::Result<()> {
        self.columns = unique_names(columns);
        if self.array {
            self.out.write_all(b"[")?;
        }
        Ok(())
    }

    fn row(&mut self, row: &[Value]) -> io::Result<()> {
        self.object.clear();
        if self.array {
            let before: &[u8] = if self.first { b"\n" } else { b",\n" };
            self.object.extend_from_slice(before);
        }
        write_object(&mut self.object, &self.columns, row);
        if !self.array {
            self.object.push(b'\n');
        }
        self.first = false;
        self.out.write_all(&self.object)
    }

    fn end(&mut self) -> io::Result<()> {
        if self.array {
            let end: &[u8] = if self.first { b"]\n" } else { b"\n]\n" };
            self.out.write_all(end)?;
        }
        self.out.flush()
    }
}

/// Appends one row as a JSON object on one line, without a newline. Instants are ISO-8601; a JSON
/// document stands inline, or as a string if it is none; bytes are a string, or `{"base64":..}` if
/// they are no UTF-8; an infinite number is a string.
pub fn write_object(out: &mut Vec<u8>, columns: &[SqlColumn], row: &[Value]) {
    out.push(b'{');
    for (at, (column, value)) in columns.iter().zip(row).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_text(out, &column.name);
        out.push(b':');
        write_value(out, value);
    }
    out.push(b'}');
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Time(time) => write_text(out, &clock::to_text(*time)),
        Value::Json(text) => match serde_json::from_str::<&RawValue>(text) {
            // A newline in valid JSON is only ever whitespace.
            Ok(json) => out.extend(json.get().bytes().map(|byte| match byte {
                b'\n' | b'\r' => b' ',
                byte => byte,
            })),
            Err(_) => write_text(out, text),
        },
        Value::Real(number) if !number.is_finite() => write_text(out, &number.to_string()),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => write_text(out, text),
            Err(_) => {
                out.extend_from_slice(b"{\"base64\":");
                write_text(out, &base64::encode(bytes));
                out.push(b'}');
            }
        },
        Value::Null | Value::Int(_) | Value::Real(_) | Value::Text(_) => {
            wire::write_cell(out, value);
        }
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("writing text to memory cannot fail");
}
