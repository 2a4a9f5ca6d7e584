//! A part of the store that a scan or a seal reads: a block of the active segment or a sealed
//! segment. Rows of a part stand in order of (time, id).

mod lookup;
mod raw;

pub(crate) use lookup::{Lookup, gather_ints};

use std::ops::ControlFlow;
use std::sync::Arc;

use super::active::BodyReader;
use super::block::{BODY_CLASSES, Block, Frame};
use super::layout::{self, IntColumn, TextColumn};
use super::lean::Fields;
use super::sealed::{STRINGS_PER_PIECE, Sealed, split};
use crate::limits;
use crate::model::column::Column;
use crate::store::Result;
use crate::store::filter::{Term, Test};

/// A part, open for reading.
#[derive(Clone)]
pub(crate) enum Part {
    Block(Arc<Block>, Arc<BodyReader>),
    Sealed(Arc<Sealed>),
}

impl Part {
    /// Bounds of the ids of the rows, inclusive.
    pub(crate) fn ids_between(&self) -> (i64, i64) {
        match self {
            Part::Block(block, _) => block.ids_between(),
            Part::Sealed(sealed) => (1, sealed.header.last_id),
        }
    }

    /// Whether a term on ids holds for every row, so that a listing as of some id costs nothing where
    /// nothing has arrived since.
    pub(crate) fn has_only(&self, term: &Term) -> bool {
        let Test::Number {
            column: Column::Id,
            any,
        } = &term.test
        else {
            return false;
        };
        let (first, last) = self.ids_between();
        !term.negate && any.iter().any(|&(low, high)| low <= first && last <= high)
    }

    /// Whether a term asks for events whose bodies were cut off where there are none.
    pub(crate) fn has_none(&self, term: &Term) -> bool {
        let Test::Number {
            column: Column::Truncated,
            any,
        } = &term.test
        else {
            return false;
        };
        let truncated = match self {
            Part::Block(block, _) => block.truncated,
            Part::Sealed(sealed) => sealed.header.truncated,
        };
        truncated == 0 && any.iter().any(|&(low, high)| low <= 0 && 0 <= high) == term.negate
    }

    pub(crate) fn rows(&self) -> usize {
        match self {
            Part::Block(block, _) => block.rows,
            Part::Sealed(sealed) => sealed.header.rows as usize,
        }
    }

    pub(crate) fn chunks(&self) -> u32 {
        match self {
            Part::Block(..) => 1,
            Part::Sealed(sealed) => sealed.chunks(),
        }
    }

    /// The chunk that holds a row, and that chunk's first row.
    pub(crate) fn chunk_of(&self, row: u32) -> (u32, u32) {
        let chunk = match self {
            Part::Block(..) => 0,
            Part::Sealed(_) => split(row).0,
        };
        (chunk, chunk * limits::CHUNK_ROWS as u32)
    }

    pub(crate) fn chunk_rows(&self, chunk: u32) -> usize {
        match self {
            Part::Block(block, _) => block.rows,
            Part::Sealed(sealed) => sealed.chunk_rows(chunk),
        }
    }

    /// Whether a column is a fact that can only be read from the events' bytes.
    pub(crate) fn lacks(&self, column: Column) -> bool {
        match self {
            Part::Block(..) => false,
            Part::Sealed(sealed) => layout::is_fact(column) && sealed.lacks(column),
        }
    }

    /// Rows that are not events: later copies of events stored before.
    pub(crate) fn dead(&self) -> &[u32] {
        match self {
            Part::Block(block, _) => &block.dead,
            Part::Sealed(_) => &[],
        }
    }

    pub(crate) fn newest(&self) -> i64 {
        match self {
            Part::Block(block, _) => block.newest,
            Part::Sealed(sealed) => sealed.header.newest,
        }
    }

    pub(crate) fn oldest(&self) -> i64 {
        match self {
            Part::Block(block, _) => block.oldest,
            Part::Sealed(sealed) => sealed.header.oldest,
        }
    }

