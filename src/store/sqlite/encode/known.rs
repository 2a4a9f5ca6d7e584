//! Texts that were written lately, by the number that they follow from.

use crate::store::Result;

/// Texts that a table finds at most and at least; small parts have few different ones.
const KNOWN_MAX: usize = 2048;
const KNOWN_MIN: usize = 64;

/// Bytes of texts beyond which all are forgotten before the next slice: those that come often are
/// soon back, and what is looked at all the time should stay near the processor.
const KNOWN_BYTES_MAX: usize = 128 << 10;

/// Texts by key. A new one displaces another.
pub(super) struct Known {
    slots: Vec<Slot>,
    shift: u32,
    texts: Vec<u8>,
    /// For each row of the slice where its text stands: begin and end.
    rows: Vec<(u32, u32)>,
}

#[derive(Clone, Copy)]
struct Slot {
    key: u64,
    place: (u32, u32),
}

/// No text begins here.
const NOWHERE: (u32, u32) = (u32::MAX, 0);

impl Known {
    /// For a part of so many rows.
    pub(super) fn new(rows: usize) -> Known {
        let slots = (rows / 8).next_power_of_two().clamp(KNOWN_MIN, KNOWN_MAX);
        let slot = Slot {
            key: 0,
            place: NOWHERE,
        };
        Known {
            slots: vec![slot; slots],
            shift: 64 - slots.ilog2(),
            texts: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Finds the texts for the keys of a slice's rows; `write` appends one that is not known.
    pub(super) fn find(
        &mut self,
        keys: &[u64],
        mut write: impl FnMut(usize, &mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        if self.texts.len() > KNOWN_BYTES_MAX {
            self.texts.clear();
            self.slots.iter_mut().for_each(|slot| slot.place = NOWHERE);
        }
        self.rows.clear();
        for (row, &key) in keys.iter().enumerate() {
            let at = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize;
            let slot = &mut self.slots[at];
            if slot.key != key || slot.place == NOWHERE {
                let begin = self.texts.len() as u32;
                write(row, &mut self.texts)?;
                *slot = Slot {
                    key,
                    place: (begin, self.texts.len() as u32),
                };
            }
            self.rows.push(slot.place);
        }
        Ok(())
    }

    /// The text of a row of the slice.
    pub(super) fn text(&self, row: usize) -> &[u8] {
        let (begin, end) = self.rows[row];
        &self.texts[begin as usize..end as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_row_has_its_keys_text(
            rows in 0usize..40_000,
            slices in prop::collection::vec(prop::collection::vec(0u64..3000, 0..300), 1..30),
        ) {
            let text = |key: u64| {
                let mut text = key.to_string().into_bytes();
                text.resize(text.len() + key as usize % 700, b'x');
                text
            };
            let mut known = Known::new(rows);
            for keys in slices {
                let write = |row: usize, out: &mut Vec<u8>| {
                    out.extend_from_slice(&text(keys[row]));
                    Ok(())
                };
                known.find(&keys, write).unwrap();
                for (row, &key) in keys.iter().enumerate() {
                    prop_assert_eq!(known.text(row), &text(key)[..]);
                }
                let most = KNOWN_BYTES_MAX + 300 * 704;
                prop_assert!(known.texts.len() <= most, "{}", known.texts.len());
            }
        }
    }
}
