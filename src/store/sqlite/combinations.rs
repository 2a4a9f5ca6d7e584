//! Numbering combinations of ids: one per column, of as many columns as are asked for.
//!
//! A combination's ids are packed into as few 64-bit words as hold them, mostly one, and looked up at
//! once, so that it costs about one look into memory however many columns there are.

/// Combinations of ids and their numbers, which count from 0 in the order they came.
#[derive(Default)]
pub(crate) struct Combinations {
    columns: Vec<Place>,
    /// Words of a key, at least one.
    words: usize,
    /// The keys of all combinations, one after the other.
    keys: Vec<u64>,
    /// By the key's hash the hash and, above it, the number plus 1; 0 is free. A power of two long, and
    /// at least twice as long as there are combinations.
    slots: Vec<u64>,
    /// The keys of rows that are looked up.
    wanted: Vec<u64>,
}

/// Where a column's id is in a key.
struct Place {
    word: usize,
    shift: u32,
    mask: u64,
}

const SLOTS_FIRST: usize = 64;

/// The number of no combination.
const UNKNOWN: u32 = u32::MAX;

/// An odd number whose bits are as good as random: those of the golden ratio.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

#[inline]
fn hash(key: &[u64]) -> u32 {
    let mix = |hash: u64, word: &u64| {
        let product = u128::from(hash ^ word) * u128::from(MULTIPLIER);
        product as u64 ^ (product >> 64) as u64
    };
    // Not 0, which a multiplication would keep.
    let hash = key.iter().fold(MULTIPLIER >> 1, mix);
    (hash ^ hash >> 32) as u32
}

