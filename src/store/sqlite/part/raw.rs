//! The exact bytes of a part's rows.

use std::ops::Range;

use super::Part;
use crate::limits;
use crate::store::Result;
use crate::store::sqlite::block::BODY_CLASSES;
use crate::store::sqlite::inorder::in_order;
use crate::store::sqlite::layout::IntColumn;
use crate::store::sqlite::lean;
use crate::store::sqlite::rowset::RowSet;
use crate::store::sqlite::sealed::split;

/// So many frames are read on all cores.
const FRAMES_WORTH_THREADS: usize = 8;

/// Rows of a chunk for which reading all of it pays.
const DENSE_ROWS: usize = 4;

impl Part {
    /// The exact bytes of events, for rows in any order; `sink` gets them in an order that is cheap
    /// to read. Returns how many blocks of bodies were decompressed.
    pub(crate) fn raw(
        &self,
        rows: &[u32],
        sink: &mut (dyn FnMut(u32, Vec<u8>) -> Result<()> + Send),
    ) -> Result<u64> {
        self.raw_as(rows, &|bytes| bytes, sink)
    }

    /// The same of what `make` makes of the bytes, which is done on all cores if there is much of it.
    pub(crate) fn raw_as<T: Send>(
        &self,
        rows: &[u32],
        make: &(dyn Fn(Vec<u8>) -> T + Sync),
        sink: &mut (dyn FnMut(u32, T) -> Result<()> + Send),
    ) -> Result<u64> {
        let places = self.places(rows)?;
        let many = self.are_dense(rows);
        let frames: Vec<_> = places
            .chunk_by(|left, right| left.0.0 == right.0.0)
            .collect();
        let read = |at: usize| -> Result<Vec<(u32, T)>> {
            let places = frames[at];
            let frame = self.frame(places[0].0.0)?;
            let body = |&((_, index), row): &((usize, usize), u32)| {
                let mut raw = Vec::new();
                lean::restore(frame.body(index)?, &self.fields(row, many)?, &mut raw);
                Ok((row, make(raw)))
            };
            places.iter().map(body).collect()
        };
        in_order(
            frames.len(),
            frames.len() >= FRAMES_WORTH_THREADS,
            read,
            |made| {
                made?
                    .into_iter()
                    .try_for_each(|(row, made)| sink(row, made))
            },
        )?;
        Ok(frames.len() as u64)
    }

    /// Whether there are several of the rows in most of the chunks that hold any.
    fn are_dense(&self, rows: &[u32]) -> bool {
        let chunks = rows.chunk_by(|&left, &right| self.chunk_of(left).0 == self.chunk_of(right).0);
        rows.len() >= DENSE_ROWS * chunks.count()
    }

    /// The places of the bodies of rows, in the order of frames.
    pub(crate) fn places(&self, rows: &[u32]) -> Result<Vec<((usize, usize), u32)>> {
        let mut places = Vec::with_capacity(rows.len());
        let mut chunk_of_ranks = None;
        let mut ranks = Vec::new();
        let many = rows.len() > 8;
        for &row in rows {
            let (chunk, offset) = match self {
                Part::Block(..) => (0, row as usize),
                Part::Sealed(_) => split(row),
            };
            let rank = match self {
                // One row does not pay for decoding a whole chunk.
                Part::Sealed(sealed) if !many => sealed.int(IntColumn::Rank, row, false)?,
                _ => {
                    if chunk_of_ranks != Some(chunk) {
                        self.ints(IntColumn::Rank, chunk, &mut ranks)?;
                        chunk_of_ranks = Some(chunk);
                    }
                    ranks[offset]
                }
            };
            places.push((self.place(rank)?, row));
        }
        places.sort_unstable();
        Ok(places)
    }

    /// The ranks of the bodies of rows in a range, on all cores; `rows` leaves those of a chunk that
    /// are wanted.
    pub(crate) fn ranks_of(
        &self,
        (low, high): (u32, u32),
        rows: &(dyn Fn(u32, Range<u32>) -> Result<Vec<u32>> + Sync),
    ) -> Result<RowSet> {
        let mut set = RowSet::none(match self {
            // They go by class, so that there can be more of them than rows.
            Part::Block(..) => self.rows() * BODY_CLASSES,
            Part::Sealed(_) => self.rows(),
        });
        if low >= high {
            return Ok(set);
        }
        let first_chunk = self.chunk_of(low).0;
        let chunks = (self.chunk_of(high - 1).0 - first_chunk + 1) as usize;
        let of_chunk = |at: usize| -> Result<Vec<u32>> {
            let chunk = first_chunk + at as u32;
            let first = chunk * limits::CHUNK_ROWS as u32;
            let end = high.min(first + self.chunk_rows(chunk) as u32);
            let mut ranks = rows(chunk, first.max(low)..end)?;
            if !ranks.is_empty() {
                let mut of_rows = Vec::new();
                self.ints(IntColumn::Rank, chunk, &mut of_rows)?;
                let rank = |row: &mut u32| *row = of_rows[(*row - first) as usize] as u32;
                ranks.iter_mut().for_each(rank);
            }
            Ok(ranks)
        };
        in_order(chunks, chunks > 1, of_chunk, |ranks| {
            ranks?.into_iter().for_each(|rank| set.insert(rank));
            Ok(())
        })?;
        Ok(set)
    }

    /// The frames with any of these ranks, ascending.
    pub(crate) fn frames_holding(&self, ranks: &RowSet) -> Result<Vec<usize>> {
        Ok(match self {
            Part::Block(..) => {
                let frames = ranks
                    .rows()
                    .into_iter()
                    .map(|rank| rank as usize % BODY_CLASSES);
                let mut there = [false; BODY_CLASSES];
                frames.for_each(|frame| there[frame] = true);
                (0..BODY_CLASSES).filter(|&frame| there[frame]).collect()
            }
            Part::Sealed(sealed) => {
                let frames = sealed.body_index()?.iter().enumerate();
                let holding = frames
                    .filter(|(_, at)| ranks.holds_any(at.first_rank, at.first_rank + at.events));
                holding.map(|(frame, _)| frame).collect()
            }
        })
    }

    /// The frame and index of a body's place.
    pub(crate) fn place(&self, rank: i64) -> Result<(usize, usize)> {
        match self {
            Part::Block(..) => Ok((rank as usize % BODY_CLASSES, rank as usize / BODY_CLASSES)),
            Part::Sealed(sealed) => {
                let number = sealed.body_block(rank as u32)?;
                Ok((
                    number,
                    (rank as u32 - sealed.body_index()?[number].first_rank) as usize,
                ))
            }
        }
    }

    /// How many bytes a body takes, about: the mean of its frame.
    pub(crate) fn body_bytes(&self, rank: u32) -> Result<usize> {
        let (events, size) = match self {
            Part::Block(block, _) => {
                let frame = block.frames[rank as usize % BODY_CLASSES];
                (frame.events, frame.size)
            }
            Part::Sealed(sealed) => {
                let frame = sealed.body_index()?[sealed.body_block(rank)?];
                (frame.events as usize, frame.size as usize)
            }
        };
        Ok(size / events.max(1))
    }
}
