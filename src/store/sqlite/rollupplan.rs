//! Which rollup answers a count, and the answer from it.

use std::borrow::Cow;
use std::ops::Range;

use super::idset::IdSet;
use super::layout::TextColumn;
use super::part::Part;
use super::rollup::{self, CELL, Entries, HOUR, ROLLUPS};
use super::sealed::Sealed;
use super::tally::{Amounts, Buckets, begin};
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

/// What is asked of a part beside the filter's terms.
pub(crate) struct Asked<'a> {
    pub(crate) span: &'a Span,
    pub(crate) by: &'a [TextColumn],
}

impl Plan {
    /// The rollup that answers what a scan would; `None` when none does or the scan is cheaper.
    /// `sets` is what the filter's terms come to, and `candidates` how many rows a scan looks at.
    pub(crate) fn new(
        sealed: &Sealed,
        sets: &[(TextColumn, &IdSet)],
        candidates: Option<usize>,
        asked: &Asked<'_>,
    ) -> Option<Plan> {
        let by = asked.by;
        let mut columns: Vec<TextColumn> = by.to_vec();
        columns.extend(sets.iter().map(|(column, _)| *column));
        let number = rollup::fitting(&columns)?;
        let pieces = asked.span.pieces(sealed, number)?;
        // A row costs about as much as four entries.
        if candidates.is_some_and(|rows| rows * 4 < pieces.len() * rollup::PIECE_ENTRIES) {
            return None;
        }
        let place = |column: TextColumn| {
            let in_cell = CELL.iter().position(|&known| known == column);
            let in_ids = || ROLLUPS[number].iter().position(|&known| known == column);
            in_cell
                .map(Place::Cell)
                .or_else(|| in_ids().map(Place::Ids))
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
        for &(column, set) in sets {
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

    /// Adds up the entries.
    pub(crate) fn add_up(
        &self,
        sealed: &Sealed,
        span: &Span,
        budget: &Budget,
        work: &mut Work,
        buckets: &mut Buckets<'_>,
    ) -> Result<()> {
        let number = match span.whole {
            true => self.number as u8 | rollup::TOTALS,
            false => self.number as u8,
        };
        let mut entries = Entries::default();
        let mut rows = Vec::new();
        for piece in span.pieces(sealed, self.number).unwrap_or_default() {
            budget.check()?;
            sealed.rollup(number, piece, &mut entries)?;
            let columns = self.columns(&entries);
            let columns: Vec<&[u32]> = columns.iter().map(AsRef::as_ref).collect();
            let mut from = 0;
            for &(hour, to) in &entries.hours {
                let stretch = from..to;
                from = to;
                if !span.whole && !span.hours.contains(&hour) {
                    continue;
                }
                if buckets.step.is_some() && !buckets.holds(hour) {
                    self.add_rows(&entries, &columns, &mut rows, buckets);
                    buckets.enter(hour);
                }
                work.rollup_entries += stretch.len() as u64;
                rows.extend(stretch);
            }
            self.add_rows(&entries, &columns, &mut rows, buckets);
        }
        Ok(())
    }

    /// The columns that are counted by.
    fn columns<'e>(&self, entries: &'e Entries) -> Vec<Cow<'e, [u32]>> {
        let column = |place: &Place| match *place {
            Place::Ids(column) => Cow::Borrowed(entries.ids[column].as_slice()),
            Place::Cell(column) => {
                let id = |cell: Option<&Option<[u32; CELL.len()]>>| {
                    cell.copied().flatten().map_or(0, |ids| ids[column])
                };
                let cells = entries.cells.iter();
                Cow::Owned(
                    cells
                        .map(|&cell| id(self.cells.get(cell as usize)))
                        .collect(),
                )
            }
        };
        self.by.iter().map(column).collect()
    }

    /// Adds those of the entries in `rows` that match, and empties it.
    fn add_rows(
        &self,
        entries: &Entries,
        columns: &[&[u32]],
        rows: &mut Vec<u32>,
        buckets: &mut Buckets<'_>,
    ) {
        let cell = |row: u32| entries.cells[row as usize] as usize;
        rows.retain(|&row| self.cells.get(cell(row)).is_some_and(Option::is_some));
        for (column, set) in &self.sets {
            let ids = &entries.ids[*column];
            rows.retain(|&row| set.holds(ids[row as usize]));
        }
        let amounts = Amounts {
            events: Some(&entries.counts),
            ..Amounts::default()
        };
        buckets.tally.add(columns, rows, &amounts);
        rows.clear();
    }
}

/// The whole hours of a filter's range that a part may have.
pub(crate) struct Span {
    pub(crate) hours: Range<i64>,
    /// What is left of the range at both ends.
    pub(crate) edges: [Option<Range<i64>>; 2],
    /// Every row of the part is in the range, and all are in one bucket.
    pub(crate) whole: bool,
}

impl Span {
    /// `None` when there is no whole hour, or buckets are not of whole hours.
    pub(crate) fn new(filter: &Filter, part: &Part, step: Option<i64>) -> Option<Span> {
        if step.is_some_and(|step| step % HOUR != 0) {
            return None;
        }
        let (mut hours, mut edges) = (begin(part.oldest(), HOUR)..i64::MAX, [None, None]);
        let mut whole =
            step.is_none_or(|step| begin(part.oldest(), step) == begin(part.newest(), step));
        if let Some(since) = filter.since.filter(|&since| since > part.oldest()) {
            hours.start = begin(since.saturating_add(HOUR - 1), HOUR);
            edges[0] = (since < hours.start).then_some(since..hours.start);
            whole = false;
        }
        if let Some(until) = filter.until.filter(|&until| until <= part.newest()) {
            hours.end = begin(until, HOUR);
            edges[1] = (hours.end < until).then_some(hours.end..until);
            whole = false;
        }
        (!hours.is_empty()).then_some(Span {
            hours,
            edges,
            whole,
        })
    }

    /// The pieces of a rollup that it needs; `None` if the segment does not have it.
    fn pieces(&self, sealed: &Sealed, number: usize) -> Option<Range<usize>> {
        if self.whole {
            return Some(0..*sealed.header.totals.get(number)? as usize);
        }
        let firsts = sealed.header.rollups.get(number)?;
        // A piece may begin in the middle of an hour, so the one before may hold it too.
        let begin = firsts.partition_point(|&first| first < self.hours.start);
        let end = firsts.partition_point(|&first| first < self.hours.end);
        Some(begin.saturating_sub(1)..end)
    }
}
