//! How long a text or blob may be in a statement.
//!
//! SQLite has one limit for values that come in and values that are made. Events may be large, but
//! a single step of SQLite over a made value of that size takes long, and steps cannot be
//! interrupted. So the limit starts low and grows with what the statement reads.

#![expect(
    unsafe_code,
    reason = "tables have no connection to set its limit with"
)]

use std::cell::Cell;
use std::marker::PhantomData;

use rusqlite::limits::Limit;
use rusqlite::{Connection, Statement, StatementStatus, ffi};

use crate::limits::{SQL_BUILT_BYTES_MAX, SQL_LENGTH_BYTES_MAX};

/// Bytes that a run through a program without a jump, and so without a look at the clock, may move.
const UNINTERRUPTED_BYTES: i64 = 2 << 30;

/// However long the program is, its values may be as long as this.
const LEAST_BYTES: i32 = 128 << 10;

/// Memory of one operation of SQLite's programs.
const OPERATION_BYTES: i32 = 24;

/// Memory of a statement beside its operations: registers, cursors, descriptions of keys.
const FRAME_BYTES: i32 = 8 << 10;

thread_local! {
    static CONNECTION: Cell<*mut ffi::sqlite3> = const { Cell::new(std::ptr::null_mut()) };
    static BUILT: Cell<i32> = const { Cell::new(0) };
    static MOST: Cell<i32> = const { Cell::new(0) };
}

/// The limit follows the values that are read on this thread while this lives.
pub(super) struct Watched<'a>(PhantomData<&'a Connection>);

impl<'a> Watched<'a> {
    /// Sets the limit for values that `statement`, on `connection`, makes.
    pub(super) fn new(
        connection: &'a Connection,
        statement: &Statement<'_>,
        sql: &str,
    ) -> rusqlite::Result<Watched<'a>> {
        let most = built_bytes_max(statement.get_status(StatementStatus::MemUsed), sql.len());
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, most)?;
        BUILT.set(most);
        MOST.set(most);
        // SAFETY: only the handle is taken; it is used while the connection is borrowed here.
        CONNECTION.set(unsafe { connection.handle() });
        Ok(Watched(PhantomData))
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        CONNECTION.set(std::ptr::null_mut());
    }
}

/// What a program of so much memory may build, so that even operations in a long straight line over
/// the longest values end soon. The statement keeps its own text, the names of columns and literals:
/// up to four times the length of the text are no operations.
fn built_bytes_max(program_bytes: i32, sql_bytes: usize) -> i32 {
    let text = i32::try_from(sql_bytes.saturating_mul(4)).unwrap_or(i32::MAX);
    let operations = program_bytes
        .saturating_sub(text)
        .saturating_sub(FRAME_BYTES)
        .max(1)
        / OPERATION_BYTES
        + 1;
    let most = UNINTERRUPTED_BYTES / i64::from(operations);
    i32::try_from(most)
        .unwrap_or(i32::MAX)
        .clamp(LEAST_BYTES, SQL_BUILT_BYTES_MAX)
}

/// Makes room for a value of the store: for itself, and for rows and texts with it.
#[inline]
pub(super) fn admit(bytes: usize) {
    if i32::try_from(bytes).unwrap_or(i32::MAX) > MOST.get() / 2 {
        grow(bytes);
    }
}

#[cold]
fn grow(bytes: usize) {
    let connection = CONNECTION.get();
    let most = bytes
        .saturating_mul(2)
        .saturating_add(usize::try_from(BUILT.get()).unwrap_or(0));
    let most = i32::try_from(most)
        .unwrap_or(i32::MAX)
        .min(SQL_LENGTH_BYTES_MAX);
    if connection.is_null() || most <= MOST.get() {
        return;
    }
    MOST.set(most);
    // SAFETY: the connection is open, see `Watched`, and used by this thread only.
    unsafe { ffi::sqlite3_limit(connection, ffi::SQLITE_LIMIT_LENGTH, most) };
}

/// The limit of the statement on this thread, in bytes, as it is or was last.
pub(super) fn most() -> i32 {
    match MOST.get() {
        0 => SQL_BUILT_BYTES_MAX,
        most => most,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_programs_may_build_shorter_values() {
        assert_eq!(built_bytes_max(5_000, 100), SQL_BUILT_BYTES_MAX);
        assert_eq!(built_bytes_max(1_000_000, 250_000), SQL_BUILT_BYTES_MAX);
        assert!(built_bytes_max(240_000, 1000) < 1 << 20);
        assert_eq!(built_bytes_max(i32::MAX, 0), LEAST_BYTES);
    }
}
