//! Texts that were written lately, by the numbers that they follow from.

/// The most numbers that a text follows from.
pub(super) const KEY_NUMBERS: usize = 7;

/// A part, and numbers of a row of it.
pub(super) type Key = [u32; KEY_NUMBERS + 1];

/// Texts that are kept, the bytes of all of them, and the longest one.
const KNOWN_MAX: usize = 2048;
const KNOWN_BYTES_MAX: usize = 256 << 10;
const TEXT_BYTES_MAX: usize = 2 << 10;

/// Texts by key. One displaces another, and when there is no room all are forgotten: those that
/// come often are soon back.
#[derive(Default)]
pub(super) struct Known {
    places: Vec<Place>,
    texts: Vec<u8>,
}

/// Where a key's text stands. No part is numbered 0, so the default is nobody's.
#[derive(Clone, Copy, Default)]
struct Place {
    key: Key,
    start: u32,
    end: u32,
}

impl Known {
    pub(super) fn get(&self, key: &Key) -> Option<&[u8]> {
        let place = self.places.get(slot(key)).filter(|p| p.key == *key)?;
        self.texts.get(place.start as usize..place.end as usize)
    }

    pub(super) fn put(&mut self, key: &Key, text: &[u8]) {
        if text.len() > TEXT_BYTES_MAX {
            return;
        }
        if self.places.is_empty() || self.texts.len() + text.len() > KNOWN_BYTES_MAX {
            self.places.clear();
            self.places.resize(KNOWN_MAX, Place::default());
            self.texts.clear();
        }
        let start = self.texts.len() as u32;
        self.texts.extend_from_slice(text);
        self.places[slot(key)] = Place {
            key: *key,
            start,
            end: self.texts.len() as u32,
        };
    }
}

fn slot(key: &Key) -> usize {
    // Two numbers at a time, each pair rotated away from those before it.
    let hash = key.as_chunks::<2>().0.iter().fold(0u64, |hash, pair| {
        let pair = u64::from(pair[0]) << 32 | u64::from(pair[1]);
        (hash.rotate_left(23) ^ pair).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    (hash >> 40) as usize % KNOWN_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_text_is_its_keys_or_forgotten(
            puts in prop::collection::vec((1u32..4, 0u32..3000, 0usize..3000), 1..600)
        ) {
            let text = |part: u32, number: u32, length: usize| {
                let mut text = format!("{part}/{number}/").into_bytes();
                text.resize(text.len() + length, b'x');
                text
            };
            let mut known = Known::default();
            let mut lengths = std::collections::HashMap::new();
            for (part, number, length) in puts {
                let key = [part, number, 0, 0, 0, 0, 0, number];
                let length = *lengths.entry(key).or_insert(length);
                let text = text(part, number, length);
                if let Some(found) = known.get(&key) {
                    prop_assert_eq!(found, &text[..]);
                }
                known.put(&key, &text);
                prop_assert!(text.len() > TEXT_BYTES_MAX || known.get(&key) == Some(&text[..]));
                prop_assert!(known.texts.len() <= KNOWN_BYTES_MAX);
            }
        }
    }
}
