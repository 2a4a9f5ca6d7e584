//! The HTTP API's shapes, used by the server and by the client in [`super::source`].
//!
//! | request | answer |
//! |---|---|
//! | `GET /api/v1/events?FILTERS&columns=a,b&timeout_ms=N&format=F` | a listing |
//! | `GET /api/v1/events/{id}` | one JSON object, every column but `raw` |
//! | `GET /api/v1/events/{id}/raw` | the exact bytes |
//! | `GET /api/v1/top/{column}?FILTERS&limit=N&timeout_ms=N&format=json\|rows` | columns named after the field, and `count` |
//! | `GET /api/v1/stats` | [`Stats`](crate::store::Stats) |
//! | `GET /api/v1/quarantine` | one [`Quarantined`](crate::store::Quarantined) per line |
//! | `GET /api/v1/quarantine/{id}/raw` | the exact bytes |
//! | `POST /api/v1/prune`, [`PruneRequest`] | [`Pruned`](crate::store::Pruned) |
//! | `POST /api/v1/seal` | [`Sealed`](crate::store::Sealed) |
//! | `POST /api/v1/reseal` | [`Resealed`](crate::store::Resealed) |
//! | `POST /api/v1/sql`, [`SqlRequest`] | a result, `format` `json` or `rows` |
//!
//! FILTERS are the names of [`super::params::EventParams`]. `timeout_ms=0` is without limit; absent
//! is [`QUERY_TIME`](crate::limits::QUERY_TIME). Formats:
//!
//! - `json` (default): `{"columns":[{"name","type"}],"rows":[[cell,...]],"truncated","coverage",
//!   "stats"}`.
//! - `rows`: the same as lines, for streaming without loss: first `{"columns":[...]}`, then one
//!   array of cells per row, and last `{"end":{"truncated","coverage","stats"}}`, or
//!   `{"error":PROBLEM}` when it failed midway. Without a last line of this kind the answer is cut.
//! - `jsonl`: one object per row ([`super::output::json::write_object`]); `csv`: a header and one
//!   line per row; `raw`: the bytes of each event and a newline. These have no last line; a failure
//!   midway breaks the connection.
//!
//! A cell: NULL is `null`; integers and reals are numbers (an infinite real is `{"real":"inf"}`);
//! text is a string; an instant is an ISO-8601 string and a JSON document a string with its text,
//! told by the column's type; bytes are `{"base64":"..."}`.
//!
//! Errors are `application/problem+json` ([`Problem`]).

mod conforming;
mod ending;
#[cfg(test)]
mod tests;

pub use conforming::Conforming;
pub use ending::Ending;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::base64;
use super::clock;
use super::quote;
use crate::model::column::Kind;
use crate::model::value::{Value, ValueRef};
use crate::store::{Answer, RowEncoder, SqlColumn, StoreError};

/// Content type of `rows`, `jsonl` and the quarantine list.
pub const NDJSON: &str = "application/x-ndjson";

/// Content type of errors (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The body of `POST /api/v1/sql`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqlRequest {
    pub sql: String,
    /// Named parameters without the colon; values are cells ([`param_value`]).
    #[serde(default)]
    pub params: serde_json::Map<String, serde_json::Value>,
    /// Most rows; 0 is all; absent is [`SQL_ROWS_DEFAULT`](crate::limits::SQL_ROWS_DEFAULT).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// 0 is without limit; absent is [`QUERY_TIME`](crate::limits::QUERY_TIME).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// `json` or `rows`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Answer without damaged segments instead of failing.
    #[serde(default)]
    pub skip_damaged: bool,
}

/// The body of `POST /api/v1/prune`: exactly one of `older_than` and `before`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruneRequest {
    /// An age such as `30d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_than: Option<String>,
    /// An instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    #[serde(default)]
    pub dry_run: bool,
}

impl PruneRequest {
    /// The cutoff in microseconds; `now` likewise. An error says what is wrong with which field.
    pub fn cutoff(&self, now: i64) -> Result<i64, String> {
        match (&self.older_than, &self.before) {
            (Some(age), None) => {
                let age =
                    clock::parse_duration(age).map_err(|error| format!("older_than: {error}"))?;
                Ok(now.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX)))
            }
            (None, Some(before)) => clock::parse_human(before, now, clock::Zone::UTC)
                .map_err(|error| format!("before: {error}")),
            _ => Err("give either older_than (an age such as 30d) or before (a time)".to_owned()),
        }
    }
}

/// An error answer (RFC 9457).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:auditql:problem:KIND`.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    /// The time limit that was reached, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_ms: Option<u64>,
}

