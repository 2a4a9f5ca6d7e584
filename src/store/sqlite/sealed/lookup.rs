//! Finding events of a sealed file by their content or their audit id.

use super::{KEYS_PER_PIECE, Piece, Sealed, audit_prefix, wrong};
use crate::store::Result;
use crate::store::sqlite::{dedup, keycode};

impl Sealed {
    /// Whether an event with this content is here.
    pub(crate) fn holds(&self, key: &[u8; 16]) -> Result<bool> {
        let filter = self.once(&self.filter, || self.kept_piece(Piece::Filter, 0, 0))?;
        if !dedup::filter_may_hold(filter, key) {
            return Ok(false);
        }
        let index = self.once(&self.key_index, || self.kept_piece(Piece::KeyIndex, 0, 0))?;
        let firsts = index.as_chunks::<16>().0;
        let Some(number) = firsts.partition_point(|first| first <= key).checked_sub(1) else {
            return Ok(false);
        };
        Ok(self.key_piece(number)?.binary_search(key).is_ok())
    }

    /// How many pieces of keys there are.
    pub(crate) fn key_pieces(&self) -> usize {
        (self.header.rows as usize).div_ceil(KEYS_PER_PIECE)
    }

    /// Keys in ascending order, a piece of them.
    pub(crate) fn key_piece(&self, number: usize) -> Result<Vec<[u8; 16]>> {
        let packed = self.piece(Piece::Keys, 0, number as u32)?;
        let before = number * KEYS_PER_PIECE;
        let count = (self.header.rows as usize - before).min(KEYS_PER_PIECE);
        keycode::unpack(&packed, count)
            .ok_or_else(|| wrong(&self.path, "a piece of keys is unreadable"))
    }

    /// Rows whose audit id has this key, ascending.
    pub(crate) fn audit_rows(&self, key: &[u8; 16]) -> Result<Vec<u32>> {
        self.audit_rows_between(key, key)
    }

    /// Rows whose audit ids have keys from `low` to `high`, which begin with the same four bytes.
    pub(crate) fn audit_rows_between(&self, low: &[u8; 16], high: &[u8; 16]) -> Result<Vec<u32>> {
        let index = self.once(&self.audit_index, || {
            self.kept_piece(Piece::AuditIndex, 0, 0)
        })?;
        // The index holds the first key of each piece; equal keys may cross pieces.
        let firsts = index.as_chunks::<16>().0;
        let mut number = firsts
            .partition_point(|first| first < low)
            .saturating_sub(1);
        let mut rows = Vec::new();
        while number < firsts.len() && firsts[number] <= *high {
            let piece = self.piece(Piece::AuditIndex, 1, number as u32)?;
            for entry in piece.as_chunks::<5>().0 {
                // Two bytes of the key and three of the row leave out nearly all other rows; the
                // row's own key decides.
                let entry_prefix = [entry[0], entry[1]];
                let prefix = audit_prefix(low);
                if entry_prefix == prefix {
                    let row = u32::from_be_bytes([0, entry[2], entry[3], entry[4]]);
                    if (low..=high).contains(&&self.audit_key(row, false)?) {
                        rows.push(row);
                    }
                }
            }
            number += 1;
        }
        rows.sort_unstable();
        Ok(rows)
    }
}
