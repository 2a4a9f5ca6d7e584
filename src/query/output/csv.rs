//! RFC 4180 with a header, safe to open in a spreadsheet. NULL is an empty field. Other bytes are as
//! they were received, but on a terminal.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;

use super::{Look, Render, plain, unique_names, visible};
use crate::model::time;
use crate::model::value::{Value, ValueRef};
use crate::query::quote;
use crate::store::{RowEncoder, SqlColumn};

pub(super) struct Csv<W> {
    out: W,
    records: Records,
    record: Vec<u8>,
}

impl<W: Write> Csv<W> {
    pub(super) fn new(out: W, look: Look) -> Csv<W> {
        let (fields, terminal) = (0, look.terminal);
        Csv {
            out,
            records: Records { fields, terminal },
            record: Vec::new(),
        }
    }
}

impl<W: Write> Render for Csv<W> {
    fn begin(&mut self, columns: &[SqlColumn]) -> io::Result<()> {
        self.records.fields = columns.len();
        let names = unique_names(columns);
        let names: Vec<Value> = names.into_iter().map(|c| Value::text(c.name)).collect();
        self.row(&names)
    }

    fn row(&mut self, row: &[Value]) -> io::Result<()> {
        self.record.clear();
        for (at, value) in row.iter().enumerate() {
            self.records.cell(at, value.borrowed(), &mut self.record);
        }
        self.records.end_row(&mut self.record);
        self.out.write_all(&self.record)
    }

    fn encoder(&self, columns: &[SqlColumn]) -> Option<Arc<dyn RowEncoder>> {
        let fields = columns.len();
        Some(Arc::new(Records {
            fields,
            ..self.records
        }))
    }

    fn encoded(&mut self, text: &[u8]) -> io::Result<()> {
        self.out.write_all(text)
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Rows as records of so many fields.
#[derive(Debug, Clone, Copy)]
struct Records {
    fields: usize,
    terminal: bool,
}

impl Records {
    /// A text as a field.
    fn text(self, out: &mut Vec<u8>, text: &str) {
        let text = neutral(text);
        match self.terminal {
            true => field(out, &visible(&text)),
            false => field(out, &text),
        }
    }
}

impl RowEncoder for Records {
    fn cell(&self, at: usize, value: ValueRef<'_>, out: &mut Vec<u8>) {
        if at > 0 {
            out.push(b',');
        }
        let begin = out.len();
        match value {
            ValueRef::Null => {}
            ValueRef::Int(number) => quote::int(out, number),
            ValueRef::Time(micros) => {
                let mut text = [0; time::TEXT_BYTES];
                time::write(micros, &mut text);
                out.extend_from_slice(&text);
            }
            ValueRef::Text(text) | ValueRef::Json(text) => self.text(out, text),
            ValueRef::Real(number) => field(out, &format!("{number:?}")),
            ValueRef::Bytes(_) => {
                let text = plain(&value.to_value()).unwrap_or_default();
                self.text(out, &text);
            }
        }
        // An empty line would be no record.
        if self.fields == 1 && out.len() == begin {
            out.extend_from_slice(b"\"\"");
        }
    }

    fn end_row(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\r\n");
    }
}

fn field(out: &mut Vec<u8>, text: &str) {
    if !text.contains(['"', ',', '\r', '\n']) {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    for (at, part) in text.split('"').enumerate() {
        if at > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'"');
}

/// `text` that no spreadsheet takes for a formula: `'` before `=`, `+`, `-`, `@`, their wide and small
/// forms, tab, CR and LF (OWASP, CSV injection), also behind blanks and what cannot be seen, which
/// spreadsheets may drop.
pub fn neutral(text: &str) -> Cow<'_, str> {
    let invisible = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
    };
    let starts = |c: char| {
        matches!(
            c,
            '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠' | '﹦' | '﹢' | '﹣' | '﹫' | '−'
        )
    };
    let first = text.chars().find(|&c| !invisible(c));
    match text.starts_with(['\t', '\r', '\n']) || first.is_some_and(starts) {
        true => Cow::Owned(format!("'{text}")),
        false => Cow::Borrowed(text),
    }
}