    /// String ids of a chunk; 0 is absent.
    pub(crate) fn ids(&self, column: TextColumn, chunk: u32, out: &mut Vec<u32>) -> Result<()> {
        match self {
            Part::Block(block, _) => block.text_chunk(column).decode_ids(block.rows, out),
            Part::Sealed(sealed) => sealed.ids(column, chunk, out),
        }
    }

    pub(crate) fn ints(&self, column: IntColumn, chunk: u32, out: &mut Vec<i64>) -> Result<()> {
        match self {
            Part::Block(block, _) => block.ints(column, out),
            Part::Sealed(sealed) => sealed.ints(column, chunk, out),
        }
    }

    /// The ids of some places of a chunk; elsewhere in `out` stands anything.
    pub(crate) fn ids_at(
        &self,
        column: TextColumn,
        chunk: u32,
        places: &[u32],
        out: &mut Vec<u32>,
    ) -> Result<()> {
        match self {
            Part::Block(..) => self.ids(column, chunk, out),
            Part::Sealed(sealed) => sealed.ids_at(column, chunk, places, out),
        }
    }

    /// The numbers of some places of a chunk; elsewhere in `out` stands anything.
    pub(crate) fn ints_at(
        &self,
        column: IntColumn,
        chunk: u32,
        places: &[u32],
        out: &mut Vec<i64>,
    ) -> Result<()> {
        match self {
            Part::Block(..) => self.ints(column, chunk, out),
            Part::Sealed(sealed) => sealed.ints_at(column, chunk, places, out),
        }
    }

    pub(crate) fn audit_keys(&self, chunk: u32, out: &mut Vec<[u8; 16]>) -> Result<()> {
        match self {
            Part::Block(block, _) => {
                out.clear();
                out.extend((0..block.rows).map(|row| block.audit_key(row)));
                Ok(())
            }
            Part::Sealed(sealed) => sealed.audit_keys(chunk, out),
        }
    }

    /// The audit id of one row.
    pub(crate) fn audit_key(&self, row: u32) -> Result<[u8; 16]> {
        match self {
            Part::Block(block, _) => Ok(block.audit_key(row as usize)),
            Part::Sealed(sealed) => sealed.audit_key(row, false),
        }
    }

    /// How many strings a column has; their ids count from 1.
    pub(crate) fn strings(&self, column: TextColumn) -> u32 {
        match self {
            Part::Block(block, _) => block.strings(column) as u32,
            Part::Sealed(sealed) => sealed.strings(column),
        }
    }

    pub(crate) fn string(&self, column: TextColumn, id: u32) -> Result<&str> {
        match self {
            Part::Block(block, _) => block.string(column, id),
            Part::Sealed(sealed) => sealed.string(column, id),
        }
    }

    /// Every string of a column with its id.
    pub(crate) fn each_string(
        &self,
        column: TextColumn,
        sink: &mut dyn FnMut(u32, &str) -> ControlFlow<()>,
    ) -> Result<()> {
        self.each_string_where(column, &|_| true, sink)
    }

