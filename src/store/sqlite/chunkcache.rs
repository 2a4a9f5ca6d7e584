//! What queries looked into lately of sealed segments, checked once and kept within a bound: column
//! chunks or slices of them, and the rows of long lists.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxBuildHasher;

use super::codec::{ChunkRef, chunk_bytes, damaged};
pub(crate) use super::generations::Key;
use super::generations::{Generations, Weigh};
use super::rowset::RowSet;
use super::sealed::PackedCache;
use crate::limits::{CHUNK_ROWS, CHUNKS_KEPT_BYTES_MAX};
use crate::store::Result;

/// A chunk whose checksum was found right.
pub(crate) struct CachedChunk {
    pub(crate) base: i64,
    pub(crate) width: u8,
    pub(crate) data: Box<[u8]>,
}

impl CachedChunk {
    pub(crate) fn chunk(&self) -> ChunkRef<'_> {
        ChunkRef {
            base: self.base,
            width: self.width,
            data: &self.data,
        }
    }

    /// So many of its rows, from the `number`th such slice on; fewer at its end.
    fn slice(&self, number: usize) -> CachedChunk {
        let bytes = chunk_bytes(SLICE_ROWS, self.width);
        let begin = (number * bytes).min(self.data.len());
        let end = (begin + bytes).min(self.data.len());
        CachedChunk {
            base: self.base,
            width: self.width,
            data: self.data[begin..end].into(),
        }
    }
}

/// Rows of a column that lie together.
#[derive(Clone)]
pub(crate) struct Stretch {
    /// The first row.
    first: u32,
    rows: u32,
    pub(crate) chunk: Arc<CachedChunk>,
}

/// Rows of a slice: a whole number of them makes a chunk, and of any width they are whole bytes.
const SLICE_ROWS: usize = 40;

/// Slices of a chunk that are kept; when more are needed, the chunk is.
const SLICES_MAX: usize = 8;

impl Stretch {
    /// A whole chunk.
    pub(crate) fn whole(number: u32, chunk: Arc<CachedChunk>) -> Stretch {
        let rows = CHUNK_ROWS as u32;
        Stretch {
            first: number * rows,
            rows,
            chunk,
        }
    }

    /// Where a row stands in it, if it does.
    #[inline]
    pub(crate) fn place(&self, row: u32) -> Option<usize> {
        let place = row.wrapping_sub(self.first);
        (place < self.rows).then_some(place as usize)
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.rows as usize == CHUNK_ROWS
    }

    /// The number of a row.
    #[inline]
    pub(crate) fn get(&self, row: u32) -> Result<i64> {
        match self.place(row) {
            Some(place) => self.chunk.chunk().get(place),
            None => Err(damaged("a column chunk is short")),
        }
    }

    /// The key of a row's audit id.
    pub(crate) fn audit_key(&self, row: u32) -> Option<[u8; 16]> {
        let place = self.place(row)?;
        self.chunk.data.as_chunks::<16>().0.get(place).copied()
    }
}

/// What is kept of a chunk.
enum Kept {
    Whole(Arc<CachedChunk>),
    /// With their numbers in the chunk.
    Slices(Vec<(usize, Arc<CachedChunk>)>),
    /// Not of a chunk: the rows that hold any of these strings.
    Rows(Box<[u32]>, Arc<RowSet>),
}

/// Marks the rows of a text column's strings; summaries have the bit below, too.
const ROWS: u8 = 0x80;

/// Other strings may have the same key.
fn rows_key((segment, column): (u64, u8), ids: &[u32]) -> Key {
    let hash = FxBuildHasher.hash_one(ids);
    (segment, ROWS | column, (hash ^ (hash >> 32)) as u32)
}

/// The cache; one for all segments of a store.
pub(crate) struct ChunkCache {
    generations: Mutex<Generations<Kept>>,
    segments: AtomicU64,
    /// Pieces of dictionaries have a bound of their own.
    pub(crate) packed: Arc<PackedCache>,
}

impl Default for ChunkCache {
    fn default() -> Self {
        ChunkCache {
            generations: Mutex::new(Generations::new(CHUNKS_KEPT_BYTES_MAX)),
            segments: AtomicU64::new(0),
            packed: Arc::default(),
        }
    }
}

