//! Cells that are made of a row's request URI.

use std::borrow::Cow;

use super::{Cell, RowReader, text};
use crate::model::column::Column;
use crate::store::Result;
use crate::store::sqlite::layout::TextColumn;
use crate::store::sqlite::uricolumns::{UriColumns, of_uri};

impl RowReader {
    /// What a column makes of a row's request URI.
    pub(super) fn of_uri(&mut self, column: Column, row: u32) -> Result<Cell<'_>> {
        if !self.restore_uri(row)? {
            return Ok(Cell::Null);
        }
        let subresource = match self.id(TextColumn::Subresource, row)? {
            0 => None,
            id => Some(self.part.string(TextColumn::Subresource, id)?),
        };
        Ok(match of_uri(column, &self.uri, subresource) {
            None => Cell::Null,
            Some(Cow::Borrowed(text)) => Cell::Text(text),
            Some(Cow::Owned(text)) => {
                self.scratch = text;
                Cell::Text(&self.scratch)
            }
        })
    }

    /// Writes a row's URI to `self.uri`; false when it has none.
    fn restore_uri(&mut self, row: u32) -> Result<bool> {
        if let Some((of, has)) = self.uri_of
            && of == row
        {
            return Ok(has);
        }
        self.uri_of = None;
        let mut ids = [0; UriColumns::ORDER.len()];
        for (column, id) in UriColumns::ORDER.into_iter().zip(&mut ids) {
            *id = self.id(column, row)?;
        }
        let [stored, object @ ..] = ids;
        if stored != 0 {
            let stored = text(
                &self.part,
                TextColumn::RequestUri,
                stored,
                &mut self.scratch,
            )?;
            UriColumns::restore_from(&self.part, stored, object, &mut self.uri)?;
        }
        self.uri_of = Some((row, stored != 0));
        Ok(stored != 0)
    }
}
