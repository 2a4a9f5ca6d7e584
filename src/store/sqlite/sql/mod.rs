//! User SQL in a sandbox: one in-memory connection whose tables read the segments.
//!
//! A statement gets a connection of its own, opened for it and thrown away, so that nothing it
//! does outlives it. The tables are virtual: SQLite hands down conditions and order (`plan`,
//! `pushdown`), the scan gives rows, SQLite computes the rest.

mod asis;
mod backing;
mod check;
mod counts;
mod errors;
mod events;
mod functions;
mod history;
mod instant;
mod length;
mod like;
mod memory;
mod ops;
mod passed;
mod patterns;
mod plan;
mod pushdown;
mod quota;
mod rbac;
mod reads;
mod requests;
mod sandbox;
mod session;
mod tables;
mod tempfs;
mod vtab;
mod words;

#[cfg(test)]
mod bound_tests;
#[cfg(test)]
mod escape_tests;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Statement, ffi};

use self::backing::Backing;
use self::length::Watched;
use self::sandbox::Denied;
use self::session::Session;
use super::scan::Snapshot;
use crate::limits;
use crate::model::time;
use crate::model::value::Value;
use crate::store::{Answer, Budget, Result, SqlColumn, SqlQuery, SqlSink, StoreError, Work};

pub use self::check::check_sql;
pub(super) use self::memory::give_back;
pub use self::sandbox::install;

/// What one statement may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Memory of SQLite's own.
    pub memory_bytes: usize,
    /// Temporary files, in bytes on disk.
    pub temp_bytes: u64,
    /// Bytes of result values; `None` for callers that pass rows on as they come.
    pub result_bytes: Option<usize>,
    /// Where temporary files go. A directory on disk: the system's may live in memory.
    pub temp_dir: PathBuf,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory_bytes: limits::SQL_MEMORY_BYTES_MAX,
            temp_bytes: limits::SQL_TEMP_BYTES_MAX,
            result_bytes: Some(limits::SQL_RESULT_BYTES_MAX),
            temp_dir: sandbox::default_temp_dir(),
        }
    }
}

/// Runs one statement with the default limits.
pub fn run(
    snapshot: Arc<Snapshot>,
    query: &SqlQuery,
    budget: &Budget,
    sink: &mut dyn SqlSink,
) -> Result<Answer> {
    run_limited(snapshot, query, &Limits::default(), budget, sink)
}

/// Runs one statement. After an error, rows that the sink took already are no answer.
pub fn run_limited(
    snapshot: Arc<Snapshot>,
    query: &SqlQuery,
    limits: &Limits,
    budget: &Budget,
    sink: &mut dyn SqlSink,
) -> Result<Answer> {
    run_on(snapshot, query, limits, budget, sink)
}

fn run_on(
    backing: Arc<dyn Backing>,
    query: &SqlQuery,
    limits: &Limits,
    budget: &Budget,
    sink: &mut dyn SqlSink,
) -> Result<Answer> {
    install()?;
    if query.sql.contains('\0') {
        return Err(StoreError::BadRequest(
            "the statement holds a NUL byte; remove it".into(),
        ));
    }
    let session = Arc::new(Session::new(backing, budget.clone(), query.skip_damaged));
    let denied = Denied::default();
    let _armed = quota::Armed::new(
        limits.memory_bytes,
        limits.temp_bytes,
        limits.temp_dir.clone(),
        budget.clone(),
    );
    let done = execute(&session, &denied, query, limits, sink);
    let truncated = done.map_err(|error| match (session.take_failure(), error) {
        (Some(first), _) => first,
        (None, _) if let Some(late) = quota::time_failure() => late,
        (None, Failure::Ours(error)) => error,
        (None, Failure::Sqlite(error)) => {
            let denied = denied.lock().unwrap_or_else(PoisonError::into_inner).take();
            errors::explain(error, denied, limits)
        }
    })?;
    let (work, coverage) = session.report();
    let elapsed_us = u64::try_from(budget.elapsed().as_micros()).unwrap_or(u64::MAX);
    Ok(Answer {
        last: None,
        truncated,
        coverage,
        stats: Work { elapsed_us, ..work },
    })
}

