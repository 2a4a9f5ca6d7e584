//! Scanning one part: candidates from row lists, then one column after the other, a chunk at a time.

use super::contains::{self, Needles};
use super::layout::{IntColumn, TextColumn};
use super::part::Part;
use super::predicate::{self, Compiled, Deriver, Predicate};
use crate::limits;
use crate::model::value::Value;
use crate::store::filter::{Filter, Term, Test};
use crate::store::{Budget, Result, Work};

/// The direction of a scan within a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

/// Row lists are used when they leave out at least this share of the rows.
const CANDIDATE_SHARE: u64 = 8;

/// Strings whose row lists are put together at most.
const CANDIDATE_STRINGS_MAX: u32 = 64;

/// A scan of one part.
pub(crate) struct PartScan {
    pub(crate) part: Part,
    predicates: Vec<Predicate>,
    bytes: Vec<Term>,
    deriver: Deriver,
    direction: Direction,
    /// Rows to look at, ascending; all of `low..high` when `None`.
    candidates: Option<Vec<u32>>,
    low: u32,
    high: u32,
    /// Chunks still to do.
    chunks: std::ops::Range<u32>,
    /// Rows that hold a searched text, once the whole part was searched.
    found: Option<Vec<u32>>,
    ids: Vec<u32>,
    other_ids: Vec<u32>,
    ints: Vec<i64>,
    other_ints: Vec<i64>,
}

