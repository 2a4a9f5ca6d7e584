//! Where the tables of a statement read from.

use std::sync::Arc;

use crate::model::column::Column;
use crate::model::value::Value;
use crate::store::filter::Filter;
use crate::store::sqlite::count::{self, Counted};
use crate::store::sqlite::countmemory::CountMemory;
use crate::store::sqlite::measures::Measures;
use crate::store::sqlite::passes::{self, Pass, Passed};
use crate::store::sqlite::scan::{Cell, Cursor, ScanOrder, Seen, Snapshot};
use crate::store::sqlite::summaryplan;
use crate::store::sqlite::systemtables::SystemTable;
use crate::store::{Budget, CountQuery, Coverage, Place, Result, Work};

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
    /// See [`count::groups`].
    fn groups(
        self: Arc<Self>,
        query: &CountQuery,
        measures: &Measures,
        budget: &Budget,
        memory: &Arc<CountMemory>,
    ) -> Result<Counted>;
    /// See [`summaryplan::answer_most`].
    fn is_summed(&self, _: &CountQuery) -> bool {
        false
    }
    /// See [`passes::rows`].
    fn pass(&self, _: Pass, _: &[Filter], _skip_damaged: bool, _: &Budget) -> Result<Passed> {
        Ok(Passed::default())
    }
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
    /// Adds numbers that stand for the row's texts in some columns: those of two rows of the scan are
    /// equal only if the texts are. False where there are no such numbers.
    fn numbers(&mut self, _columns: &[Column], _out: &mut Vec<u32>) -> Result<bool> {
        Ok(false)
    }
    /// See [`Cursor::tell_found_in`] and [`Cursor::found_in`].
    fn tell_found_in(&mut self) {}
    fn found_in(&mut self) -> Result<Cell<'_>> {
        Ok(Cell::Null)
    }
    /// Time and id of the row of a scan in order, where they are at hand.
    fn place(&self) -> Option<Place> {
        None
    }
    fn work(&self) -> Work;
    /// Damaged segments that were left out.
    fn damaged(&self) -> &[String] {
        &[]
    }
}

impl Backing for Snapshot {
    fn scan(
        self: Arc<Self>,
        filter: &Filter,
        order: ScanOrder,
        skip_damaged: bool,
        budget: Budget,
    ) -> Result<Box<dyn Rows>> {
        let cursor = self.cursor(filter, order, skip_damaged, budget)?;
        Ok(Box::new(cursor))
    }

    fn groups(
        self: Arc<Self>,
        query: &CountQuery,
        measures: &Measures,
        budget: &Budget,
        memory: &Arc<CountMemory>,
    ) -> Result<Counted> {
        count::groups(&self, query, measures, budget, Some(memory))
    }

    fn is_summed(&self, query: &CountQuery) -> bool {
        summaryplan::answer_most(self, query)
    }

    fn pass(
        &self,
        pass: Pass,
        filters: &[Filter],
        skip_damaged: bool,
        budget: &Budget,
    ) -> Result<Passed> {
        passes::rows(self, pass, filters, skip_damaged, budget)
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

    fn numbers(&mut self, columns: &[Column], out: &mut Vec<u32>) -> Result<bool> {
        self.numbers(columns, out)
    }

    fn tell_found_in(&mut self) {
        self.tell_found_in();
    }

    fn found_in(&mut self) -> Result<Cell<'_>> {
        self.found_in()
    }

    fn place(&self) -> Option<Place> {
        self.place()
    }

    fn work(&self) -> Work {
        self.work()
    }

    fn damaged(&self) -> &[String] {
        self.damaged()
    }
}