impl ChunkCache {
    /// A number for a segment that was opened.
    pub(crate) fn number(&self) -> u64 {
        self.segments.fetch_add(1, Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Generations<Kept>> {
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A whole chunk.
    pub(crate) fn get(&self, key: Key) -> Option<Arc<CachedChunk>> {
        match self.lock().used(key)? {
            Kept::Whole(chunk) => Some(Arc::clone(chunk)),
            _ => None,
        }
    }

    /// What is kept around a place in a chunk.
    pub(crate) fn stretch(&self, key: Key, offset: usize) -> Option<Stretch> {
        let number = offset / SLICE_ROWS;
        match self.lock().used(key)? {
            Kept::Whole(chunk) => Some(Stretch::whole(key.2, Arc::clone(chunk))),
            Kept::Slices(slices) => {
                let (_, slice) = slices.iter().find(|(at, _)| *at == number)?;
                Some(Stretch {
                    first: key.2 * CHUNK_ROWS as u32 + (number * SLICE_ROWS) as u32,
                    rows: SLICE_ROWS as u32,
                    chunk: Arc::clone(slice),
                })
            }
            Kept::Rows(..) => None,
        }
    }

    pub(crate) fn put(&self, key: Key, chunk: Arc<CachedChunk>) {
        self.lock().put(key, Kept::Whole(chunk));
    }

    /// Keeps what stands around a place in a chunk.
    pub(crate) fn put_stretch(&self, key: Key, chunk: &Arc<CachedChunk>, offset: usize) {
        let number = offset / SLICE_ROWS;
        let slice = Arc::new(chunk.slice(number));
        let mut generations = self.lock();
        let mut slices = match generations.take(key) {
            Some(Kept::Slices(slices)) => slices,
            Some(kept) => return generations.put(key, kept),
            None => Vec::new(),
        };
        slices.retain(|(at, _)| *at != number);
        let kept = match slices.len() < SLICES_MAX {
            true => {
                slices.push((number, slice));
                Kept::Slices(slices)
            }
            false => Kept::Whole(Arc::clone(chunk)),
        };
        generations.put(key, kept);
    }

    /// The rows that hold any of some strings of a segment's column.
    pub(crate) fn rows(&self, column: (u64, u8), ids: &[u32]) -> Option<Arc<RowSet>> {
        match self.lock().used(rows_key(column, ids))? {
            Kept::Rows(of, rows) if **of == *ids => Some(Arc::clone(rows)),
            _ => None,
        }
    }

    pub(crate) fn put_rows(&self, column: (u64, u8), ids: &[u32], rows: &Arc<RowSet>) {
        let kept = Kept::Rows(ids.into(), Arc::clone(rows));
        self.lock().put(rows_key(column, ids), kept);
    }

    /// Lets go of a segment's chunks: its number is never asked for again.
    pub(crate) fn forget(&self, number: u64) {
        self.lock().forget(number);
    }
}

/// The map's entry and the allocations cost about this much besides the bytes.
const BYTES_BESIDES: usize = 96;

impl Weigh for Kept {
    fn bytes(&self) -> usize {
        match self {
            Kept::Whole(chunk) => chunk.data.len() + BYTES_BESIDES,
            Kept::Slices(slices) => {
                let slices = slices.iter().map(|(_, slice)| slice.data.len());
                slices.map(|bytes| bytes + BYTES_BESIDES).sum::<usize>() + BYTES_BESIDES
            }
            Kept::Rows(ids, rows) => ids.len() * 4 + rows.bytes() + BYTES_BESIDES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_that_is_closed_leaves_no_chunks() {
        let cache = ChunkCache::default();
        let (one, other) = (cache.number(), cache.number());
        let chunk = || {
            Arc::new(CachedChunk {
                base: 0,
                width: 8,
                data: vec![0; 1 << 20].into(),
            })
        };
        // More than a generation, so that both hold some of each; one is put twice.
        for number in [one, other] {
            for at in (0..12).chain([11]) {
                cache.put((number, 0, at), chunk());
            }
        }
        cache.forget(one);
        let there = |number| {
            (0..12)
                .filter(|&at| cache.get((number, 0, at)).is_some())
                .count()
        };
        assert_eq!((there(one), there(other)), (0, 12));
        cache.forget(other);
        assert_eq!(there(other), 0);
    }

    #[test]
    fn slices_are_their_chunk_s_rows_and_many_of_them_make_it_whole() {
        for width in [0, 1, 3, 4, 32] {
            let cache = ChunkCache::default();
            let key = (cache.number(), 0, 3);
            let rows = CHUNK_ROWS - 7;
            let data = (0..chunk_bytes(rows, width)).map(|at| (at * 7) as u8);
            let chunk = Arc::new(CachedChunk {
                base: 5,
                width,
                data: data.collect(),
            });
            let first = key.2 * CHUNK_ROWS as u32;
            for (asked, offset) in (0..).zip((0..rows).rev().step_by(97)) {
                let row = first + offset as u32;
                if cache.stretch(key, offset).is_none() {
                    cache.put_stretch(key, &chunk, offset);
                }
                let stretch = cache.stretch(key, offset).unwrap();
                assert_eq!(stretch.is_whole(), asked >= SLICES_MAX, "{asked}");
                assert_eq!(cache.get(key).is_some(), stretch.is_whole());
                match width {
                    32 => {
                        let expected = &chunk.data[offset * 16..offset * 16 + 16];
                        assert_eq!(stretch.audit_key(row).unwrap(), expected);
                    }
                    _ => assert_eq!(
                        stretch.get(row).unwrap(),
                        chunk.chunk().get(offset).unwrap()
                    ),
                }
                assert_eq!(stretch.place(first + CHUNK_ROWS as u32), None);
            }
        }
    }
}
