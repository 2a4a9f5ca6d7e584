//! Scanning one part: candidates from row lists, then one column after the other, a chunk at a time.

mod columns;
mod texts;

pub(crate) use columns::keep;

use std::ops::Range;

use super::candidates::Candidates;
use super::deriver::Deriver;
use super::facts;
use super::idset::IdSet;
use super::layout::TextColumn;
use super::matched::Fields;
use super::part::Part;
use super::predicate::{self, Compiled, Predicate};
use crate::limits;
use crate::store::filter::{Filter, Term};
use crate::store::{Budget, Result, Work};
use columns::Room;

/// The direction of a scan within a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

/// Rows whose facts are read from their bytes one by one, where columns do not hold them; for more
/// rows than this and than a small share of the part those of the whole part are derived at once.
const READ_ROWS_MAX: usize = 2048;
const READ_SHARE: usize = 64;

/// A scan of one part.
pub(crate) struct PartScan {
    pub(crate) part: Part,
    predicates: Vec<Predicate>,
    /// What holds for every candidate.
    decided: Vec<Predicate>,
    bytes: Vec<Term>,
    direction: Direction,
    /// Rows to look at, ascending; all of `low..high` when `None`.
    candidates: Option<Vec<u32>>,
    /// Where a text was searched for ahead, and the candidates there that hold it.
    searched: Range<u32>,
    found: Vec<u32>,
    /// Whether the search tells in which fields the text stands, and what it told of that range.
    pub(crate) tells: bool,
    told: Vec<(u32, Fields)>,
    low: u32,
    high: u32,
    /// Chunks still to do.
    chunks: Range<u32>,
    room: Room,
}

impl PartScan {
    /// Prepares a scan; `None` when no row can match.
    pub(crate) fn new(
        part: Part,
        filter: &Filter,
        direction: Direction,
        deriver: &Deriver,
        budget: &Budget,
        work: &mut Work,
    ) -> Result<Option<PartScan>> {
        let (low, high) = part.rows_between(filter.since, filter.until)?;
        if low == high {
            return Ok(None);
        }
        let Compiled::All(predicates) = predicate::compile(filter, &part, deriver)? else {
            return Ok(None);
        };
        let mut chosen = Candidates::new(&part, predicates, (low, high))?;
        let rows = chosen.rows.as_ref().map_or((high - low) as usize, Vec::len);
        let lacked = |term: &Predicate| matches!(term, Predicate::Bytes(term) if predicate::lacks(&part, term));
        if rows > READ_ROWS_MAX.max(part.rows() / READ_SHARE)
            && chosen.predicates.iter().any(lacked)
        {
            facts::ensure(&part, budget, work)?;
            let Compiled::All(predicates) = predicate::compile(filter, &part, deriver)? else {
                return Ok(None);
            };
            chosen = Candidates::new(&part, predicates, (low, high))?;
        }
        let Candidates {
            rows: candidates,
            predicates,
            decided,
        } = chosen;
        let (bytes, predicates): (Vec<_>, Vec<_>) = predicates
            .into_iter()
            .partition(|predicate| matches!(predicate, Predicate::Bytes(_)));
        let bytes = bytes
            .into_iter()
            .filter_map(|predicate| match predicate {
                Predicate::Bytes(term) => Some(term),
                _ => None,
            })
            .collect();
        if candidates.as_ref().is_some_and(Vec::is_empty) {
            return Ok(None);
        }
        let size = limits::CHUNK_ROWS as u32;
        let chunks = if matches!(part, Part::Block(..)) {
            0..1
        } else {
            low / size..(high - 1) / size + 1
        };
        Ok(Some(PartScan {
            part,
            predicates,
            decided,
            bytes,
            direction,
            candidates,
            searched: 0..0,
            found: Vec::new(),
            tells: false,
            told: Vec::new(),
            low,
            high,
            chunks,
            room: Room::default(),
        }))
    }

    /// How many chunks are still to do, each on its own: a search goes over all of them at once.
    pub(crate) fn chunks_left(&self) -> usize {
        match self.bytes.iter().any(texts::is_text) {
            true => 0,
            false => self.chunks.len(),
        }
    }

    /// Leaves one of so many shares of what is to do, each as large as the others.
    pub(crate) fn take_share(&mut self, at: usize, shares: usize) {
        let chunks = self.chunks.clone();
        let bound = |at: usize| chunks.start + (chunks.len() * at / shares) as u32;
        self.chunks = bound(at)..bound(at + 1);
    }

    /// Leaves those of some rows, which ascend.
    pub(crate) fn leave(&mut self, rows: &[u32]) {
        match &mut self.candidates {
            None => self.candidates = Some(rows.to_vec()),
            Some(known) => known.retain(|row| rows.binary_search(row).is_ok()),
        }
    }

    /// Whether rows come from lists of rows.
    pub(crate) fn indexed(&self) -> bool {
        self.candidates.is_some()
    }

    pub(crate) fn direction(&self) -> Direction {
        self.direction
    }

    /// How many rows it looks at, if row lists say so.
    pub(crate) fn candidates(&self) -> Option<usize> {
        self.candidates.as_ref().map(Vec::len)
    }

    /// What it tests beside the time, if only sets of string ids.
    pub(crate) fn id_sets(&self) -> Option<Vec<(TextColumn, &IdSet)>> {
        let all = self.decided.iter().chain(&self.predicates);
        let sets = all.map(Predicate::id_set);
        sets.collect::<Option<_>>()
            .filter(|_| self.bytes.is_empty())
    }

    /// The next matching rows, in the scan's direction; false at the end. May give none and go on.
    pub(crate) fn next_rows(
        &mut self,
        out: &mut Vec<u32>,
        budget: &Budget,
        work: &mut Work,
    ) -> Result<bool> {
        out.clear();
        budget.check()?;
        let chunk = match self.direction {
            Direction::Ascending => self.chunks.next(),
            Direction::Descending => self.chunks.next_back(),
        };
        let Some(chunk) = chunk else { return Ok(false) };
        let first = chunk * limits::CHUNK_ROWS as u32;
        let end = (first + self.part.chunk_rows(chunk) as u32).min(self.high);
        let begin = first.max(self.low);
        let found = self.searched.contains(&begin).then_some(&self.found);
        match found.or(self.candidates.as_ref()) {
            Some(rows) => out.extend_from_slice(between(rows, begin, end)),
            None => out.extend(begin..end),
        }
        if !self.part.dead().is_empty() {
            let dead = self.part.dead();
            out.retain(|row| dead.binary_search(row).is_err());
        }
        work.rows_visited += out.len() as u64;
        for predicate in &self.predicates {
            if out.is_empty() {
                return Ok(true);
            }
            columns::apply(predicate, &self.part, chunk, out, &mut self.room)?;
        }
        if !out.is_empty() && !self.bytes.is_empty() {
            self.apply_bytes(out, budget, work)?;
        }
        if self.direction == Direction::Descending {
            out.reverse();
        }
        Ok(true)
    }
}

/// Those of some ascending rows that lie in `low..high`.
fn between(rows: &[u32], low: u32, high: u32) -> &[u32] {
    let from = rows.partition_point(|&row| row < low);
    let to = rows.partition_point(|&row| row < high);
    &rows[from..to.max(from)]
}