/// Kind (the end of the type URN), title and status of every problem that stands for a
/// [`StoreError`], in the order of its variants; both kinds of time limit are one.
const PROBLEMS: [(&str, &str, u16); 8] = [
    ("bad-request", "bad request", 400),
    ("timed-out", "over the time limit", 408),
    ("limit-reached", "over a limit", 422),
    ("cancelled", "cancelled", 499),
    ("locked", "locked by another process", 409),
    ("damaged", "data is damaged", 500),
    ("unavailable", "unavailable", 503),
    ("io", "internal error", 500),
];

const PROBLEM_TYPE: &str = "urn:auditql:problem:";

impl Problem {
    /// A problem that no [`StoreError`] stands for, such as 404 `not-found`.
    pub fn new(kind: &str, title: &str, status: u16, detail: impl Into<String>) -> Problem {
        Problem {
            kind: format!("{PROBLEM_TYPE}{kind}"),
            title: title.to_owned(),
            status,
            detail: detail.into(),
            limit_ms: None,
        }
    }

    /// The error that this answer stands for: by its type, or else by its status.
    pub fn into_store_error(self) -> StoreError {
        let kind = self.kind.strip_prefix(PROBLEM_TYPE).unwrap_or("");
        let detail = self.detail;
        match (kind, self.status) {
            ("timed-out", _) => match self.limit_ms {
                Some(limit) => StoreError::TimedOut {
                    limit: Duration::from_millis(limit),
                },
                None => StoreError::LimitReached(detail),
            },
            ("limit-reached", _) => StoreError::LimitReached(detail),
            ("cancelled", _) => StoreError::Cancelled,
            ("locked", _) => StoreError::Locked(detail),
            ("damaged", _) => StoreError::Damaged(detail),
            ("unavailable", _) | (_, 503) => StoreError::Unavailable(detail),
            ("io", _) => StoreError::Io(detail),
            (_, 408 | 422) => StoreError::LimitReached(detail),
            (_, 409) => StoreError::Locked(detail),
            (_, 400..=499) => StoreError::BadRequest(detail),
            _ => StoreError::Io(detail),
        }
    }
}

impl From<&StoreError> for Problem {
    fn from(error: &StoreError) -> Problem {
        let at = match error {
            StoreError::BadRequest(_) => 0,
            StoreError::TimedOut { .. } | StoreError::TimedOutIn { .. } => 1,
            StoreError::LimitReached(_) => 2,
            StoreError::Cancelled => 3,
            StoreError::Locked(_) => 4,
            StoreError::Damaged(_) => 5,
            StoreError::Unavailable(_) => 6,
            StoreError::Io(_) => 7,
        };
        let (kind, title, status) = PROBLEMS[at];
        let mut problem = Problem::new(kind, title, status, error.to_string());
        if let StoreError::TimedOut { limit } | StoreError::TimedOutIn { limit, .. } = error {
            problem.limit_ms = Some(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
        }
        problem
    }
}

/// The type of a column on the wire: `INTEGER`, `BOOLEAN`, `TIME`, `TEXT`, `JSON` or `BLOB`.
pub const fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "INTEGER",
        Kind::Bool => "BOOLEAN",
        Kind::Time => "TIME",
        Kind::Text => "TEXT",
        Kind::Json => "JSON",
        Kind::Bytes => "BLOB",
    }
}

/// `value` as the column's type has it: text in a `TIME` or `JSON` column becomes an instant or a
/// document (if it is one), and an instant or document in any other column becomes text. So an
/// answer reads alike whether it came over the wire or not.
pub fn conform(kind: &str, value: Value) -> Value {
    match value {
        Value::Text(text) if kind == "TIME" => match clock::parse_instant(&text) {
            Some(time) if clock::to_text(time) == *text => Value::Time(time),
            _ => Value::Text(text),
        },
        Value::Text(text) if kind == "JSON" => Value::Json(text),
        Value::Time(time) if kind != "TIME" => Value::text(clock::to_text(time)),
        Value::Json(text) if kind != "JSON" => Value::Text(text),
        value => value,
    }
}

/// Appends one cell.
pub fn write_cell(out: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => out.extend_from_slice(b"null"),
        ValueRef::Int(number) => quote::int(out, number),
        ValueRef::Real(number) if number.is_finite() => write_json(out, &number),
        ValueRef::Real(number) => {
            out.extend_from_slice(format!("{{\"real\":\"{number}\"}}").as_bytes());
        }
        ValueRef::Time(time) => quote::instant(out, time),
        ValueRef::Text(text) | ValueRef::Json(text) => quote::text(out, text),
        ValueRef::Bytes(bytes) => {
            out.extend_from_slice(b"{\"base64\":\"");
            out.extend_from_slice(base64::encode(bytes).as_bytes());
            out.extend_from_slice(b"\"}");
        }
    }
}

