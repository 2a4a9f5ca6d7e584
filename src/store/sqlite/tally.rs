//! Adding up counts of one part by string ids.

use super::combinations::Combinations;

/// What is wanted of each group beside the number of its events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Measures {
    pub(crate) times: bool,
    pub(crate) raw_bytes: bool,
}

impl Measures {
    pub(crate) fn any(self) -> bool {
        self.times || self.raw_bytes
    }
}

/// What is known of the events of a group beside their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measured {
    /// Microseconds.
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) raw_bytes: u64,
}

impl Measured {
    pub(crate) const NOTHING: Measured = Measured {
        first: i64::MAX,
        last: i64::MIN,
        raw_bytes: 0,
    };

    #[inline]
    pub(crate) fn add(&mut self, other: &Measured) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.raw_bytes += other.raw_bytes;
    }
}

/// Combinations of ids up to which counts stand in a plain array.
const DENSE_MAX: usize = 1 << 20;

/// Counts of one bucket of one part by ids, one per column that is counted by; 0 is absent.
pub(crate) struct Tally {
    /// How many ids each column may have.
    sizes: Vec<usize>,
    dense: Vec<u64>,
    touched: Vec<u32>,
    sparse: Combinations,
    sparse_counts: Vec<u64>,
    /// As long as the sparse counts where groups are measured, else empty.
    measured: Vec<Measured>,
}

impl Tally {
    /// For columns with so many strings; groups that are measured are not kept in an array.
    pub(crate) fn new(strings: impl Iterator<Item = u32>, measures: bool) -> Tally {
        let strings: Vec<u32> = strings.collect();
        let sizes: Vec<usize> = strings.iter().map(|&most| most as usize + 1).collect();
        let combinations = sizes
            .iter()
            .try_fold(1usize, |all, &size| all.checked_mul(size))
            .filter(|&all| all <= DENSE_MAX && !measures);
        Tally {
            sizes,
            dense: vec![0; combinations.unwrap_or(0)],
            touched: Vec::new(),
            sparse: Combinations::new(strings.iter().map(|most| u32::BITS - most.leading_zeros())),
            sparse_counts: Vec::new(),
            measured: Vec::new(),
        }
    }

    /// Adds an event that is measured.
    #[inline]
    pub(crate) fn measure(&mut self, ids: &[u32], measured: &Measured) {
        let number = self.sparse.number(ids);
        match self.measured.get_mut(number) {
            Some(slot) => {
                self.sparse_counts[number] += 1;
                slot.add(measured);
            }
            None => {
                self.sparse_counts.push(1);
                self.measured.push(*measured);
            }
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, ids: &[u32], count: u64) {
        if self.dense.is_empty() {
            let number = self.sparse.number(ids);
            match self.sparse_counts.get_mut(number) {
                Some(slot) => *slot += count,
                None => self.sparse_counts.push(count),
            }
            return;
        }
        let place = ids
            .iter()
            .zip(&self.sizes)
            .fold(0, |place, (&id, &size)| place * size + id as usize);
        let slot = &mut self.dense[place];
        if *slot == 0 {
            self.touched.push(place as u32);
        }
        *slot += count;
    }

    /// Gives every group with its count, and begins anew.
    pub(crate) fn drain(&mut self, mut sink: impl FnMut(&[u32], u64, Option<&Measured>)) {
        let mut ids = Vec::new();
        for (number, count) in self.sparse_counts.drain(..).enumerate() {
            self.sparse.ids(number, &mut ids);
            sink(&ids, count, self.measured.get(number));
        }
        self.sparse.clear();
        self.measured.clear();
        ids.resize(self.sizes.len(), 0);
        for place in self.touched.drain(..) {
            let count = std::mem::take(&mut self.dense[place as usize]);
            let mut rest = place as usize;
            for (id, &size) in ids.iter_mut().zip(&self.sizes).rev() {
                *id = (rest % size) as u32;
                rest /= size;
            }
            sink(&ids, count, None);
        }
    }
}

/// Groups of one part: their buckets, ids and counts.
#[derive(Default)]
pub(crate) struct Groups {
    counts: Vec<(i64, u64)>,
    /// Those of one group after those of the other.
    ids: Vec<u32>,
    /// One per group, or none at all.
    measured: Vec<Measured>,
}

impl Groups {
    pub(crate) fn push(
        &mut self,
        bucket: i64,
        ids: &[u32],
        count: u64,
        measured: Option<&Measured>,
    ) {
        self.counts.push((bucket, count));
        self.ids.extend_from_slice(ids);
        self.measured.extend(measured);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, &[u32], u64, Option<&Measured>)> {
        let width = self.ids.len() / self.counts.len().max(1);
        let group = move |(at, &(bucket, count))| {
            let ids = &self.ids[at * width..(at + 1) * width];
            (bucket, ids, count, self.measured.get(at))
        };
        self.counts.iter().enumerate().map(group)
    }
}

/// Counts of the bucket that rows are in, which come in order of time.
pub(crate) struct Buckets<'a> {
    pub(crate) step: Option<i64>,
    bucket: i64,
    /// Where the bucket ends.
    end: i64,
    pub(crate) tally: Tally,
    groups: &'a mut Groups,
}

