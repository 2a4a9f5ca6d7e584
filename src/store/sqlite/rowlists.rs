//! Row lists on their way into a sealed file: gathered while a column is written, then sorted by
//! string.

use super::layout::TextColumn;
use super::postings::{put_count, put_posting};
use super::sealed::Piece;
use super::segfile::SegmentFile;
use crate::store::Result;

/// Bytes of a piece of row lists, about.
const PIECE_BYTES: usize = 8 << 10;

/// Where the strings of one column occur.
pub(crate) struct RowLists {
    column: TextColumn,
    strings: usize,
    kept: Kept,
}

enum Kept {
    /// Per string how many rows, the first and the last.
    Counts(Vec<[u32; 3]>),
    /// Per row the string's id.
    Ids(Vec<u32>),
}

impl RowLists {
    /// Lists for so many strings and rows.
    pub(crate) fn new(column: TextColumn, strings: usize, rows: usize) -> RowLists {
        // Most columns that questions name but seldom have are empty.
        let kept = if column.has_postings() && strings > 0 {
            Kept::Ids(Vec::with_capacity(rows))
        } else {
            Kept::Counts(vec![[0; 3]; strings])
        };
        RowLists {
            column,
            strings,
            kept,
        }
    }

    /// Adds the next row; id 0 is no string.
    pub(crate) fn push(&mut self, row: u32, id: u32) {
        match &mut self.kept {
            Kept::Ids(ids) => ids.push(id),
            Kept::Counts(_) if id == 0 => {}
            Kept::Counts(counts) => {
                let [count, first, last] = &mut counts[id as usize - 1];
                if *count == 0 {
                    *first = row;
                }
                *count += 1;
                *last = row;
            }
        }
    }

    /// Bytes of memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        match &self.kept {
            Kept::Counts(counts) => counts.len() * 12,
            Kept::Ids(ids) => ids.len() * 4,
        }
    }

    /// Bytes of memory that [`RowLists::finish`] takes.
    pub(crate) fn bytes_sorting(&self) -> usize {
        match &self.kept {
            Kept::Counts(_) => self.bytes(),
            Kept::Ids(ids) => ids.len() * 8 + self.strings * 4,
        }
    }

    /// Writes them; the first string of each piece.
    pub(crate) fn finish(self, file: &mut SegmentFile) -> Result<Vec<u32>> {
        let mut pieces = Pieces {
            column: self.column as u8,
            last: self.strings,
            firsts: Vec::new(),
            piece: Vec::new(),
        };
        match self.kept {
            Kept::Counts(counts) => {
                for (index, [count, first, last]) in counts.into_iter().enumerate() {
                    pieces.put(file, index + 1, |out| put_count(out, count, first, last))?;
                }
            }
            Kept::Ids(ids) => {
                // Counting sort: rows grouped by string, ascending within each. `ends[id]` is where
                // the rows of `id` begin, and once they are placed, where they end.
                let mut ends = vec![0u32; self.strings + 2];
                for &id in &ids {
                    ends[id as usize + 1] += 1;
                }
                for index in 1..ends.len() {
                    ends[index] += ends[index - 1];
                }
                let mut rows = vec![0u32; ids.len()];
                for (row, &id) in ids.iter().enumerate() {
                    let end = &mut ends[id as usize];
                    rows[*end as usize] = row as u32;
                    *end += 1;
                }
                drop(ids);
                for id in 1..=self.strings {
                    let list = &rows[ends[id - 1] as usize..ends[id] as usize];
                    pieces.put(file, id, |out| put_posting(out, list))?;
                }
            }
        }
        Ok(pieces.firsts)
    }
}

/// Fills pieces.
struct Pieces {
    column: u8,
    last: usize,
    firsts: Vec<u32>,
    piece: Vec<u8>,
}

impl Pieces {
    fn put(
        &mut self,
        file: &mut SegmentFile,
        id: usize,
        put: impl FnOnce(&mut Vec<u8>),
    ) -> Result<()> {
        if self.piece.is_empty() {
            self.firsts.push(id as u32);
        }
        put(&mut self.piece);
        if self.piece.len() >= PIECE_BYTES || id == self.last {
            let number = self.firsts.len() as u32 - 1;
            file.piece(
                "row lists",
                Piece::Postings,
                self.column,
                number,
                &self.piece,
            )?;
            self.piece.clear();
        }
        Ok(())
    }
}
