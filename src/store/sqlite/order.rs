//! Which rows a new segment is made of, and reading the columns of its parts in that order.
//!
//! Rows of a part come in the part's own order, so one decoded chunk per part is all that a column
//! needs in memory, however many rows there are.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::layout::{IntColumn, TextColumn};
use super::part::Part;
use super::sealed::split;
use crate::store::Result;

/// A row of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowAt {
    pub(crate) part: u32,
    pub(crate) row: u32,
}

/// Rows of parts in order of (time, id); those of one part ascend.
pub(crate) enum Order {
    Listed(Vec<RowAt>),
    /// All rows of each part from a first one on: only whose turn it is need be known.
    Merged {
        firsts: Vec<u32>,
        turns: Vec<u8>,
    },
}

impl Order {
    /// Merges the rows of sealed parts (at most 256) from an instant on.
    pub(crate) fn merged(parts: &[Part], from: Option<i64>) -> Result<Order> {
        let mut times = Columns::ints(parts, IntColumn::Time);
        let mut ids = Columns::ints(parts, IntColumn::Id);
        let mut heap = BinaryHeap::with_capacity(parts.len());
        let mut firsts = Vec::with_capacity(parts.len());
        let mut rows = 0;
        for (index, part) in parts.iter().enumerate() {
            let (row, end) = part.rows_between(from, None)?;
            firsts.push(row);
            rows += (end - row) as usize;
            if row < end {
                let at = RowAt {
                    part: index as u32,
                    row,
                };
                heap.push(Reverse((times.get(at)?, ids.get(at)?, at.part, row)));
            }
        }
        let mut turns = Vec::with_capacity(rows);
        while let Some(mut top) = heap.peek_mut() {
            let Reverse((_, _, part, row)) = *top;
            turns.push(u8::try_from(part).expect("a merge has at most 256 parts"));
            let at = RowAt { part, row: row + 1 };
            if (at.row as usize) < parts[part as usize].rows() {
                *top = Reverse((times.get(at)?, ids.get(at)?, part, at.row));
            } else {
                std::collections::binary_heap::PeekMut::pop(top);
            }
        }
        Ok(Order::Merged { firsts, turns })
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Order::Listed(rows) => rows.len(),
            Order::Merged { turns, .. } => turns.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Order::Listed(rows) => rows.len() * size_of::<RowAt>(),
            Order::Merged { turns, .. } => turns.len(),
        }
    }

    pub(crate) fn iter(&self) -> Rows<'_> {
        match self {
            Order::Listed(rows) => Rows::Listed(rows.iter()),
            Order::Merged { firsts, turns } => Rows::Merged {
                next: firsts.clone(),
                turns: turns.iter(),
            },
        }
    }
}

/// The rows of an [`Order`], one after the other.
pub(crate) enum Rows<'o> {
    Listed(std::slice::Iter<'o, RowAt>),
    Merged {
        next: Vec<u32>,
        turns: std::slice::Iter<'o, u8>,
    },
}

impl Iterator for Rows<'_> {
    type Item = RowAt;

    fn next(&mut self) -> Option<RowAt> {
        match self {
            Rows::Listed(rows) => rows.next().copied(),
            Rows::Merged { next, turns } => {
                let part = *turns.next()?;
                let row = next[part as usize];
                next[part as usize] += 1;
                Some(RowAt {
                    part: u32::from(part),
                    row,
                })
            }
        }
    }
}

/// Decodes a chunk of one column of a part.
type Decode<T> = fn(&Part, u8, u32, &mut Vec<T>) -> Result<()>;

/// One column of all parts, read row by row.
pub(crate) struct Columns<'a, T> {
    parts: &'a [Part],
    column: u8,
    decode: Decode<T>,
    /// Per part, the chunk that was decoded last.
    open: Vec<(u32, Vec<T>)>,
}

impl<'a, T: Copy> Columns<'a, T> {
    fn new(parts: &'a [Part], column: u8, decode: Decode<T>) -> Columns<'a, T> {
        Columns {
            parts,
            column,
            decode,
            open: parts.iter().map(|_| (u32::MAX, Vec::new())).collect(),
        }
    }

    /// The value of a row. Cheap for rows that come in each part's own order.
    pub(crate) fn get(&mut self, at: RowAt) -> Result<T> {
        let (chunk, offset) = split(at.row);
        let (open, values) = &mut self.open[at.part as usize];
        if *open != chunk {
            *open = u32::MAX;
            (self.decode)(&self.parts[at.part as usize], self.column, chunk, values)?;
            *open = chunk;
        }
        Ok(values[offset])
    }
}

impl<'a> Columns<'a, i64> {
    pub(crate) fn ints(parts: &'a [Part], column: IntColumn) -> Columns<'a, i64> {
        Columns::new(parts, column as u8, |part, number, chunk, out| {
            let column = IntColumn::CHUNKED
                .iter()
                .chain(&[IntColumn::RawBytes])
                .find(|column| **column as u8 == number);
            part.ints(*column.expect("it is one"), chunk, out)
        })
    }
}

impl<'a> Columns<'a, u32> {
    /// The parts' own string ids.
    pub(crate) fn ids(parts: &'a [Part], column: TextColumn) -> Columns<'a, u32> {
        Columns::new(parts, column as u8, |part, number, chunk, out| {
            part.ids(TextColumn::ALL[number as usize], chunk, out)
        })
    }
}

impl<'a> Columns<'a, [u8; 16]> {
    pub(crate) fn audit_keys(parts: &'a [Part]) -> Columns<'a, [u8; 16]> {
        Columns::new(parts, 0, |part, _, chunk, out| part.audit_keys(chunk, out))
    }
}
