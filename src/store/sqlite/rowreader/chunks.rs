//! Numbers of a part's rows, from the chunks of columns that are at hand.

use super::RowReader;
use crate::limits;
use crate::store::Result;
use crate::store::sqlite::chunkcache::Stretch;
use crate::store::sqlite::codec;
use crate::store::sqlite::layout::{self, IntColumn, TextColumn};
use crate::store::sqlite::part::Part;
use crate::store::sqlite::sealed::split;

/// Rows of a column at hand.
pub(super) struct Held {
    /// Their chunk.
    number: u32,
    stretch: Stretch,
    /// How many rows of the chunk were read.
    reads: u32,
    /// Whether what is read of the chunk is kept for the next question.
    keep: bool,
}

/// A stored column of small numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// String ids.
    Text(TextColumn),
    Flags,
}

/// Rows of a chunk that tell that the next question reads many of it, too.
const READS_OF_MANY: u32 = 16;

/// Rows of a chunk that only scans read. Audit ids are four times as long as others.
fn reads_of_scan(column: u8) -> u32 {
    match column {
        layout::AUDIT_COLUMN => READS_OF_MANY,
        _ => limits::CHUNK_ROWS as u32 / 4,
    }
}

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
            let mut at = 0;
            while at < rows.len() {
                let reads = (rows.len() - at) as u32;
                let Some(stretch) = self.held(column, rows[at], reads)? else {
                    break;
                };
                let there = rows[at..].iter();
                let there = there.take_while(|row| stretch.place(**row).is_some());
                let end = at + there.count();
                let mut keys = rows[at..end].iter().zip(&mut keys[at..end]);
                at = end;
                match stretch.chunk.width {
                    0 => keys.try_for_each(|(_, key)| fold(key, stretch.chunk.base))?,
                    _ => keys.try_for_each(|(&row, key)| fold(key, stretch.get(row)?))?,
                }
            }
        }
        Ok(())
    }

    /// A number from a sealed segment's chunk, which stays at hand for the rows that follow.
    fn stored(&mut self, column: u8, row: u32) -> Result<i64> {
        match self.held(column, row, 1)? {
            Some(stretch) => stretch.get(row),
            None => Ok(0),
        }
    }

    /// Rows of a column among which one stands, for so many reads; `None` in a block.
    fn held(&mut self, column: u8, row: u32, reads: u32) -> Result<Option<&Stretch>> {
        let Part::Sealed(sealed) = &self.part else {
            return Ok(None);
        };
        let chunk = split(row).0;
        let held = &mut self.columns[column as usize];
        match held {
            Some(held) if held.stretch.place(row).is_some() => held.reads += reads,
            _ => {
                let (begun, keep) = match held {
                    Some(held) if held.number == chunk => (held.reads, held.keep),
                    // Who read so much of one chunk reads the next ones as well, and all of them
                    // would only drive out those that others look into.
                    Some(held) => (0, held.reads < reads_of_scan(column)),
                    None => (0, true),
                };
                *held = Some(Held {
                    number: chunk,
                    stretch: sealed.stretch(column, row, keep)?,
                    reads: begun + reads,
                    keep,
                });
            }
        }
        if let Some(held) = held
            && (held.reads - reads..held.reads).contains(&READS_OF_MANY)
            && (held.keep && column != layout::AUDIT_COLUMN && held.stretch.is_whole())
        {
            sealed.keep_chunk(column, chunk, &held.stretch.chunk);
        }
        Ok(held.as_ref().map(|held| &held.stretch))
    }

    pub(super) fn audit_key(&mut self, row: u32) -> Result<[u8; 16]> {
        if let Part::Block(block, _) = &self.part {
            return Ok(block.audit_key(row as usize));
        }
        let held = self.held(layout::AUDIT_COLUMN, row, 1)?;
        let key = held.and_then(|stretch| stretch.audit_key(row));
        key.ok_or_else(|| codec::damaged("a chunk of audit ids is short"))
    }
}
