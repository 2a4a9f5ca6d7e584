//! Tests of a scan that need the events' bytes.

use super::columns::{self, Room};
use super::{Direction, PartScan};
use crate::limits;
use crate::store::filter::{Term, Test};
use crate::store::sqlite::bytes;
use crate::store::sqlite::contains::{self, Needles, Scope};
use crate::store::sqlite::idset::IdSet;
use crate::store::sqlite::layout::TextColumn;
use crate::store::sqlite::matched::Fields;
use crate::store::sqlite::part::Part;
use crate::store::sqlite::predicate::Predicate;
use crate::store::sqlite::rowset::RowSet;
use crate::store::{Budget, Result, Work};

/// Chunks in which a common text is searched for first: less than what bodies are clustered within.
const FIRST_CHUNKS: u32 = if cfg!(test) { 1 } else { 32 };

/// A text is common if it may be in more than this share of the frames, and these are many.
const COMMON_SHARE: usize = 4;
const COMMON_FRAMES: usize = if cfg!(test) { 2 } else { 64 };

/// Chunks whose columns are asked in a fraction of the time that searching a frame takes.
const CHUNKS_PER_FRAME: usize = 8;

impl PartScan {
    /// Keeps the rows of a chunk that hold what only their bytes say.
    pub(super) fn apply_bytes(
        &mut self,
        out: &mut Vec<u32>,
        budget: &Budget,
        work: &mut Work,
    ) -> Result<()> {
        let mut tested = None;
        while let Some(at) = self.bytes.iter().position(|term| self.pays_search(term)) {
            let texts = self.bytes.iter().filter(|term| is_text(term)).count();
            if texts == 1 && !self.bytes[at].negate {
                self.search_ahead(at, out, budget, work)?;
                tested = Some(at);
                break;
            }
            // What was searched for once for all rows needs no test of the rows that follow.
            let term = self.bytes.remove(at);
            let mut found = self.search(&term, budget, work)?;
            self.keep_candidates(&mut found);
            out.retain(|row| found.binary_search(row).is_ok());
            self.candidates = Some(found);
            self.decided.push(Predicate::Bytes(term));
        }
        let rest = self.bytes.iter().enumerate();
        let rest: Vec<&Term> = rest
            .filter_map(|(at, term)| (tested != Some(at)).then_some(term))
            .collect();
        if rest.is_empty() {
            return Ok(());
        }
        for rows in std::mem::take(out).chunks(256) {
            budget.check()?;
            work.blocks_read += self.part.raw(rows, &mut |row, raw| {
                let holds = |term: &&Term| bytes::matches(term, &raw) != term.negate;
                if rest.iter().all(holds) {
                    out.push(row);
                }
                Ok(())
            })?;
        }
        out.sort_unstable();
        Ok(())
    }

    /// Whether a text is better searched for in all bodies than in those of the candidates.
    fn pays_search(&self, term: &Term) -> bool {
        let few = |rows: &Vec<u32>| rows.len() * 2 <= self.part.frames();
        is_text(term) && !self.candidates.as_ref().is_some_and(few)
    }

    /// Keeps the rows that hold a text. It is searched for in what the scan comes to first, and if
    /// that was not enough in all the rest; a rare one everywhere at once.
    fn search_ahead(
        &mut self,
        at: usize,
        out: &mut Vec<u32>,
        budget: &Budget,
        work: &mut Work,
    ) -> Result<()> {
        let Some(&row) = out.first() else {
            return Ok(());
        };
        if let Test::Contains { any } = &self.bytes[at].test
            && !self.searched.contains(&row)
        {
            let needles = Needles::new(any);
            let frames = self.frames_of(&needles, budget)?;
            let common =
                frames.len() > COMMON_FRAMES && frames.len() * COMMON_SHARE > self.part.frames();
            let range = match common {
                true => self.ahead(row),
                false => (self.low, self.high),
            };
            let (scope, tells) = (self.scope(frames, range, budget)?, self.tells);
            let found = contains::search(&self.part, &needles, &scope, tells, (budget, work))?;
            let mut rows = found.iter().map(|&(row, _)| row).collect();
            self.keep_candidates(&mut rows);
            self.found = rows;
            self.told = if tells { found } else { Vec::new() };
            self.searched = range.0..range.1;
        }
        out.retain(|row| self.found.binary_search(row).is_ok());
        Ok(())
    }

    /// The rows from a row's chunk on, in the scan's direction: some, or all after these.
    fn ahead(&self, row: u32) -> (u32, u32) {
        if matches!(self.part, Part::Block(..)) {
            return (self.low, self.high);
        }
        let chunks = match self.searched.is_empty() {
            true => FIRST_CHUNKS,
            false => self.part.chunks(),
        };
        let (chunk, rows) = (self.part.chunk_of(row).0, limits::CHUNK_ROWS as u32);
        let (first, end) = match self.direction {
            Direction::Ascending => (chunk, chunk.saturating_add(chunks)),
            Direction::Descending => ((chunk + 1).saturating_sub(chunks), chunk + 1),
        };
        (
            self.low.max(first * rows),
            self.high.min(end.saturating_mul(rows)),
        )
    }

    fn frames_of(&self, needles: &Needles<'_>, budget: &Budget) -> Result<Vec<usize>> {
        let all = self.decided.iter().chain(&self.predicates);
        let sets = all.filter_map(|predicate| match predicate.id_set() {
            Some((TextColumn::User, set)) => Some(set),
            _ => None,
        });
        let sets: Vec<&IdSet> = sets.collect();
        let wanted = |user| sets.iter().all(|set| set.holds(user));
        let range = (self.low, self.high);
        contains::frames_of(&self.part, needles, &wanted, range, budget)
    }

