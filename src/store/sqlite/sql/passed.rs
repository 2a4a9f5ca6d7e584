//! The tables `event_delays`, `reused_audit_ids` and `repeated_audit_ids`: what one pass over the events of
//! a range finds.
//!
//! Conditions on time, cluster and what else a table has columns for say which events these are, all others
//! which rows are wanted. `tolerance_us` says from when on an event is ahead.

use std::sync::Arc;

use rusqlite::vtab::{Filters, IndexInfo};

use super::counts::hidden;
use super::events::{declaration, read_plan};
use super::plan::{self, Planned, Subject};
use super::session::Session;
use super::vtab::{Table, TableCursor};
use super::{errors, pushdown, quota};
use crate::limits::SQL_MEMORY_BYTES_MAX;
use crate::model::column::{Column, Kind};
use crate::model::value::Value;
use crate::store::filter::Filter;
use crate::store::sqlite::passes::Pass;
use crate::store::sqlite::scan::{Cell, ScanOrder};
use crate::store::{Result, StoreError};

/// Every table with its name in SQL.
pub(super) const ALL: [(&str, Pass); 3] = [
    ("event_delays", Pass::Delays { tolerance: 0 }),
    ("reused_audit_ids", Pass::ReusedAuditIds),
    ("repeated_audit_ids", Pass::RepeatedAuditIds),
];

/// Columns that are there for conditions only, and left out of `select *`.
fn conditions(pass: Pass) -> Vec<(&'static str, Kind, Subject)> {
    let event = |column: Column| (column.name(), column.kind(), Subject::Event(column));
    let time = event(Column::Time);
    match pass {
        Pass::Delays { .. } => vec![time, ("tolerance_us", Kind::Int, Subject::Tolerance)],
        Pass::ReusedAuditIds => vec![time],
        Pass::RepeatedAuditIds => [time]
            .into_iter()
            .chain([("identity", Kind::Text, Subject::Identity)])
            .chain(OF_REPEATED.map(event))
            .collect(),
    }
}

/// What conditions on events with repeated audit ids may be about beside time, cluster and identity.
const OF_REPEATED: [Column; 5] = [
    Column::Stage,
    Column::SourceIps,
    Column::Resource,
    Column::Namespace,
    Column::Name,
];

/// What a row takes while it is held, about.
const ROW_BYTES: usize = 512;

pub(super) struct PassTable {
    pub(super) session: Arc<Session>,
    pub(super) pass: Pass,
}

impl Table for PassTable {
    fn columns(&self) -> String {
        let columns = self.pass.columns().iter();
        let columns = columns.map(|&(name, kind)| declaration(name, kind));
        let conditions = conditions(self.pass);
        let conditions = conditions.iter().map(|&(name, kind, _)| hidden(name, kind));
        columns.chain(conditions).collect::<Vec<_>>().join(", ")
    }

    fn plan(&self, info: &mut IndexInfo) -> rusqlite::Result<()> {
        let events = self.session.backing.event_count();
        let columns = self.pass.columns();
        let conditions = conditions(self.pass);
        let subject = |at: i32| {
            let at = usize::try_from(at).ok()?;
            match columns.get(at) {
                Some(("cluster", _)) => Some(Subject::Event(Column::Cluster)),
                Some(("source", _)) => Some(Subject::Event(Column::Source)),
                Some(("audit_id", _)) => Some(Subject::Event(Column::AuditId)),
                Some(_) => None,
                None => conditions
                    .get(at - columns.len())
                    .map(|&(_, _, subject)| subject),
            }
        };
        plan::choose(
            info,
            &Planned {
                subject: &subject,
                ordered: &|_| None,
                only_order: Some(ScanOrder::Any),
                prefix: "",
                plain_times: true,
                events,
            },
        )?;
        // As with counts: no plan is put together from several passes, whose rows differ.
        info.set_estimated_cost(events.max(1) as f64);
        info.set_estimated_rows(100);
        Ok(())
    }

    fn cursor(&self) -> Box<dyn TableCursor> {
        Box::new(PassCursor {
            session: Arc::clone(&self.session),
            pass: self.pass,
            rows: Vec::new(),
            at: 0,
            charged: 0,
        })
    }
}

struct PassCursor {
    session: Arc<Session>,
    pass: Pass,
    rows: Vec<Vec<Value>>,
    at: usize,
    /// Memory counted against the statement.
    charged: i64,
}

/// Events of users of these names and, unless these are left out, of whoever acted in such a name.
fn filters(passing: pushdown::Passing) -> Result<Vec<Filter>> {
    let Some(words) = passing.identity else {
        return Ok(vec![passing.filter]);
    };
    let columns: &[Column] = match words.trim_start().starts_with('!') {
        true => &[Column::User],
        false => &[Column::User, Column::ImpersonatedUser],
    };
    let with = |&column: &Column| {
        let mut filter = passing.filter.clone();
        filter.push_words(column, &words).map_err(|error| {
            StoreError::BadRequest(format!("identity match {words:?}: {error}"))
        })?;
        Ok(filter)
    };
    columns.iter().map(with).collect()
}

impl TableCursor for PassCursor {
    fn start(&mut self, _used: i32, plan: &str, arguments: &Filters<'_>) -> Result<bool> {
        self.rows.clear();
        self.at = 0;
        quota::take_memory(-std::mem::take(&mut self.charged));
        let Some(passing) = pushdown::passed(&read_plan(plan)?, arguments)? else {
            return Ok(false);
        };
        let pass = match self.pass {
            Pass::Delays { .. } => Pass::Delays {
                tolerance: passing.tolerance,
            },
            pass => pass,
        };
        let filters = filters(passing)?;
        self.rows = quota::exempt(|| self.session.pass(pass, &filters))?;
        let bytes = i64::try_from(self.rows.len() * ROW_BYTES).unwrap_or(i64::MAX);
        if !quota::take_memory(bytes) {
            return Err(errors::out_of_memory(SQL_MEMORY_BYTES_MAX));
        }
        self.charged = bytes;
        Ok(!self.rows.is_empty())
    }

    fn advance(&mut self) -> Result<bool> {
        self.at += 1;
        Ok(self.at < self.rows.len())
    }

    fn cell(&mut self, column: usize) -> Result<Cell<'_>> {
        let row = self
            .rows
            .get(self.at)
            .map(Vec::as_slice)
            .unwrap_or_default();
        if column >= self.pass.columns().len() {
            let at = column - self.pass.columns().len();
            let name = conditions(self.pass).get(at).map_or("it", |known| known.0);
            return Err(StoreError::BadRequest(format!(
                "{name} is there for conditions that are joined with `and`, and has no value here"
            )));
        }
        Ok(match row.get(column) {
            Some(Value::Int(number)) => Cell::Int(*number),
            Some(Value::Text(text)) => Cell::Text(text),
            _ => Cell::Null,
        })
    }

    /// Nothing tells a row from those of another pass.
    fn rowid(&mut self) -> Result<i64> {
        Err(StoreError::BadRequest(
            "rows of this table have no rowid; select its columns, and join a subquery of it"
                .into(),
        ))
    }
}

impl Drop for PassCursor {
    fn drop(&mut self) {
        quota::take_memory(-self.charged);
    }
}
