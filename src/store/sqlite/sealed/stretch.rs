//! Single rows of a sealed file's columns. Rows that a question shows lie scattered over all chunks,
//! so what is kept for the next one is what stands around each of them, not the chunk.

use std::sync::Arc;

use super::{Sealed, split, wrong};
use crate::store::Result;
use crate::store::sqlite::chunkcache::{CachedChunk, Key, Stretch};
use crate::store::sqlite::layout::{AUDIT_COLUMN, IntColumn};

impl Sealed {
    /// The chunk of a column, for looking up many of its rows; `keep` is for the next query.
    pub(crate) fn chunk_for(&self, column: u8, chunk: u32, keep: bool) -> Result<Arc<CachedChunk>> {
        if let Some(made) = self.derived_chunk(column, chunk)? {
            return Ok(made);
        }
        let cache = self.cache.as_ref();
        let key = |number: u64| (number, column, chunk);
        if let Some(found) = cache.and_then(|(cache, number)| cache.get(key(*number))) {
            return Ok(found);
        }
        let found = self.read_chunk(column, chunk)?;
        if keep {
            self.keep_chunk(column, chunk, &found);
        }
        Ok(found)
    }

    /// Rows of a column around one of them: the chunk if it has to be read anyway. `keep` is for the
    /// next query.
    pub(crate) fn stretch(&self, column: u8, row: u32, keep: bool) -> Result<Stretch> {
        let (chunk, offset) = split(row);
        if let Some(made) = self.derived_chunk(column, chunk)? {
            return Ok(Stretch::whole(chunk, made));
        }
        let key = |number: u64| -> Key { (number, column, chunk) };
        let Some((cache, number)) = &self.cache else {
            return Ok(Stretch::whole(chunk, self.read_chunk(column, chunk)?));
        };
        if let Some(found) = cache.stretch(key(*number), offset) {
            return Ok(found);
        }
        let found = self.read_chunk(column, chunk)?;
        if keep {
            cache.put_stretch(key(*number), &found, offset);
        }
        Ok(Stretch::whole(chunk, found))
    }

    /// Keeps a chunk for the next query.
    pub(crate) fn keep_chunk(&self, column: u8, chunk: u32, found: &Arc<CachedChunk>) {
        if let Some((cache, number)) = &self.cache {
            cache.put((*number, column, chunk), Arc::clone(found));
        }
    }

    fn derived_chunk(&self, column: u8, chunk: u32) -> Result<Option<Arc<CachedChunk>>> {
        match self.may_derive(column) {
            true => self.made_chunk(column, chunk),
            false => Ok(None),
        }
    }

    fn read_chunk(&self, column: u8, chunk: u32) -> Result<Arc<CachedChunk>> {
        self.with_chunk(column, chunk, |reference| {
            Ok(Arc::new(CachedChunk {
                base: reference.base,
                width: reference.width,
                data: reference.data.into(),
            }))
        })
    }

    /// The same for one of `many` rows, for which chunks are kept as they are.
    pub(crate) fn one_of(&self, column: u8, row: u32, many: bool) -> Result<Stretch> {
        match many {
            true => {
                let chunk = split(row).0;
                Ok(Stretch::whole(chunk, self.chunk_for(column, chunk, true)?))
            }
            false => self.stretch(column, row, true),
        }
    }

    pub(crate) fn int(&self, column: IntColumn, row: u32, many: bool) -> Result<i64> {
        self.one_of(column as u8, row, many)?.get(row)
    }

    pub(crate) fn audit_key(&self, row: u32, many: bool) -> Result<[u8; 16]> {
        let key = self.one_of(AUDIT_COLUMN, row, many)?.audit_key(row);
        key.ok_or_else(|| wrong(&self.path, "a chunk of audit ids is short"))
    }
}
