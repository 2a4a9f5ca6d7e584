//! Cells as values of their own. Rows share most of their texts, so texts made lately are shared too.

use super::Cursor;
use crate::model::column::Column;
use crate::model::value::Value;
use crate::store::Result;
use crate::store::sqlite::layout::{Origin, TextColumn, origin};

/// Texts per column that are kept, and the longest one.
const KEPT_MAX: usize = 256;
const KEPT_BYTES_MAX: usize = 512;

/// Texts of each column made lately, by where they come from.
#[derive(Default)]
pub(super) struct Texts {
    columns: Vec<Vec<Kept>>,
}

#[derive(Clone)]
struct Kept {
    /// The number of the part's stream, and the string's id there.
    from: (u32, u32),
    value: Value,
}

impl Texts {
    fn slot(&mut self, column: Column, id: u32) -> &mut Kept {
        if self.columns.is_empty() {
            self.columns.resize(Column::ALL.len(), Vec::new());
        }
        let kept = &mut self.columns[column as usize];
        if kept.is_empty() {
            let none = Kept {
                from: (0, 0),
                value: Value::Null,
            };
            kept.resize(KEPT_MAX, none);
        }
        &mut kept[id as usize % KEPT_MAX]
    }
}

impl Cursor {
    /// Whether the current row has all these columns without its bytes.
    pub fn holds(&self, columns: &[Column]) -> bool {
        self.current.is_some_and(|current| {
            let reader = &self.streams[current].reader;
            columns.iter().all(|&column| reader.holds(column))
        })
    }

    /// A cell of the current row as a value of its own.
    pub fn value(&mut self, column: Column) -> Result<Value> {
        if let Some(current) = self.current
            && let Some(text) = shared_text(column)
        {
            let stream = &mut self.streams[current];
            let row = stream.row();
            let plain = match column {
                Column::EffectiveUser => stream.reader.id(TextColumn::ImpersonatedUser, row)? == 0,
                _ => stream.reader.holds(column),
            };
            if plain {
                let from = (stream.serial, stream.reader.id(text, row)?);
                if from.1 == 0 {
                    return Ok(Value::Null);
                }
                let kept = self.texts.slot(column, from.1);
                if kept.from == from {
                    return Ok(kept.value.clone());
                }
                let value = self.made(column)?;
                let small = match &value {
                    Value::Text(text) | Value::Json(text) => text.len() <= KEPT_BYTES_MAX,
                    _ => true,
                };
                if small {
                    let value = value.clone();
                    *self.texts.slot(column, from.1) = Kept { from, value };
                }
                return Ok(value);
            }
        }
        self.made(column)
    }

    /// Adds numbers that stand for the current row's texts in some columns: those of two rows are
    /// equal only if the texts are. False if a column is not stored as text.
    pub fn numbers(&mut self, columns: &[Column], out: &mut Vec<u32>) -> Result<bool> {
        let Some(current) = self.current else {
            return Ok(false);
        };
        let stream = &mut self.streams[current];
        let row = stream.row();
        out.push(stream.serial);
        for &column in columns {
            let Origin::Text(text) = origin(column) else {
                return Ok(false);
            };
            if !stream.reader.holds(column) {
                return Ok(false);
            }
            out.push(stream.reader.id(text, row)?);
        }
        Ok(true)
    }

    fn made(&mut self, column: Column) -> Result<Value> {
        Ok(self.cell(column)?.of(column).to_value())
    }
}

/// The dictionary whose strings alone decide a column's value, or as a rule do.
fn shared_text(column: Column) -> Option<TextColumn> {
    match origin(column) {
        Origin::Text(text) | Origin::Number(text) | Origin::Derived(text, _) => Some(text),
        Origin::EffectiveUser => Some(TextColumn::User),
        _ => None,
    }
}
