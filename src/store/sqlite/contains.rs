//! Searching the bytes of events: whole blocks of lean bodies at memory speed, on all cores.

use std::collections::BTreeMap;
use std::sync::Arc;

use memchr::memmem::Finder;

use super::block::Frame;
use super::inorder::in_order;
use super::layout::IntColumn;
use super::lean;
use super::matched::{self, Fields};
use super::ngrams;
use super::ownnames;
use super::part::Part;
use super::putback::Reach;
use super::rowset::RowSet;
use crate::limits;
use crate::store::{Budget, Result, Work};

/// Frames that are not worth another thread.
const FRAMES_OF_ONE_CORE: usize = 4;

/// Byte strings to search for.
pub(crate) struct Needles<'n> {
    texts: Vec<&'n [u8]>,
    finders: Vec<Finder<'n>>,
    /// Per needle the rows of its n-grams, if all of them can be looked up.
    ngrams: Option<Vec<Vec<u32>>>,
    /// What a match may have in common with what lean bodies leave out.
    reach: Reach,
    /// Lean bodies say nothing of these needles.
    restore_all: bool,
}

impl<'n> Needles<'n> {
    pub(crate) fn new(any: &'n [Arc<[u8]>]) -> Needles<'n> {
        let restore_all = any.iter().any(|needle| lean::has_marker(needle));
        let rows = || any.iter().map(|needle| ngrams::rows_of(needle)).collect();
        Needles {
            texts: any.iter().map(|needle| &**needle).collect(),
            finders: any.iter().map(|needle| Finder::new(&**needle)).collect(),
            ngrams: (!restore_all).then(rows).flatten(),
            reach: Reach::new(any.iter().map(|needle| &**needle)),
            restore_all,
        }
    }

    fn matches(&self, bytes: &[u8]) -> bool {
        matched::any_in(&self.finders, bytes)
    }
}

/// Rows to restore, by the frame of their bodies: where in it, and which.
type Restored = BTreeMap<usize, Vec<(usize, u32)>>;

/// The frames whose lean bodies may hold any of the needles. Of rows in which it stands only in their
/// users' names those matter that are in a range and whose users, by string id, are `wanted`.
pub(crate) fn frames_of(
    part: &Part,
    needles: &Needles<'_>,
    wanted: &dyn Fn(u32) -> bool,
    range: (u32, u32),
    budget: &Budget,
) -> Result<Vec<usize>> {
    let (Some(rows), Part::Sealed(sealed)) = (&needles.ngrams, part) else {
        return Ok((0..part.frames()).collect());
    };
    let mut frames = ngrams::blocks_with(sealed, rows)?;
    if sealed.header.ngrams_but_users.is_some() && frames.len() < part.frames() {
        let texts = &needles.texts;
        frames.extend(ownnames::blocks_reached(
            sealed, part, texts, wanted, range, budget,
        )?);
        frames.sort_unstable();
        frames.dedup();
    }
    Ok(frames)
}

/// Where to search.
pub(crate) struct Scope {
    /// The frames of lean bodies that may hold what is searched for.
    pub(crate) frames: Vec<usize>,
    pub(crate) range: (u32, u32),
    /// The ranks of the rows that are wanted: all of the range at most. `None` is all.
    pub(crate) ranks: Option<RowSet>,
}

impl Scope {
    fn wants(&self, rank: u32) -> bool {
        self.ranks.as_ref().is_none_or(|ranks| ranks.holds(rank))
    }
}

/// The wanted rows whose bytes hold any of the needles, ascending. What of their fields is only in the
/// bytes and holds a needle is found out on the way if it is wanted.
pub(crate) fn search(
    part: &Part,
    needles: &Needles<'_>,
    scope: &Scope,
    tells: bool,
    (budget, work): (&Budget, &mut Work),
) -> Result<Vec<(u32, Fields)>> {
    let restored = to_restore(part, needles, scope, budget)?;
    let mut frames = scope.frames.clone();
    if let Some(ranks) = &scope.ranks {
        let holding = part.frames_holding(ranks)?;
        frames.retain(|frame| holding.binary_search(frame).is_ok());
    }
    frames.extend(restored.keys());
    frames.sort_unstable();
    frames.dedup();
    let told = |raw: &[u8]| match tells {
        true => matched::inside(raw, &needles.finders),
        false => 0,
    };
    let search_frame = |at: usize| -> Result<(Vec<(u32, Fields)>, Vec<(u32, Fields)>)> {
        budget.check()?;
        let number = frames[at];
        let frame = part.frame(number)?;
        let found = match needles.restore_all {
            true => Vec::new(),
            false => hits_in(&frame, needles),
        };
        let rows = match restored.get(&number) {
            Some(rows) => restored_hits(part, &frame, needles, rows, &found, &told)?,
            None => Vec::new(),
        };
        let (first, step) = part.frame_ranks(number)?;
        let mut raw = Vec::new();
        let mut wanted = Vec::new();
        for index in found {
            let rank = (first + index as i64 * step) as u32;
            if !scope.wants(rank) {
                continue;
            }
            if tells {
                // What was left out of the bytes is in none of those fields.
                raw.clear();
                lean::restore(
                    frame.body(index)?,
                    &lean::Fields::new([0; 16], 0, 0),
                    &mut raw,
                );
            }
            wanted.push((rank, told(&raw)));
        }
        Ok((wanted, rows))
    };
    let (mut ranks, mut rows) = (Vec::new(), Vec::new());
    let on_all_cores = frames.len() > FRAMES_OF_ONE_CORE;
    in_order(frames.len(), on_all_cores, search_frame, |found| {
        let found = found?;
        ranks.extend(found.0);
        rows.extend(found.1);
        Ok(())
    })?;
    work.blocks_read += frames.len() as u64;
    rows.extend(rows_of_ranks(part, &mut ranks, scope.range, budget)?);
    rows.sort_unstable();
    Ok(rows)
}

/// The wanted rows that the needles may match in what is put back.
fn to_restore(
    part: &Part,
    needles: &Needles<'_>,
    scope: &Scope,
    budget: &Budget,
) -> Result<Restored> {
    let range = scope.range;
    let rows = match needles.restore_all {
        true => (range.0..range.1).collect(),
        false => needles.reach.rows(part, range, budget)?,
    };
    let mut restored = Restored::new();
    for ((frame, index), row) in part.places(&rows)? {
        let (first, step) = part.frame_ranks(frame)?;
        if !scope.wants((first + index as i64 * step) as u32) {
            continue;
        }
        restored.entry(frame).or_default().push((index, row));
    }
    Ok(restored)
}

/// The bodies with a match, in order. Lean bytes equal the exact ones but for three marker bytes, so a
/// needle without such bytes matches in both or in neither, unless it reaches into what they stand
/// for.
fn hits_in(frame: &Frame, needles: &Needles<'_>) -> Vec<usize> {
    let bytes = frame.bytes();
    let mut hits = Vec::new();
    for finder in &needles.finders {
        let mut from = 0;
        while let Some(position) = bytes.get(from..).and_then(|rest| finder.find(rest)) {
            let start = from + position;
            let index = frame.index_at(start);
            // A match across the border of two events is none.
            if let Ok(body) = frame.body(index)
                && finder.find(body).is_some()
            {
                hits.push(index);
                from = frame.offset_after(index);
                continue;
            }
            from = start + 1;
        }
    }
    hits.sort_unstable();
    hits.dedup();
    hits
}

/// Those of `rows` that match as they were received and are not among the bodies `found` already.
fn restored_hits(
    part: &Part,
    frame: &Frame,
    needles: &Needles<'_>,
    rows: &[(usize, u32)],
    found: &[usize],
    told: &impl Fn(&[u8]) -> Fields,
) -> Result<Vec<(u32, Fields)>> {
    let (mut raw, mut hits) = (Vec::new(), Vec::new());
    for &(index, row) in rows {
        if found.binary_search(&index).is_ok() {
            continue;
        }
        raw.clear();
        lean::restore(
            frame.body(index)?,
            &part.fields(row, rows.len() > 4)?,
            &mut raw,
        );
        if needles.matches(&raw) {
            hits.push((row, told(&raw)));
        }
    }
    Ok(hits)
}

/// The rows in a range whose bodies have these ranks, with what stands beside each.
fn rows_of_ranks(
    part: &Part,
    ranks: &mut [(u32, Fields)],
    (low, high): (u32, u32),
    budget: &Budget,
) -> Result<Vec<(u32, Fields)>> {
    if ranks.is_empty() || low >= high {
        return Ok(Vec::new());
    }
    // A block's ranks go by class, so that there can be more of them than rows.
    ranks.sort_unstable();
    let most = ranks.last().map_or(0, |&(most, _)| most as usize);
    let mut wanted = RowSet::none(most + 1);
    ranks.iter().for_each(|&(rank, _)| wanted.insert(rank));
    let ranks = &*ranks;
    let first_chunk = part.chunk_of(low).0;
    let chunks = (part.chunk_of(high - 1).0 - first_chunk + 1) as usize;
    let rows_of_chunk = |at: usize| -> Result<Vec<(u32, Fields)>> {
        budget.check()?;
        let chunk = first_chunk + at as u32;
        let mut of_rows = Vec::new();
        part.ints(IntColumn::Rank, chunk, &mut of_rows)?;
        let first = chunk * limits::CHUNK_ROWS as u32;
        let rows = (first..).zip(&of_rows);
        let found = rows.filter(|&(_, &rank)| wanted.holds(rank as u32));
        let in_range = found.filter(|(row, _)| (low..high).contains(row));
        let beside = |(row, &rank)| {
            let at = ranks.partition_point(|&(known, _)| known < rank as u32);
            (row, ranks[at].1)
        };
        Ok(in_range.map(beside).collect())
    };
    let mut rows = Vec::new();
    in_order(chunks, chunks > 1, rows_of_chunk, |found| {
        rows.extend(found?);
        Ok(())
    })?;
    Ok(rows)
}
