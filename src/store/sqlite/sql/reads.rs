//! Which columns of a virtual table the compiled program of a statement reads.
//!
//! When SQLite asks a table for a plan it says which columns the statement names. A column that only
//! conditions name, all of which the table decides alone, is among them though nobody reads it. The
//! program itself knows better: a column that it does not fetch cannot matter to it.

#![expect(
    unsafe_code,
    reason = "rusqlite does not explain a statement that has its parameters bound"
)]

use std::collections::{BTreeSet, HashMap};
use std::ffi::{CStr, c_int};

use rusqlite::{Connection, Statement, ffi};

/// By the text of a plan, the columns that the program reads of the tables with that plan.
pub(super) type Reads = HashMap<String, BTreeSet<usize>>;

/// What the program of `statement`, the only one of `connection`, reads.
pub(super) fn of(
    connection: &Connection,
    statement: &mut Statement<'_>,
) -> rusqlite::Result<Reads> {
    let _ = statement;
    let mut plans: HashMap<c_int, BTreeSet<String>> = HashMap::new();
    let mut columns: HashMap<c_int, BTreeSet<usize>> = HashMap::new();
    // SAFETY: the connection is open and its only statement is `statement`, which is borrowed
    // mutably, not finalised, and not running; texts are copied before the next step.
    unsafe {
        let raw = ffi::sqlite3_next_stmt(connection.handle(), std::ptr::null_mut());
        if ffi::sqlite3_stmt_isexplain(raw) != 0 {
            return Ok(Reads::new());
        }
        check(connection, ffi::sqlite3_stmt_explain(raw, 1))?;
        let ended = loop {
            match ffi::sqlite3_step(raw) {
                ffi::SQLITE_ROW => {}
                ended => break ended,
            }
            let cursor = ffi::sqlite3_column_int(raw, 2);
            match &*text(raw, 1) {
                "VFilter" => {
                    plans.entry(cursor).or_default().insert(text(raw, 5));
                }
                "VColumn" => {
                    let column = ffi::sqlite3_column_int(raw, 3);
                    let column = usize::try_from(column).unwrap_or_default();
                    columns.entry(cursor).or_default().insert(column);
                }
                _ => {}
            }
        };
        ffi::sqlite3_reset(raw);
        check(connection, ffi::sqlite3_stmt_explain(raw, 0))?;
        if ended != ffi::SQLITE_DONE {
            check(connection, ended)?;
        }
    }
    let mut reads = Reads::new();
    for (cursor, texts) in plans {
        for text in texts {
            let read = columns.get(&cursor).into_iter().flatten().copied();
            reads.entry(text).or_default().extend(read);
        }
    }
    Ok(reads)
}

/// # Safety
/// The statement must stand at a row.
unsafe fn text(statement: *mut ffi::sqlite3_stmt, column: c_int) -> String {
    // SAFETY: as the caller promises; the text lives until the next step.
    unsafe {
        let text = ffi::sqlite3_column_text(statement, column);
        if text.is_null() {
            return String::new();
        }
        CStr::from_ptr(text.cast()).to_string_lossy().into_owned()
    }
}

fn check(connection: &Connection, code: c_int) -> rusqlite::Result<()> {
    if code == ffi::SQLITE_OK {
        return Ok(());
    }
    // SAFETY: the connection is open; the message is copied at once.
    let told = unsafe { CStr::from_ptr(ffi::sqlite3_errmsg(connection.handle())) };
    let told = told.to_string_lossy().into_owned();
    Err(rusqlite::Error::SqliteFailure(
        ffi::Error::new(code),
        Some(told),
    ))
}
