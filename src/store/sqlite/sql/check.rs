//! Whether a statement compiles, without a store to ask.

use std::sync::Arc;

use super::backing::{Backing, Rows};
use super::sandbox::{self, Denied};
use super::session::Session;
use super::{Limits, errors, install};
use crate::model::column::Column;
use crate::model::value::Value;
use crate::store::filter::Filter;
use crate::store::sqlite::count::Counted;
use crate::store::sqlite::countmemory::CountMemory;
use crate::store::sqlite::measures::Measures;
use crate::store::sqlite::scan::{ScanOrder, Seen};
use crate::store::sqlite::systemtables::SystemTable;
use crate::store::{Budget, CountQuery, Coverage, Result, StoreError};

/// A store without anything in it.
struct Nothing;

impl Backing for Nothing {
    fn scan(
        self: Arc<Self>,
        _filter: &Filter,
        _order: ScanOrder,
        _skip_damaged: bool,
        _budget: Budget,
    ) -> Result<Box<dyn Rows>> {
        Err(StoreError::Cancelled)
    }

    fn groups(
        self: Arc<Self>,
        _query: &CountQuery,
        _measures: &Measures,
        _budget: &Budget,
        _memory: &Arc<CountMemory>,
    ) -> Result<Counted> {
        Err(StoreError::Cancelled)
    }

    fn seen(&self, _column: Column, _budget: &Budget) -> Result<Vec<Seen>> {
        Ok(Vec::new())
    }

    fn rows(&self, _table: SystemTable, _budget: &Budget) -> Result<Vec<Vec<Value>>> {
        Ok(Vec::new())
    }

    fn event_count(&self) -> u64 {
        0
    }

    fn coverage(&self, _since: Option<i64>, _until: Option<i64>) -> Coverage {
        Coverage::default()
    }
}

/// Compiles a statement as [`Store::sql`](crate::store::Store::sql) would, without a store; gives
/// the names of its columns.
pub fn check_sql(sql: &str) -> Result<Vec<String>> {
    install()?;
    let session = Arc::new(Session::new(Arc::new(Nothing), Budget::new(None), false));
    let denied = Denied::default();
    let explained = |error| {
        let mut denied = denied
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        errors::explain(error, denied.take(), &Limits::default())
    };
    let connection = sandbox::open(&session, &denied).map_err(explained)?;
    let statement = connection.prepare(sql).map_err(explained)?;
    if statement.column_count() == 0 || !statement.readonly() {
        return Err(StoreError::BadRequest(
            "there is no statement that gives rows; write a select".to_owned(),
        ));
    }
    let names = statement.column_names();
    Ok(names.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_are_all_summed_need_no_second_compilation() {
        install().unwrap();
        for (sql, expected) in [
            ("select sum(events) from event_counts", true),
            (
                "select sum(events) from event_counts where summed = 1",
                false,
            ),
            (
                "select sum(events) from event_counts where summed = 0",
                true,
            ),
            (
                "select sum(events) from event_counts where summed = :one",
                true,
            ),
            (
                "select sum(events) from event_counts where summed = 1 or verb = 'get'",
                true,
            ),
            (
                "select events from event_counts where summed = 1 union all \
                 select events from (select * from event_counts where summed = 1)",
                false,
            ),
            (
                "select events from event_counts where summed = 1 union all \
                 select events from event_counts",
                true,
            ),
            ("select id from events", false),
        ] {
            let session = Arc::new(Session::new(Arc::new(Nothing), Budget::new(None), false));
            let connection = sandbox::open(&session, &Denied::default()).unwrap();
            connection.prepare(sql).unwrap();
            assert_eq!(session.wants_written(), expected, "{sql}");
        }
    }
}
