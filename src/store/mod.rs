//! The storage seam: coarse operations behind one small trait, with engine-neutral types.
//!
//! Invariant: nothing outside `store/` names an engine's types or its SQL crates; callers hold
//! `Arc<dyn Store>`.

mod budget;
#[cfg(test)]
mod conformance;
mod encode;
mod error;
pub mod filter;
pub mod sqlite;
mod upkeep;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

pub use budget::Budget;
pub use encode::{Pool, RowEncoder, Text, TextSink};
pub use error::{Result, StoreError};
pub use sqlite::check_sql;
pub use upkeep::{Pruned, Quarantined, ReportRecord, Resealed, Sealed};

use crate::model::column::Column;
use crate::model::event::Event;
use crate::model::value::Value;
use filter::Filter;

/// Collects the events of one request or file part and commits them at once.
///
/// Encoding happens on the caller's thread; only [`Batch::commit`] talks to the writer.
pub trait Batch: Send {
    /// Adds an event with its exact bytes. `event` was normalised from `raw`; `content` is
    /// what [`crate::model::normalise::normalise`] gives beside it.
    fn event(&mut self, event: &Event<'_>, raw: &[u8], content: [u8; 16]);

    /// Adds an item that could not be understood, with its exact bytes and the reason.
    fn quarantine(&mut self, item: QuarantineItem<'_>);

    /// Bytes of events and items taken so far.
    fn bytes(&self) -> usize;

    /// Makes everything durable in one transaction, or nothing. Blocks until it is synced.
    fn commit(self: Box<Self>) -> Result<Receipt>;
}

/// An item for quarantine.
#[derive(Debug)]
pub struct QuarantineItem<'a> {
    /// Why it could not be understood.
    pub reason: &'a str,
    /// Where it stood: a file and line, or the request.
    pub origin: &'a str,
    /// Its bytes, in order; more than one part when it was too large to hold in memory.
    pub bytes: QuarantineBytes<'a>,
}

/// The bytes of a quarantined item.
#[derive(Debug)]
pub enum QuarantineBytes<'a> {
    /// In memory.
    Slice(&'a [u8]),
    /// In a file, from an offset, so many bytes.
    File {
        file: &'a std::fs::File,
        offset: u64,
        bytes: u64,
    },
}

/// What became of a committed batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Receipt {
    /// New events.
    pub stored: u64,
    /// Events whose content from this cluster was there already, and items whose exact bytes from it
    /// were in quarantine already.
    pub duplicates: u64,
    /// Items newly kept in quarantine.
    pub quarantined: u64,
}

/// Order of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Newest first, by time then id.
    #[default]
    NewestFirst,
    /// Oldest first, by time then id.
    OldestFirst,
}

/// A listing of events. The default is all of them, without any column.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    pub filter: Filter,
    pub order: Order,
    /// Most rows; 0 is all.
    pub limit: u64,
    /// One row per request: its last stage only.
    pub last_stage_only: bool,
    /// The columns of each row, in this order.
    pub columns: Vec<Column>,
    /// Answer without damaged segments instead of failing.
    pub skip_damaged: bool,
    /// Only rows that come after this place in the order of the listing.
    pub after: Option<Place>,
    /// Only events up to this id, as if nothing had arrived since ([`Store::last_id`]).
    pub as_of: Option<i64>,
}

/// A row's place in a listing: its time (microseconds), then its id. Sealing and merging keep it.
pub type Place = (i64, i64);

/// A count of events. The default is the number of all of them.
#[derive(Debug, Clone, Default)]
pub struct CountQuery {
    pub filter: Filter,
    /// What tells groups apart, at most [`crate::limits::COUNT_COLUMNS_MAX`] columns.
    pub by: Vec<Column>,
    /// The length of a bucket of event time (microseconds, above 0); they begin at its multiples
    /// since 1970. Without it there is one bucket.
    pub step: Option<i64>,
    /// Count requests, each by its last stage only.
    pub last_stage_only: bool,
    /// Count requests, each by the last of those of its events that match.
    pub per_request: bool,
    /// Most groups; 0 is all.
    pub limit: u64,
    /// Answer without damaged segments instead of failing.
    pub skip_damaged: bool,
}