impl<'a> Buckets<'a> {
    /// For groups of buckets of `step`, or of all times.
    pub(crate) fn new(step: Option<i64>, tally: Tally, groups: &'a mut Groups) -> Self {
        Buckets {
            step,
            bucket: 0,
            end: i64::MIN,
            tally,
            groups,
        }
    }

    /// Goes on to the bucket that holds an instant.
    #[inline]
    pub(crate) fn enter(&mut self, time: i64) {
        if time < self.end && time >= self.bucket {
            return;
        }
        self.finish();
        if let Some(step) = self.step {
            self.bucket = begin(time, step);
            self.end = self.bucket.saturating_add(step);
        }
    }

    /// Ends the bucket.
    pub(crate) fn finish(&mut self) {
        let (bucket, groups) = (self.bucket, &mut *self.groups);
        self.tally
            .drain(|ids, count, measured| groups.push(bucket, ids, count, measured));
    }
}

/// The beginning of the bucket that holds an instant.
pub(crate) fn begin(time: i64, step: i64) -> i64 {
    time.saturating_sub(time.rem_euclid(step))
}

/// What one stored text counts as in a column: ids in the totals.
#[derive(Clone)]
pub(crate) enum Values {
    One([u32; 1]),
    Many(Box<[u32]>),
}

impl Values {
    pub(crate) fn ids(&self) -> &[u32] {
        match self {
            Values::One(id) => id,
            Values::Many(ids) => ids,
        }
    }
}

/// Every combination of one value per column.
pub(crate) fn each_combination(values: &[&[u32]], mut sink: impl FnMut(&[u32])) {
    let combinations = values.iter().map(|ids| ids.len()).product();
    let mut ids = vec![0; values.len()];
    for number in 0..combinations {
        let mut rest: usize = number;
        for (id, values) in ids.iter_mut().zip(values) {
            *id = values[rest % values.len()];
            rest /= values.len();
        }
        sink(&ids);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn dense_and_sparse_counts_agree(
            adds in prop::collection::vec((0u32..5, 0u32..7, 1u64..9), 0..60),
            many in any::<bool>(),
        ) {
            let width = if many { u32::MAX - 1 } else { 6 };
            let mut tally = Tally::new([4, width].into_iter(), false);
            let mut expected = std::collections::BTreeMap::<Vec<u32>, u64>::new();
            for &(first, second, count) in &adds {
                tally.add(&[first, second], count);
                *expected.entry(vec![first, second]).or_default() += count;
            }
            let mut found = std::collections::BTreeMap::new();
            tally.drain(|ids, count, _| { found.insert(ids.to_vec(), count); });
            prop_assert_eq!(&found, &expected);
            let mut left = 0;
            tally.drain(|_, _, _| left += 1);
            prop_assert_eq!(left, 0);
        }
    }
}
