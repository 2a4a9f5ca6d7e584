//! The small tables: browse tables over distinct values, and the store's own tables.

use std::sync::Arc;

use rusqlite::vtab::{Filters, IndexInfo};

use super::events::declaration;
use super::quota;
use super::session::Session;
use super::vtab::{Table, TableCursor};
use crate::model::column::{Column, Kind};
use crate::model::value::Value;
use crate::store::Result;
use crate::store::sqlite::scan::Cell;
use crate::store::sqlite::systemtables::SystemTable;

/// What a small table shows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// The distinct values of an event column, under the name of the table's value column.
    Seen(Column, &'static str),
    /// A table about the store itself.
    System(SystemTable),
}

/// Every small table with its name in SQL.
pub(super) const ALL: [(&str, Source); 12] = [
    ("users", Source::Seen(Column::User, "user")),
    ("verbs", Source::Seen(Column::Verb, "verb")),
    ("resources", Source::Seen(Column::Resource, "resource")),
    ("namespaces", Source::Seen(Column::Namespace, "namespace")),
    ("user_agents", Source::Seen(Column::UserAgent, "user_agent")),
    ("source_ips", Source::Seen(Column::SourceIps, "source_ip")),
    ("segments", Source::System(SystemTable::Segments)),
    ("quarantine", Source::System(SystemTable::Quarantine)),
    ("ingest_log", Source::System(SystemTable::IngestLog)),
    ("sources", Source::System(SystemTable::Sources)),
    ("reports", Source::System(SystemTable::Reports)),
    ("pruned", Source::System(SystemTable::Pruned)),
];

/// Columns of the store's own tables that hold times.
const TIMES: [&str; 10] = [
    "stored_time",
    "oldest",
    "newest",
    "first_seen",
    "last_seen",
    "made_at",
    "since",
    "until",
    "pruned_time",
    "before",
];

pub(super) struct Small {
    pub(super) session: Arc<Session>,
    pub(super) source: Source,
}

impl Table for Small {
    fn columns(&self) -> String {
        let columns: Vec<String> = match self.source {
            Source::Seen(_, name) => [
                (name, Kind::Text),
                ("first_seen", Kind::Time),
                ("last_seen", Kind::Time),
                ("events", Kind::Int),
            ]
            .map(|(name, kind)| declaration(name, kind))
            .into(),
            Source::System(table) => table
                .columns()
                .iter()
                .map(|&(name, kind)| match kind {
                    "text" if TIMES.contains(&name) => declaration(name, Kind::Time),
                    "integer" => declaration(name, Kind::Int),
                    "blob" => declaration(name, Kind::Bytes),
                    _ => declaration(name, Kind::Text),
                })
                .collect(),
        };
        columns.join(", ")
    }

    fn plan(&self, info: &mut IndexInfo) -> rusqlite::Result<()> {
        info.set_estimated_cost(10_000.0);
        info.set_estimated_rows(1000);
        Ok(())
    }

    fn cursor(&self) -> Box<dyn TableCursor> {
        let session = Arc::clone(&self.session);
        Box::new(SmallCursor {
            session,
            source: self.source,
            rows: None,
            at: 0,
        })
    }
}

struct SmallCursor {
    session: Arc<Session>,
    source: Source,
    rows: Option<Vec<Vec<Value>>>,
    at: usize,
}

impl SmallCursor {
    fn load(&self) -> Result<Vec<Vec<Value>>> {
        let Session {
            backing, budget, ..
        } = &*self.session;
        quota::exempt(|| match self.source {
            Source::System(table) => backing.rows(table, budget),
            Source::Seen(column, _) => {
                let seen = backing.seen(column, budget)?;
                let row = |seen: crate::store::sqlite::scan::Seen| {
                    let events = i64::try_from(seen.count).unwrap_or(i64::MAX);
                    let (first, last) = (Value::Time(seen.first), Value::Time(seen.last));
                    vec![seen.value, first, last, Value::Int(events)]
                };
                Ok(seen.into_iter().map(row).collect())
            }
        })
    }
}

impl TableCursor for SmallCursor {
    fn start(&mut self, _used: i32, _plan: &str, _arguments: &Filters<'_>) -> Result<bool> {
        self.at = 0;
        // The snapshot does not change, so an inner loop need not load again.
        if self.rows.is_none() {
            self.rows = Some(self.load()?);
        }
        Ok(self.rows.as_ref().is_some_and(|rows| !rows.is_empty()))
    }

    fn advance(&mut self) -> Result<bool> {
        self.at += 1;
        Ok(self.rows.as_ref().is_some_and(|rows| self.at < rows.len()))
    }

    fn cell(&mut self, column: usize) -> Result<Cell<'_>> {
        let row = self.rows.as_ref().and_then(|rows| rows.get(self.at));
        Ok(match row.and_then(|row| row.get(column)) {
            // The store's own tables hold no other floats.
            None | Some(Value::Null | Value::Real(_)) => Cell::Null,
            Some(Value::Int(number)) => Cell::Int(*number),
            Some(Value::Time(micros)) => Cell::Time(*micros),
            Some(Value::Text(text) | Value::Json(text)) => Cell::Text(text),
            Some(Value::Bytes(bytes)) => Cell::Bytes(bytes),
        })
    }

    fn rowid(&mut self) -> Result<i64> {
        Ok(i64::try_from(self.at).unwrap_or(i64::MAX))
    }
}
