//! Lists of rows of a sealed file: how long they are, and what is in them.

use std::sync::PoisonError;

use super::{Piece, Sealed, wrong};
use crate::store::Result;
use crate::store::sqlite::codec::Reader;
use crate::store::sqlite::layout::TextColumn;
use crate::store::sqlite::postings::{read_count, read_into, read_posting};
use crate::store::sqlite::rowset::RowSet;

/// Strings up to which a column's counts are kept once they were read.
const COUNTED_STRINGS_MAX: u32 = 1024;

impl Sealed {
    /// How many rows hold a string.
    pub(crate) fn count_of(&self, column: TextColumn, id: u32) -> Result<u32> {
        let counts = || self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        // The fewer strings, the longer their lists, and the more often they are asked for.
        let kept = self.strings(column) <= COUNTED_STRINGS_MAX;
        if let Some(&count) = counts().get(&(column as u8, id)) {
            return Ok(count);
        }
        let mut count = None;
        self.postings(column, id, false, &mut |_, posting| {
            count = Some(posting.count);
            false
        })?;
        let count = count.ok_or_else(|| wrong(&self.path, "a list of rows is missing"))?;
        if kept {
            counts().insert((column as u8, id), count);
        }
        Ok(count)
    }

    /// How many rows hold each string of a column that the file holds; index 0 counts the absent.
    pub(crate) fn string_counts(&self, column: TextColumn) -> Result<Vec<u32>> {
        let mut counts = Vec::with_capacity(self.strings(column) as usize + 1);
        counts.push(self.header.rows);
        for number in 0..self.header.postings[column as usize].len() {
            let bytes = self.piece(Piece::Postings, column as u8, number as u32)?;
            let mut reader = Reader::new(&bytes);
            while reader.position() < bytes.len() {
                counts.push(read_count(&mut reader)?);
            }
        }
        if counts.len() != self.strings(column) as usize + 1 {
            return Err(wrong(&self.path, "a list of rows is missing"));
        }
        let present: u64 = counts[1..].iter().map(|&count| u64::from(count)).sum();
        counts[0] = u64::from(self.header.rows).saturating_sub(present) as u32;
        Ok(counts)
    }

    /// Adds the rows that hold a string to a set; the column must keep lists.
    pub(crate) fn add_rows(&self, column: TextColumn, id: u32, set: &mut RowSet) -> Result<()> {
        let firsts = &self.header.postings[column as usize];
        let missing = || wrong(&self.path, "a list of rows is missing");
        let number = firsts.partition_point(|&first| first <= id).checked_sub(1);
        let number = number.ok_or_else(missing)?;
        let bytes = self.piece(Piece::Postings, column as u8, number as u32)?;
        let mut reader = Reader::new(&bytes);
        for _ in firsts[number]..id {
            read_posting(&mut reader, false)?;
        }
        if read_into(&mut reader, set)? {
            return Ok(());
        }
        Err(missing())
    }
}
