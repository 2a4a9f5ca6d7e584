//! Scanning events over all segments of a snapshot.

use std::sync::Arc;

use crate::model::column::Column;
use crate::model::value::Value;
use crate::store::filter::Filter;
use crate::store::{Budget, Coverage, Result, Work};

/// The order in which a cursor gives rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanOrder {
    /// Whatever is cheapest.
    Any,
    /// By time, then id, descending.
    NewestFirst,
    /// By time, then id, ascending.
    OldestFirst,
    /// Rows with equal values of the column stand together, values ascending, NULL first.
    GroupedBy(Column),
    /// By received time ascending (absent first), then time, then id.
    ByReceivedTime,
}

/// A consistent view of the whole store: one catalog generation and one state of the active segment.
pub struct Snapshot {}

/// The tables about the store itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemTable {
    /// segment, state, events, oldest, newest, raw_bytes, stored_bytes
    Segments,
    /// id, stored_time, cluster, source, origin, reason, bytes, duplicates, raw
    Quarantine,
    /// batch commits: stored_time, cluster, source, events, duplicates, quarantined
    IngestLog,
    /// cluster, source, events, duplicates, quarantined, first_seen, last_seen
    Sources,
}

impl SystemTable {
    /// Column names with their SQL types.
    pub fn columns(self) -> &'static [(&'static str, &'static str)] {
        match self {
            SystemTable::Segments => &[
                ("segment", "text"),
                ("state", "text"),
                ("events", "integer"),
                ("oldest", "text"),
                ("newest", "text"),
                ("raw_bytes", "integer"),
                ("stored_bytes", "integer"),
            ],
            SystemTable::Quarantine => &[
                ("id", "integer"),
                ("stored_time", "text"),
                ("cluster", "text"),
                ("source", "text"),
                ("origin", "text"),
                ("reason", "text"),
                ("bytes", "integer"),
                ("duplicates", "integer"),
                ("raw", "blob"),
            ],
            SystemTable::IngestLog => &[
                ("stored_time", "text"),
                ("cluster", "text"),
                ("source", "text"),
                ("events", "integer"),
                ("duplicates", "integer"),
                ("quarantined", "integer"),
            ],
            SystemTable::Sources => &[
                ("cluster", "text"),
                ("source", "text"),
                ("events", "integer"),
                ("duplicates", "integer"),
                ("quarantined", "integer"),
                ("first_seen", "text"),
                ("last_seen", "text"),
            ],
        }
    }
}

/// A value with how often and when it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub value: Value,
    pub count: u64,
    /// Microseconds.
    pub first: i64,
    pub last: i64,
}

impl Snapshot {
    /// Starts a scan. With `skip_damaged`, damaged segments are left out and named in the coverage.
    pub fn cursor(
        self: &Arc<Self>,
        filter: &Filter,
        order: ScanOrder,
        skip_damaged: bool,
        budget: Budget,
    ) -> Result<Cursor> {
        let _ = (filter, order, skip_damaged, budget);
        todo!()
    }

    /// Distinct values of a text column (or of the addresses in `source_ips`), with counts.
    pub fn seen(&self, column: Column, budget: &Budget) -> Result<Vec<Seen>> {
        let _ = (column, budget);
        todo!()
    }

    /// The rows of a table about the store itself.
    pub fn rows(&self, table: SystemTable, budget: &Budget) -> Result<Vec<Vec<Value>>> {
        let _ = (table, budget);
        todo!()
    }

    /// Events in the snapshot, for the planner.
    pub fn event_count(&self) -> u64 {
        todo!()
    }

    /// What the snapshot cannot show within a time range.
    pub fn coverage(&self, since: Option<i64>, until: Option<i64>) -> Coverage {
        let _ = (since, until);
        todo!()
    }
}

/// A cell of the current row, borrowed until the cursor moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    Null,
    Int(i64),
    /// Microseconds.
    Time(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// A running scan. It owns what it reads; nothing that happens to the store changes its answer.
pub struct Cursor {}

impl Cursor {
    /// Moves to the next row; false at the end. Starts before the first row.
    pub fn advance(&mut self) -> Result<bool> {
        todo!()
    }

    /// A cell of the current row. Bodies are decompressed only for columns that need them.
    pub fn cell(&mut self, column: Column) -> Result<Cell<'_>> {
        let _ = column;
        todo!()
    }

    /// Work done so far.
    pub fn work(&self) -> Work {
        todo!()
    }
}