impl PartScan {
    /// Prepares a scan; `None` when no row can match.
    pub(crate) fn new(
        part: Part,
        filter: &Filter,
        direction: Direction,
        deriver: &Deriver,
    ) -> Result<Option<PartScan>> {
        let (low, high) = part.rows_between(filter.since, filter.until)?;
        if low == high {
            return Ok(None);
        }
        let Compiled::All(predicates) = predicate::compile(filter, &part, deriver)? else {
            return Ok(None);
        };
        let candidates = candidates(&part, &predicates)?;
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
        let candidates = candidates.map(|mut rows: Vec<u32>| {
            rows.retain(|row| (low..high).contains(row));
            rows
        });
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
            bytes,
            deriver: deriver.clone(),
            direction,
            candidates,
            low,
            high,
            chunks,
            found: None,
            ids: Vec::new(),
            other_ids: Vec::new(),
            ints: Vec::new(),
            other_ints: Vec::new(),
        }))
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
        match &self.candidates {
            Some(rows) => {
                let from = rows.partition_point(|&row| row < begin);
                let to = rows.partition_point(|&row| row < end);
                out.extend_from_slice(&rows[from..to]);
            }
            None => out.extend(begin..end),
        }
        if !self.part.dead().is_empty() {
            let dead = self.part.dead();
            out.retain(|row| dead.binary_search(row).is_err());
        }
        work.rows_visited += out.len() as u64;
        for index in 0..self.predicates.len() {
            if out.is_empty() {
                return Ok(true);
            }
            self.apply(index, chunk, first, out)?;
        }
        if !out.is_empty() && !self.bytes.is_empty() {
            self.apply_bytes(out, budget, work)?;
        }
        if self.direction == Direction::Descending {
            out.reverse();
        }
        Ok(true)
    }

    fn apply(&mut self, index: usize, chunk: u32, first: u32, out: &mut Vec<u32>) -> Result<()> {
        let at = |row: u32| (row - first) as usize;
        match &self.predicates[index] {
            Predicate::Ids(column, set) => {
                self.part.ids(*column, chunk, &mut self.ids)?;
                let ids = &self.ids;
                out.retain(|&row| set.holds(ids[at(row)]));
            }
            Predicate::EffectiveUser(impersonated, user) => {
                self.part
                    .ids(TextColumn::ImpersonatedUser, chunk, &mut self.ids)?;
                self.part
                    .ids(TextColumn::User, chunk, &mut self.other_ids)?;
                let (ids, users) = (&self.ids, &self.other_ids);
                out.retain(|&row| match ids[at(row)] {
                    0 => user.holds(users[at(row)]),
                    id => impersonated.holds(id),
                });
            }
            Predicate::Resource(pairs, negate) => {
                self.part.ids(TextColumn::Resource, chunk, &mut self.ids)?;
                self.part
                    .ids(TextColumn::ApiGroup, chunk, &mut self.other_ids)?;
                let (ids, groups) = (&self.ids, &self.other_ids);
                out.retain(|&row| {
                    let holds = pairs.iter().any(|(resource, group)| {
                        resource.holds(ids[at(row)]) && group.holds(groups[at(row)])
                    });
                    holds != *negate
                });
            }
            Predicate::Number {
                column,
                any,
                absent,
                negate,
            } => {
                let (source, second) = predicate::number_sources(*column);
                self.part.ints(source, chunk, &mut self.ints)?;
                match second {
                    Some(second) => self.part.ints(second, chunk, &mut self.other_ints)?,
                    None => self.other_ints.clone_from(&self.ints),
                }
                let (ints, others) = (&self.ints, &self.other_ints);
                out.retain(|&row| {
                    let holds = match predicate::number(*column, ints[at(row)], others[at(row)]) {
                        None => *absent,
                        Some(value) => predicate::in_any(value, any),
                    };
                    holds != *negate
                });
            }
            Predicate::AuditId {
                any,
                patterns,
                negate,
            } => {
                let mut keys = Vec::new();
                self.part.audit_keys(chunk, &mut keys)?;
                self.part
                    .ids(TextColumn::OddAuditId, chunk, &mut self.ids)?;
                let mut failure = None;
                let (part, ids) = (&self.part, &self.ids);
                out.retain(|&row| {
                    let (key, odd) = (&keys[at(row)], ids[at(row)]);
                    let exact = any
                        .iter()
                        .any(|(want, want_odd)| key == want && want_odd.unwrap_or(0) == odd);
                    let holds = exact
                        || (!patterns.is_empty() && {
                            let text = audit_text(part, key, odd);
                            text.map_err(|error| failure = Some(error))
                                .is_ok_and(|text| {
                                    patterns.iter().any(|pattern| pattern.matches(&text))
                                })
                        });
                    holds != *negate
                });
                if let Some(error) = failure {
                    return Err(error);
                }
            }
            Predicate::Bytes(_) => {}
        }
        Ok(())
    }

    /// Tests that need the events' bytes.
    fn apply_bytes(&mut self, out: &mut Vec<u32>, budget: &Budget, work: &mut Work) -> Result<()> {
        let terms = std::mem::take(&mut self.bytes);
        let mut rest = Vec::new();
        for term in &terms {
            match &term.test {
                // Few candidates cost less to read one by one than searching all bodies.
                Test::Contains { any }
                    if self
                        .candidates
                        .as_ref()
                        .is_none_or(|rows| rows.len() * 2 > self.part.frames()) =>
                {
                    if self.found.is_none() || terms.len() > 1 {
                        let needles = Needles::new(any);
                        self.found = Some(contains::search(
                            &self.part,
                            &needles,
                            (self.low, self.high),
                            budget,
                            work,
                        )?);
                    }
                    let found = self.found.as_deref().unwrap_or_default();
                    out.retain(|row| found.binary_search(row).is_ok() != term.negate);
                }
                _ => rest.push(term),
            }
        }
        if !rest.is_empty() && !out.is_empty() {
            let mut keep = Vec::with_capacity(out.len());
            for rows in out.chunks(256) {
                budget.check()?;
                work.blocks_read += self.part.raw(rows, &mut |row, raw| {
                    if rest
                        .iter()
                        .all(|term| raw_matches(term, &raw, &self.deriver) != term.negate)
                    {
                        keep.push(row);
                    }
                    Ok(())
                })?;
            }
            keep.sort_unstable();
            *out = keep;
        }
        self.bytes = terms;
        Ok(())
    }
}

