//! Rows as `json`, `rows`, `jsonl` or `raw`, into a [`Pipe`].

use std::io::Write;
use std::ops::ControlFlow;

use crate::http::problem::Problem;
use crate::http::stream::Pipe;
use crate::model::value::Value;
use crate::query::output::json::write_object;
use crate::query::wire;
use crate::store::{Answer, SqlColumn, SqlSink, StoreError};

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Rows,
    Jsonl,
    Raw,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Rows => "rows",
            Format::Jsonl => "jsonl",
            Format::Raw => "raw",
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Rows | Format::Jsonl | Format::Raw => wire::NDJSON,
        }
    }

    /// The format with this name, if it is one of `among`; `json` when there is none.
    pub(super) fn read(name: Option<&str>, among: &[Format]) -> Result<Format, Problem> {
        let Some(name) = name else {
            return Ok(Format::Json);
        };
        let known = among.iter().find(|format| format.name() == name);
        known.copied().ok_or_else(|| {
            let known: Vec<_> = among.iter().map(|format| format.name()).collect();
            Problem::bad_request(format!(
                "unknown format {name:?}; this path has {}",
                known.join(", ")
            ))
        })
    }
}

/// Writes one answer.
pub(super) struct Writer<'a> {
    format: Format,
    pipe: &'a mut Pipe,
    columns: Vec<SqlColumn>,
    rows: u64,
    line: Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(format: Format, pipe: &'a mut Pipe) -> Writer<'a> {
        Writer {
            format,
            pipe,
            columns: Vec::new(),
            rows: 0,
            line: Vec::new(),
        }
    }

    /// Ends the answer, with what came of the query.
    pub(super) fn finish(mut self, outcome: Result<Answer, StoreError>) -> Result<(), Problem> {
        // The client went away: whatever the query made of that, nobody reads it.
        if self.pipe.broken() {
            return Err(StoreError::Cancelled.into());
        }
        match (outcome, self.format) {
            (Ok(answer), Format::Json) => {
                let end = serde_json::to_vec(&answer).expect("plain data");
                self.line.extend_from_slice(b"],");
                self.line.extend_from_slice(&end[1..]);
            }
            (Ok(answer), Format::Rows) => wire::write_end_line(&mut self.line, &answer),
            (Ok(_), Format::Jsonl | Format::Raw) => {}
            (Err(error), Format::Rows) if self.pipe.started() => {
                let problem = Problem::from(error);
                tracing::warn!("an answer was broken off: {}", problem.cause());
                wire::write_error_line(&mut self.line, problem.wire());
            }
            (Err(error), _) => return Err(error.into()),
        }
        self.send().map_err(|_| StoreError::Cancelled.into())
    }

    /// Moves the line into the pipe.
    fn send(&mut self) -> std::io::Result<()> {
        let sent = self.pipe.write_all(&self.line);
        self.line.clear();
        sent
    }
}

impl SqlSink for Writer<'_> {
    fn columns(&mut self, columns: &[SqlColumn]) {
        self.columns = columns.to_vec();
        match self.format {
            Format::Json => {
                let columns = serde_json::to_vec(columns).expect("plain data");
                self.line.extend_from_slice(b"{\"columns\":");
                self.line.extend_from_slice(&columns);
                self.line.extend_from_slice(b",\"rows\":[");
            }
            Format::Rows => wire::write_columns_line(&mut self.line, columns),
            Format::Jsonl | Format::Raw => {}
        }
    }

    fn row(&mut self, row: &[Value]) -> ControlFlow<()> {
        match self.format {
            Format::Json => {
                if self.rows > 0 {
                    self.line.push(b',');
                }
                wire::write_row(&mut self.line, row);
            }
            Format::Rows => wire::write_row_line(&mut self.line, row),
            Format::Jsonl => {
                write_object(&mut self.line, &self.columns, row);
                self.line.push(b'\n');
            }
            Format::Raw => {
                if let Some(Value::Bytes(bytes)) = row.first() {
                    self.line.extend_from_slice(bytes);
                    self.line.push(b'\n');
                }
            }
        }
        self.rows += 1;
        match self.send() {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}
