//! Rows that a scan found together.

use super::partscan::Direction;
use crate::store::Place;

/// Matching rows of one chunk, in the order of the scan.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) rows: Vec<u32>,
    pub(super) times: Vec<i64>,
    pub(super) ids: Vec<i64>,
}

impl Batch {
    /// Leaves out the rows up to a place.
    pub(super) fn pass_over(&mut self, after: Place, direction: Direction) {
        let passed = (self.times.iter().zip(&self.ids))
            .take_while(|&(&time, &id)| match direction {
                Direction::Descending => (time, id) >= after,
                Direction::Ascending => (time, id) <= after,
            })
            .count();
        self.rows.drain(..passed);
        self.times.drain(..passed);
        self.ids.drain(..passed);
    }
}
