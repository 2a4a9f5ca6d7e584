//! Rows as text: how a listing of any length leaves without a value of its own for every cell.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
pub type TextSink<'a> = &'a mut dyn FnMut(Text, u64) -> ControlFlow<()>;

/// A piece of text. Its memory is used again once it is dropped: fresh memory for every piece of a
/// long answer would cost about as much as writing it.
#[derive(Debug)]
pub struct Text {
    bytes: Vec<u8>,
    pool: Pool,
}

/// Pieces that are kept for use again, and the largest of them.
const POOL_MAX: usize = 16;
const POOL_BYTES_MAX: usize = 1 << 20;

/// Where pieces of text come from and go back to.
#[derive(Debug, Clone, Default)]
pub struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

impl Pool {
    /// An empty piece.
    pub fn text(&self) -> Text {
        Text {
            bytes: self.free().pop().unwrap_or_default(),
            pool: self.clone(),
        }
    }

    fn free(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Text {
    /// The bytes, to be appended to.
    pub fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        let mut free = self.pool.free();
        if free.len() < POOL_MAX && self.bytes.capacity() <= POOL_BYTES_MAX {
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.clear();
            free.push(bytes);
        }
    }
}

/// Bytes of text that leave together.
const TEXT_BYTES: usize = 64 << 10;

/// Writes the rows that `list` gives one after the other.
pub(super) fn one_by_one(
    encoder: &dyn RowEncoder,
    sink: TextSink<'_>,
    list: impl FnOnce(RowSink<'_>) -> Result<Answer>,
) -> Result<Answer> {
    let pool = Pool::default();
    let (mut text, mut rows) = (pool.text(), 0);
    let mut left = ControlFlow::Continue(());
    let answer = list(&mut |row: &[Value]| {
        for (at, value) in row.iter().enumerate() {
            encoder.cell(at, value.borrowed(), text.bytes_mut());
        }
        encoder.end_row(text.bytes_mut());
        rows += 1;
        if text.as_ref().len() >= TEXT_BYTES {
            let full = std::mem::replace(&mut text, pool.text());
            left = sink(full, std::mem::take(&mut rows));
        }
        left
    })?;
    if left.is_continue() && rows > 0 {
        let _ = sink(text, rows);
    }
    Ok(answer)
}
