//! Lists of rows of a sealed file: how long they are, and what is in them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::{Piece, Sealed, wrong};
use crate::store::Result;
use crate::store::sqlite::codec::Reader;
use crate::store::sqlite::layout::TextColumn;
use crate::store::sqlite::postings::{read_count, read_into, read_posting};
use crate::store::sqlite::rowset::RowSet;

/// Strings up to which a column's counts are kept once they were read.
const COUNTED_STRINGS_MAX: u32 = 1024;

/// Strings up to which what is seen of a column is kept: 100 KiB of it.
const SEEN_STRINGS_MAX: u32 = 4096;

/// How many events have a value, and microseconds of the first and the last of them.
pub(crate) type Span = (u64, i64, i64);

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
        let count = count.ok_or_else(|| wrong(&self.path, NO_LIST))?;
        if kept {
            counts().insert((column as u8, id), count);
        }
        Ok(count)
    }

    /// How many rows hold any of some strings, which ascend.
    pub(crate) fn count_of_all(&self, column: TextColumn, ids: &[u32]) -> Result<u64> {
        let mut count = 0;
        if self.strings(column) <= COUNTED_STRINGS_MAX {
            for &id in ids {
                count += u64::from(self.count_of(column, id)?);
            }
            return Ok(count);
        }
        self.with_postings(column, ids, &mut |reader| {
            count += u64::from(read_count(reader)?);
            Ok(())
        })?;
        Ok(count)
    }

    /// What was seen of each string of a column, index 0 of none: read once, as long as the file stays
    /// open, for columns with few strings. These are spread over nearly all chunks of times.
    pub(crate) fn seen(
        &self,
        column: TextColumn,
        read: impl FnOnce() -> Result<Arc<[Span]>>,
    ) -> Result<Arc<[Span]>> {
        if self.strings(column) > SEEN_STRINGS_MAX {
            return read();
        }
        let known = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(spans) = known().get(&(column as u8)) {
            return Ok(Arc::clone(spans));
        }
        let spans = read()?;
        if known().insert(column as u8, Arc::clone(&spans)).is_none() {
            self.kept.fetch_add(size_of_val(&*spans), Ordering::Relaxed);
        }
        Ok(spans)
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
            return Err(wrong(&self.path, NO_LIST));
        }
        let present: u64 = counts[1..].iter().map(|&count| u64::from(count)).sum();
        counts[0] = u64::from(self.header.rows).saturating_sub(present) as u32;
        Ok(counts)
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
        self.with_postings(
            column,
            ids,
            &mut |reader| match read_into(reader, &mut set)? {
                true => Ok(()),
                false => Err(wrong(&self.path, NO_LIST)),
            },
        )?;
        let set = Arc::new(set);
        if let Some((cache, key)) = cache {
            cache.put_rows(key, ids, &set);
        }
        Ok(set)
    }

    /// The same of short lists, ascending.
    pub(crate) fn few_rows_with(&self, column: TextColumn, ids: &[u32]) -> Result<Vec<u32>> {
        let mut rows = Vec::new();
        self.with_postings(column, ids, &mut |reader| {
            let posting = read_posting(reader, true)?;
            rows.extend_from_slice(&posting.rows);
            match posting.rows.len() == posting.count as usize {
                true => Ok(()),
                false => Err(wrong(&self.path, NO_LIST)),
            }
        })?;
        rows.sort_unstable();
        Ok(rows)
    }

    /// Reads what is listed of each of some strings, which ascend: a piece once for all its strings.
    fn with_postings(
        &self,
        column: TextColumn,
        ids: &[u32],
        read: &mut dyn FnMut(&mut Reader<'_>) -> Result<()>,
    ) -> Result<()> {
        let firsts = &self.header.postings[column as usize];
        let mut left = ids;
        while let Some(&id) = left.first() {
            let number = firsts.partition_point(|&first| first <= id).checked_sub(1);
            let number = number.ok_or_else(|| wrong(&self.path, NO_LIST))?;
            let end = firsts.get(number + 1).copied().unwrap_or(u32::MAX);
            let (here, others) = left.split_at(left.partition_point(|&id| id < end));
            let bytes = self.piece(Piece::Postings, column as u8, number as u32)?;
            let mut reader = Reader::new(&bytes);
            let mut at = firsts[number];
            for &id in here {
                while at < id {
                    read_count(&mut reader)?;
                    at += 1;
                }
                read(&mut reader)?;
                at += 1;
            }
            left = others;
        }
        Ok(())
    }
}

/// What is wrong where rows are not listed.
const NO_LIST: &str = "a list of rows is missing";
