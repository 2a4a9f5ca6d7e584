//! JSON: objects with the columns' names, as one array or one object per line.

use std::io::{self, Write};
use std::sync::Arc;

use serde_json::value::RawValue;

use super::visible::hidden;
use super::{Look, Render, unique_names};
use crate::model::value::{Value, ValueRef};
use crate::query::{base64, quote, wire};
use crate::store::{RowEncoder, SqlColumn};

pub struct Json<W> {
    out: W,
    array: bool,
    objects: Objects,
    sound: Sound,
    first: bool,
    object: Vec<u8>,
    terminal: bool,
}

impl<W: Write> Json<W> {
    /// One array.
    pub fn array(out: W, look: Look) -> Json<W> {
        Json {
            out,
            array: true,
            objects: Objects::default(),
            sound: Sound::default(),
            first: true,
            object: Vec::new(),
            terminal: look.terminal,
        }
    }

    /// One object per line.
    pub fn lines(out: W, look: Look) -> Json<W> {
        Json {
            array: false,
            ..Json::array(out, look)
        }
    }
}

impl<W: Write> Render for Json<W> {
    fn begin(&mut self, columns: &[SqlColumn]) -> io::Result<()> {
        self.objects = Objects::new(&unique_names(columns));
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
        self.objects.write(&mut self.object, row, &mut self.sound);
        if !self.array {
            self.object.push(b'\n');
        }
        self.first = false;
        match self.terminal {
            true => self.out.write_all(&escaped(&self.object)),
            false => self.out.write_all(&self.object),
        }
    }

    fn encoder(&self, columns: &[SqlColumn]) -> Option<Arc<dyn RowEncoder>> {
        if self.array || self.terminal {
            return None;
        }
        Some(Arc::new(Objects::new(&unique_names(columns))))
    }

    fn encoded(&mut self, text: &[u8]) -> io::Result<()> {
        self.out.write_all(text)
    }

    fn end(&mut self) -> io::Result<()> {
        if self.array {
            let end: &[u8] = if self.first { b"]\n" } else { b"\n]\n" };
            self.out.write_all(end)?;
        }
        self.out.flush()
    }
}

/// The same JSON, with what a terminal would obey or hide escaped. JSON allows it in strings only,
/// where its own control characters are escaped anyhow.
fn escaped(json: &[u8]) -> Vec<u8> {
    let mut shown = String::with_capacity(json.len());
    for letter in String::from_utf8_lossy(json).chars() {
        match letter.is_ascii_control() && letter != '\u{7f}' || !hidden(letter) {
            true => shown.push(letter),
            false => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    shown.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    shown.into_bytes()
}

/// Appends one row as a JSON object on one line, without a newline. Instants are ISO-8601; a JSON
/// document stands inline, or as a string if it is none; bytes are a string, or `{"base64":..}` if
/// they are no UTF-8; an infinite number is a string.
pub fn write_object(out: &mut Vec<u8>, columns: &[SqlColumn], row: &[Value]) {
    Objects::new(columns).write(out, row, &mut Sound::default());
}

/// Rows as objects, one per line.
#[derive(Default)]
struct Objects {
    /// What stands before each value: `{"id":`, `,"time":`.
    keys: Vec<Vec<u8>>,
}

impl Objects {
    fn new(columns: &[SqlColumn]) -> Objects {
        let key = |(at, column): (usize, &SqlColumn)| {
            let mut key = vec![if at == 0 { b'{' } else { b',' }];
            quote::text(&mut key, &column.name);
            key.push(b':');
            key
        };
        Objects {
            keys: columns.iter().enumerate().map(key).collect(),
        }
    }

    fn write(&self, out: &mut Vec<u8>, row: &[Value], sound: &mut Sound) {
        if self.keys.is_empty() {
            out.push(b'{');
        }
        for (key, value) in self.keys.iter().zip(row) {
            out.extend_from_slice(key);
            write_value(out, value.borrowed(), |_| match value {
                Value::Json(text) => sound.is_sound(text),
                _ => false,
            });
        }
        out.push(b'}');
    }
}

impl RowEncoder for Objects {
    fn cell(&self, at: usize, value: ValueRef<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.keys[at]);
        write_value(out, value, is_json);
    }

    fn end_row(&self, out: &mut Vec<u8>) {
        if self.keys.is_empty() {
            out.push(b'{');
        }
        out.extend_from_slice(b"}\n");
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

fn write_value(out: &mut Vec<u8>, value: ValueRef<'_>, is_json: impl FnOnce(&str) -> bool) {
    match value {
        ValueRef::Json(text) if is_json(text) => {
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
        ValueRef::Json(text) => quote::text(out, text),
        ValueRef::Real(number) if !number.is_finite() => quote::text(out, &number.to_string()),
        ValueRef::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => quote::text(out, text),
            Err(_) => {
                out.extend_from_slice(b"{\"base64\":");
                quote::text(out, &base64::encode(bytes));
                out.push(b'}');
            }
        },
        _ => wire::write_cell(out, value),
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
        let sound = is_json(text);
        if sound && text.len() <= SOUND_BYTES_MAX && Arc::strong_count(text) > 1 {
            if self.known.is_empty() {
                self.known.resize(SOUND_MAX, None);
            }
            self.known[slot] = Some(Arc::clone(text));
        }
        sound
    }
}
