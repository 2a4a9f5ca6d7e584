//! Compiling statements as they are written.
//!
//! SQLite drops what does not matter to the result: columns of a subquery that nobody selects from it,
//! the order of its rows, tables that a join need not look into. To a table whose rows depend on the
//! columns that a statement names all of it matters: of `select count(*) from (select user, events
//! from event_counts)` the subquery must have a row for each user.

#![expect(
    unsafe_code,
    reason = "rusqlite does not set which optimisations there are"
)]

use std::ffi::c_int;

use rusqlite::{Connection, ffi};

/// Optimisations by which SQLite leaves out what a statement names, as sqliteInt.h of SQLite 3.51
/// numbers them: QueryFlattener, OmitNoopJoin, CountOfView, OmitOrderBy, FlttnUnionAll,
/// NullUnusedCols and ExistsToJoin.
const DROPPING: c_int = 0x1 | 0x100 | 0x200 | 0x4_0000 | 0x80_0000 | 0x400_0000 | 0x4000_0000;

/// MinMaxOpt: for the sake of one row `min` and `max` get a plan that puts rows of several scans
/// together, which rows without a rowid cannot be.
const EXTREMES: c_int = 0x1_0000;

/// From here on the connection compiles statements with rows that depend on which columns they name.
///
/// # Safety
/// The connection must be open.
pub(super) unsafe fn prepare(connection: *mut ffi::sqlite3) {
    // SAFETY: as the caller promises.
    unsafe { leave_out(connection, EXTREMES) };
}

/// What `compile` gives while the connection compiles statements as they are written.
pub(super) fn written<T>(connection: &Connection, compile: impl FnOnce() -> T) -> T {
    // SAFETY: the connection is open.
    unsafe { leave_out(connection.handle(), EXTREMES | DROPPING) };
    let compiled = compile();
    // SAFETY: it still is.
    unsafe { leave_out(connection.handle(), EXTREMES) };
    compiled
}

/// # Safety
/// The connection must be open.
unsafe fn leave_out(connection: *mut ffi::sqlite3, optimisations: c_int) {
    // SAFETY: as the caller promises; the control takes a connection and a mask, see
    // SQLITE_TESTCTRL_OPTIMIZATIONS in sqlite3.h, and stores it.
    unsafe {
        ffi::sqlite3_test_control(
            ffi::SQLITE_TESTCTRL_OPTIMIZATIONS,
            connection,
            optimisations,
        );
    }
}
