//! What one running statement shares with its tables: the snapshot, the budget, the first failure.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::ffi;

use super::quota;
use crate::model::column::Column;
use crate::model::value::Value;
use crate::store::filter::Filter;
use crate::store::sqlite::scan::{Cell, Cursor, ScanOrder, Seen, Snapshot, SystemTable};
use crate::store::{Budget, Coverage, Result, StoreError, Work};

/// Where the tables read from: a snapshot, or rows in memory in tests.
pub(super) trait Backing: Send + Sync {
    /// See [`Snapshot::cursor`].
    fn scan(
        self: Arc<Self>,
        filter: &Filter,
        order: ScanOrder,
        skip_damaged: bool,
        budget: Budget,
    ) -> Result<Box<dyn Rows>>;
    /// See [`Snapshot::seen`].
    fn seen(&self, column: Column, budget: &Budget) -> Result<Vec<Seen>>;
    /// See [`Snapshot::rows`].
    fn rows(&self, table: SystemTable, budget: &Budget) -> Result<Vec<Vec<Value>>>;
    /// See [`Snapshot::event_count`].
    fn event_count(&self) -> u64;
    /// See [`Snapshot::coverage`].
    fn coverage(&self, since: Option<i64>, until: Option<i64>) -> Coverage;
}

/// A running scan; see [`Cursor`].
pub(super) trait Rows {
    fn advance(&mut self) -> Result<bool>;
    fn cell(&mut self, column: Column) -> Result<Cell<'_>>;
    fn work(&self) -> Work;
}

impl Backing for Snapshot {
    fn scan(
        self: Arc<Self>,
        filter: &Filter,
        order: ScanOrder,
        skip_damaged: bool,
        budget: Budget,
    ) -> Result<Box<dyn Rows>> {
        Ok(Box::new(self.cursor(
            filter,
            order,
            skip_damaged,
            budget,
        )?))
    }

    fn seen(&self, column: Column, budget: &Budget) -> Result<Vec<Seen>> {
        self.seen(column, budget)
    }

    fn rows(&self, table: SystemTable, budget: &Budget) -> Result<Vec<Vec<Value>>> {
        self.rows(table, budget)
    }

    fn event_count(&self) -> u64 {
        self.event_count()
    }

    fn coverage(&self, since: Option<i64>, until: Option<i64>) -> Coverage {
        self.coverage(since, until)
    }
}

impl Rows for Cursor {
    #[inline]
    fn advance(&mut self) -> Result<bool> {
        self.advance()
    }

    #[inline]
    fn cell(&mut self, column: Column) -> Result<Cell<'_>> {
        self.cell(column)
    }

    fn work(&self) -> Work {
        self.work()
    }
}

/// One statement from `prepare` to its last row.
pub(super) struct Session {
    pub(super) backing: Arc<dyn Backing>,
    pub(super) budget: Budget,
    skip_damaged: bool,
    failed: AtomicBool,
    failure: Mutex<Option<StoreError>>,
    scanned: Mutex<Scanned>,
}

/// What all scans of the statement did together.
#[derive(Default)]
struct Scanned {
    work: Work,
    /// The hull of the time ranges, once there was a scan.
    range: Option<(Option<i64>, Option<i64>)>,
}

impl Session {
    pub(super) fn new(backing: Arc<dyn Backing>, budget: Budget, skip_damaged: bool) -> Session {
        Session {
            backing,
            budget,
            skip_damaged,
            failed: AtomicBool::new(false),
            failure: Mutex::default(),
            scanned: Mutex::default(),
        }
    }

    /// Keeps the first failure for the caller and gives SQLite a code to stop with.
    ///
    /// The code goes without a text: rusqlite would allocate it from SQLite and abort the process
    /// when the statement has no memory left.
    pub(super) fn fail(&self, error: StoreError) -> rusqlite::Error {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error);
        self.failed.store(true, Ordering::Relaxed);
        rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ERROR), None)
    }

    /// Whether something failed where SQLite cannot be told, such as in a collation.
    pub(super) fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// The first failure, once.
    pub(super) fn take_failure(&self) -> Option<StoreError> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Starts a scan.
    pub(super) fn scan(self: &Arc<Self>, filter: &Filter, order: ScanOrder) -> Result<Scan> {
        let rows = quota::exempt(|| {
            let backing = Arc::clone(&self.backing);
            backing.scan(filter, order, self.skip_damaged, self.budget.clone())
        })?;
        let mut scanned = self.scanned.lock().unwrap_or_else(PoisonError::into_inner);
        scanned.range = Some(match scanned.range {
            None => (filter.since, filter.until),
            Some((since, until)) => (
                since.zip(filter.since).map(|(a, b)| a.min(b)),
                until.zip(filter.until).map(|(a, b)| a.max(b)),
            ),
        });
        Ok(Scan {
            rows: Some(rows),
            session: Arc::clone(self),
        })
    }

    /// The work of all scans that ended, and what they could not see.
    pub(super) fn report(&self) -> (Work, Coverage) {
        let scanned = self.scanned.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, until) = scanned.range.unwrap_or_default();
        (
            scanned.work,
            quota::exempt(|| self.backing.coverage(since, until)),
        )
    }
}

/// A scan whose work is added up when it ends.
pub(super) struct Scan {
    rows: Option<Box<dyn Rows>>,
    session: Arc<Session>,
}

impl Scan {
    #[inline]
    pub(super) fn advance(&mut self) -> Result<bool> {
        match &mut self.rows {
            Some(rows) => quota::exempt(|| rows.advance()),
            None => Ok(false),
        }
    }

    #[inline]
    pub(super) fn cell(&mut self, column: Column) -> Result<Cell<'_>> {
        match &mut self.rows {
            Some(rows) => quota::exempt(|| rows.cell(column)),
            None => Ok(Cell::Null),
        }
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        let Some(rows) = self.rows.take() else { return };
        let done = rows.work();
        quota::exempt(|| drop(rows));
        let mut scanned = self
            .session
            .scanned
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        scanned.work.add(done);
    }
}