/// What an answer saw and what it could not see.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Coverage {
    /// Oldest and newest event time in the store, ISO-8601; `None` in an empty store.
    pub oldest: Option<String>,
    pub newest: Option<String>,
    /// Events that retention removed, and the latest cutoff, if any reaches into the range.
    pub pruned_events: u64,
    pub pruned_before: Option<String>,
    /// Quarantined items received so far (their event times are unknown).
    pub quarantined: u64,
    /// Events in the store whose bodies the apiserver cut off.
    pub truncated_events: u64,
    /// Damaged segments in the range, which the answer leaves out.
    pub damaged: Vec<String>,
}

/// Work that an answer took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Work {
    pub elapsed_us: u64,
    /// Segments whose files were read, the active one included.
    pub segments_opened: u64,
    /// Segments left out by their time range or statistics.
    pub segments_pruned: u64,
    /// Segments and blocks of the active one whose rows came from lists of rows (an index).
    #[serde(default)]
    pub parts_indexed: u64,
    /// Rows whose columns were looked at.
    pub rows_visited: u64,
    /// Blocks of bodies decompressed.
    pub blocks_read: u64,
    /// Entries of rollups, or rows of summaries, that were added up instead of visiting rows.
    pub rollup_entries: u64,
}

impl Work {
    /// Adds the work of another part of the answer.
    pub fn add(&mut self, other: Work) {
        self.elapsed_us += other.elapsed_us;
        self.segments_opened += other.segments_opened;
        self.segments_pruned += other.segments_pruned;
        self.parts_indexed += other.parts_indexed;
        self.rows_visited += other.rows_visited;
        self.blocks_read += other.blocks_read;
        self.rollup_entries += other.rollup_entries;
    }
}

/// The end of an answer.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Answer {
    /// There were more rows than the limit.
    pub truncated: bool,
    /// The place of a listing's last row.
    #[serde(skip)]
    pub last: Option<Place>,
    pub coverage: Coverage,
    pub stats: Work,
}

/// Takes the rows of an answer one by one; breaking ends the query early.
pub type RowSink<'a> = &'a mut dyn FnMut(&[Value]) -> ControlFlow<()>;

/// A SQL statement with its limits.
#[derive(Debug, Clone)]
pub struct SqlQuery {
    pub sql: String,
    /// Named parameters, without the colon.
    pub params: Vec<(String, Value)>,
    /// Most rows; 0 is all.
    pub limit: u64,
    /// Answer without damaged segments instead of failing.
    pub skip_damaged: bool,
}

/// A column of a SQL answer: its name and the declared type (`TEXT`, `INTEGER`, ..., or empty).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SqlColumn {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
}

/// Takes a SQL answer: first the columns, then the rows.
pub trait SqlSink {
    fn columns(&mut self, columns: &[SqlColumn]);
    fn row(&mut self, row: &[Value]) -> ControlFlow<()>;

    /// What writes rows as text, if they may come by [`SqlSink::encoded`].
    fn encoder(&self, columns: &[SqlColumn]) -> Option<Arc<dyn RowEncoder>> {
        let _ = columns;
        None
    }

    /// Takes so many rows as its encoder writes them.
    fn encoded(&mut self, text: Text, rows: u64) -> ControlFlow<()> {
        let _ = (text, rows);
        ControlFlow::Break(())
    }
}

/// Sizes and counts of the whole store.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Stats {
    /// [`Store::identity`].
    #[serde(default)]
    pub identity: String,
    pub events: u64,
    /// Bytes of the events as received.
    pub raw_bytes: u64,
    /// Bytes of all files of the store.
    pub stored_bytes: u64,
    /// Bytes per component (bodies, columns, dictionaries, indexes, ...), largest first.
    pub components: Vec<(String, u64)>,
    pub segments: u64,
    /// Sealed segments that do not hold the present columns; see [`Store::reseal`].
    #[serde(default)]
    pub outdated: u64,
    pub sealed_events: u64,
    pub active_events: u64,
    pub oldest: Option<String>,
    pub newest: Option<String>,
    /// Events per cluster.
    pub clusters: Vec<(String, u64)>,
    pub received: u64,
    pub duplicates: u64,
    pub quarantined: u64,
    pub pruned: u64,
    pub damaged: Vec<String>,
}

