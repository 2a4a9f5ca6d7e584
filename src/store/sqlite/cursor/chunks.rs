//! Numbers of a stream's rows, from the chunks of columns that it holds.

use std::sync::Arc;

use super::Stream;
use crate::limits;
use crate::store::Result;
use crate::store::sqlite::chunkcache::CachedChunk;
use crate::store::sqlite::layout::{self, IntColumn, TextColumn};
use crate::store::sqlite::part::Part;
use crate::store::sqlite::sealed::split;

/// A column's chunk at hand.
pub(super) struct Held {
    number: u32,
    chunk: Arc<CachedChunk>,
    /// How many rows of it were read.
    reads: u32,
}

/// Rows of a chunk that only scans read.
const READS_OF_SCAN: u32 = limits::CHUNK_ROWS as u32 / 4;

impl Stream {
    pub(super) fn id(&mut self, column: TextColumn, row: u32) -> Result<u32> {
        match &self.scan.part {
            Part::Block(block, _) => Ok(block.text_chunk(column).get(row as usize)? as u32),
            Part::Sealed(_) => Ok(self.stored(column as u8, row)? as u32),
        }
    }

    pub(super) fn number(&mut self, column: IntColumn, row: u32) -> Result<i64> {
        match &self.scan.part {
            Part::Block(block, _) if column == IntColumn::StoredTime => Ok(block.stored_time),
            Part::Block(block, _) => block.int(column, row as usize),
            Part::Sealed(_) => self.stored(column as u8, row),
        }
    }

    /// A number from a sealed segment's chunk, which stays at hand for the rows that follow.
    fn stored(&mut self, column: u8, row: u32) -> Result<i64> {
        match self.held(column, row)? {
            Some((held, offset)) => held.chunk().get(offset),
            None => Ok(0),
        }
    }

    /// The chunk of a column that holds a row, and its place there; `None` in a block.
    fn held(&mut self, column: u8, row: u32) -> Result<Option<(&CachedChunk, usize)>> {
        let Part::Sealed(sealed) = &self.scan.part else {
            return Ok(None);
        };
        let (chunk, offset) = split(row);
        let held = &mut self.columns[column as usize];
        match held {
            Some(held) if held.number == chunk => held.reads += 1,
            _ => {
                // Who read so much of one reads the next ones as well, and all of them would only
                // drive out those that others look into. Audit ids are four times as long as others.
                let few = held.as_ref().is_none_or(|held| held.reads < READS_OF_SCAN);
                let keep = few && column != layout::AUDIT_COLUMN;
                let found = sealed.chunk_for(column, chunk, keep)?;
                *held = Some(Held {
                    number: chunk,
                    chunk: found,
                    reads: 1,
                });
            }
        }
        Ok(held.as_ref().map(|held| (&*held.chunk, offset)))
    }

    pub(super) fn audit_key(&mut self, row: u32) -> Result<[u8; 16]> {
        if let Part::Block(block, _) = &self.scan.part {
            return Ok(block.audit_key(row as usize));
        }
        let held = self.held(layout::AUDIT_COLUMN, row)?;
        let key = held.and_then(|(held, offset)| held.data.get(offset * 16..offset * 16 + 16));
        let key = key
            .ok_or_else(|| crate::store::sqlite::codec::damaged("a chunk of audit ids is short"))?;
        Ok(key.try_into().expect("the slice has 16 bytes"))
    }
}