/// The text of an audit id from what is stored.
pub(crate) fn audit_text(part: &Part, key: &[u8; 16], odd: u32) -> Result<String> {
    if odd != 0 {
        return Ok(part.string(TextColumn::OddAuditId, odd)?.to_owned());
    }
    Ok(super::layout::uuid_text(key)
        .iter()
        .map(|&byte| byte as char)
        .collect())
}

/// A test on an event's bytes, without its negation.
fn raw_matches(term: &Term, raw: &[u8], _deriver: &Deriver) -> bool {
    match &term.test {
        Test::Contains { any } => any
            .iter()
            .any(|needle| memchr::memmem::find(raw, needle).is_some()),
        Test::Text { column, any } => match super::bytes::column(*column, raw) {
            Value::Text(text) | Value::Json(text) => {
                any.iter().any(|pattern| pattern.matches(&text))
            }
            _ => false,
        },
        Test::Absent { column } => matches!(super::bytes::column(*column, raw), Value::Null),
        Test::Resource { .. } | Test::Number { .. } => false,
    }
}

/// Rows from the shortest row lists that the predicates allow, if they leave out most rows.
fn candidates(part: &Part, predicates: &[Predicate]) -> Result<Option<Vec<u32>>> {
    for predicate in predicates {
        if let Predicate::AuditId {
            any,
            patterns,
            negate: false,
        } = predicate
            && patterns.is_empty()
        {
            let mut rows = Vec::new();
            for (key, _) in any {
                rows.extend(part.audit_rows(key)?);
            }
            rows.sort_unstable();
            rows.dedup();
            return Ok(Some(rows));
        }
    }
    let Part::Sealed(sealed) = part else {
        return Ok(None);
    };
    let mut best: Option<(u64, TextColumn, Vec<u32>)> = None;
    let mut consider = |column: TextColumn, set: &predicate::IdSet| -> Result<()> {
        if !column.has_postings() || set.holds(0) || set.count() > CANDIDATE_STRINGS_MAX {
            return Ok(());
        }
        let ids: Vec<u32> = set.ids().collect();
        let mut count = 0;
        for &id in &ids {
            sealed.postings(column, id, false, &mut |_, posting| {
                count += u64::from(posting.count);
                false
            })?;
        }
        if best.as_ref().is_none_or(|(least, ..)| count < *least) {
            best = Some((count, column, ids));
        }
        Ok(())
    };
    for predicate in predicates {
        match predicate {
            Predicate::Ids(column, set) => consider(*column, set)?,
            Predicate::Resource(pairs, false) => {
                if let [(resource, _)] = pairs.as_slice() {
                    consider(TextColumn::Resource, resource)?;
                }
            }
            _ => {}
        }
    }
    let Some((count, column, ids)) = best else {
        return Ok(None);
    };
    if count * CANDIDATE_SHARE > part.rows() as u64 {
        return Ok(None);
    }
    let mut rows = Vec::with_capacity(count as usize);
    for id in &ids {
        rows.extend(sealed.posting(column, *id)?.rows);
    }
    if ids.len() > 1 {
        rows.sort_unstable();
    }
    Ok(Some(rows))
}

/// The times of rows of one chunk, in the order given.
pub(crate) fn gather_ints(
    part: &Part,
    column: IntColumn,
    rows: &[u32],
    buffer: &mut Vec<i64>,
    out: &mut Vec<i64>,
) -> Result<()> {
    out.clear();
    let Some(&first) = rows.first() else {
        return Ok(());
    };
    let chunk = if matches!(part, Part::Block(..)) {
        0
    } else {
        first / limits::CHUNK_ROWS as u32
    };
    part.ints(column, chunk, buffer)?;
    let base = chunk * limits::CHUNK_ROWS as u32;
    out.extend(rows.iter().map(|&row| buffer[(row - base) as usize]));
    Ok(())
}
