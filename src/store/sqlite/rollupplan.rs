//! Which rollup answers a count, and the answer from it.

use std::ops::Range;

use super::idset::IdSet;
use super::layout::TextColumn;
use super::part::Part;
use super::partscan::PartScan;
use super::rollup::{self, CELL, Entries, HOUR, ROLLUPS};
use super::sealed::Sealed;
use super::tally::{Buckets, Ids, begin};
use crate::store::filter::Filter;
use crate::store::{Budget, Result, Work};

/// Where a rollup's entry has the id of a column that is counted by.
enum Place {
    Cell(usize),
    Ids(usize),
}

/// How a rollup answers a query.
pub(crate) struct Plan {
    number: usize,
    /// Per cell its string ids, if it matches.
    cells: Vec<Option<[u32; CELL.len()]>>,
    /// What the ids of an entry must be.
    sets: Vec<(usize, IdSet)>,
    by: Vec<Place>,
}

impl Plan {
    /// No entry matches.
    pub(crate) fn nothing() -> Plan {
        Plan {
            number: 0,
            cells: Vec::new(),
            sets: Vec::new(),
            by: Vec::new(),
        }
    }

    /// Adds up the entries of whole hours.
    pub(crate) fn add_up(
        &self,
        sealed: &Sealed,
        hours: Range<i64>,
        budget: &Budget,
        work: &mut Work,
        buckets: &mut Buckets<'_>,
    ) -> Result<()> {
        let Some(firsts) = sealed.header.rollups.get(self.number) else {
            return Ok(());
        };
        if self.cells.is_empty() {
            return Ok(());
        }
        // A piece may begin in the middle of an hour, so the one before may hold it too.
        let begin = firsts
            .partition_point(|&first| first < hours.start)
            .saturating_sub(1);
        let end = firsts.partition_point(|&first| first < hours.end);
        let mut entries = Entries::default();
        for piece in begin..end {
            budget.check()?;
            sealed.rollup(self.number, piece, &mut entries)?;
            let mut from = 0;
            for &(hour, to) in &entries.hours {
                let stretch = from..to as usize;
                from = to as usize;
                if !hours.contains(&hour) {
                    continue;
                }
                if buckets.step.is_some() {
                    buckets.enter(hour);
                }
                work.rollup_entries += stretch.len() as u64;
                for at in stretch {
                    let cell = entries.cells[at] as usize;
                    let Some(Some(cell)) = self.cells.get(cell) else {
                        continue;
                    };
                    let matches =
                        |(column, set): &(usize, IdSet)| set.holds(entries.ids[*column][at]);
                    if !self.sets.iter().all(matches) {
                        continue;
                    }
                    let mut group = Ids::default();
                    for (slot, from) in group.iter_mut().zip(&self.by) {
                        *slot = match *from {
                            Place::Cell(column) => cell[column],
                            Place::Ids(column) => entries.ids[column][at],
                        };
                    }
                    buckets.tally.add(group, u64::from(entries.counts[at]));
                }
            }
        }
        Ok(())
    }
}

/// The rollup that answers what a scan would, unless the scan is cheaper or none does.
pub(crate) fn plan(
    sealed: &Sealed,
    scan: &PartScan,
    step: Option<i64>,
    by: &[TextColumn],
) -> Option<Plan> {
    if step.is_some_and(|step| step % HOUR != 0) {
        return None;
    }
    let sets = scan.id_sets()?;
    let mut columns: Vec<TextColumn> = by.to_vec();
    columns.extend(sets.iter().map(|(column, _)| *column));
    columns.retain(|column| !CELL.contains(column));
    let number = rollup::fitting(&columns)?;
    let entries = sealed.header.rollups.get(number)?.len() * rollup::PIECE_ENTRIES;
    // A row costs about as much as four entries.
    if scan.candidates().is_some_and(|rows| rows * 4 < entries) {
        return None;
    }
    let place = |column: TextColumn| {
        let in_cell = CELL
            .iter()
            .position(|&known| known == column)
            .map(Place::Cell);
        let in_ids = || ROLLUPS[number].iter().position(|&known| known == column);
        in_cell.or_else(|| in_ids().map(Place::Ids))
    };
    let mut plan = Plan {
        number,
        cells: sealed.header.cells.iter().copied().map(Some).collect(),
        sets: Vec::new(),
        by: by
            .iter()
            .map(|&column| place(column))
            .collect::<Option<_>>()?,
    };
    for (column, set) in sets {
        match place(column)? {
            Place::Ids(at) => plan.sets.push((at, set.clone())),
            Place::Cell(at) => plan.cells.iter_mut().for_each(|cell| {
                if cell.is_some_and(|ids| !set.holds(ids[at])) {
                    *cell = None;
                }
            }),
        }
    }
    Some(plan)
}

/// The whole hours of a filter's range that a part may have, and what is left of the range at both
/// ends; `None` when there is no whole hour.
#[expect(clippy::type_complexity, reason = "two optional ranges")]
pub(crate) fn hours(filter: &Filter, part: &Part) -> Option<(Range<i64>, [Option<Range<i64>>; 2])> {
    let (mut start, mut end) = (begin(part.oldest(), HOUR), i64::MAX);
    let mut edges = [None, None];
    if let Some(since) = filter.since.filter(|&since| since > part.oldest()) {
        start = begin(since.saturating_add(HOUR - 1), HOUR);
        edges[0] = (since < start).then_some(since..start);
    }
    if let Some(until) = filter.until.filter(|&until| until <= part.newest()) {
        end = begin(until, HOUR);
        edges[1] = (end < until).then_some(end..until);
    }
    (start < end).then_some((start..end, edges))
}
