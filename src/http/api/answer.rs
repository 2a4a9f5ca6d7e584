//! Rows as `json`, `rows`, `jsonl`, `csv` or `raw`, into a [`Pipe`].

use std::cell::RefCell;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};

use crate::http::negotiate::{self, Coding};
use crate::http::problem::Problem;
use crate::http::stream::{Hold, Pipe, Shape, TRUNCATED};
use crate::limits::PAGE_ROWS_MAX;
use crate::model::value::Value;
use crate::query::output::{self, Look, Render};
use crate::query::wire;
use crate::store::{Answer, RowEncoder, SqlColumn, SqlSink, StoreError, Text};

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Rows,
    Jsonl,
    Csv,
    Raw,
}

/// The forms of every answer that has rows.
pub(super) const FORMATS: [Format; 4] = [Format::Json, Format::Rows, Format::Jsonl, Format::Csv];

impl Format {
    /// The shape of an answer of at most `rows_max` rows; 0 is without limit. `json` leaves only
    /// when it is complete: half of an aggregate must not pass for the whole. So do pages, whose
    /// headers can then tell what they lack.
    pub(super) fn shape(self, coding: Coding, rows_max: u64) -> Shape {
        let page = (1..=PAGE_ROWS_MAX).contains(&rows_max) && self != Format::Rows;
        Shape {
            hold: Hold::when(self == Format::Json || page),
            content_type: self.content_type(),
            coding,
            rows_max: Some(rows_max),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Rows => "rows",
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
            Format::Raw => "raw",
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Rows | Format::Jsonl | Format::Raw => wire::NDJSON,
            Format::Csv => "text/csv; charset=utf-8",
        }
    }

