//! Column chunks that queries looked into lately, checked once and kept within a bound.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::codec::ChunkRef;

/// Bytes of chunks that are kept.
const CACHE_BYTES_MAX: usize = 32 << 20;

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
}

/// A segment's number in the cache, a column and a chunk.
type Key = (u64, u8, u32);

/// Two generations: what is used moves to the young one; when that is full it becomes the old one,
/// and what was not used since is gone.
#[derive(Default)]
struct Generations {
    young: HashMap<Key, Arc<CachedChunk>>,
    old: HashMap<Key, Arc<CachedChunk>>,
    young_bytes: usize,
}

/// The cache; one for all segments of a store.
#[derive(Default)]
pub(crate) struct ChunkCache {
    generations: Mutex<Generations>,
    segments: AtomicU64,
}

impl ChunkCache {
    /// A number for a segment that was opened.
    pub(crate) fn number(&self) -> u64 {
        self.segments.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn get(&self, key: Key) -> Option<Arc<CachedChunk>> {
        let mut generations = self
            .generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(chunk) = generations.young.get(&key) {
            return Some(Arc::clone(chunk));
        }
        let chunk = generations.old.remove(&key)?;
        generations.put(key, Arc::clone(&chunk));
        Some(chunk)
    }

    pub(crate) fn put(&self, key: Key, chunk: Arc<CachedChunk>) {
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .put(key, chunk);
    }

    /// Lets go of a segment's chunks: its number is never asked for again.
    pub(crate) fn forget(&self, number: u64) {
        let mut generations = self
            .generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Generations {
            young,
            old,
            young_bytes,
        } = &mut *generations;
        old.retain(|&(of, ..), _| of != number);
        young.retain(|&(of, ..), chunk| {
            let stays = of != number;
            if !stays {
                *young_bytes -= bytes_of(chunk);
            }
            stays
        });
    }
}

/// The map's entry and the allocations cost about this much besides the bytes.
fn bytes_of(chunk: &CachedChunk) -> usize {
    chunk.data.len() + 96
}

impl Generations {
    fn put(&mut self, key: Key, chunk: Arc<CachedChunk>) {
        self.young_bytes += bytes_of(&chunk);
        if let Some(before) = self.young.insert(key, chunk) {
            self.young_bytes -= bytes_of(&before);
        }
        if self.young_bytes > CACHE_BYTES_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
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
        assert_eq!(cache.generations.lock().unwrap().young_bytes, 0);
    }
}
