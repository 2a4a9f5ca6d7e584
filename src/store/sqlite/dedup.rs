//! Exact de-duplication by content: sets in memory for unsealed events, a filter and then the
//! sorted keys for each sealed segment whose time range covers the event.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// Keys are SHA-256 bits already, so hashing them again gains nothing.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }
}

type KeySet = HashSet<Key, BuildHasherDefault<KeyHasher>>;

/// A content key that hashes by its own bits.
#[derive(PartialEq, Eq, Clone, Copy)]
struct Key([u8; 16]);

impl std::hash::Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

/// The keys of events that are not sealed yet, per active segment.
#[derive(Default)]
pub(crate) struct LiveKeys {
    sets: BTreeMap<String, KeySet>,
}

impl LiveKeys {
    /// Whether an unsealed event has this content.
    pub(crate) fn holds(&self, key: &[u8; 16]) -> bool {
        self.sets.values().any(|set| set.contains(&Key(*key)))
    }

    /// Adds a committed event's key to an active segment.
    pub(crate) fn insert(&mut self, segment: &str, key: [u8; 16]) {
        match self.sets.get_mut(segment) {
            Some(set) => {
                set.insert(Key(key));
            }
            None => {
                self.sets
                    .insert(segment.to_owned(), KeySet::from_iter([Key(key)]));
            }
        }
    }

    /// Forgets segments that are sealed now: their own keys answer from here on.
    pub(crate) fn retain(&mut self, is_live: impl Fn(&str) -> bool) {
        self.sets.retain(|segment, _| is_live(segment));
    }
}

/// Keys of a commit that is under way; forgotten when it fails.
#[derive(Default)]
pub(crate) struct PendingKeys(KeySet);

impl PendingKeys {
    /// Adds a key; false when it is there already.
    pub(crate) fn insert(&mut self, key: [u8; 16]) -> bool {
        self.0.insert(Key(key))
    }

    pub(crate) fn drain(self) -> impl Iterator<Item = [u8; 16]> {
        self.0.into_iter().map(|key| key.0)
    }
}

/// Bits per key of a filter: about 1 false answer in 200.
const FILTER_BITS_PER_KEY: usize = 12;

/// A filter is an array of 32-byte blocks; a key sets one bit in each of a block's eight words.
const FILTER_BLOCK: usize = 32;

/// Odd multipliers, one per word of a filter block.
const SALTS: [u32; 8] = [
    0x9e37_79b1,
    0x85eb_ca6b,
    0xc2b2_ae35,
    0x27d4_eb2f,
    0x1656_67b1,
    0xd3a2_646d,
    0xfd70_46c5,
    0xb55a_4f09,
];

/// A filter over keys that is being filled.
pub(crate) struct Filter {
    bytes: Vec<u8>,
}

impl Filter {
    /// An empty filter with room for so many keys.
    pub(crate) fn new(keys: usize) -> Filter {
        let blocks = (keys * FILTER_BITS_PER_KEY)
            .div_ceil(FILTER_BLOCK * 8)
            .max(1);
        Filter {
            bytes: vec![0; blocks * FILTER_BLOCK],
        }
    }

    pub(crate) fn add(&mut self, key: &[u8; 16]) {
        let (start, bits) = positions(key, self.bytes.len() / FILTER_BLOCK);
        for (word, bit) in bits.into_iter().enumerate() {
            self.bytes[start + word * 4 + bit / 8] |= 1 << (bit % 8);
        }
    }

    /// The filter as it is stored.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// False only when the key was not among those that the filter was made of.
pub(crate) fn filter_may_hold(filter: &[u8], key: &[u8; 16]) -> bool {
    let (start, bits) = positions(key, filter.len() / FILTER_BLOCK);
    bits.into_iter()
        .enumerate()
        .all(|(word, bit)| filter[start + word * 4 + bit / 8] & 1 << (bit % 8) != 0)
}

fn positions(key: &[u8; 16], blocks: usize) -> (usize, [usize; 8]) {
    let high = u32::from_be_bytes([key[0], key[1], key[2], key[3]]);
    let low = u32::from_be_bytes([key[4], key[5], key[6], key[7]]);
    let block = (u64::from(high) * blocks as u64) >> 32;
    (
        block as usize * FILTER_BLOCK,
        SALTS.map(|salt| (low.wrapping_mul(salt) >> 27) as usize),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn key(number: u32) -> [u8; 16] {
        Sha256::digest(number.to_be_bytes())[..16]
            .try_into()
            .unwrap()
    }

    #[test]
    fn a_filter_holds_its_keys_and_few_others() {
        let keys: Vec<_> = (0..20_000).map(key).collect();
        let mut filter = Filter::new(keys.len());
        keys.iter().for_each(|key| filter.add(key));
        let filter = filter.bytes();
        assert!(keys.iter().all(|key| filter_may_hold(filter, key)));
        let false_answers = (20_000..40_000)
            .map(key)
            .filter(|key| filter_may_hold(filter, key))
            .count();
        assert!(false_answers < 300, "{false_answers} of 20,000");
        assert!(!filter_may_hold(Filter::new(0).bytes(), &key(1)));
    }
}
