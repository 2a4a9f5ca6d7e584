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
}

impl Generations {
    fn put(&mut self, key: Key, chunk: Arc<CachedChunk>) {
        // The map's entry and the allocations cost about this much besides the bytes.
        self.young_bytes += chunk.data.len() + 96;
        self.young.insert(key, chunk);
        if self.young_bytes > CACHE_BYTES_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}
