//! What one running statement shares with its tables: the snapshot, the budget, the first failure.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::ffi;

use super::backing::{Backing, Rows};
use super::quota;
use super::reads::{Read, Reads};
use crate::model::column::Column;
use crate::model::value::Value;
use crate::store::filter::Filter;
use crate::store::sqlite::count::Counted;
use crate::store::sqlite::countmemory::CountMemory;
use crate::store::sqlite::measures::Measures;
use crate::store::sqlite::passes::Pass;
use crate::store::sqlite::scan::{Cell, ScanOrder};
use crate::store::{Budget, CountQuery, Coverage, Place, Result, StoreError, Work};

/// One statement from `prepare` to its last row.
pub(super) struct Session {
    pub(super) backing: Arc<dyn Backing>,
    pub(super) budget: Budget,
    pub(super) skip_damaged: bool,
    failed: AtomicBool,
    failure: Mutex<Option<StoreError>>,
    scanned: Mutex<Scanned>,
    /// Plans of tables that want to know which of their columns are read.
    watched: AtomicU32,
    /// Whether some of them want to know what the statement reads as it is written.
    written: AtomicBool,
    reads: Mutex<Reads>,
    /// By the number of such a plan, the columns that the statement names.
    named: Mutex<HashMap<u32, Vec<usize>>>,
    /// What all counts of the statement may hold together, beside what SQLite does.
    counts_memory: OnceLock<Arc<CountMemory>>,
}

/// What all scans of the statement did together.
#[derive(Default)]
struct Scanned {
    work: Work,
    /// The hull of the time ranges, once there was a scan.
    range: Option<(Option<i64>, Option<i64>)>,
    damaged: Vec<String>,
}

impl Scanned {
    fn saw(&mut self, filter: &Filter) {
        self.range = Some(match self.range {
            None => (filter.since, filter.until),
            Some((since, until)) => (
                since.zip(filter.since).map(|(a, b)| a.min(b)),
                until.zip(filter.until).map(|(a, b)| a.max(b)),
            ),
        });
    }

    fn left_out(&mut self, damaged: &[String]) {
        for text in damaged {
            if !self.damaged.contains(text) {
                self.damaged.push(text.clone());
            }
        }
    }
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
            watched: AtomicU32::new(0),
            written: AtomicBool::new(false),
            reads: Mutex::default(),
            named: Mutex::default(),
            counts_memory: OnceLock::new(),
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
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.take()
    }

    /// Starts a scan.
    pub(super) fn scan(self: &Arc<Self>, filter: &Filter, order: ScanOrder) -> Result<Scan> {
        let rows = quota::exempt(|| {
            let backing = Arc::clone(&self.backing);
            backing.scan(filter, order, self.skip_damaged, self.budget.clone())
        })?;
        self.scanned().saw(filter);
        Ok(Scan {
            rows: Some(rows),
            session: Arc::clone(self),
            serial: 0,
        })
    }

    /// Counts events.
    pub(super) fn count(&self, query: &CountQuery, measures: &Measures) -> Result<Counted> {
        let memory = || CountMemory::new(quota::memory_most());
        let memory = self.counts_memory.get_or_init(memory);
        let counted = Arc::clone(&self.backing).groups(query, measures, &self.budget, memory)?;
        let mut scanned = self.scanned();
        scanned.saw(&query.filter);
        scanned.work.add(counted.work);
        scanned.left_out(&counted.damaged);
        Ok(counted)
    }

    /// Whether counting goes through few events.
    pub(super) fn is_summed(&self, query: &CountQuery) -> bool {
        self.backing.is_summed(query)
    }

    /// Goes over events; see [`Backing::pass`].
    pub(super) fn pass(&self, pass: Pass, filters: &[Filter]) -> Result<Vec<Vec<Value>>> {
        let passed = (self.backing).pass(pass, filters, self.skip_damaged, &self.budget)?;
        let mut scanned = self.scanned();
        filters.iter().for_each(|filter| scanned.saw(filter));
        scanned.work.add(passed.work);
        scanned.left_out(&passed.damaged);
        Ok(passed.rows)
    }

    /// Asks for [`Session::reads`] once the statement is compiled. Gives the plan a number, which must
    /// be in its text: the same conditions may stand in a statement twice, to read other columns.
    pub(super) fn watch_reads(&self) -> u32 {
        self.watched.fetch_add(1, Ordering::Relaxed)
    }

    /// Asks for [`super::reads::Read::written`], too.
    pub(super) fn watch_written(&self) {
        self.written.store(true, Ordering::Relaxed);
    }

    pub(super) fn wants_written(&self) -> bool {
        self.written.load(Ordering::Relaxed)
    }

    pub(super) fn wants_reads(&self) -> bool {
        self.watched.load(Ordering::Relaxed) > 0
    }

    /// Keeps the columns that a statement names with the plan of this number.
    pub(super) fn set_named(&self, number: u32, columns: Vec<usize>) {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.insert(number, columns);
    }

    pub(super) fn named(&self, number: u32) -> Vec<usize> {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.get(&number).cloned().unwrap_or_default()
    }

    pub(super) fn set_reads(&self, reads: Reads) {
        *self.reads.lock().unwrap_or_else(PoisonError::into_inner) = reads;
    }

    /// What the statement reads of a table with this plan.
    pub(super) fn reads(&self, plan: &str) -> Read {
        let reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        reads.get(plan).cloned().unwrap_or_default()
    }

    fn scanned(&self) -> MutexGuard<'_, Scanned> {
        self.scanned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The work of all scans that ended, and what they could not see.
    pub(super) fn report(&self) -> (Work, Coverage) {
        let scanned = self.scanned();
        let (since, until) = scanned.range.unwrap_or_default();
        let coverage = quota::exempt(|| {
            let mut coverage = self.backing.coverage(since, until);
            coverage.damaged.extend_from_slice(&scanned.damaged);
            coverage
        });
        (scanned.work, coverage)
    }
}

/// A scan whose work is added up when it ends.
pub(super) struct Scan {
    rows: Option<Box<dyn Rows>>,
    session: Arc<Session>,
    /// For telling it from other scans.
    pub(super) serial: u32,
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

    /// See [`Rows::numbers`].
    pub(super) fn numbers(&mut self, columns: &[Column], out: &mut Vec<u32>) -> Result<bool> {
        match &mut self.rows {
            Some(rows) => quota::exempt(|| rows.numbers(columns, out)),
            None => Ok(false),
        }
    }

    /// See [`Rows::tell_found_in`].
    pub(super) fn tell_found_in(&mut self) {
        quota::exempt(|| self.rows.iter_mut().for_each(|rows| rows.tell_found_in()));
    }

    /// See [`Rows::found_in`].
    pub(super) fn found_in(&mut self) -> Result<Cell<'_>> {
        match &mut self.rows {
            Some(rows) => quota::exempt(|| rows.found_in()),
            None => Ok(Cell::Null),
        }
    }

    /// See [`Rows::place`].
    pub(super) fn place(&self) -> Option<Place> {
        self.rows.as_ref()?.place()
    }

    /// Whether events' bodies were read so far.
    pub(super) fn has_read_bodies(&self) -> bool {
        let work = self.rows.as_ref().map(|rows| rows.work());
        work.is_some_and(|work| work.blocks_read > 0)
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        let Some(rows) = self.rows.take() else { return };
        let mut scanned = self.session.scanned();
        scanned.work.add(rows.work());
        quota::exempt(|| {
            scanned.left_out(rows.damaged());
            drop(rows);
        });
    }
}
