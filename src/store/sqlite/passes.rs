//! What takes a look at every event of a range to find out, and gives few rows: one pass over
//! columns of numbers instead of rows of text.

mod auditids;
mod delays;
mod repeated;
mod reused;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::part::Part;
use super::partscan::{Direction, PartScan};
use super::scan::{Snapshot, advised};
use crate::model::column::Kind;
use crate::model::value::Value;
use crate::store::filter::Filter;
use crate::store::{Budget, Result, StoreError, Work};

/// What a pass is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// How long after their time events were stored, and how many were ahead by more than `tolerance`
    /// microseconds.
    Delays { tolerance: i64 },
    /// Audit ids under which different requests were recorded.
    ReusedAuditIds,
    /// Audit ids that several events have.
    RepeatedAuditIds,
}

impl Pass {
    /// Its rows' columns.
    pub(crate) fn columns(self) -> &'static [(&'static str, Kind)] {
        match self {
            Pass::Delays { .. } => delays::COLUMNS,
            Pass::ReusedAuditIds | Pass::RepeatedAuditIds => reused::COLUMNS,
        }
    }
}

/// What a pass found, and what it took.
#[derive(Default)]
pub(crate) struct Passed {
    pub(crate) rows: Vec<Vec<Value>>,
    pub(crate) work: Work,
    /// Damaged segments that were left out.
    pub(crate) damaged: Vec<String>,
}

/// Goes over the events that match any of the filters, which are about one range of time.
pub(crate) fn rows(
    snapshot: &Snapshot,
    pass: Pass,
    filters: &[Filter],
    skip_damaged: bool,
    budget: &Budget,
) -> Result<Passed> {
    let mut passing = Passing {
        snapshot,
        filters,
        skip_damaged,
        budget,
        left_out: BTreeSet::new(),
        passed: Passed::default(),
    };
    match pass {
        Pass::Delays { tolerance } => delays::find(&mut passing, tolerance)?,
        Pass::ReusedAuditIds => passing.until_sound(reused::found)?,
        Pass::RepeatedAuditIds => passing.until_sound(repeated::found)?,
    }
    Ok(passing.passed)
}

/// A running pass.
struct Passing<'a> {
    snapshot: &'a Snapshot,
    filters: &'a [Filter],
    skip_damaged: bool,
    budget: &'a Budget,
    /// Numbers of the parts that turned out to be damaged.
    left_out: BTreeSet<u32>,
    passed: Passed,
}

impl Passing<'_> {
    /// Takes the rows that are found once no part turns out to be damaged meanwhile, whose events would
    /// count among them: what is left is looked at anew.
    fn until_sound(
        &mut self,
        mut found: impl FnMut(&mut Self) -> Result<Vec<Vec<Value>>>,
    ) -> Result<()> {
        loop {
            let left_out = self.left_out.len();
            let rows = found(self)?;
            if self.left_out.len() == left_out {
                self.passed.rows = rows;
                return Ok(());
            }
        }
    }

    /// Hands over the matching rows of every part, those of a chunk at a time, with the part's number,
    /// which is the same each time, and at the end of a part none. What several filters match comes
    /// several times.
    fn each_chunk(&mut self, sink: &mut dyn FnMut(u32, &Part, &[u32]) -> Result<()>) -> Result<()> {
        let Some(filter) = self.filters.first() else {
            return Ok(());
        };
        let (parts, pruned) = self.snapshot.parts(filter);
        self.passed.work.segments_pruned = pruned;
        for (number, at) in (0..).zip(&parts) {
            if self.left_out.contains(&number) {
                continue;
            }
            let opened = at.open(&self.snapshot.shared, &mut self.passed.work);
            let done = opened.and_then(|part| self.each_chunk_of(number, part, sink));
            self.tolerate(number, done)?;
        }
        Ok(())
    }

    /// What was done with a part; `None` if it is damaged and that was asked for: then it is left out
    /// from here on, and named.
    fn tolerate<T>(&mut self, number: u32, done: Result<T>) -> Result<Option<T>> {
        match done {
            Err(StoreError::Damaged(text)) if self.skip_damaged => {
                if self.left_out.insert(number) {
                    self.passed.damaged.push(text);
                }
                Ok(None)
            }
            done => done.map(Some).map_err(advised),
        }
    }

    fn each_chunk_of(
        &mut self,
        number: u32,
        part: Part,
        sink: &mut dyn FnMut(u32, &Part, &[u32]) -> Result<()>,
    ) -> Result<()> {
        let (deriver, work) = (&self.snapshot.deriver, &mut self.passed.work);
        let ascending = Direction::Ascending;
        let mut rows = Vec::new();
        for filter in self.filters {
            let part = part.clone();
            let scan = PartScan::new(part, filter, ascending, deriver, self.budget, work)?;
            let Some(mut scan) = scan else { continue };
            while scan.next_rows(&mut rows, self.budget, work)? {
                if !rows.is_empty() {
                    sink(number, &scan.part, &rows)?;
                }
            }
        }
        sink(number, &part, &[])
    }
}
