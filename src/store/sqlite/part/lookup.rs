//! Values of some rows of one chunk.

use super::Part;
use crate::store::Result;
use crate::store::sqlite::chunkcache::Stretch;
use crate::store::sqlite::layout::{IntColumn, TextColumn};
use crate::store::sqlite::sealed::Sealed;

/// Rows of a chunk for which all of it is kept for the next query.
const MANY_ROWS: usize = 8;

/// Looks up rows of one chunk of a column.
pub(crate) struct Lookup<'p> {
    part: &'p Part,
    many: bool,
    at_hand: Option<Stretch>,
}

impl<'p> Lookup<'p> {
    /// For so many rows.
    pub(crate) fn new(part: &'p Part, rows: usize) -> Lookup<'p> {
        Lookup {
            part,
            many: rows > MANY_ROWS,
            at_hand: None,
        }
    }

    /// The string id of a row; always of the same column.
    pub(crate) fn id(&mut self, column: TextColumn, row: u32) -> Result<u32> {
        match self.part {
            Part::Block(block, _) => Ok(block.text_chunk(column).get(row as usize)? as u32),
            Part::Sealed(sealed) => Ok(self.number(sealed, column as u8, row)? as u32),
        }
    }

    fn number(&mut self, sealed: &Sealed, column: u8, row: u32) -> Result<i64> {
        if let Some(stretch) = &self.at_hand
            && stretch.place(row).is_some()
        {
            return stretch.get(row);
        }
        let stretch = sealed.one_of(column, row, self.many)?;
        self.at_hand.insert(stretch).get(row)
    }
}

/// The numbers of rows of one chunk, in the order given.
pub(crate) fn gather_ints(
    part: &Part,
    column: IntColumn,
    rows: &[u32],
    buffer: &mut Vec<i64>,
    out: &mut Vec<i64>,
) -> Result<()> {
    out.clear();
    let Some(&first) = rows.first() else {
        return Ok(());
    };
    if let Part::Sealed(sealed) = part
        && rows.len() <= MANY_ROWS
    {
        let mut lookup = Lookup::new(part, rows.len());
        for &row in rows {
            out.push(lookup.number(sealed, column as u8, row)?);
        }
        return Ok(());
    }
    let (chunk, base) = part.chunk_of(first);
    part.ints(column, chunk, buffer)?;
    out.extend(rows.iter().map(|&row| buffer[(row - base) as usize]));
    Ok(())
}
