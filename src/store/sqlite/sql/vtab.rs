//! The glue between SQLite's virtual table interface and our tables; the tables stay safe code.

#![expect(
    unsafe_code,
    reason = "rusqlite's virtual table traits are unsafe to implement"
)]

use std::cell::RefCell;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::vtab::{
    Context, Filters, IndexInfo, VTab, VTabConnection, VTabCursor, eponymous_only_module,
    sqlite3_vtab, sqlite3_vtab_cursor,
};

use super::session::Session;
use super::{asis, length, quota};
use crate::model::time;
use crate::store::sqlite::scan::Cell;
use crate::store::{Result, StoreError};

/// A read-only table.
pub(super) trait Table: Send + Sync {
    /// Its columns as in `create table`: names, types, collations.
    fn columns(&self) -> String;

    /// Chooses a plan; see [`super::plan`].
    fn plan(&self, info: &mut IndexInfo) -> rusqlite::Result<()>;

    /// Whether its rows depend on which columns a statement names, so that what nobody reads in the
    /// end must be read all the same.
    fn is_told_by_columns(&self) -> bool {
        false
    }

    /// A new cursor, not yet started.
    fn cursor(&self) -> Box<dyn TableCursor>;
}

/// A cursor over a table's rows.
pub(super) trait TableCursor {
    /// (Re)starts with a plan (its number and text) and its arguments; false when there is no row.
    fn start(&mut self, number: i32, plan: &str, arguments: &Filters<'_>) -> Result<bool>;
    /// Moves on; false at the end.
    fn advance(&mut self) -> Result<bool>;
    /// A cell of the current row, by the position of its column.
    fn cell(&mut self, column: usize) -> Result<Cell<'_>>;
    /// A number that no other row of the table has.
    fn rowid(&mut self) -> Result<i64>;
}

/// Makes `table` known to `connection` under `name`.
pub(super) fn register(
    connection: &Connection,
    name: &str,
    session: &Arc<Session>,
    table: impl Table + 'static,
) -> rusqlite::Result<()> {
    let aux = (Arc::clone(session), Arc::new(table) as Arc<dyn Table>);
    connection.create_module(name, eponymous_only_module::<Glue>(), Some(aux))
}

/// Stops a panic before it reaches SQLite's frames, which cannot unwind.
#[inline]
fn contained<T>(session: &Session, work: impl FnOnce() -> Result<T>) -> rusqlite::Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(session.fail(error)),
        Err(_) => Err(session.fail(StoreError::Io("a table failed inside; see the log".into()))),
    }
}

#[repr(C)]
struct Glue {
    base: sqlite3_vtab,
    session: Arc<Session>,
    table: Arc<dyn Table>,
}

// SAFETY: `repr(C)` with `sqlite3_vtab` first, as the trait demands.
unsafe impl<'vtab> VTab<'vtab> for Glue {
    type Aux = (Arc<Session>, Arc<dyn Table>);
    type Cursor = GlueCursor;

    fn connect(
        db: &mut VTabConnection,
        aux: Option<&Self::Aux>,
        _args: &[&[u8]],
    ) -> rusqlite::Result<(String, Self)> {
        let (session, table) = aux.expect("every module is registered with its table");
        let schema = format!("create table x({})", table.columns());
        if table.is_told_by_columns() {
            // SAFETY: the connection is open: it is compiling a statement with this table.
            unsafe { asis::prepare(db.handle()) };
        }
        let (session, table) = (Arc::clone(session), Arc::clone(table));
        Ok((
            schema,
            Glue {
                base: sqlite3_vtab::default(),
                session,
                table,
            },
        ))
    }

    fn best_index(&self, info: &mut IndexInfo) -> rusqlite::Result<()> {
        // rusqlite aborts the process when it cannot allocate the plan's text.
        quota::exempt(|| self.table.plan(info))
    }

    fn open(&'vtab mut self) -> rusqlite::Result<GlueCursor> {
        Ok(GlueCursor {
            base: sqlite3_vtab_cursor::default(),
            session: Arc::clone(&self.session),
            cursor: RefCell::new(self.table.cursor()),
            at_row: false,
        })
    }
}

#[repr(C)]
struct GlueCursor {
    base: sqlite3_vtab_cursor,
    session: Arc<Session>,
    cursor: RefCell<Box<dyn TableCursor>>,
    at_row: bool,
}

// SAFETY: `repr(C)` with `sqlite3_vtab_cursor` first, as the trait demands.
unsafe impl VTabCursor for GlueCursor {
    fn filter(
        &mut self,
        idx_num: c_int,
        idx_str: Option<&str>,
        args: &Filters<'_>,
    ) -> rusqlite::Result<()> {
        let cursor = self.cursor.get_mut();
        self.at_row = false;
        self.at_row = contained(&self.session, || {
            quota::check_time()?;
            cursor.start(idx_num, idx_str.unwrap_or(""), args)
        })?;
        Ok(())
    }

    fn next(&mut self) -> rusqlite::Result<()> {
        let cursor = self.cursor.get_mut();
        self.at_row = contained(&self.session, || cursor.advance())?;
        Ok(())
    }

    fn eof(&self) -> bool {
        !self.at_row
    }

    fn column(&self, ctx: &mut Context, i: c_int) -> rusqlite::Result<()> {
        let mut cursor = self.cursor.borrow_mut();
        match contained(&self.session, || cursor.cell(i as usize))? {
            Cell::Null => Ok(()),
            Cell::Int(number) => ctx.set_result(&number),
            Cell::Time(micros) => {
                let mut text = [0; 27];
                time::write(micros, &mut text);
                ctx.set_result(&std::str::from_utf8(&text).unwrap_or_default())
            }
            Cell::Text(text) => {
                length::admit(text.len());
                ctx.set_result(&text)
            }
            Cell::Bytes(bytes) => {
                length::admit(bytes.len());
                ctx.set_result(&bytes)
            }
        }
    }

    fn rowid(&self) -> rusqlite::Result<i64> {
        let mut cursor = self.cursor.borrow_mut();
        contained(&self.session, || cursor.rowid())
    }
}
