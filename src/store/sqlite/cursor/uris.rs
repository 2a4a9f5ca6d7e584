//! Cells that are made of a row's request URI.

use super::Stream;
use crate::model::column::Column;
use crate::model::value::Value;
use crate::store::Result;
use crate::store::sqlite::layout::TextColumn;
use crate::store::sqlite::uricolumns::{UriColumns, of_uri};

impl Stream {
    /// What a column makes of a row's request URI.
    pub(super) fn of_uri(&mut self, column: Column, row: u32) -> Result<Value> {
        let subresource = self.id(TextColumn::Subresource, row)?;
        // Only execs have a command, and few of the rows are any.
        if column == Column::Command && subresource == 0 {
            return Ok(Value::Null);
        }
        if !self.restore_uri(row)? {
            return Ok(Value::Null);
        }
        let subresource = match subresource {
            0 => None,
            id => Some(self.scan.part.string(TextColumn::Subresource, id)?),
        };
        let text = of_uri(column, &self.uri, subresource);
        Ok(text.map_or(Value::Null, Value::text))
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
        let has = UriColumns::restore_from(&self.scan.part, ids, &mut self.uri)?;
        self.uri_of = Some((row, has));
        Ok(has)
    }
}
