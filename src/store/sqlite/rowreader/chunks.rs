//! Numbers of a part's rows, from the chunks of columns that are at hand.

use std::sync::Arc;

use super::RowReader;
use crate::limits;
use crate::store::Result;
use crate::store::sqlite::chunkcache::CachedChunk;
use crate::store::sqlite::codec;
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

/// A stored column of small numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// String ids.
    Text(TextColumn),
    Flags,
}

/// Rows of a chunk that only scans read.
const READS_OF_SCAN: u32 = limits::CHUNK_ROWS as u32 / 4;

impl RowReader {
    pub(crate) fn id(&mut self, column: TextColumn, row: u32) -> Result<u32> {
        match &self.part {
            Part::Block(block, _) => Ok(block.text_chunk(column).get(row as usize)? as u32),
            Part::Sealed(_) => Ok(self.stored(column as u8, row)? as u32),
        }
    }

    pub(crate) fn number(&mut self, column: IntColumn, row: u32) -> Result<i64> {
        match &self.part {
            Part::Block(block, _) if column == IntColumn::StoredTime => Ok(block.stored_time),
            Part::Block(block, _) => block.int(column, row as usize),
            Part::Sealed(_) => self.stored(column as u8, row),
        }
    }

    /// Adds a stored number of each row to its key, which tells rows with other numbers apart.
    pub(crate) fn fold_into(
        &mut self,
        stored: Stored,
        rows: &[u32],
        keys: &mut [u64],
    ) -> Result<()> {
        let values = stored.values(&self.part);
        let wrong = || codec::damaged("a string id is out of range");
        let fold = |key: &mut u64, number: i64| {
            let number = number as u64;
            // Keys would else be those of other numbers.
            (number < values).then_some(()).ok_or_else(wrong)?;
            *key = *key * values + number;
            Ok(())
        };
        if let Part::Block(..) = &self.part {
            for (&row, key) in rows.iter().zip(keys) {
                let number = match stored {
                    Stored::Text(text) => i64::from(self.id(text, row)?),
                    Stored::Flags => self.number(IntColumn::Flags, row)?,
                };
                fold(key, number)?;
            }
            return Ok(());
        }
        let column = match stored {
            Stored::Text(text) => text as u8,
            Stored::Flags => IntColumn::Flags as u8,
        };
        let mut done = 0;
        for rows in rows.chunk_by(|&left, &right| split(left).0 == split(right).0) {
            let keys = &mut keys[done..done + rows.len()];
            done += rows.len();
            if let Some((held, offset)) = self.held(column, rows[0], rows.len() as u32)? {
                let (chunk, first) = (held.chunk(), rows[0] as usize - offset);
                if chunk.width == 0 {
                    keys.iter_mut().try_for_each(|key| fold(key, chunk.base))?;
                    continue;
                }
                for (&row, key) in rows.iter().zip(keys) {
                    fold(key, chunk.get(row as usize - first)?)?;
                }
            }
        }
        Ok(())
    }

    /// A number from a sealed segment's chunk, which stays at hand for the rows that follow.
    fn stored(&mut self, column: u8, row: u32) -> Result<i64> {
        match self.held(column, row, 1)? {
            Some((held, offset)) => held.chunk().get(offset),
            None => Ok(0),
        }
    }

    /// The chunk of a column that holds a row, for so many reads, and its place there; `None` in a
    /// block.
    fn held(&mut self, column: u8, row: u32, reads: u32) -> Result<Option<(&CachedChunk, usize)>> {
        let Part::Sealed(sealed) = &self.part else {
            return Ok(None);
        };
        let (chunk, offset) = split(row);
        let held = &mut self.columns[column as usize];
        match held {
            Some(held) if held.number == chunk => held.reads += reads,
            _ => {
                // Who read so much of one reads the next ones as well, and all of them would only
                // drive out those that others look into. Audit ids are four times as long as others.
                let few = held.as_ref().is_none_or(|held| held.reads < READS_OF_SCAN);
                let keep = few && column != layout::AUDIT_COLUMN;
                let found = sealed.chunk_for(column, chunk, keep)?;
                *held = Some(Held {
                    number: chunk,
                    chunk: found,
                    reads,
                });
            }
        }
        Ok(held.as_ref().map(|held| (&*held.chunk, offset)))
    }

    pub(super) fn audit_key(&mut self, row: u32) -> Result<[u8; 16]> {
        if let Part::Block(block, _) = &self.part {
            return Ok(block.audit_key(row as usize));
        }
        let held = self.held(layout::AUDIT_COLUMN, row, 1)?;
        let key = held.and_then(|(held, offset)| held.data.get(offset * 16..offset * 16 + 16));
        let key = key.ok_or_else(|| codec::damaged("a chunk of audit ids is short"))?;
        Ok(key.try_into().expect("the slice has 16 bytes"))
    }
}
