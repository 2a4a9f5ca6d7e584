//! The answer of one question: its first rows, how many there are, and all of them in a file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use sha2::{Digest as _, Sha256};

use super::Making;
use crate::limits::{REPORT_CELL_BYTES_MAX, REPORT_EVIDENCE_BYTES_MAX};
use crate::model::value::Value;
use crate::query::library::Question;
use crate::query::output::{self, Look, Render};
use crate::report::digest;
use crate::store::{Result, SqlColumn, SqlQuery, SqlSink, StoreError};

/// What a question answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Gathered {
    pub(super) columns: Vec<SqlColumn>,
    pub(super) rows: Vec<Vec<Value>>,
    pub(super) count: u64,
    pub(super) truncated: bool,
    /// The name of the file with all rows, and its SHA-256.
    pub(super) file: Option<(String, String)>,
}

/// Asks a question; keeps `shown` rows.
pub(super) fn gather(
    making: &Making<'_>,
    question: &Question,
    query: &SqlQuery,
    shown: usize,
    file_name: &str,
) -> Result<Gathered> {
    let Some(directory) = making.request.files else {
        let mut sink = Sink::new(shown, None);
        let more = making.sql(query, &mut question.typed(&mut sink))?;
        return Ok(sink.gathered(more));
    };
    let path = directory.join(file_name);
    let failed = |error: io::Error| StoreError::Io(format!("{}: {error}", path.display()));
    let mut file = Hashed {
        // Nothing stands there yet, and nothing is followed that somebody puts there.
        out: BufWriter::with_capacity(1 << 16, File::create_new(&path).map_err(failed)?),
        hash: Sha256::new(),
    };
    let render = output::Format::Csv.renderer(&mut file, Look::default());
    let mut sink = Sink::new(shown, Some(render));
    let more = making.sql(query, &mut question.typed(&mut sink))?;
    if let Some(error) = sink.failed.take() {
        return Err(failed(error));
    }
    let needed = sink.count > shown as u64 || sink.cut;
    let mut gathered = sink.end(more).map_err(failed)?;
    if needed {
        file.out.flush().map_err(failed)?;
        file.out.get_ref().sync_all().map_err(failed)?;
        gathered.file = Some((file_name.to_owned(), digest::hex(&file.hash.finalize())));
    } else {
        std::fs::remove_file(&path).map_err(failed)?;
    }
    Ok(gathered)
}

/// A file whose bytes are hashed as they are written.
struct Hashed {
    out: BufWriter<File>,
    hash: Sha256,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

struct Sink<'a> {
    shown: usize,
    columns: Vec<SqlColumn>,
    rows: Vec<Vec<Value>>,
    count: u64,
    bytes: usize,
    /// The limit on bytes was reached.
    full: bool,
    /// A shown cell is not all that it was.
    cut: bool,
    render: Option<Box<dyn Render + 'a>>,
    failed: Option<io::Error>,
}

impl<'a> Sink<'a> {
    fn new(shown: usize, render: Option<Box<dyn Render + 'a>>) -> Sink<'a> {
        Sink {
            shown,
            columns: Vec::new(),
            rows: Vec::new(),
            count: 0,
            bytes: 0,
            full: false,
            cut: false,
            render,
            failed: None,
        }
    }

    fn end(mut self, more: bool) -> io::Result<Gathered> {
        if let Some(render) = &mut self.render {
            render.end()?;
        }
        Ok(self.gathered(more))
    }

    fn gathered(self, more: bool) -> Gathered {
        Gathered {
            columns: self.columns,
            rows: self.rows,
            count: self.count,
            truncated: more || self.full,
            file: None,
        }
    }
}

impl SqlSink for Sink<'_> {
    fn columns(&mut self, columns: &[SqlColumn]) {
        self.columns = output::unique_names(columns);
        if let Some(render) = &mut self.render {
            self.failed = render.begin(columns).err();
        }
    }

    fn row(&mut self, row: &[Value]) -> ControlFlow<()> {
        let size = |value: &Value| match value {
            Value::Text(text) | Value::Json(text) => 8 + text.len(),
            Value::Bytes(bytes) => 8 + bytes.len(),
            _ => 8,
        };
        self.bytes += row.iter().map(size).sum::<usize>();
        if self.bytes > REPORT_EVIDENCE_BYTES_MAX {
            self.full = true;
            return ControlFlow::Break(());
        }
        self.count += 1;
        if self.rows.len() < self.shown {
            let mut shorten = |value: &Value| {
                let (value, cut) = shown(value);
                self.cut |= cut;
                value
            };
            let row = row.iter().map(&mut shorten).collect();
            self.rows.push(row);
        }
        if let Some(render) = &mut self.render
            && let Err(error) = render.row(row)
        {
            self.failed = Some(error);
        }
        match self.failed {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    }
}

/// A value as a report shows it, and whether that is less than it is.
fn shown(value: &Value) -> (Value, bool) {
    match value {
        Value::Text(text) => match cut(text) {
            (short, true) => (Value::text(short), true),
            (_, false) => (value.clone(), false),
        },
        Value::Json(text) => match cut(text) {
            (short, true) => (Value::text(short), true),
            (_, false) => (value.clone(), false),
        },
        Value::Bytes(_) => {
            let text = output::plain(value).unwrap_or_default();
            let (short, cut) = cut(&text);
            (Value::text(short), cut)
        }
        other => (other.clone(), false),
    }
}

/// `text` as far as a report shows it, and whether that is less than it is.
pub(super) fn cut(text: &str) -> (String, bool) {
    let apart = digest::apart(text);
    if apart.len() <= REPORT_CELL_BYTES_MAX {
        let changed = matches!(apart, std::borrow::Cow::Owned(_));
        return (apart.into_owned(), changed);
    }
    let end = apart.floor_char_boundary(REPORT_CELL_BYTES_MAX);
    (format!("{}...", &apart[..end]), true)
}
