//! Lists of rows of a sealed file: how long they are, and what is in them.

use std::sync::{Arc, PoisonError};

use super::{Piece, Sealed, wrong};
use crate::store::Result;
use crate::store::sqlite::codec::Reader;
use crate::store::sqlite::layout::TextColumn;
use crate::store::sqlite::postings::{read_into, read_posting};
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

    /// The rows that hold any of some strings of a column that keeps lists. They are long lists, and
    /// kept for whoever asks next.
    pub(crate) fn rows_with(&self, column: TextColumn, ids: &[u32]) -> Result<Arc<RowSet>> {
        let cache = self.cache.as_ref();
        let cache = cache.map(|(cache, number)| (cache, (*number, column as u8)));
        if let Some(found) = cache.and_then(|(cache, key)| cache.rows(key, ids)) {
            return Ok(found);
        }
        let mut set = RowSet::none(self.header.rows as usize);
        for &id in ids {
            self.with_posting(column, id, |reader| read_into(reader, &mut set))?;
        }
        let set = Arc::new(set);
        if let Some((cache, key)) = cache {
            cache.put_rows(key, ids, &set);
        }
        Ok(set)
    }

    /// The same of short lists, ascending.
    pub(crate) fn few_rows_with(&self, column: TextColumn, ids: &[u32]) -> Result<Vec<u32>> {
        let mut rows = Vec::new();
        for &id in ids {
            self.with_posting(column, id, |reader| {
                let posting = read_posting(reader, true)?;
                rows.extend_from_slice(&posting.rows);
                Ok(posting.rows.len() == posting.count as usize)
            })?;
        }
        rows.sort_unstable();
        Ok(rows)
    }

    /// Reads the rows of a string; `read` says whether they are listed.
    fn with_posting(
        &self,
        column: TextColumn,
        id: u32,
        read: impl FnOnce(&mut Reader<'_>) -> Result<bool>,
    ) -> Result<()> {
        let firsts = &self.header.postings[column as usize];
        let missing = || wrong(&self.path, "a list of rows is missing");
        let number = firsts.partition_point(|&first| first <= id).checked_sub(1);
        let number = number.ok_or_else(missing)?;
        let bytes = self.piece(Piece::Postings, column as u8, number as u32)?;
        let mut reader = Reader::new(&bytes);
        for _ in firsts[number]..id {
            read_posting(&mut reader, false)?;
        }
        match read(&mut reader)? {
            true => Ok(()),
            false => Err(missing()),
        }
    }
}
