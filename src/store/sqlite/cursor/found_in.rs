//! In which fields of the current row the texts stand that the filter searches for.

use super::Cursor;
use crate::store::Result;
use crate::store::sqlite::matched::Matcher;
use crate::store::sqlite::rowreader::Cell;
use crate::store::sqlite::scan::ScanOrder;

impl Cursor {
    /// Says before the first row that [`Cursor::found_in`] will be asked, so that searching bytes finds
    /// it out on the way.
    pub fn tell_found_in(&mut self) {
        self.matcher = Matcher::new(&self.filter);
    }

    /// The names of the fields, a JSON array; NULL if nothing is searched for or it was not said that
    /// it would be asked.
    pub fn found_in(&mut self) -> Result<Cell<'_>> {
        let (Some(matcher), Some(current)) = (&mut self.matcher, self.current) else {
            return Ok(Cell::Null);
        };
        let stream = &mut self.streams[current];
        let (row, deriver) = (stream.row(), &self.snapshot.deriver);
        let stored = matcher.stored(&mut stream.reader, stream.serial, row, deriver)?;
        let inside = match stream.scan.told(row) {
            Some(told) => told,
            None => {
                let ordered = matches!(self.order, ScanOrder::NewestFirst | ScanOrder::OldestFirst);
                let body = stream.raw(row, ordered, &self.budget, &mut self.work)?;
                matcher.inside(&body.raw)
            }
        };
        Ok(Cell::Text(matcher.names(stored | inside)))
    }
}
