//! Cells of single rows of one part, from the chunks of columns that it holds at hand.

mod chunks;
#[cfg(test)]
mod tests;
mod uris;

pub(crate) use chunks::Stored;

use super::deriver::Deriver;
use super::layout::{self, Derivation, Origin, TextColumn, origin};
use super::part::Part;
use super::predicate;
use crate::model::column::{Column, Kind};
use crate::model::value::ValueRef;
use crate::store::{Result, StoreError};

/// A cell of a row, borrowed until the next one is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    Null,
    Int(i64),
    /// Microseconds.
    Time(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl<'a> Cell<'a> {
    /// The value that it is in a column.
    pub(crate) fn of(self, column: Column) -> ValueRef<'a> {
        match self {
            Cell::Null => ValueRef::Null,
            Cell::Int(number) => ValueRef::Int(number),
            Cell::Time(time) => ValueRef::Time(time),
            Cell::Text(text) if column.kind() == Kind::Json => ValueRef::Json(text),
            Cell::Text(text) => ValueRef::Text(text),
            Cell::Bytes(bytes) => ValueRef::Bytes(bytes),
        }
    }
}

/// Reads rows of a part.
pub(crate) struct RowReader {
    pub(crate) part: Part,
    /// Per column, the chunk that was looked into last.
    columns: Vec<Option<chunks::Held>>,
    uri: String,
    /// The row that `uri` is of, and whether it has one.
    uri_of: Option<(u32, bool)>,
    /// What the last call of `cell` lent out.
    scratch: String,
    /// Texts derived lately with the ids of the strings that they come from.
    derived: Vec<(u32, Option<Box<str>>)>,
}

/// Texts of each derivation that are kept, and the longest one that is read again.
const DERIVED_KEPT: usize = 64;
const DERIVATIONS: usize = Derivation::FirstHop as usize + 1;
const DERIVED_BYTES_MAX: usize = 512;

impl RowReader {
    pub(crate) fn new(part: Part) -> RowReader {
        RowReader {
            part,
            columns: (0..=layout::AUDIT_COLUMN).map(|_| None).collect(),
            uri: String::new(),
            uri_of: None,
            scratch: String::new(),
            derived: Vec::new(),
        }
    }

    /// Whether a column can be read without the events' bytes. Facts of an older segment cannot,
    /// until somebody needed those of all its rows.
    pub(crate) fn holds(&self, column: Column) -> bool {
        origin(column) != Origin::Bytes && !self.part.lacks(column)
    }

    /// A cell of a column that it holds.
    pub(crate) fn cell(&mut self, column: Column, row: u32, deriver: &Deriver) -> Result<Cell<'_>> {
        match origin(column) {
            Origin::Text(text) => {
                let id = self.id(text, row)?;
                self.string(text, id)
            }
            Origin::EffectiveUser => {
                let impersonated = self.id(TextColumn::ImpersonatedUser, row)?;
                if impersonated != 0 {
                    return self.string(TextColumn::ImpersonatedUser, impersonated);
                }
                let id = self.id(TextColumn::User, row)?;
                self.string(TextColumn::User, id)
            }
            Origin::Number(text) => {
                let id = self.id(text, row)?;
                Ok(match self.string(text, id)? {
                    Cell::Text(text) => text.parse().map_or(Cell::Null, Cell::Int),
                    _ => Cell::Null,
                })
            }
            Origin::Derived(text, derivation) => {
                let id = self.id(text, row)?;
                self.derived_cell(text, derivation, id, deriver)
            }
            Origin::RequestUri | Origin::Path => self.of_uri(column, row),
            // Only execs have a command, and few of the rows are any.
            Origin::Command if self.id(TextColumn::Subresource, row)? == 0 => Ok(Cell::Null),
            Origin::Command => self.of_uri(column, row),
            Origin::AuditId => {
                let odd = self.id(TextColumn::OddAuditId, row)?;
                if odd != 0 {
                    return self.string(TextColumn::OddAuditId, odd);
                }
                let text = layout::uuid_text(&self.audit_key(row)?);
                self.scratch.clear();
                self.scratch
                    .push_str(str::from_utf8(&text).expect("digits and dashes"));
                Ok(Cell::Text(&self.scratch))
            }
            Origin::Id
            | Origin::Time
            | Origin::ReceivedTime
            | Origin::StoredTime
            | Origin::LatencyUs
            | Origin::RawBytes
            | Origin::Flag(_) => {
                let (first, second) = predicate::number_sources(column);
                let first = self.number(first, row)?;
                let second = second.map_or(Ok(0), |second| self.number(second, row))?;
                Ok(match predicate::number(column, first, second) {
                    None => Cell::Null,
                    Some(value) if column.kind() == Kind::Time => Cell::Time(value),
                    Some(value) => Cell::Int(value),
                })
            }
            Origin::Bytes => Err(StoreError::Io(
                "an event's bytes were to be read from a column".into(),
            )),
        }
    }

    /// The string with an id; 0 is absent.
    fn string(&mut self, column: TextColumn, id: u32) -> Result<Cell<'_>> {
        match id {
            0 => Ok(Cell::Null),
            id => text(&self.part, column, id, &mut self.scratch).map(Cell::Text),
        }
    }

    /// What is derived from the string with an id: rows share their strings, and deriving costs
    /// several times what reading does.
    fn derived_cell(
        &mut self,
        column: TextColumn,
        derivation: Derivation,
        id: u32,
        deriver: &Deriver,
    ) -> Result<Cell<'_>> {
        if id == 0 {
            return Ok(Cell::Null);
        }
        let at = derivation as usize * DERIVED_KEPT + id as usize % DERIVED_KEPT;
        if self.derived.is_empty() {
            let count = DERIVED_KEPT * DERIVATIONS;
            self.derived.resize(count, (0, None));
        }
        if self.derived[at].0 != id {
            let made = match self.string(column, id)? {
                Cell::Text(text) => deriver.derive(derivation, text),
                _ => None,
            };
            let long = (made.as_ref()).is_some_and(|text| text.len() > DERIVED_BYTES_MAX);
            let kept = if long { 0 } else { id };
            self.derived[at] = (kept, made.map(String::into_boxed_str));
        }
        Ok(self.derived[at].1.as_deref().map_or(Cell::Null, Cell::Text))
    }
}

/// A string of a part, in `scratch` if it is better not kept whole.
pub(crate) fn text<'r>(
    part: &'r Part,
    column: TextColumn,
    id: u32,
    scratch: &'r mut String,
) -> Result<&'r str> {
    match part {
        Part::Sealed(sealed) if sealed.is_packed(column) => {
            scratch.clear();
            sealed.write_string(column, id, scratch)?;
            Ok(scratch)
        }
        part => part.string(column, id),
    }
}