    /// The same without strings that stand together with many others and of all of which, put
    /// together, `may` says that none is wanted.
    pub(crate) fn each_string_where(
        &self,
        column: TextColumn,
        may: &dyn Fn(&str) -> bool,
        sink: &mut dyn FnMut(u32, &str) -> ControlFlow<()>,
    ) -> Result<()> {
        match self {
            Part::Block(block, _) => {
                for id in 1..=block.strings(column) as u32 {
                    if sink(id, block.string(column, id)?).is_break() {
                        break;
                    }
                }
            }
            Part::Sealed(sealed) => {
                let mut id = 0;
                if let Some(strings) = sealed.derived_strings(column)? {
                    for text in strings {
                        id += 1;
                        if sink(id, text).is_break() {
                            break;
                        }
                    }
                    return Ok(());
                }
                for number in 0..self.strings(column).div_ceil(STRINGS_PER_PIECE) {
                    let strings = sealed.strings_piece(column, number)?;
                    if !may(strings.text()) {
                        id += strings.len() as u32;
                        continue;
                    }
                    for text in strings.iter() {
                        id += 1;
                        if sink(id, text).is_break() {
                            return Ok(());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The id of a string, if the column has it.
    pub(crate) fn find(&self, column: TextColumn, text: &str) -> Result<Option<u32>> {
        match self {
            Part::Block(block, _) => {
                for id in 1..=block.strings(column) as u32 {
                    if block.string(column, id)? == text {
                        return Ok(Some(id));
                    }
                }
                Ok(None)
            }
            Part::Sealed(sealed) => sealed.find(column, text),
        }
    }

    /// Rows with this audit key, ascending.
    pub(crate) fn audit_rows(&self, key: &[u8; 16]) -> Result<Vec<u32>> {
        match self {
            Part::Block(block, _) => Ok((0..block.rows as u32)
                .filter(|&row| block.audit_key(row as usize) == *key)
                .collect()),
            Part::Sealed(sealed) => sealed.audit_rows(key),
        }
    }

    /// How many frames of bodies there are.
    pub(crate) fn frames(&self) -> usize {
        match self {
            Part::Block(..) => BODY_CLASSES,
            Part::Sealed(sealed) => sealed.header.bodies as usize,
        }
    }

    pub(crate) fn frame(&self, number: usize) -> Result<Frame> {
        match self {
            Part::Block(block, bodies) => {
                let at = block.frames[number];
                if at.events == 0 {
                    return Ok(Frame::empty());
                }
                Frame::unpack(&bodies.frame(block, at)?, at.events, at.size)
            }
            Part::Sealed(sealed) => sealed.frame(number),
        }
    }

    /// The rank of the first body of a frame, and the step to the next.
    pub(crate) fn frame_ranks(&self, number: usize) -> Result<(i64, i64)> {
        match self {
            Part::Block(..) => Ok((number as i64, BODY_CLASSES as i64)),
            Part::Sealed(sealed) => Ok((i64::from(sealed.body_index()?[number].first_rank), 1)),
        }
    }

    /// What goes back into a row's lean body, one of `many` rows that lie close together or not.
    pub(crate) fn fields(&self, row: u32, many: bool) -> Result<Fields> {
        match self {
            Part::Block(block, _) => block.fields(row as usize),
            Part::Sealed(sealed) => {
                let time = sealed.int(IntColumn::Time, row, many)?;
                let latency = sealed.int(IntColumn::Latency, row, many)?;
                Ok(Fields::new(sealed.audit_key(row, many)?, time, latency))
            }
        }
    }

    /// The rows `[low, high)` whose time lies in `[since, until)`.
    pub(crate) fn rows_between(
        &self,
        since: Option<i64>,
        until: Option<i64>,
    ) -> Result<(u32, u32)> {
        let low = since.map_or(Ok(0), |since| self.first_row_at(since))?;
        let high = until.map_or(Ok(self.rows() as u32), |until| self.first_row_at(until))?;
        Ok((low, high.max(low)))
    }

    /// The first row at or after an instant.
    fn first_row_at(&self, instant: i64) -> Result<u32> {
        if instant <= self.oldest() {
            return Ok(0);
        }
        if instant > self.newest() {
            return Ok(self.rows() as u32);
        }
        let chunk = match self {
            Part::Block(..) => 0,
            Part::Sealed(sealed) => (sealed
                .header
                .chunk_times
                .partition_point(|&first| first < instant)
                as u32)
                .saturating_sub(1),
        };
        let mut times = Vec::new();
        self.ints(IntColumn::Time, chunk, &mut times)?;
        let offset = times.partition_point(|&time| time < instant);
        Ok(chunk * limits::CHUNK_ROWS as u32 + offset as u32)
    }
}
