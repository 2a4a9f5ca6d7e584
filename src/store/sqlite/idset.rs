//! A set of string ids of one column of one part.

/// Ids of strings that satisfy a term; bit 0 stands for an absent value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdSet {
    bits: Vec<u64>,
    size: u32,
}

impl IdSet {
    pub(crate) fn none(strings: u32) -> IdSet {
        let size = strings + 1;
        IdSet {
            bits: vec![0; (size as usize).div_ceil(64)],
            size,
        }
    }

    /// Every id, the absent value's too.
    pub(crate) fn all(strings: u32) -> IdSet {
        let mut set = IdSet::none(strings);
        set.invert();
        set
    }

    /// The absent value alone.
    pub(crate) fn absent(strings: u32) -> IdSet {
        let mut set = IdSet::none(strings);
        set.insert(0);
        set
    }

    pub(crate) fn insert(&mut self, id: u32) {
        self.bits[id as usize / 64] |= 1 << (id % 64);
    }

    pub(crate) fn remove(&mut self, id: u32) {
        self.bits[id as usize / 64] &= !(1 << (id % 64));
    }

    pub(crate) fn holds(&self, id: u32) -> bool {
        self.bits
            .get(id as usize / 64)
            .is_some_and(|word| word >> (id % 64) & 1 != 0)
    }

    pub(crate) fn invert(&mut self) {
        self.bits.iter_mut().for_each(|word| *word = !*word);
        let used = self.size % 64;
        if used != 0
            && let Some(last) = self.bits.last_mut()
        {
            *last &= (1 << used) - 1;
        }
    }

    pub(crate) fn count(&self) -> u32 {
        self.bits.iter().map(|word| word.count_ones()).sum()
    }

    /// How many ids there are at all.
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    pub(crate) fn is_full(&self) -> bool {
        self.count() == self.size
    }

    /// Whether it holds either the absent value alone or all the others.
    pub(crate) fn tells_absent_only(&self) -> bool {
        match self.holds(0) {
            true => self.count() == 1,
            false => self.count() + 1 == self.size,
        }
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.size).filter(|&id| self.holds(id))
    }
}