enum Failure {
    Ours(StoreError),
    Sqlite(rusqlite::Error),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::Ours(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Failure {
        Failure::Sqlite(error)
    }
}

/// Compiles and runs; says whether rows were left out. The connection is closed at the end.
fn execute(
    session: &Arc<Session>,
    denied: &Denied,
    query: &SqlQuery,
    limits: &Limits,
    sink: &mut dyn SqlSink,
) -> Result<bool, Failure> {
    let connection = sandbox::open(session, denied)?;
    let mut statement = connection.prepare(&query.sql)?;
    if statement.column_count() == 0 {
        return Err(bad_request("there is no statement that gives rows; write a select").into());
    }
    if !statement.readonly() {
        return Err(bad_request("not allowed: statements can only read").into());
    }
    let _watched = Watched::new(&connection, &statement, &query.sql)?;
    sink.columns(&columns(&connection, &statement));
    bind(&mut statement, &query.params)?;
    if session.wants_reads() {
        let written = session.wants_written().then_some(&*query.sql);
        session.set_reads(reads::of(&connection, &mut statement, written)?);
    }

    let mut row = Vec::with_capacity(statement.column_count());
    let width = statement.column_count();
    let (mut given, mut bytes) = (0_u64, 0_usize);
    let mut rows = statement.raw_query();
    while let Some(next) = rows.next()? {
        if session.failed() {
            break;
        }
        if query.limit > 0 && given == query.limit {
            return Ok(true);
        }
        row.clear();
        for column in 0..width {
            let value = next.get_ref(column)?;
            bytes = bytes.saturating_add(size(value));
            if limits.result_bytes.is_some_and(|most| bytes > most) {
                return Err(too_large(limits.result_bytes.unwrap_or_default()).into());
            }
            row.push(to_value(value));
        }
        given += 1;
        if sink.row(&row).is_break() {
            return Ok(false);
        }
    }
    drop(rows);
    // Some aggregates take a refused allocation for the end of their input.
    match session.take_failure().or_else(quota::time_failure) {
        Some(error) => Err(error.into()),
        None => Ok(false),
    }
}

fn bad_request(text: &str) -> StoreError {
    StoreError::BadRequest(text.to_owned())
}

fn too_large(most: usize) -> StoreError {
    StoreError::LimitReached(format!(
        "the result is larger than {} MiB; select fewer columns or rows, or use --limit",
        most >> 20
    ))
}

/// Names and declared types of the result's columns.
fn columns(connection: &Connection, statement: &Statement<'_>) -> Vec<SqlColumn> {
    let names = statement.column_names();
    #[expect(
        unsafe_code,
        reason = "rusqlite does not give declared types of a statement's columns"
    )]
    // SAFETY: the connection is open, its only statement is `statement`, which is borrowed here
    // and so not finalised, and a declared type is a C string that lives as long as it does.
    let kind = |column: usize| unsafe {
        let raw = ffi::sqlite3_next_stmt(connection.handle(), std::ptr::null_mut());
        let kind = ffi::sqlite3_column_decltype(raw, column as std::ffi::c_int);
        if kind.is_null() {
            return String::new();
        }
        let kind = std::ffi::CStr::from_ptr(kind).to_string_lossy();
        kind.split(' ').next().unwrap_or_default().to_owned()
    };
    let column = |(at, name): (usize, &&str)| SqlColumn {
        name: (*name).to_owned(),
        kind: kind(at),
    };
    names.iter().enumerate().map(column).collect()
}

/// Binds the named parameters; a missing or unknown one is an error.
fn bind(statement: &mut Statement<'_>, params: &[(String, Value)]) -> Result<(), Failure> {
    let mut used = vec![false; params.len()];
    for at in 1..=statement.parameter_count() {
        let name = match statement.parameter_name(at) {
            Some(name) if !name.starts_with('?') => name[1..].to_owned(),
            _ => return Err(bad_request("a parameter has no name; write :name for ?").into()),
        };
        let Some(given) = params.iter().position(|(known, _)| *known == name) else {
            return Err(StoreError::BadRequest(format!("parameter '{name}' has no value")).into());
        };
        used[given] = true;
        match &params[given].1 {
            Value::Null => statement.raw_bind_parameter(at, rusqlite::types::Null)?,
            Value::Int(number) => statement.raw_bind_parameter(at, number)?,
            Value::Real(number) => statement.raw_bind_parameter(at, number)?,
            Value::Time(micros) => statement.raw_bind_parameter(at, time::to_text(*micros))?,
            Value::Text(text) | Value::Json(text) => statement.raw_bind_parameter(at, &**text)?,
            Value::Bytes(bytes) => statement.raw_bind_parameter(at, &**bytes)?,
        }
    }
    match used.iter().position(|used| !used) {
        Some(extra) => {
            let name = &params[extra].0;
            let text = format!("the statement has no parameter '{name}'");
            Err(StoreError::BadRequest(text).into())
        }
        None => Ok(()),
    }
}

fn size(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => 8 + bytes.len(),
        _ => 8,
    }
}

fn to_value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::text(String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.into()),
    }
}
