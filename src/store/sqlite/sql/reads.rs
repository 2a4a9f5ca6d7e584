//! Which columns of a virtual table a statement reads.
//!
//! When SQLite asks a table for a plan it says which columns the statement names. A column that only
//! conditions name, all of which the table decides alone, is among them though nobody reads it. The
//! compiled program knows better: it does not fetch that column. But neither does it fetch one that
//! a subquery selects and nobody wants from it. So the statement is compiled once more, as it is written
//! ([`asis`]), only to see what that program would fetch of the same table.

#![expect(
    unsafe_code,
    reason = "rusqlite does not explain a statement that has its parameters bound"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{CStr, c_int};

use rusqlite::{Connection, Statement, ffi};

use super::asis;

/// By the text of a plan, what is read of the tables with that plan.
pub(super) type Reads = HashMap<String, Read>;

/// Columns of a table.
#[derive(Debug, Default, Clone)]
pub(super) struct Read {
    /// What the program fetches.
    pub(super) fetched: BTreeSet<usize>,
    /// What it would fetch as it is written, if that matters.
    pub(super) written: BTreeSet<usize>,
}

/// What a program does with its tables, by the number of their cursor: each table of a statement's text
/// has one before anything is optimised.
#[derive(Default)]
struct Program {
    plans: BTreeMap<c_int, BTreeSet<String>>,
    columns: BTreeMap<c_int, BTreeSet<usize>>,
}

impl Program {
    /// The columns that it fetches with a cursor, which has this plan in another program.
    fn columns_of(&self, cursor: c_int, plan: &str) -> BTreeSet<usize> {
        let columns = |cursor: &c_int| self.columns.get(cursor).into_iter().flatten().copied();
        if self.plans.contains_key(&cursor) {
            return columns(&cursor).collect();
        }
        // A copy that the other program has of one of the same table's: whatever is read of any.
        let table = |plan: &str| plan.split(' ').next().map(str::to_owned);
        let alike = self.plans.iter().filter(|(_, plans)| {
            let mut plans = plans.iter();
            plans.any(|other| table(other) == table(plan))
        });
        alike.flat_map(|(cursor, _)| columns(cursor)).collect()
    }
}

/// What `statement`, the only one of `connection`, reads, and if its text is given, what that would read as
/// it is written: to compile it once more takes as long as the first time.
pub(super) fn of(
    connection: &Connection,
    statement: &mut Statement<'_>,
    sql: Option<&str>,
) -> rusqlite::Result<Reads> {
    let program = program(connection, statement)?;
    let written = match sql {
        Some(sql) => asis::written(connection, || {
            let mut statement = connection.prepare(sql)?;
            self::program(connection, &mut statement)
        })?,
        None => Program::default(),
    };
    let mut reads = Reads::new();
    for (cursor, plans) in &program.plans {
        for plan in plans {
            let read = reads.entry(plan.clone()).or_default();
            let fetched = program.columns.get(cursor).into_iter().flatten();
            read.fetched.extend(fetched);
            read.written.extend(written.columns_of(*cursor, plan));
        }
    }
    Ok(reads)
}

/// The program of `statement`, which `connection` compiled last.
fn program(connection: &Connection, statement: &mut Statement<'_>) -> rusqlite::Result<Program> {
    let _ = statement;
    let mut program = Program::default();
    // SAFETY: the connection is open and its newest statement, which comes first, is `statement`; that
    // is borrowed mutably, not finalised, and not running; texts are copied before the next step.
    unsafe {
        let raw = ffi::sqlite3_next_stmt(connection.handle(), std::ptr::null_mut());
        if ffi::sqlite3_stmt_isexplain(raw) != 0 {
            return Ok(program);
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
                    let plans = program.plans.entry(cursor).or_default();
                    plans.insert(text(raw, 5));
                }
                "VColumn" => {
                    let column = ffi::sqlite3_column_int(raw, 3);
                    let column = usize::try_from(column).unwrap_or_default();
                    program.columns.entry(cursor).or_default().insert(column);
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
    Ok(program)
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