/// How a store is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOptions {
    /// Events in the active segment before it is sealed.
    pub segment_events: usize,
    /// Proxies (addresses or CIDR blocks) whose hops `source_ip` reads over, from the right.
    pub trusted_proxies: Vec<String>,
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions {
            segment_events: crate::limits::SEGMENT_EVENTS,
            trusted_proxies: Vec::new(),
        }
    }
}

/// Opens the store in a directory for writing; makes it when there is none. A second writer gets
/// [`StoreError::Locked`].
pub fn open_write(directory: &std::path::Path, options: &OpenOptions) -> Result<Arc<dyn Store>> {
    sqlite::open_write(directory, options)
}

/// Opens the store in a directory for reading, also while another process writes it.
pub fn open_read(directory: &std::path::Path) -> Result<Arc<dyn Store>> {
    sqlite::open_read(directory)
}

/// A storage engine.
///
/// All methods block; call them off the async runtime. Methods that write fail with
/// [`StoreError::Unavailable`] on a store that was opened for reading.
pub trait Store: Send + Sync {
    /// Starts a batch of events from `cluster` that came in by `source`.
    fn batch(&self, cluster: &str, source: &str) -> Box<dyn Batch>;

    /// A word that tells this store from any other; empty until it is first opened for writing.
    fn identity(&self) -> String;

    /// The highest id of the events that a question would see now. Ids are given in the order of
    /// commits: whatever is committed later has a higher one.
    fn last_id(&self) -> i64;

    /// Waits until [`Store::last_id`] is above `id`, or until `wait` is over; gives the last id.
    fn wait_for_events(&self, id: i64, wait: Duration) -> i64;

    /// Lists events.
    fn events(&self, query: &EventQuery, budget: &Budget, sink: RowSink<'_>) -> Result<Answer>;

    /// Lists events as [`Store::events`] does, as text: for listings of any length.
    fn export(
        &self,
        query: &EventQuery,
        budget: &Budget,
        encoder: &dyn RowEncoder,
        sink: TextSink<'_>,
    ) -> Result<Answer> {
        encode::one_by_one(encoder, sink, |rows| self.events(query, budget, rows))
    }

    /// Counts events. A row holds the beginning of the bucket if there is a step, the columns'
    /// values, and the count. Buckets ascend; in one the most frequent group comes first, ties by
    /// value. Groups without events have no row, except the one of a count by nothing.
    fn count(&self, query: &CountQuery, budget: &Budget, sink: RowSink<'_>) -> Result<Answer>;

    /// Runs one read-only SQL statement in the sandbox.
    fn sql(&self, query: &SqlQuery, budget: &Budget, sink: &mut dyn SqlSink) -> Result<Answer>;

    /// Sizes and counts.
    fn stats(&self) -> Result<Stats>;

    /// Quarantined items, oldest first.
    fn quarantined(&self, sink: &mut dyn FnMut(Quarantined) -> ControlFlow<()>) -> Result<()>;

    /// The exact bytes of a quarantined item, in parts; false when there is no such item.
    fn quarantined_bytes(
        &self,
        id: i64,
        sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<bool>;

    /// Seals the active segment now; with `merge`, also merges small segments into larger ones.
    fn seal(&self, merge: bool) -> Result<Sealed>;

    /// Rewrites the sealed segments that do not hold the present columns, so that these need not
    /// be derived from events' bytes for every question.
    fn reseal(&self) -> Result<Resealed>;

    /// Removes events before `cutoff` (microseconds).
    fn prune(&self, cutoff: i64, dry_run: bool) -> Result<Pruned>;

    /// Records what became of scheduled reports: all of it or nothing, durably.
    fn record_reports(&self, records: &[ReportRecord]) -> Result<()>;

    /// What became of scheduled reports, in the order in which it was recorded.
    fn reports(&self) -> Result<Vec<ReportRecord>>;

    /// Stops taking batches, commits what was taken, and waits for background work to end.
    fn close(&self) -> Result<()>;
}
