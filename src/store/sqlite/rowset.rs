//! Sets of rows of one segment, a bit each: dense lists of rows are put together and cut down a word
//! at a time.

/// Rows of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowSet {
    words: Vec<u64>,
}

impl RowSet {
    /// The empty set of a segment of so many rows.
    pub(crate) fn none(rows: usize) -> RowSet {
        RowSet {
            words: vec![0; rows.div_ceil(64)],
        }
    }

    /// Adds a row; one that the segment does not have is left out.
    #[inline]
    pub(crate) fn insert(&mut self, row: u32) {
        if let Some(word) = self.words.get_mut(row as usize / 64) {
            *word |= 1 << (row % 64);
        }
    }

    #[inline]
    pub(crate) fn holds(&self, row: u32) -> bool {
        let word = self.words.get(row as usize / 64);
        word.is_some_and(|word| word >> (row % 64) & 1 != 0)
    }

    pub(crate) fn insert_range(&mut self, first: u32, last: u32) {
        let (from, to) = (first as usize / 64, last as usize / 64);
        for at in from..=to.min(self.words.len().saturating_sub(1)) {
            let low = if at == from {
                u64::MAX << (first % 64)
            } else {
                u64::MAX
            };
            let high = if at == to {
                u64::MAX >> (63 - last % 64)
            } else {
                u64::MAX
            };
            if let Some(word) = self.words.get_mut(at) {
                *word |= low & high;
            }
        }
    }

    /// Adds the rows from `first` on whose bits are set, the lowest bit of each byte first.
    pub(crate) fn insert_bits(&mut self, first: u32, bits: &[u8]) {
        let shift = first % 64;
        for (at, bytes) in (first as usize / 64..).zip(bits.chunks(8)) {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            let word = u64::from_le_bytes(word);
            if let Some(slot) = self.words.get_mut(at) {
                *slot |= word << shift;
            }
            if shift > 0
                && let Some(slot) = self.words.get_mut(at + 1)
            {
                *slot |= word >> (64 - shift);
            }
        }
    }

    /// Keeps what the other set has too.
    pub(crate) fn keep(&mut self, other: &RowSet) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= other;
        }
    }

    /// Drops what the other set has.
    pub(crate) fn drop_all(&mut self, other: &RowSet) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= !other;
        }
    }

    /// Drops the rows outside `low..high`.
    pub(crate) fn clip(&mut self, low: u32, high: u32) {
        let (first, last) = (low as usize / 64, high as usize / 64);
        let words = self.words.len();
        self.words[..first.min(words)].fill(0);
        self.words[(last + 1).min(words)..].fill(0);
        if let Some(word) = self.words.get_mut(first) {
            *word &= u64::MAX << (low % 64);
        }
        if let Some(word) = self.words.get_mut(last) {
            *word &= !(u64::MAX << (high % 64));
        }
    }

    /// Whether it has any row in `low..high`.
    pub(crate) fn holds_any(&self, low: u32, high: u32) -> bool {
        let (first, last) = (low as usize / 64, high as usize / 64);
        (first..=last).any(|at| {
            let mut word = self.words.get(at).copied().unwrap_or_default();
            if at == first {
                word &= u64::MAX << (low % 64);
            }
            if at == last {
                word &= !(u64::MAX << (high % 64));
            }
            word != 0
        })
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.words.len() * 8
    }

    pub(crate) fn len(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// The rows, ascending.
    pub(crate) fn rows(&self) -> Vec<u32> {
        let mut rows = Vec::with_capacity(self.len());
        for (at, &word) in self.words.iter().enumerate() {
            let mut word = word;
            while word != 0 {
                rows.push(at as u32 * 64 + word.trailing_zeros());
                word &= word - 1;
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::store::sqlite::codec::Reader;
    use crate::store::sqlite::postings::{put_posting, read_into};

    proptest! {
        #[test]
        fn sets_are_those_of_the_lists(
            lists in prop::collection::vec(
                prop_oneof![
                    prop::collection::btree_set(0u32..3000, 1..200),
                    prop::collection::btree_set(0u32..3000, 600..1400),
                    (0u32..2500, 1u32..500).prop_map(|(first, count)| (first..first + count).collect()),
                ],
                1..5,
            ),
            (low, high) in (0u32..3000, 0u32..3001),
            drop: bool,
        ) {
            let mut set = RowSet::none(3000);
            for rows in &lists[1..] {
                let mut bytes = Vec::new();
                put_posting(&mut bytes, &rows.iter().copied().collect::<Vec<_>>());
                read_into(&mut Reader::new(&bytes), &mut set).unwrap();
            }
            let mut expected: BTreeSet<u32> = lists[1..].iter().flatten().copied().collect();
            prop_assert_eq!(set.rows(), expected.iter().copied().collect::<Vec<_>>());
            let mut other = RowSet::none(3000);
            lists[0].iter().for_each(|&row| other.insert(row));
            if drop {
                set.drop_all(&other);
            } else {
                set.keep(&other);
            }
            expected.retain(|row| lists[0].contains(row) != drop);
            set.clip(low, high);
            expected.retain(|row| (low..high).contains(row));
            prop_assert!((0..3100).all(|row| set.holds(row) == expected.contains(&row)));
            let any = expected.iter().any(|row| (low..high).contains(row));
            prop_assert_eq!(set.holds_any(low, high), any);
            prop_assert_eq!(set.holds_any(0, low), expected.iter().any(|&row| row < low));
            prop_assert_eq!(set.len(), expected.len());
            prop_assert_eq!(set.rows(), expected.into_iter().collect::<Vec<_>>());
        }
    }
}
