//! Searching the bytes of events: whole blocks of lean bodies at memory speed, on all cores.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use memchr::memmem::Finder;

use super::block::Frame;
use super::layout::IntColumn;
use super::lean;
use super::ngrams;
use super::part::Part;
use crate::store::{Budget, Result, Work};

/// Byte strings to search for.
pub(crate) struct Needles<'n> {
    finders: Vec<Finder<'n>>,
    /// Per needle the rows of its n-grams, if all of them can be looked up.
    ngrams: Option<Vec<Vec<u32>>>,
    /// A match may reach into what lean bodies leave out, so they must be restored first.
    restore: bool,
}

impl<'n> Needles<'n> {
    pub(crate) fn new(any: &'n [Arc<[u8]>]) -> Needles<'n> {
        let restore = any.iter().any(|needle| lean::may_touch_restored(needle));
        let rows = || any.iter().map(|needle| ngrams::rows_of(needle)).collect();
        Needles {
            finders: any.iter().map(|needle| Finder::new(&**needle)).collect(),
            // What is put back is not in the bodies whose n-grams were noted.
            ngrams: (!restore).then(rows).flatten(),
            restore,
        }
    }

    fn matches(&self, bytes: &[u8]) -> bool {
        self.finders
            .iter()
            .any(|finder| finder.find(bytes).is_some())
    }
}

/// The rows in a range whose bytes hold any of the needles, ascending.
pub(crate) fn search(
    part: &Part,
    needles: &Needles<'_>,
    range: (u32, u32),
    budget: &Budget,
    work: &mut Work,
) -> Result<Vec<u32>> {
    let frames = match &needles.ngrams {
        Some(texts) => part.frames_with(texts)?,
        None => (0..part.frames()).collect(),
    };
    let mut rows_by_rank = None;
    if needles.restore {
        rows_by_rank = Some(rows_of_ranks(part)?);
    }
    let next = AtomicUsize::new(0);
    let hits = Mutex::new(Vec::new());
    let failure = Mutex::new(None);
    let worker = || {
        loop {
            let Some(&number) = frames.get(next.fetch_add(1, Ordering::Relaxed)) else {
                return;
            };
            let result = budget
                .check()
                .and_then(|()| part.frame(number))
                .and_then(|frame| {
                    let (first, step) = part.frame_ranks(number)?;
                    match &rows_by_rank {
                        None => Ok(hits_in(&frame, needles, first, step)),
                        Some(rows) => {
                            restored_hits(part, &frame, needles, first, step, rows, range)
                        }
                    }
                });
            match result {
                Ok(found) if found.is_empty() => {}
                Ok(found) => hits
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .extend(found),
                Err(error) => {
                    *failure
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
                    next.store(frames.len(), Ordering::Relaxed);
                }
            }
        }
    };
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(frames.len().div_ceil(4))
        .max(1);
    if threads == 1 {
        worker();
    } else {
        std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(worker))));
    }
    if let Some(error) = failure
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
    {
        return Err(error);
    }
    work.blocks_read += frames.len() as u64;
    let hits: Vec<i64> = hits
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if hits.is_empty() {
        return Ok(Vec::new());
    }
    let rows_by_rank = rows_by_rank.map_or_else(|| rows_of_ranks(part), Ok)?;
    let mut rows: Vec<u32> = hits
        .iter()
        .map(|rank| rows_by_rank[*rank as usize])
        .collect();
    rows.retain(|row| (range.0..range.1).contains(row));
    rows.sort_unstable();
    Ok(rows)
}

/// Ranks of the bodies with a match. Lean bytes equal the exact ones but for three marker bytes, so
/// a needle without such bytes that cannot reach into them matches in both or in neither.
fn hits_in(frame: &Frame, needles: &Needles<'_>, first: i64, step: i64) -> Vec<i64> {
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
                hits.push(first + index as i64 * step);
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

/// The slow way: every event is restored first.
fn restored_hits(
    part: &Part,
    frame: &Frame,
    needles: &Needles<'_>,
    first: i64,
    step: i64,
    rows: &[u32],
    range: (u32, u32),
) -> Result<Vec<i64>> {
    let mut hits = Vec::new();
    let mut raw = Vec::new();
    for index in 0..frame.len() {
        let rank = first + index as i64 * step;
        let row = rows[rank as usize];
        if (range.0..range.1).contains(&row) {
            raw.clear();
            lean::restore(frame.body(index)?, &part.fields(row)?, &mut raw);
            if needles.matches(&raw) {
                hits.push(rank);
            }
        }
    }
    Ok(hits)
}

/// The row of each rank.
fn rows_of_ranks(part: &Part) -> Result<Vec<u32>> {
    let mut rows = Vec::new();
    let mut ranks = Vec::new();
    let mut row = 0;
    for chunk in 0..part.chunks() {
        part.ints(IntColumn::Rank, chunk, &mut ranks)?;
        for &rank in &ranks {
            let rank = rank as usize;
            if rows.len() <= rank {
                rows.resize(rank + 1, 0);
            }
            rows[rank] = row;
            row += 1;
        }
    }
    Ok(rows)
}