    /// Where to search: without what columns leave out, where asking them costs little beside what is
    /// searched.
    fn scope(&self, frames: Vec<usize>, range: (u32, u32), budget: &Budget) -> Result<Scope> {
        let rows = (range.1 - range.0) as usize;
        let leaves_out = rows * 2 < self.part.rows()
            || self.candidates.is_some()
            || self.predicates.iter().any(columns::is_quick);
        let pays = frames.len() * CHUNKS_PER_FRAME >= rows / limits::CHUNK_ROWS;
        let ranks = (leaves_out && pays).then(|| self.ranks(range, budget));
        Ok(Scope {
            frames,
            range,
            ranks: ranks.transpose()?,
        })
    }

    /// The ranks of the rows in a range that quick tests of columns leave.
    fn ranks(&self, range: (u32, u32), budget: &Budget) -> Result<RowSet> {
        let tests = || {
            self.predicates
                .iter()
                .filter(|test| columns::is_quick(test))
        };
        self.part.ranks_of(range, &|chunk, rows| {
            budget.check()?;
            let mut left = match &self.candidates {
                Some(known) => super::between(known, rows.start, rows.end).to_vec(),
                None => rows.collect(),
            };
            let mut room = Room::default();
            for test in tests() {
                if left.is_empty() {
                    break;
                }
                columns::apply(test, &self.part, chunk, &mut left, &mut room)?;
            }
            Ok(left)
        })
    }

    /// The rows that a search leaves.
    fn search(&self, term: &Term, budget: &Budget, work: &mut Work) -> Result<Vec<u32>> {
        let Test::Contains { any } = &term.test else {
            return Ok(Vec::new());
        };
        let (needles, range) = (Needles::new(any), (self.low, self.high));
        let scope = self.scope(self.frames_of(&needles, budget)?, range, budget)?;
        let found = contains::search(&self.part, &needles, &scope, false, (budget, work))?;
        let found = found.into_iter().map(|(row, _)| row);
        Ok(match term.negate {
            false => found.collect(),
            true => {
                let mut found = found.peekable();
                let rest = (self.low..self.high).filter(|row| found.next_if_eq(row).is_none());
                rest.collect()
            }
        })
    }

    /// What the search for a text found out about a row on the way.
    pub(crate) fn told(&self, row: u32) -> Option<Fields> {
        let at = self.told.binary_search_by_key(&row, |&(row, _)| row).ok()?;
        Some(self.told[at].1)
    }

    fn keep_candidates(&self, found: &mut Vec<u32>) {
        if let Some(candidates) = &self.candidates {
            found.retain(|row| candidates.binary_search(row).is_ok());
        }
    }
}

pub(super) fn is_text(term: &Term) -> bool {
    matches!(term.test, Test::Contains { .. })
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use crate::model::column::Column;
    use crate::model::normalise::normalise;
    use crate::model::value::Value;
    use crate::store::filter::{Filter, Test};
    use crate::store::{Budget, EventQuery, OpenOptions, Order, open_write};

    #[test]
    fn a_common_text_is_found_everywhere_and_in_few_blocks_where_few_rows_are_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let store = open_write(dir.path(), &OpenOptions::default()).unwrap();
        let mut batch = store.batch("c", "test");
        const ROWS: usize = 30_000;
        let holds = |n: usize| !n.is_multiple_of(3) && n % 7000 < 6500;
        for n in 0..ROWS {
            let word = if holds(n) { "marmalade" } else { "jam" };
            let line = format!(
                r#"{{"level":"Metadata","auditID":"a{n}","stage":"ResponseComplete","requestURI":"/x","verb":"get","user":{{"username":"u{}"}},"annotations":{{"a":"{word}","b":"{:0400}"}},"stageTimestamp":"2026-11-20T{:02}:{:02}:{:02}.000000Z"}}"#,
                n % 5,
                n * 7919,
                n / 3600,
                n / 60 % 60,
                n % 60,
            );
            let (event, content) = normalise("c", line.as_bytes()).unwrap();
            batch.event(&event, line.as_bytes(), content);
        }
        batch.commit().unwrap();
        store.seal(true).unwrap();
        let mut blocks = Vec::new();
        for order in [Order::NewestFirst, Order::OldestFirst] {
            for limit in [10, 0] {
                let mut filter = Filter::default();
                filter.push(Test::Contains {
                    any: vec![b"marmalade".as_slice().into()],
                });
                let query = EventQuery {
                    filter,
                    order,
                    limit,
                    columns: vec![Column::AuditId],
                    ..EventQuery::default()
                };
                let mut rows = Vec::new();
                let answer = store.events(&query, &Budget::new(None), &mut |row| {
                    rows.push(row[0].clone());
                    ControlFlow::Continue(())
                });
                blocks.push(answer.unwrap().stats.blocks_read);
                let ids = (0..ROWS).filter(|&n| holds(n));
                let id = |n| Value::text(format!("a{n}").as_str());
                let mut expected: Vec<Value> = ids.map(id).collect();
                if order == Order::NewestFirst {
                    expected.reverse();
                }
                if limit > 0 {
                    expected.truncate(limit as usize);
                }
                assert!(rows == expected, "{order:?} {limit}");
            }
        }
        let [first_page, all, ..] = blocks[..] else {
            panic!("four answers")
        };
        assert!(first_page < all, "{blocks:?}");
    }
}
