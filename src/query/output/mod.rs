//! Rows to text. A format is one file and one line in [`Format::renderer`].
//!
//! Every renderer streams: nothing is held but the table's first rows, from which it takes the
//! widths of its columns.

mod csv;
mod fit;
pub mod json;
mod look;
mod raw;
mod table;
#[cfg(test)]
mod tests;
mod visible;

pub use csv::neutral;
pub use look::{Columns, Look};
pub use visible::{visible, visible_lines};

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;

use crate::model::value::Value;
use crate::query::clock;
use crate::store::{RowEncoder, SqlColumn};

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns for people; fitted to the terminal
    Table,
    /// The table with more columns and whole times, never fitted
    Wide,
    /// One JSON array of objects
    Json,
    /// One JSON object per line
    Jsonl,
    /// RFC 4180 with a header; a ' goes before text that a spreadsheet would run as a formula, and on a
    /// terminal control characters are spelled out
    Csv,
    /// The exact bytes of each event and a newline
    Raw,
}

/// Writes an answer: the columns once, then the rows, then the end.
pub trait Render {
    fn begin(&mut self, columns: &[SqlColumn]) -> io::Result<()>;
    fn row(&mut self, row: &[Value]) -> io::Result<()>;
    /// What writes rows as this does, if they may come by [`Render::encoded`].
    fn encoder(&self, columns: &[SqlColumn]) -> Option<Arc<dyn RowEncoder>> {
        let _ = columns;
        None
    }
    /// Writes rows that its encoder wrote.
    fn encoded(&mut self, text: &[u8]) -> io::Result<()> {
        let _ = text;
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Ends the answer and flushes it.
    fn end(&mut self) -> io::Result<()>;
}

impl Format {
    /// A renderer into `out`. Only tables have more of a look than whether it is a terminal.
    pub fn renderer<'a>(self, out: impl Write + 'a, look: Look) -> Box<dyn Render + 'a> {
        match self {
            Format::Table => Box::new(table::Table::new(out, look)),
            Format::Wide => Box::new(table::Table::wide(out, look)),
            Format::Json => Box::new(json::Json::array(out, look)),
            Format::Jsonl => Box::new(json::Json::lines(out, look)),
            Format::Csv => Box::new(csv::Csv::new(out, look)),
            Format::Raw => Box::new(raw::Raw::new(out)),
        }
    }
}

/// The columns with each name only once: a second `a` becomes `a_2`, as objects and headers need.
pub fn unique_names(columns: &[SqlColumn]) -> Vec<SqlColumn> {
    let mut seen: HashSet<String> = HashSet::new();
    let mut unique = columns.to_vec();
    for column in &mut unique {
        let plain = column.name.clone();
        let mut count = 1;
        while !seen.insert(column.name.clone()) {
            count += 1;
            column.name = format!("{plain}_{count}");
        }
    }
    unique
}

/// A value as plain text; `None` for NULL. Bytes that are no UTF-8 become base64.
pub fn plain(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Int(number) => number.to_string(),
        Value::Real(number) => format!("{number:?}"),
        Value::Time(time) => clock::to_text(*time),
        Value::Text(text) | Value::Json(text) => text.to_string(),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => super::base64::encode(bytes),
        },
    })
}