/// Rows as lines of `rows`.
#[derive(Debug, Clone, Copy)]
pub struct RowLines;

impl RowEncoder for RowLines {
    fn cell(&self, at: usize, value: ValueRef<'_>, out: &mut Vec<u8>) {
        out.push(if at == 0 { b'[' } else { b',' });
        write_cell(out, value);
    }

    fn end_row(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"]\n");
    }
}

/// Appends one row: a JSON array of cells, without a newline.
pub fn write_row(out: &mut Vec<u8>, row: &[Value]) {
    if row.is_empty() {
        out.push(b'[');
    }
    for (at, value) in row.iter().enumerate() {
        RowLines.cell(at, value.borrowed(), out);
    }
    out.push(b']');
}

/// Appends the first line of `rows`, with its newline.
pub fn write_columns_line(out: &mut Vec<u8>, columns: &[SqlColumn]) {
    out.extend_from_slice(b"{\"columns\":");
    write_json(out, columns);
    out.extend_from_slice(b"}\n");
}

/// Appends one row's line of `rows`, with its newline.
pub fn write_row_line(out: &mut Vec<u8>, row: &[Value]) {
    write_row(out, row);
    out.push(b'\n');
}

/// Appends the last line of `rows`, with its newline.
pub fn write_end_line(out: &mut Vec<u8>, ending: &Ending<'_>) {
    out.extend_from_slice(b"{\"end\":");
    write_json(out, ending);
    out.extend_from_slice(b"}\n");
}

/// Appends the last line of `rows` that failed midway, with its newline.
pub fn write_error_line(out: &mut Vec<u8>, problem: &Problem) {
    out.extend_from_slice(b"{\"error\":");
    write_json(out, problem);
    out.extend_from_slice(b"}\n");
}

fn write_json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("writing plain data to memory cannot fail");
}

/// One line of `rows`.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    Columns(Vec<SqlColumn>),
    Row(Vec<Value>),
    End(Answer),
    Error(Problem),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Marker {
    Columns(Vec<SqlColumn>),
    End(Answer),
    Error(Problem),
}

/// Reads one line of `rows`; `columns` are those of its first line (empty before it).
pub fn read_line(line: &[u8], columns: &[SqlColumn]) -> Result<Line, String> {
    if line.first() == Some(&b'[') {
        let cells: Vec<&RawValue> =
            serde_json::from_slice(line).map_err(|error| format!("bad row: {error}"))?;
        if cells.len() != columns.len() {
            return Err(format!(
                "bad row: {} cells for {} columns",
                cells.len(),
                columns.len()
            ));
        }
        return cells
            .iter()
            .zip(columns)
            .map(|(cell, column)| Ok(conform(&column.kind, read_cell(cell.get())?)))
            .collect::<Result<_, String>>()
            .map(Line::Row);
    }
    match serde_json::from_slice(line).map_err(|error| format!("bad line: {error}"))? {
        Marker::Columns(columns) => Ok(Line::Columns(columns)),
        Marker::End(answer) => Ok(Line::End(answer)),
        Marker::Error(problem) => Ok(Line::Error(problem)),
    }
}

/// The value of a statement's parameter: a cell of [`SqlRequest::params`]; truth values are 1 and
/// 0. Arrays and other objects are an error.
pub fn param_value(value: &serde_json::Value) -> Result<Value, String> {
    read_cell(&value.to_string())
}

/// Reads one cell from its JSON text. Numbers are parsed here because serde_json's own reading of
/// floating-point numbers may be off by one in the last place.
fn read_cell(cell: &str) -> Result<Value, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Tagged {
        Base64(String),
        Real(String),
    }
    let bad = || format!("bad value {cell:.100}");
    match cell.as_bytes().first() {
        Some(b'n') => Ok(Value::Null),
        Some(b't') => Ok(Value::Int(1)),
        Some(b'f') => Ok(Value::Int(0)),
        Some(b'"') => {
            let text: String = serde_json::from_str(cell).map_err(|_| bad())?;
            Ok(Value::text(text))
        }
        Some(b'{') => match serde_json::from_str(cell).map_err(|_| bad())? {
            Tagged::Base64(text) => {
                let bytes = base64::decode(&text).ok_or_else(bad)?;
                Ok(Value::Bytes(bytes.into()))
            }
            Tagged::Real(text) => text.parse().map(Value::Real).map_err(|_| bad()),
        },
        _ => match cell.parse::<i64>() {
            Ok(number) => Ok(Value::Int(number)),
            Err(_) => cell.parse().map(Value::Real).map_err(|_| bad()),
        },
    }
}
