//! RFC 4180 with a header, safe to open in a spreadsheet. NULL is an empty field.

use std::borrow::Cow;
use std::io::{self, Write};

use super::{Render, plain, unique_names};
use crate::model::value::Value;
use crate::store::SqlColumn;

pub(super) struct Csv<W: Write> {
    out: csv::Writer<W>,
}

impl<W: Write> Csv<W> {
    pub(super) fn new(out: W) -> Csv<W> {
        let out = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .flexible(true)
            .from_writer(out);
        Csv { out }
    }
}

impl<W: Write> Render for Csv<W> {
    fn begin(&mut self, columns: &[SqlColumn]) -> io::Result<()> {
        let columns = unique_names(columns);
        let header = columns
            .iter()
            .map(|column| neutral(&column.name).into_owned());
        self.out.write_record(header).map_err(to_io)
    }

    fn row(&mut self, row: &[Value]) -> io::Result<()> {
        for value in row {
            let text = plain(value).unwrap_or_default();
            let field = match value {
                Value::Int(_) | Value::Real(_) => text,
                _ => neutral(&text).into_owned(),
            };
            self.out.write_field(field.as_bytes()).map_err(to_io)?;
        }
        self.out.write_record(None::<&[u8]>).map_err(to_io)
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn to_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
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
