//! The exact bytes of a part's rows.

use super::Part;
use crate::store::Result;
use crate::store::sqlite::block::BODY_CLASSES;
use crate::store::sqlite::inorder::in_order;
use crate::store::sqlite::layout::IntColumn;
use crate::store::sqlite::lean;
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
