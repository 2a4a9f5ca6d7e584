//! Rows as text, from the columns of their parts.
//!
//! Most cells of neighbouring rows are alike. What follows from few stored numbers is written once
//! for each combination of them and copied wherever it comes again.

mod known;
mod steps;

use super::part::Part;
use super::predicate::Deriver;
use super::rowreader::{RowReader, Stored};
use crate::model::column::Column;
use crate::store::sqlite::codec::damaged;
use crate::store::{Result, RowEncoder};
use known::{KEY_NUMBERS, Key};
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
    /// What is gathered for the steps, in this order.
    stored: Vec<Stored>,
    /// Readers of the parts of the last slice.
    readers: Vec<Reading>,
    /// Bytes of the longest text.
    longest: usize,
}

/// A part that is being read.
struct Reading {
    serial: u32,
    reader: RowReader,
    /// Per stored column, its numbers in the rows of the slice.
    gathered: Vec<Vec<u32>>,
    /// How many rows of the slice were written.
    written: usize,
}

impl<'a> Encode<'a> {
    pub(super) fn new(
        columns: &[Column],
        encoder: &'a dyn RowEncoder,
        deriver: &'a Deriver,
    ) -> Encode<'a> {
        let (steps, stored) = plan(columns);
        Encode {
            encoder,
            deriver,
            steps,
            stored,
            readers: Vec::new(),
            longest: 0,
        }
    }

    /// The text of a slice's rows.
    pub(super) fn slice(&mut self, slice: &Slice) -> Result<Vec<u8>> {
        self.read(slice)?;
        let mut out = Vec::with_capacity(self.longest);
        for &part in &slice.order {
            let reading = &mut self.readers[part as usize];
            let at = reading.written;
            reading.written += 1;
            let row = slice.parts[part as usize].rows[at];
            for step in &mut self.steps {
                match step {
                    Step::Own(place, column) => {
                        let cell = reading.reader.cell(*column, row, self.deriver)?;
                        self.encoder.cell(*place, cell.of(*column), &mut out);
                    }
                    Step::Shared {
                        columns,
                        from,
                        known,
                    } => {
                        let mut key: Key = [0; KEY_NUMBERS + 1];
                        key[0] = reading.serial;
                        for (number, &from) in key[1..].iter_mut().zip(&*from) {
                            *number = reading.gathered[from][at];
                        }
                        if let Some(text) = known.get(&key) {
                            out.extend_from_slice(text);
                            continue;
                        }
                        let begin = out.len();
                        for &(place, column) in &*columns {
                            let cell = reading.reader.cell(column, row, self.deriver)?;
                            self.encoder.cell(place, cell.of(column), &mut out);
                        }
                        known.put(&key, &out[begin..]);
                    }
                }
            }
            self.encoder.end_row(&mut out);
        }
        self.longest = self.longest.max(out.len());
        Ok(out)
    }

    /// Gathers what the rows of a slice need, with a reader for each part, in the slice's order.
    /// Parts of earlier slices are let go.
    fn read(&mut self, slice: &Slice) -> Result<()> {
        let mut before = std::mem::take(&mut self.readers);
        for rows in &slice.parts {
            let kept = before.iter().position(|kept| kept.serial == rows.serial);
            let mut reading = match kept {
                Some(at) => before.swap_remove(at),
                None => Reading {
                    serial: rows.serial,
                    reader: RowReader::new(rows.part.clone()),
                    gathered: vec![Vec::new(); self.stored.len()],
                    written: 0,
                },
            };
            reading.written = 0;
            for (&stored, numbers) in self.stored.iter().zip(&mut reading.gathered) {
                numbers.clear();
                reading.reader.gather(stored, &rows.rows, numbers)?;
                if numbers.len() != rows.rows.len() {
                    return Err(damaged("a column has too few rows"));
                }
            }
            self.readers.push(reading);
        }
        Ok(())
    }
}
