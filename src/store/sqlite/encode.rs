//! Rows as text, from the columns of their parts.
//!
//! Most cells of neighbouring rows are alike. What follows from few stored numbers is written once
//! for each combination of them and copied wherever it comes again: column by column the texts of
//! a slice's rows are found, then row by row they are put together.

mod known;
mod steps;

use super::deriver::Deriver;
use super::part::Part;
use super::rowreader::{RowReader, Stored};
use crate::model::column::Column;
use crate::store::{Pool, Result, RowEncoder, Text};
use known::Known;
use steps::{Step, plan};

/// Rows that are written together, of one part or of several in turns.
#[derive(Default)]
pub(super) struct Slice {
    parts: Vec<Rows>,
    /// For each row the place of its part.
    order: Vec<u16>,
}

/// The rows of one part.
struct Rows {
    /// Tells streams of the cursor apart.
    serial: u32,
    part: Part,
    rows: Vec<u32>,
}

impl Slice {
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether a row is of the same part as the last one, and of another chunk.
    pub(super) fn leaves_chunk(&self, serial: u32, row: u32) -> bool {
        let last = self.order.last().map(|&at| &self.parts[at as usize]);
        last.is_some_and(|last| {
            let chunk = |row: u32| last.part.chunk_of(row).0;
            last.serial == serial && last.rows.last().map(|&row| chunk(row)) != Some(chunk(row))
        })
    }

    /// Appends a row of a part; `serial` tells it from others.
    pub(super) fn push(&mut self, part: &Part, serial: u32, row: u32) {
        let last = self.order.last().map(|&at| at as usize);
        let at = match last.filter(|&at| self.parts[at].serial == serial) {
            Some(at) => Some(at),
            None => self.parts.iter().position(|rows| rows.serial == serial),
        };
        let at = at.unwrap_or_else(|| {
            self.parts.push(Rows {
                serial,
                part: part.clone(),
                rows: Vec::new(),
            });
            self.parts.len() - 1
        });
        self.parts[at].rows.push(row);
        self.order.push(at as u16);
    }
}

/// Writes slices of rows.
pub(super) struct Encode<'a> {
    encoder: &'a dyn RowEncoder,
    deriver: &'a Deriver,
    steps: Vec<Step>,
    /// The parts of the last slice.
    parts: Vec<Reading>,
    pool: Pool,
    keys: Vec<u64>,
}

/// A part that is being read.
struct Reading {
    serial: u32,
    reader: RowReader,
    /// What is known for each step, if it shares its text.
    known: Vec<Option<Known>>,
    /// How many rows of the slice were written.
    written: usize,
}

impl<'a> Encode<'a> {
    pub(super) fn new(
        columns: &[Column],
        encoder: &'a dyn RowEncoder,
        deriver: &'a Deriver,
        pool: Pool,
    ) -> Encode<'a> {
        Encode {
            encoder,
            deriver,
            steps: plan(columns),
            parts: Vec::new(),
            pool,
            keys: Vec::new(),
        }
    }

    /// The text of a slice's rows.
    pub(super) fn slice(&mut self, slice: &Slice) -> Result<Text> {
        self.turn_to(slice);
        for (reading, rows) in self.parts.iter_mut().zip(&slice.parts) {
            let steps = self.steps.iter().zip(&mut reading.known);
            for (step, known) in steps.filter_map(|(step, known)| Some((step, known.as_mut()?))) {
                self.keys.clear();
                self.keys.resize(rows.rows.len(), 0);
                for &stored in &step.from {
                    reading
                        .reader
                        .fold_into(stored, &rows.rows, &mut self.keys)?;
                }
                known.find(&self.keys, |row, out| {
                    let row = rows.rows[row];
                    step.write(&mut reading.reader, row, self.deriver, self.encoder, out)
                })?;
            }
        }
        let mut text = self.pool.text();
        let out = text.bytes_mut();
        for &part in &slice.order {
            let reading = &mut self.parts[part as usize];
            let at = reading.written;
            reading.written += 1;
            let row = slice.parts[part as usize].rows[at];
            for (step, known) in self.steps.iter().zip(&reading.known) {
                match known {
                    Some(known) => out.extend_from_slice(known.text(at)),
                    None => {
                        step.write(&mut reading.reader, row, self.deriver, self.encoder, out)?;
                    }
                }
            }
            self.encoder.end_row(out);
        }
        Ok(text)
    }

    /// Has the parts of a slice at hand, in its order, and lets go of all others.
    fn turn_to(&mut self, slice: &Slice) {
        let mut before = std::mem::take(&mut self.parts);
        for rows in &slice.parts {
            let kept = before.iter().position(|kept| kept.serial == rows.serial);
            let mut reading = match kept {
                Some(at) => before.swap_remove(at),
                None => Reading {
                    serial: rows.serial,
                    reader: RowReader::new(rows.part.clone()),
                    known: self
                        .steps
                        .iter()
                        .map(|step| {
                            step.is_shared(&rows.part)
                                .then(|| Known::new(rows.part.rows()))
                        })
                        .collect(),
                    written: 0,
                },
            };
            reading.written = 0;
            self.parts.push(reading);
        }
    }
}

impl Step {
    /// Whether its text follows from a key of 64 bits.
    fn is_shared(&self, part: &Part) -> bool {
        let keys = self
            .from
            .iter()
            .try_fold(1u64, |keys, &stored| keys.checked_mul(stored.values(part)));
        !self.from.is_empty() && keys.is_some()
    }

    fn write(
        &self,
        reader: &mut RowReader,
        row: u32,
        deriver: &Deriver,
        encoder: &dyn RowEncoder,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        for &(place, column) in &self.columns {
            let cell = reader.cell(column, row, deriver)?;
            encoder.cell(place, cell.of(column), out);
        }
        Ok(())
    }
}

impl Stored {
    /// All its numbers are below this.
    pub(super) fn values(self, part: &Part) -> u64 {
        match self {
            Stored::Text(text) => u64::from(part.strings(text)) + 1,
            Stored::Flags => 1 << 8,
        }
    }
}
