//! Numbering combinations of ids: one per column, of as many columns as are asked for.
//!
//! Ids of a few columns make one 64-bit key. More columns fold: the number of what came before is
//! the first part of the next key. So the usual combination costs one look-up, and none is too wide.

use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;

use rustc_hash::FxHasher;

type Map<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<FxHasher>>;

/// Bits of a number of a combination.
const NUMBER_BITS: u32 = 32;

/// Combinations of ids and their numbers, which count from 0 in the order they came.
#[derive(Default)]
pub(crate) struct Combinations {
    folds: Vec<Fold>,
}

/// Some columns of a combination.
#[derive(Default)]
struct Fold {
    /// The bits that an id of each column takes.
    bits: Vec<u32>,
    numbers: Map<u64, u32>,
    keys: Vec<u64>,
}

impl Fold {
    #[inline]
    fn number(&mut self, key: u64) -> u32 {
        let next = self.keys.len() as u32;
        match self.numbers.entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                self.keys.push(key);
                *new.insert(next)
            }
        }
    }
}

impl Combinations {
    /// For columns whose ids take so many bits, at most 32.
    pub(crate) fn new(bits: impl Iterator<Item = u32>) -> Combinations {
        let mut folds = vec![Fold::default()];
        let mut left = u64::BITS;
        for bits in bits {
            if bits > left {
                folds.push(Fold::default());
                left = u64::BITS - NUMBER_BITS;
            }
            left -= bits;
            let fold = folds.last_mut().expect("there is one from the beginning");
            fold.bits.push(bits);
        }
        Combinations { folds }
    }

    pub(crate) fn len(&self) -> usize {
        self.folds.last().map_or(0, |fold| fold.keys.len())
    }

    /// The number of a combination.
    #[inline]
    pub(crate) fn number(&mut self, ids: &[u32]) -> usize {
        let (mut number, mut ids) = (0, ids);
        for fold in &mut self.folds {
            let (own, rest) = ids.split_at(fold.bits.len());
            ids = rest;
            let key = own
                .iter()
                .zip(&fold.bits)
                .fold(u64::from(number), |key, (&id, &bits)| {
                    key << bits | u64::from(id)
                });
            number = fold.number(key);
        }
        number as usize
    }

    /// The numbers of the combinations in these rows of columns, one column after the other: what
    /// is done to one column at a time costs a few instructions per row.
    pub(crate) fn numbers(&mut self, columns: &[&[u32]], rows: &[u32], numbers: &mut Vec<u32>) {
        let mut columns = columns.iter();
        let mut keys = Vec::with_capacity(rows.len());
        numbers.clear();
        numbers.resize(rows.len(), 0);
        for fold in &mut self.folds {
            keys.clear();
            keys.extend(numbers.iter().map(|&number| u64::from(number)));
            for (&bits, ids) in fold.bits.iter().zip(columns.by_ref()) {
                for (key, &row) in keys.iter_mut().zip(rows) {
                    *key = *key << bits | u64::from(ids[row as usize]);
                }
            }
            let mut last = None;
            for (number, &key) in numbers.iter_mut().zip(&keys) {
                *number = match last {
                    Some((same, known)) if same == key => known,
                    _ => fold.number(key),
                };
                last = Some((key, *number));
            }
        }
    }

    /// The ids of all combinations, column by column, each in order of their numbers.
    pub(crate) fn columns(&self) -> Vec<Vec<u32>> {
        let mut columns = Vec::new();
        let mut numbers: Option<Vec<u32>> = None;
        for fold in self.folds.iter().rev() {
            let mut keys: Vec<u64> = match &numbers {
                None => fold.keys.clone(),
                Some(numbers) => {
                    let key = |&number: &u32| fold.keys[number as usize];
                    numbers.iter().map(key).collect()
                }
            };
            for &bits in fold.bits.iter().rev() {
                let mask = (1 << bits) - 1;
                columns.push(keys.iter().map(|key| (key & mask) as u32).collect());
                keys.iter_mut().for_each(|key| *key >>= bits);
            }
            numbers = Some(keys.iter().map(|&key| key as u32).collect());
        }
        columns.reverse();
        columns
    }

    /// The combination with a number.
    pub(crate) fn ids(&self, number: usize, ids: &mut Vec<u32>) {
        ids.clear();
        let mut number = number;
        for fold in self.folds.iter().rev() {
            let mut key = fold.keys[number];
            for &bits in fold.bits.iter().rev() {
                ids.push((key & ((1 << bits) - 1)) as u32);
                key >>= bits;
            }
            number = key as usize;
        }
        ids.reverse();
    }

    /// Bytes of memory that they take, about.
    pub(crate) fn bytes(&self) -> usize {
        let fold = |fold: &Fold| fold.keys.capacity() * 8 + fold.numbers.capacity() * 18;
        self.folds.iter().map(fold).sum()
    }

    pub(crate) fn clear(&mut self) {
        for fold in &mut self.folds {
            fold.numbers.clear();
            fold.keys.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_combination_has_one_number(
            bits in prop::collection::vec(0u32..=32, 0..9),
            rows in prop::collection::vec(prop::collection::vec(any::<u32>(), 9), 0..40),
        ) {
            let mut combinations = Combinations::new(bits.iter().copied());
            let mut known = std::collections::HashMap::new();
            for row in &rows {
                let ids: Vec<u32> = row
                    .iter()
                    .zip(&bits)
                    .map(|(id, &bits)| (u64::from(*id) & ((1 << bits) - 1)) as u32)
                    .collect();
                let next = known.len();
                let number = *known.entry(ids.clone()).or_insert(next);
                prop_assert_eq!(combinations.number(&ids), number);
                let mut read = Vec::new();
                combinations.ids(number, &mut read);
                prop_assert_eq!(read, ids);
            }
            prop_assert_eq!(combinations.len(), known.len());

            let masked = |at: usize| -> Vec<u32> {
                let mask = (1u64 << bits[at]) - 1;
                rows.iter().map(|row| (u64::from(row[at]) & mask) as u32).collect()
            };
            let columns: Vec<Vec<u32>> = (0..bits.len()).map(masked).collect();
            let columns: Vec<&[u32]> = columns.iter().map(Vec::as_slice).collect();
            let every: Vec<u32> = (0..rows.len() as u32).collect();
            let mut together = Combinations::new(bits.iter().copied());
            let mut numbers = Vec::new();
            together.numbers(&columns, &every, &mut numbers);
            prop_assert_eq!(together.len(), combinations.len());
            let read = together.columns();
            prop_assert_eq!(read.len(), bits.len());
            for (&row, &number) in every.iter().zip(&numbers) {
                for (column, read) in columns.iter().zip(&read) {
                    prop_assert_eq!(column[row as usize], read[number as usize]);
                }
            }
        }
    }
}
