//! The exact bytes of each event, and one newline after each.

use std::io::{self, Write};

use super::{Render, plain};
use crate::model::value::Value;
use crate::store::SqlColumn;

pub(super) struct Raw<W> {
    out: W,
    at: usize,
}

impl<W: Write> Raw<W> {
    pub(super) fn new(out: W) -> Raw<W> {
        Raw { out, at: 0 }
    }
}

impl<W: Write> Render for Raw<W> {
    fn begin(&mut self, columns: &[SqlColumn]) -> io::Result<()> {
        let only = columns.len() == 1;
        match columns
            .iter()
            .position(|column| only || column.name == "raw")
        {
            Some(at) => {
                self.at = at;
                Ok(())
            }
            None => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "-o raw needs the column raw, or a single column; select raw",
            )),
        }
    }

    fn row(&mut self, row: &[Value]) -> io::Result<()> {
        match &row[self.at] {
            Value::Bytes(bytes) => self.out.write_all(bytes)?,
            value => self
                .out
                .write_all(plain(value).unwrap_or_default().as_bytes())?,
        }
        self.out.write_all(b"\n")
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
