//! Rows as text: how a listing of any length leaves without a value of its own for every cell.

use std::ops::ControlFlow;

use super::{Answer, Result, RowSink};
use crate::model::value::{Value, ValueRef};

/// Writes rows as text.
pub trait RowEncoder: Send + Sync {
    /// Appends the cell at a place of a row, with whatever stands before it. That depends on
    /// nothing but place and value: where the value comes again, an engine may repeat the text.
    fn cell(&self, at: usize, value: ValueRef<'_>, out: &mut Vec<u8>);

    /// Appends what ends a row.
    fn end_row(&self, out: &mut Vec<u8>);
}

/// Takes whole rows as text, and how many they are; breaking ends the query early.
pub type TextSink<'a> = &'a mut dyn FnMut(Vec<u8>, u64) -> ControlFlow<()>;

/// Bytes of text that leave together.
const TEXT_BYTES: usize = 64 << 10;

/// Writes the rows that `list` gives one after the other.
pub(super) fn one_by_one(
    encoder: &dyn RowEncoder,
    sink: TextSink<'_>,
    list: impl FnOnce(RowSink<'_>) -> Result<Answer>,
) -> Result<Answer> {
    let (mut text, mut rows) = (Vec::new(), 0);
    let mut left = ControlFlow::Continue(());
    let answer = list(&mut |row: &[Value]| {
        for (at, value) in row.iter().enumerate() {
            encoder.cell(at, value.borrowed(), &mut text);
        }
        encoder.end_row(&mut text);
        rows += 1;
        if text.len() >= TEXT_BYTES {
            left = sink(std::mem::take(&mut text), std::mem::take(&mut rows));
        }
        left
    })?;
    if left.is_continue() && rows > 0 {
        let _ = sink(text, rows);
    }
    Ok(answer)
}
