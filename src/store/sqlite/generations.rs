//! What was used lately, within a bound: two generations. What is used moves to the young one; when
//! that is full it becomes the old one, and what was not used since is gone.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

/// A segment's number, a column and a chunk or piece.
pub(crate) type Key = (u64, u8, u32);

/// Something that takes memory, about so many bytes with all that is about it.
pub(crate) trait Weigh {
    fn bytes(&self) -> usize;
}

pub(crate) struct Generations<T> {
    young: HashMap<Key, T, FxBuildHasher>,
    old: HashMap<Key, T, FxBuildHasher>,
    young_bytes: usize,
    /// Bytes of both.
    most: usize,
}

impl<T: Weigh> Generations<T> {
    pub(crate) fn new(most: usize) -> Generations<T> {
        Generations {
            young: HashMap::default(),
            old: HashMap::default(),
            young_bytes: 0,
            most,
        }
    }

    /// What is kept under a key, which is used.
    pub(crate) fn used(&mut self, key: Key) -> Option<&T> {
        if let Some(kept) = self.old.remove(&key) {
            self.put(key, kept);
        }
        self.young.get(&key).or_else(|| self.old.get(&key))
    }

    pub(crate) fn put(&mut self, key: Key, kept: T) {
        self.old.remove(&key);
        self.young_bytes += kept.bytes();
        if let Some(before) = self.young.insert(key, kept) {
            self.young_bytes -= before.bytes();
        }
        if self.young_bytes > self.most / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }

    /// Takes what is young.
    pub(crate) fn take(&mut self, key: Key) -> Option<T> {
        let kept = self.young.remove(&key)?;
        self.young_bytes -= kept.bytes();
        Some(kept)
    }

    /// Lets go of a segment's.
    pub(crate) fn forget(&mut self, segment: u64) {
        let young_bytes = &mut self.young_bytes;
        self.old.retain(|&(of, ..), _| of != segment);
        self.young.retain(|&(of, ..), kept| {
            let stays = of != segment;
            if !stays {
                *young_bytes -= kept.bytes();
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weigh for usize {
        fn bytes(&self) -> usize {
            *self
        }
    }

    #[test]
    fn what_is_used_stays_and_all_of_it_keeps_to_the_bound() {
        let mut kept = Generations::new(1000);
        for piece in 0..1000 {
            kept.put((1, 0, piece), 10);
            assert_eq!(kept.used((1, 0, 0)), Some(&10), "{piece}");
        }
        let bytes = |kept: &Generations<usize>| {
            kept.young.values().sum::<usize>() + kept.old.values().sum::<usize>()
        };
        assert!((400..=1010).contains(&bytes(&kept)), "{}", bytes(&kept));
        kept.put((2, 0, 0), 10);
        kept.put((2, 0, 0), 20);
        kept.forget(1);
        assert_eq!((bytes(&kept), kept.young_bytes), (20, 20));
        assert_eq!(kept.take((2, 0, 0)), Some(20));
        assert_eq!((bytes(&kept), kept.young_bytes), (0, 0));
    }
}
