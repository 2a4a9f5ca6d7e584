//! Row lists of sealed segments: for each string, how often and where it occurs.

use super::codec::{self, Reader};
use super::rowset::RowSet;
use crate::store::Result;

/// How often a string occurs, and in which rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Posting {
    pub(crate) count: u32,
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// All rows in ascending order; empty for columns that keep no lists.
    pub(crate) rows: Vec<u32>,
}

const POSTING_NONE: u8 = 0;
const POSTING_RANGE: u8 = 1;
const POSTING_DELTAS: u8 = 2;
const POSTING_BITS: u8 = 3;

/// Appends the posting of a string whose rows are not listed.
pub(crate) fn put_count(out: &mut Vec<u8>, count: u32, first: u32, last: u32) {
    put_head(out, count, first, last);
    out.push(POSTING_NONE);
}

fn put_head(out: &mut Vec<u8>, count: u32, first: u32, last: u32) {
    for number in [count, first, last - first] {
        codec::put_varint(out, u64::from(number));
    }
}

/// Appends the posting of one string: its count, first and last row, and its rows in whichever form
/// is shortest.
pub(crate) fn put_posting(out: &mut Vec<u8>, rows: &[u32]) {
    let (first, last) = (rows[0], rows[rows.len() - 1]);
    let span = (last - first) as usize;
    put_head(out, rows.len() as u32, first, last);
    if rows.len() == span + 1 {
        out.push(POSTING_RANGE);
        return;
    }
    let mut deltas = Vec::with_capacity(rows.len());
    for pair in rows.windows(2) {
        codec::put_varint(&mut deltas, u64::from(pair[1] - pair[0]));
    }
    let bits_bytes = span.div_ceil(8);
    if bits_bytes < deltas.len() {
        out.push(POSTING_BITS);
        let start = out.len();
        out.resize(start + bits_bytes, 0);
        for &row in &rows[1..] {
            let bit = (row - first - 1) as usize;
            out[start + bit / 8] |= 1 << (bit % 8);
        }
    } else {
        out.push(POSTING_DELTAS);
        codec::put_varint(out, deltas.len() as u64);
        out.extend_from_slice(&deltas);
    }
}

/// Reads what [`put_posting`] wrote; the rows only with `lists`.
pub(crate) fn read_posting(reader: &mut Reader<'_>, lists: bool) -> Result<Posting> {
    let count = reader.varint()? as u32;
    let first = reader.varint()? as u32;
    let span = reader.varint()? as u32;
    let last = first.wrapping_add(span);
    let mut rows = Vec::new();
    let kind = reader.take(1)?[0];
    match kind {
        POSTING_NONE => {}
        POSTING_RANGE if lists => rows.extend(first..=last),
        POSTING_RANGE => {}
        POSTING_BITS => {
            let bits = reader.take((span as usize).div_ceil(8))?;
            if lists {
                rows.reserve(count as usize);
                rows.push(first);
                for (index, &byte) in bits.iter().enumerate() {
                    let mut byte = byte;
                    while byte != 0 {
                        rows.push(first + 1 + index as u32 * 8 + byte.trailing_zeros());
                        byte &= byte - 1;
                    }
                }
            }
        }
        POSTING_DELTAS => {
            let bytes = reader.size()?;
            let mut deltas = Reader::new(reader.take(bytes)?);
            if lists {
                rows.reserve(count as usize);
                rows.push(first);
                let mut row = first;
                while deltas.position() < bytes {
                    row = row.wrapping_add(deltas.varint()? as u32);
                    rows.push(row);
                }
            }
        }
        _ => return Err(codec::damaged("a list of rows has an unknown form")),
    }
    Ok(Posting {
        count,
        first,
        last,
        rows,
    })
}

/// How many rows what [`put_posting`] wrote lists; goes past the list without a look.
#[inline]
pub(crate) fn read_count(reader: &mut Reader<'_>) -> Result<u32> {
    let count = reader.varint()? as u32;
    reader.varint()?;
    let span = reader.varint()? as u32;
    let list = match reader.take(1)?[0] {
        POSTING_NONE | POSTING_RANGE => 0,
        POSTING_BITS => (span as usize).div_ceil(8),
        POSTING_DELTAS => reader.size()?,
        _ => return Err(codec::damaged("a list of rows has an unknown form")),
    };
    reader.take(list)?;
    Ok(count)
}

/// Adds the rows of what [`put_posting`] wrote to a set; false when it does not list them.
pub(crate) fn read_into(reader: &mut Reader<'_>, set: &mut RowSet) -> Result<bool> {
    reader.varint()?;
    let first = reader.varint()? as u32;
    let span = reader.varint()? as u32;
    match reader.take(1)?[0] {
        POSTING_NONE => return Ok(false),
        POSTING_RANGE => set.insert_range(first, first.wrapping_add(span)),
        POSTING_BITS => {
            set.insert(first);
            set.insert_bits(first + 1, reader.take((span as usize).div_ceil(8))?);
        }
        POSTING_DELTAS => {
            let bytes = reader.size()?;
            let mut deltas = Reader::new(reader.take(bytes)?);
            let mut row = first;
            set.insert(row);
            while deltas.position() < bytes {
                row = row.wrapping_add(deltas.varint()? as u32);
                set.insert(row);
            }
        }
        _ => return Err(codec::damaged("a list of rows has an unknown form")),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn postings_round_trip(rows in prop::collection::btree_set(0u32..5000, 1..400), dense: bool) {
            let rows: Vec<u32> = if dense { (7..7 + rows.len() as u32).collect() } else { rows.into_iter().collect() };
            let mut bytes = Vec::new();
            put_posting(&mut bytes, &rows);
            let posting = read_posting(&mut Reader::new(&bytes), true).unwrap();
            prop_assert_eq!(posting.count as usize, rows.len());
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(read_count(&mut reader).unwrap() as usize, rows.len());
            prop_assert_eq!(reader.position(), bytes.len());
            prop_assert_eq!((posting.first, posting.last), (rows[0], rows[rows.len() - 1]));
            prop_assert_eq!(posting.rows, rows);
        }
    }
}
