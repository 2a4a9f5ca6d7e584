//! Request URIs of rows, and what is read from them.

use std::borrow::Cow;

use super::layout::TextColumn;
use super::part::Part;
use super::uri;
use crate::model::column::Column;
use crate::model::normalise;
use crate::store::Result;

/// What a column makes of the request URI.
pub(crate) fn of_uri<'u>(
    column: Column,
    uri: &'u str,
    subresource: Option<&str>,
) -> Option<Cow<'u, str>> {
    match column {
        Column::Path => uri.split('?').next().map(Cow::Borrowed),
        Column::Command => normalise::command(uri, subresource).map(Cow::Owned),
        _ => Some(Cow::Borrowed(uri)),
    }
}

/// The columns of one chunk that request URIs are made of.
#[derive(Default)]
pub(crate) struct UriColumns {
    columns: [Vec<u32>; 7],
}

impl UriColumns {
    pub(crate) const ORDER: [TextColumn; 7] = [
        TextColumn::RequestUri,
        TextColumn::ApiGroup,
        TextColumn::ApiVersion,
        TextColumn::Resource,
        TextColumn::Subresource,
        TextColumn::Namespace,
        TextColumn::Name,
    ];

    pub(crate) fn load(&mut self, part: &Part, chunk: u32) -> Result<()> {
        for (column, ids) in Self::ORDER.into_iter().zip(&mut self.columns) {
            part.ids(column, chunk, ids)?;
        }
        Ok(())
    }

    /// The ids of the row at an offset of the chunk.
    pub(crate) fn ids(&self, offset: usize) -> [u32; 7] {
        std::array::from_fn(|index| self.columns[index][offset])
    }

    /// The subresource of the row at an offset of the chunk.
    pub(crate) fn subresource<'p>(&self, part: &'p Part, offset: usize) -> Result<Option<&'p str>> {
        match self.columns[4][offset] {
            0 => Ok(None),
            id => part.string(TextColumn::Subresource, id).map(Some),
        }
    }

    /// Writes the URI of the row at an offset of the chunk; false when it has none.
    pub(crate) fn restore(&self, part: &Part, offset: usize, out: &mut String) -> Result<bool> {
        let [stored, object @ ..] = self.ids(offset);
        if stored == 0 {
            return Ok(false);
        }
        let stored = part.string(TextColumn::RequestUri, stored)?;
        UriColumns::restore_from(part, stored, object, out)?;
        Ok(true)
    }

    /// Writes the URI that a stored one and the strings with these ids make.
    pub(crate) fn restore_from(
        part: &Part,
        stored: &str,
        object: [u32; 6],
        out: &mut String,
    ) -> Result<()> {
        let text = |index: usize| match object[index] {
            0 => Ok(None),
            id => part.string(Self::ORDER[index + 1], id).map(Some),
        };
        let object = uri::Object {
            api_group: text(0)?,
            api_version: text(1)?,
            resource: text(2)?,
            subresource: text(3)?,
            namespace: text(4)?,
            name: text(5)?,
        };
        uri::restore(stored, &object, out);
        Ok(())
    }
}
