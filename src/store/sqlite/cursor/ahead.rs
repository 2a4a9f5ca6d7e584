//! Bytes of rows, read ahead of their turn.

use super::Stream;
use crate::store::sqlite::bytes::Body;
use crate::store::sqlite::codec;
use crate::store::{Budget, Result, Work};

/// Bytes of events that one stream reads ahead.
const RAW_AHEAD_BYTES: usize = 16 << 20;
const RAW_AHEAD_ROWS_MIN: usize = 16;
const RAW_AHEAD_ROWS_MAX: usize = 16_384;

impl Stream {
    /// The exact bytes of a row; the rows that come next are read along with it, more and more of
    /// them, so that a block of bodies is decompressed once for all of them.
    pub(super) fn raw(
        &mut self,
        row: u32,
        ordered: bool,
        budget: &Budget,
        work: &mut Work,
    ) -> Result<&mut Body> {
        if !self.raw.contains_key(&row) {
            self.raw.clear();
            self.raw_rows = (self.raw_rows * 4).clamp(RAW_AHEAD_ROWS_MIN, RAW_AHEAD_ROWS_MAX);
            let mut wanted = self.batch.rows[self.position..].to_vec();
            let mut next = 0;
            while wanted.len() < self.raw_rows {
                if next == self.ahead.len() && !self.look_ahead(ordered, budget, work)? {
                    break;
                }
                if let Some(batch) = self.ahead.get(next) {
                    wanted.extend_from_slice(&batch.rows);
                    next += 1;
                }
            }
            wanted.truncate(self.raw_rows);
            let (raw, mut total) = (&mut self.raw, 0);
            let reads_inside = self.reads_inside;
            let make = |raw| Body::new(raw, reads_inside);
            work.blocks_read += self.scan.part.raw_as(&wanted, &make, &mut |at, body| {
                budget.check()?;
                // What does not fit is read again in its turn.
                total += body.raw.len();
                if total <= RAW_AHEAD_BYTES || at == row {
                    raw.insert(at, body);
                }
                Ok(())
            })?;
            // As many rows as fit next time: what is left out would be read over and over.
            let fit = wanted.len() * RAW_AHEAD_BYTES / total.max(1);
            self.raw_rows = self.raw_rows.min(fit / 4);
        }
        let raw = self.raw.get_mut(&row);
        raw.ok_or_else(|| codec::damaged("an event's body is missing"))
    }
}