    /// The media types that ask for this form, the one that it has first. `rows` and `raw` are
    /// asked for by name only.
    fn media_types(self) -> &'static [&'static str] {
        match self {
            Format::Json => &["application/json"],
            Format::Jsonl => &[wire::NDJSON, "application/jsonl", "application/ndjson"],
            Format::Csv => &["text/csv"],
            Format::Rows | Format::Raw => &[],
        }
    }

    /// The format with this name, if it is one of `among`; without a name what the client accepts.
    pub(super) fn choose(
        name: Option<&str>,
        headers: &HeaderMap,
        among: &[Format],
    ) -> Result<Format, Problem> {
        let Some(name) = name else {
            let offers: Vec<_> = among.iter().map(|format| format.media_types()).collect();
            let chosen = negotiate::media_type(headers, &offers);
            return chosen.map(|at| among[at]).ok_or_else(|| {
                let known: Vec<_> = offers.iter().filter_map(|types| types.first()).collect();
                let known = known.iter().map(|name| **name).collect::<Vec<_>>();
                Problem::new(
                    StatusCode::NOT_ACCEPTABLE,
                    format!(
                        "this path has nothing that the Accept header allows; it has {}",
                        known.join(", ")
                    ),
                )
            });
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

/// What an answer says beyond its rows and coverage.
#[derive(Default)]
pub(super) struct Extra {
    /// The cursor of the next page.
    pub(super) next: Option<String>,
    /// Path and query of the next page.
    pub(super) link: Option<String>,
    pub(super) explain: Option<serde_json::Value>,
}

/// How an answer was found: its work and the statement that asks the same.
pub(super) fn explanation(answer: &Answer, sql: Option<&str>) -> serde_json::Value {
    let mut explained = serde_json::to_value(answer.stats).expect("plain data");
    explained["sql"] = sql.into();
    explained
}

/// Refuses `explain` where the answer has no place for it.
pub(super) fn explainable(explain: bool, format: Format) -> Result<bool, Problem> {
    if explain && !matches!(format, Format::Json | Format::Rows) {
        return Err(Problem::bad_request(format!(
            "explain has no place in the format {}; use json or rows",
            format.name()
        )));
    }
    Ok(explain)
}

impl Extra {
    /// For clients of the forms that have no place for it: whether rows are missing, what the
    /// answer could not see, where it goes on.
    fn write_headers(&self, answer: &Answer, pipe: &mut Pipe) {
        pipe.header(TRUNCATED, if answer.truncated { b"true" } else { b"false" });
        let coverage = serde_json::to_vec(&answer.coverage).expect("plain data");
        if coverage.len() <= HEADER_BYTES_MAX {
            pipe.header("auditql-coverage", &coverage);
        }
        if let Some(link) = &self.link {
            pipe.header("link", format!("<{link}>; rel=\"next\"").as_bytes());
        }
    }
}

/// Proxies refuse answers with longer headers.
const HEADER_BYTES_MAX: usize = 4 << 10;

/// Writes one answer. The forms that the command line has too come from its renderers.
pub(super) struct Writer<'a> {
    format: Format,
    pipe: &'a mut Pipe,
    renderer: Option<Box<dyn Render>>,
    rows: u64,
    line: Line,
}

/// What was written and is not in the pipe yet.
#[derive(Clone, Default)]
struct Line(Rc<RefCell<Vec<u8>>>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> Writer<'a> {
    pub(super) fn new(format: Format, pipe: &'a mut Pipe) -> Writer<'a> {
        let line = Line::default();
        let shared = match format {
            Format::Json | Format::Rows => None,
            Format::Jsonl => Some(output::Format::Jsonl),
            Format::Csv => Some(output::Format::Csv),
            Format::Raw => Some(output::Format::Raw),
        };
        Writer {
            format,
            pipe,
            renderer: shared.map(|format| format.renderer(line.clone(), Look::default())),
            rows: 0,
            line,
        }
    }

    /// Ends the answer, with what came of the query.
    pub(super) fn finish(self, outcome: Result<Answer, StoreError>) -> Result<(), Problem> {
        self.finish_with(outcome, |_| Extra::default())
    }

    /// Ends the answer, with what came of the query and what there is to say beyond it.
    pub(super) fn finish_with(
        mut self,
        outcome: Result<Answer, StoreError>,
        extra: impl FnOnce(&Answer) -> Extra,
    ) -> Result<(), Problem> {
        // The client went away: whatever the query made of that, nobody reads it.
        if self.pipe.broken() {
            return Err(StoreError::Cancelled.into());
        }
        let answer = match outcome {
            Ok(answer) => answer,
            Err(error) if self.format == Format::Rows && self.pipe.started() => {
                let problem = Problem::from(error);
                tracing::warn!("an answer was broken off: {}", problem.cause());
                wire::write_error_line(&mut self.line.0.borrow_mut(), problem.wire());
                return self.send();
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(renderer) = &mut self.renderer {
            renderer.end().map_err(unwritten)?;
        }
        let extra = extra(&answer);
        extra.write_headers(&answer, self.pipe);
        let ending = wire::Ending {
            answer: &answer,
            next: extra.next.as_deref(),
            explain: extra.explain.as_ref(),
        };
        let mut line = self.line.0.borrow_mut();
        match self.format {
            Format::Json => {
                let end = serde_json::to_vec(&ending).expect("plain data");
                line.extend_from_slice(b"],");
                line.extend_from_slice(&end[1..]);
            }
            Format::Rows => wire::write_end_line(&mut line, &ending),
            Format::Jsonl | Format::Csv | Format::Raw => {}
        }
        drop(line);
        self.send()
    }

    /// Moves the line into the pipe.
    fn send(&mut self) -> Result<(), Problem> {
        let mut line = self.line.0.borrow_mut();
        let sent = self.pipe.write_all(&line);
        line.clear();
        sent.map_err(|_| StoreError::Cancelled.into())
    }

    fn write_row(&mut self, row: &[Value]) -> Result<(), Problem> {
        if let Some(renderer) = &mut self.renderer {
            renderer.row(row).map_err(unwritten)?;
        } else {
            let mut line = self.line.0.borrow_mut();
            match self.format {
                Format::Rows => wire::write_row_line(&mut line, row),
                _ => {
                    if self.rows > 0 {
                        line.push(b',');
                    }
                    wire::write_row(&mut line, row);
                }
            }
        }
        self.rows += 1;
        self.send()
    }
}

fn unwritten(error: io::Error) -> Problem {
    Problem::internal(format!("writing an answer: {error}"))
}

impl SqlSink for Writer<'_> {
    fn columns(&mut self, columns: &[SqlColumn]) {
        if let Some(renderer) = &mut self.renderer {
            // A line in memory takes everything.
            let _ = renderer.begin(columns);
            return;
        }
        let mut line = self.line.0.borrow_mut();
        match self.format {
            Format::Rows => wire::write_columns_line(&mut line, columns),
            _ => {
                let columns = serde_json::to_vec(columns).expect("plain data");
                line.extend_from_slice(b"{\"columns\":");
                line.extend_from_slice(&columns);
                line.extend_from_slice(b",\"rows\":[");
            }
        }
    }

    fn row(&mut self, row: &[Value]) -> ControlFlow<()> {
        match self.write_row(row) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
    fn encoder(&self, columns: &[SqlColumn]) -> Option<Arc<dyn RowEncoder>> {
        match (&self.renderer, self.format) {
            (Some(renderer), _) => renderer.encoder(columns),
            (None, Format::Rows) => Some(Arc::new(wire::RowLines)),
            (None, _) => None,
        }
    }

    fn encoded(&mut self, text: Text, rows: u64) -> ControlFlow<()> {
        self.rows += rows;
        // What stands before the first row goes first.
        match self.send().is_ok() && self.pipe.push(text).is_ok() {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    }
}
