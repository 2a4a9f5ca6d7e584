//! Several scans as one, newest first.

use std::sync::Arc;

use crate::model::column::Column;
use crate::model::value::Value;
use crate::store::filter::Filter;
use crate::store::sqlite::scan::{Cell, ScanOrder};
use crate::store::sqlite::sql::session::{Scan, Session};
use crate::store::{Result, StoreError};

pub(super) struct Merged {
    /// With time and id of the row that each stands at.
    scans: Vec<(Scan, (i64, i64))>,
    at: usize,
    has_read_bodies: bool,
}

impl Merged {
    pub(super) fn new(session: &Arc<Session>, filters: &[Filter]) -> Result<Merged> {
        let mut merged = Merged {
            scans: Vec::new(),
            at: 0,
            has_read_bodies: false,
        };
        for (filter, serial) in filters.iter().zip(0..) {
            let mut scan = session.scan(filter, ScanOrder::NewestFirst)?;
            scan.serial = serial;
            merged.scans.push((scan, (0, 0)));
            merged.next(merged.scans.len() - 1)?;
        }
        merged.choose();
        Ok(merged)
    }

    /// Moves one scan on, and drops it at its end.
    fn next(&mut self, at: usize) -> Result<()> {
        let (scan, place) = &mut self.scans[at];
        if !scan.advance()? {
            self.has_read_bodies |= scan.has_read_bodies();
            self.scans.swap_remove(at);
            return Ok(());
        }
        if let Some(known) = scan.place() {
            *place = known;
            return Ok(());
        }
        let mut number = |column| match scan.cell(column)? {
            Cell::Int(number) | Cell::Time(number) => Ok(number),
            _ => Err(StoreError::Io("an event has no place".into())),
        };
        *place = (number(Column::Time)?, number(Column::Id)?);
        Ok(())
    }

    fn choose(&mut self) {
        let places = self.scans.iter().map(|(_, place)| *place).enumerate();
        let newest = places.max_by_key(|(_, place)| *place);
        self.at = newest.map_or(0, |(at, _)| at);
    }

    pub(super) fn advance(&mut self) -> Result<()> {
        self.next(self.at)?;
        self.choose();
        Ok(())
    }

    /// Time and id of the row; `None` at the end.
    pub(super) fn place(&self) -> Option<(i64, i64)> {
        self.scans.get(self.at).map(|(_, place)| *place)
    }

    pub(super) fn cell(&mut self, column: Column) -> Result<Cell<'_>> {
        match self.scans.get_mut(self.at) {
            Some((scan, _)) => scan.cell(column),
            None => Ok(Cell::Null),
        }
    }

    /// Numbers that stand for texts of the row: those of two rows are equal only if the texts are.
    /// None where the engine has no such numbers.
    pub(super) fn numbers(&mut self, columns: &[Column], out: &mut Vec<u32>) -> Result<()> {
        out.clear();
        let Some((scan, _)) = self.scans.get_mut(self.at) else {
            return Ok(());
        };
        out.push(scan.serial);
        if !scan.numbers(columns, out)? {
            out.clear();
        }
        Ok(())
    }

    pub(super) fn is(&mut self, column: Column, text: &str) -> Result<bool> {
        Ok(matches!(self.cell(column)?, Cell::Text(found) if found == text))
    }

    pub(super) fn value(&mut self, column: Column) -> Result<Value> {
        Ok(match self.cell(column)? {
            Cell::Text(text) => Value::text(text),
            Cell::Int(number) => Value::Int(number),
            _ => Value::Null,
        })
    }

    /// Whether bodies of events were read.
    pub(super) fn has_read_bodies(&self) -> bool {
        let mut scans = self.scans.iter();
        self.has_read_bodies || scans.any(|(scan, _)| scan.has_read_bodies())
    }
}
