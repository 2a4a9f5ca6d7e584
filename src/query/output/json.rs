//! JSON: objects with the columns' names, as one array or one object per line.

use std::io::{self, Write};
use std::sync::Arc;

use serde_json::value::RawValue;

use super::{Render, unique_names};
use crate::model::value::Value;
use crate::query::{base64, quote, wire};
use crate::store::SqlColumn;

pub struct Json<W> {
    out: W,
    array: bool,
    /// What stands before each value: `{"id":`, `,"time":`.
    keys: Vec<Vec<u8>>,
    sound: Sound,
    first: bool,
    object: Vec<u8>,
}

impl<W: Write> Json<W> {
    /// One array.
    pub fn array(out: W) -> Json<W> {
        Json {
            out,
            array: true,
            keys: Vec::new(),
            sound: Sound::default(),
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
        self.keys = keys(&unique_names(columns));
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
        write_keyed(&mut self.object, &self.keys, row, &mut self.sound);
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
    write_keyed(out, &keys(columns), row, &mut Sound::default());
}

fn keys(columns: &[SqlColumn]) -> Vec<Vec<u8>> {
    let key = |(at, column): (usize, &SqlColumn)| {
        let mut key = vec![if at == 0 { b'{' } else { b',' }];
        quote::text(&mut key, &column.name);
        key.push(b':');
        key
    };
    columns.iter().enumerate().map(key).collect()
}

fn write_keyed(out: &mut Vec<u8>, keys: &[Vec<u8>], row: &[Value], sound: &mut Sound) {
    if keys.is_empty() {
        out.push(b'{');
    }
    for (key, value) in keys.iter().zip(row) {
        out.extend_from_slice(key);
        write_value(out, value, sound);
    }
    out.push(b'}');
}

fn write_value(out: &mut Vec<u8>, value: &Value, sound: &mut Sound) {
    match value {
        Value::Json(text) if sound.is_sound(text) => {
            let text = text.trim_matches([' ', '\n', '\r', '\t']);
            // A newline in valid JSON is only ever whitespace.
            if memchr::memchr2(b'\n', b'\r', text.as_bytes()).is_none() {
                return out.extend_from_slice(text.as_bytes());
            }
            out.extend(text.bytes().map(|byte| match byte {
                b'\n' | b'\r' => b' ',
                byte => byte,
            }));
        }
        Value::Json(text) => quote::text(out, text),
        Value::Real(number) if !number.is_finite() => quote::text(out, &number.to_string()),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => quote::text(out, text),
            Err(_) => {
                out.extend_from_slice(b"{\"base64\":");
                quote::text(out, &base64::encode(bytes));
                out.push(b'}');
            }
        },
        Value::Null | Value::Int(_) | Value::Real(_) | Value::Time(_) | Value::Text(_) => {
            wire::write_cell(out, value);
        }
    }
}

/// Documents that were found to be JSON lately: rows share theirs with others, and reading one
/// again costs more than writing it.
#[derive(Default)]
struct Sound {
    /// By the place of the text in memory, which stays its own as long as it is held.
    known: Vec<Option<Arc<str>>>,
}

/// Slots of [`Sound`], and the longest text that is held.
const SOUND_MAX: usize = 1024;
const SOUND_BYTES_MAX: usize = 1 << 10;

impl Sound {
    fn is_sound(&mut self, text: &Arc<str>) -> bool {
        let place = text.as_ptr() as usize;
        // Allocations begin at multiples of 16.
        let slot = (place >> 4) % SOUND_MAX;
        if let Some(Some(known)) = self.known.get(slot)
            && Arc::ptr_eq(known, text)
        {
            return true;
        }
        let sound = serde_json::from_str::<&RawValue>(text).is_ok();
        if sound && text.len() <= SOUND_BYTES_MAX && Arc::strong_count(text) > 1 {
            if self.known.is_empty() {
                self.known.resize(SOUND_MAX, None);
            }
            self.known[slot] = Some(Arc::clone(text));
        }
        sound
    }
}
