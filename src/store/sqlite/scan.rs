//! The view that a query has of the store, and the cursor that reads events over all its parts.

use std::sync::Arc;

use super::deriver::Deriver;
use super::part::Part;
use super::state::{Shared, State};
use super::systemtables::SystemTable;
use crate::model::column::Column;
use crate::model::value::Value;
use crate::store::filter::Filter;
use crate::store::{Budget, Coverage, Result, StoreError, Work};

pub use super::cursor::{Cell, Cursor};

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

/// A value with how often and when it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub value: Value,
    pub count: u64,
    /// Microseconds.
    pub first: i64,
    pub last: i64,
}

/// A consistent view of the whole store: one catalog generation and one state of the active segment.
pub struct Snapshot {
    pub(crate) shared: Arc<Shared>,
    pub(crate) state: Arc<State>,
    pub(crate) deriver: Deriver,
}

impl Snapshot {
    pub(crate) fn new(shared: Arc<Shared>) -> Snapshot {
        let state = shared.state();
        let deriver = shared.deriver.clone();
        Snapshot {
            shared,
            state,
            deriver,
        }
    }

    /// Starts a scan. With `skip_damaged`, damaged segments are left out and named in the coverage.
    pub fn cursor(
        self: &Arc<Self>,
        filter: &Filter,
        order: ScanOrder,
        skip_damaged: bool,
        budget: Budget,
    ) -> Result<Cursor> {
        Cursor::new(
            Arc::clone(self),
            filter.clone(),
            order,
            skip_damaged,
            budget,
        )
    }

    /// Distinct values of a text column (or of the addresses in `source_ips`), with counts.
    pub fn seen(&self, column: Column, budget: &Budget) -> Result<Vec<Seen>> {
        super::groups::seen(self, column, budget)
    }

    /// The rows of a table about the store itself.
    pub fn rows(&self, table: SystemTable, budget: &Budget) -> Result<Vec<Vec<Value>>> {
        super::systemtables::rows(self, table, budget)
    }

    /// Events in the snapshot, for the planner.
    pub fn event_count(&self) -> u64 {
        let sealed: u64 = self.state.sealed.iter().map(|meta| meta.events).sum();
        sealed
            + self
                .state
                .actives
                .iter()
                .map(|active| active.events)
                .sum::<u64>()
    }

    /// What the snapshot cannot show within a time range.
    pub fn coverage(&self, since: Option<i64>, until: Option<i64>) -> Coverage {
        super::report::coverage(self, since, until)
    }

    /// The parts whose ranges of times and ids meet the filter's, and how many segments it left out.
    pub(crate) fn parts(&self, filter: &Filter) -> (Vec<PartAt>, u64) {
        let meets = |oldest: i64, newest: i64| {
            filter.since.is_none_or(|since| newest >= since)
                && filter.until.is_none_or(|until| oldest < until)
        };
        let ids = filter.ids();
        let mut parts = Vec::new();
        let mut pruned = 0;
        for active in &self.state.actives {
            for block in active.blocks.iter().filter(|block| block.live() > 0) {
                let (first_id, last_id) = block.ids_between();
                let arrived = *ids.start() <= last_id && first_id <= *ids.end();
                if arrived && meets(block.oldest, block.newest) {
                    let part = Part::Block(Arc::clone(block), Arc::clone(&active.bodies));
                    parts.push(PartAt {
                        oldest: block.oldest,
                        newest: block.newest,
                        source: PartSource::Open(part),
                    });
                }
            }
        }
        for meta in &self.state.sealed {
            if meets(meta.oldest, meta.newest) && *ids.start() <= meta.last_id {
                parts.push(PartAt {
                    oldest: meta.oldest,
                    newest: meta.newest,
                    source: PartSource::Sealed(Arc::clone(meta)),
                });
            } else {
                pruned += 1;
            }
        }
        (parts, pruned)
    }
}

/// A part that a scan may need, not necessarily open yet.
pub(crate) struct PartAt {
    pub(crate) oldest: i64,
    pub(crate) newest: i64,
    pub(crate) source: PartSource,
}

pub(crate) enum PartSource {
    Open(Part),
    Sealed(Arc<super::catalog::SegmentMeta>),
}

impl PartAt {
    pub(crate) fn open(&self, shared: &Shared, work: &mut Work) -> Result<Part> {
        match &self.source {
            PartSource::Open(part) => Ok(part.clone()),
            PartSource::Sealed(meta) => {
                work.segments_opened += 1;
                Ok(Part::Sealed(shared.open_sealed(meta)?))
            }
        }
    }
}

/// Says what can be done about damage.
pub(crate) fn advised(error: StoreError) -> StoreError {
    match error {
        StoreError::Damaged(text) => StoreError::Damaged(format!(
            "{text}; restore the file from a backup, or answer without it with --skip-damaged (skip_damaged)"
        )),
        other => other,
    }
}