impl Combinations {
    /// For columns whose ids take so many bits, at most 32.
    pub(crate) fn new(bits: impl Iterator<Item = u32>) -> Combinations {
        let (mut word, mut used) = (0, 0);
        let place = |bits: u32| {
            if used + bits > u64::BITS {
                word += 1;
                used = 0;
            }
            let shift = used.min(u64::BITS - 1);
            used += bits;
            let mask = (1 << bits) - 1;
            Place { word, shift, mask }
        };
        let columns: Vec<Place> = bits.map(place).collect();
        Combinations {
            columns,
            words: word + 1,
            ..Combinations::default()
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len() / self.words.max(1)
    }

    /// The number of a combination.
    pub(crate) fn number(&mut self, ids: &[u32]) -> usize {
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.clear();
        wanted.resize(self.words, 0);
        for (place, &id) in self.columns.iter().zip(ids) {
            wanted[place.word] |= u64::from(id) << place.shift;
        }
        let number = self.find(&wanted);
        self.wanted = wanted;
        number as usize
    }

    /// The numbers of the combinations in these rows of columns, one column after the other: what
    /// is done to one column at a time costs a few instructions per row.
    pub(crate) fn numbers(&mut self, columns: &[&[u32]], rows: &[u32], numbers: &mut Vec<u32>) {
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.clear();
        wanted.resize(rows.len() * self.words, 0);
        numbers.clear();
        match self.words {
            1 => self.look_up::<1>(columns, rows, &mut wanted, numbers),
            2 => self.look_up::<2>(columns, rows, &mut wanted, numbers),
            3 => self.look_up::<3>(columns, rows, &mut wanted, numbers),
            words => {
                for (place, ids) in self.columns.iter().zip(columns) {
                    let keys = wanted.chunks_exact_mut(words);
                    for (key, &row) in keys.zip(rows) {
                        key[place.word] |= u64::from(ids[row as usize]) << place.shift;
                    }
                }
                numbers.resize(rows.len(), UNKNOWN);
            }
        }
        for (number, key) in numbers.iter_mut().zip(wanted.chunks_exact(self.words)) {
            if *number == UNKNOWN {
                *number = self.find(key);
            }
        }
        self.wanted = wanted;
    }

    /// The keys of rows, and the numbers of those that stand in the first or second slot where they
    /// may. Nothing that is done for a key depends on the one before, and there are no branches to
    /// guess wrong, so that many looks into memory are under way at once.
    fn look_up<const WORDS: usize>(
        &self,
        columns: &[&[u32]],
        rows: &[u32],
        wanted: &mut [u64],
        numbers: &mut Vec<u32>,
    ) {
        let wanted = wanted.as_chunks_mut::<WORDS>().0;
        for (place, ids) in self.columns.iter().zip(columns) {
            let word = place.word.min(WORDS - 1);
            for (key, &row) in wanted.iter_mut().zip(rows) {
                key[word] |= u64::from(ids[row as usize]) << place.shift;
            }
        }
        let known = self.keys.as_chunks::<WORDS>().0;
        if known.is_empty() {
            numbers.resize(rows.len(), UNKNOWN);
            return;
        }
        let most = self.slots.len() - 1;
        numbers.extend(wanted.iter().map(|key| {
            let hash = hash(key);
            let at = hash as usize & most;
            let (slot, next) = (self.slots[at], self.slots[(at + 1) & most]);
            let slot = if slot as u32 == hash { slot } else { next };
            // A free slot gives the greatest number, which is none.
            let number = ((slot >> u32::BITS) as u32).wrapping_sub(1);
            let at = (number as usize).min(known.len() - 1);
            let same = (0..WORDS).fold(true, |same, word| same & (known[at][word] == key[word]));
            if same & (at == number as usize) {
                number
            } else {
                UNKNOWN
            }
        }));
    }

    #[inline]
    fn find(&mut self, key: &[u64]) -> u32 {
        if self.slots.len() < (self.len() + 1) * 2 {
            self.grow();
        }
        let hash = hash(key);
        let most = self.slots.len() - 1;
        let mut at = hash as usize & most;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                let number = self.len() as u32;
                self.slots[at] = (u64::from(number) + 1) << u32::BITS | u64::from(hash);
                self.keys.extend_from_slice(key);
                return number;
            }
            if slot as u32 == hash {
                let number = (slot >> u32::BITS) as usize - 1;
                let known = &self.keys[number * self.words..];
                if known.iter().zip(key).all(|(known, word)| known == word) {
                    return number as u32;
                }
            }
            at = (at + 1) & most;
        }
    }

    fn grow(&mut self) {
        let slots = vec![0; (self.slots.len() * 2).max(SLOTS_FIRST)];
        let old = std::mem::replace(&mut self.slots, slots);
        let most = self.slots.len() - 1;
        for slot in old.into_iter().filter(|&slot| slot != 0) {
            let mut at = slot as u32 as usize & most;
            while self.slots[at] != 0 {
                at = (at + 1) & most;
            }
            self.slots[at] = slot;
        }
    }

    /// The ids of all combinations, column by column, each in order of their numbers.
    pub(crate) fn columns(&self) -> Vec<Vec<u32>> {
        let mut columns = vec![Vec::new(); self.columns.len()];
        self.append_to(&mut columns);
        columns
    }

    /// Appends them to columns.
    pub(crate) fn append_to(&self, columns: &mut [Vec<u32>]) {
        for (place, ids) in self.columns.iter().zip(columns) {
            let id = |key: &[u64]| (key[place.word] >> place.shift & place.mask) as u32;
            ids.extend(self.keys.chunks_exact(self.words).map(id));
        }
    }

    /// One id of the combination with a number.
    #[inline]
    pub(crate) fn id(&self, number: usize, column: usize) -> u32 {
        let place = &self.columns[column];
        (self.keys[number * self.words + place.word] >> place.shift & place.mask) as u32
    }

    /// The combination with a number.
    pub(crate) fn ids(&self, number: usize, ids: &mut Vec<u32>) {
        let key = &self.keys[number * self.words..][..self.words];
        ids.clear();
        let id = |place: &Place| (key[place.word] >> place.shift & place.mask) as u32;
        ids.extend(self.columns.iter().map(id));
    }

    /// Bytes of memory that they take, about.
    pub(crate) fn bytes(&self) -> usize {
        (self.keys.capacity() + self.slots.capacity() + self.wanted.capacity()) * 8
    }

    /// Forgets them all, in time for as many as there are, however many there were before.
    pub(crate) fn clear(&mut self) {
        if self.len() * 4 >= self.slots.len() {
            self.slots.fill(0);
        } else {
            let most = self.slots.len() - 1;
            for (number, key) in (1u64..).zip(self.keys.chunks_exact(self.words)) {
                let mut at = hash(key) as usize & most;
                while self.slots[at] >> u32::BITS != number {
                    at = (at + 1) & most;
                }
                self.slots[at] = 0;
            }
        }
        self.keys.clear();
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

            // Forgotten and found again.
            combinations.clear();
            prop_assert_eq!(combinations.len(), 0);
            let mut forgotten: Vec<(&Vec<u32>, &usize)> = known.iter().collect();
            forgotten.sort_unstable_by_key(|(_, number)| **number);
            for (ids, &number) in forgotten {
                prop_assert_eq!(combinations.number(ids), number);
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
