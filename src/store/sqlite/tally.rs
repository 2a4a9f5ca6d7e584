//! Adding up counts of one part by string ids.

use super::combinations::Combinations;
use super::countmemory::Held;
use super::layout;
use super::measures::{Measured, Measures};
use super::shares::Errors;
use crate::store::Result;

/// What rows amount to; each slice has a row's value at the place where columns have its id.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Amounts<'a> {
    /// How many events each row stands for; one if there is nothing here.
    pub(crate) events: Option<&'a [u32]>,
    /// Microseconds of the first and the last of them.
    pub(crate) times: Option<(&'a [i64], &'a [i64])>,
    pub(crate) raw_bytes: Option<&'a [i64]>,
    /// As it is stored.
    pub(crate) latency: Option<&'a [i64]>,
    pub(crate) errors: Option<Errors<'a>>,
}

impl Amounts<'_> {
    fn events(&self, row: u32) -> u64 {
        self.events
            .map_or(1, |events| u64::from(events[row as usize]))
    }

    /// Adds what rows amount to to their groups' measures: one thing after the other.
    fn measure(&self, numbers: &[u32], rows: &[u32], measured: &mut [Measured]) {
        let groups = || numbers.iter().map(|&number| number as usize);
        let rows = || rows.iter().map(|&row| row as usize);
        if let Some((first, last)) = self.times {
            for (group, row) in groups().zip(rows()) {
                let measured = &mut measured[group];
                measured.first = measured.first.min(first[row]);
                measured.last = measured.last.max(last[row]);
            }
        }
        if let Some(bytes) = self.raw_bytes {
            for (group, row) in groups().zip(rows()) {
                measured[group].raw_bytes += bytes[row] as u64;
            }
        }
        if let Some(latency) = self.latency {
            for (group, row) in groups().zip(rows()) {
                if let Some(latency) = layout::decode_latency(latency[row]) {
                    let measured = &mut measured[group];
                    measured.latency = measured.latency.saturating_add(latency);
                    measured.timed += 1;
                }
            }
        }
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
    measures: bool,
    /// As long as the sparse counts where groups are measured, else empty.
    measured: Vec<Measured>,
    last_errors: Vec<Option<i64>>,
    numbers: Vec<u32>,
}

impl Tally {
    /// For columns with so many strings; groups that are measured are not kept in an array.
    pub(crate) fn new(strings: impl Iterator<Item = u32>, measures: &Measures) -> Tally {
        let strings: Vec<u32> = strings.collect();
        let sizes: Vec<usize> = strings.iter().map(|&most| most as usize + 1).collect();
        let combinations = sizes
            .iter()
            .try_fold(1usize, |all, &size| all.checked_mul(size))
            .filter(|&all| all <= DENSE_MAX && !measures.any());
        Tally {
            sizes,
            dense: vec![0; combinations.unwrap_or(0)],
            touched: Vec::new(),
            sparse: Combinations::new(strings.iter().map(|most| u32::BITS - most.leading_zeros())),
            sparse_counts: Vec::new(),
            measures: measures.of_groups(),
            measured: Vec::new(),
            last_errors: Vec::new(),
            numbers: Vec::new(),
        }
    }

    /// Bytes of memory that it takes, about.
    fn bytes(&self) -> usize {
        let counts = self.dense.capacity() + self.sparse_counts.capacity();
        let small = self.touched.capacity() + self.numbers.capacity();
        counts * 8
            + small * 4
            + self.sparse.bytes()
            + self.measured.capacity() * size_of::<Measured>()
            + self.last_errors.capacity() * size_of::<Option<i64>>()
    }

    /// How many groups there are that had to be looked up.
    pub(crate) fn looked_up(&self) -> usize {
        self.sparse.len()
    }

    /// Adds rows of columns.
    pub(crate) fn add(&mut self, columns: &[&[u32]], rows: &[u32], amounts: &Amounts<'_>) {
        if self.dense.is_empty() {
            self.sparse.numbers(columns, rows, &mut self.numbers);
            self.sparse_counts.resize(self.sparse.len(), 0);
            let counts = &mut self.sparse_counts[..];
            match amounts.events {
                Some(events) => self.numbers.iter().zip(rows).for_each(|(&number, &row)| {
                    counts[number as usize] += u64::from(events[row as usize]);
                }),
                None => (self.numbers.iter()).for_each(|&number| counts[number as usize] += 1),
            }
            if self.measures {
                self.measured.resize(self.sparse.len(), Measured::NOTHING);
                amounts.measure(&self.numbers, rows, &mut self.measured);
            }
            if let Some(Errors { told, last }) = amounts.errors {
                self.last_errors.resize(self.sparse.len(), None);
                let ids = columns[told.0];
                for (&number, &row) in self.numbers.iter().zip(rows) {
                    if told.1[ids[row as usize] as usize] {
                        let known = &mut self.last_errors[number as usize];
                        *known = (*known).max(Some(last[row as usize]));
                    }
                }
            }
            return;
        }
        let places = &mut self.numbers;
        places.clear();
        places.resize(rows.len(), 0);
        for (&ids, &size) in columns.iter().zip(&self.sizes) {
            for (place, &row) in places.iter_mut().zip(rows) {
                *place = *place * size as u32 + ids[row as usize];
            }
        }
        for (&place, &row) in places.iter().zip(rows) {
            let slot = &mut self.dense[place as usize];
            if *slot == 0 {
                self.touched.push(place);
            }
            *slot += amounts.events(row);
        }
    }

    /// Moves every group into `groups`, and begins anew.
    fn drain(&mut self, bucket: i64, groups: &mut Groups) {
        if !self.sparse_counts.is_empty() {
            self.sparse.append_to(&mut groups.columns);
            groups.counts.append(&mut self.sparse_counts);
            groups.measured.append(&mut self.measured);
            groups.last_errors.append(&mut self.last_errors);
            self.sparse.clear();
        }
        for place in self.touched.drain(..) {
            let count = std::mem::take(&mut self.dense[place as usize]);
            groups.counts.push(count);
            let mut rest = place as usize;
            for (all, &size) in groups.columns.iter_mut().zip(&self.sizes).rev() {
                all.push((rest % size) as u32);
                rest /= size;
            }
        }
        groups.buckets.resize(groups.counts.len(), bucket);
    }
}

/// Groups of one part.
#[derive(Default)]
pub(crate) struct Groups {
    pub(crate) buckets: Vec<i64>,
    pub(crate) counts: Vec<u64>,
    /// The ids of each column that is counted by.
    pub(crate) columns: Vec<Vec<u32>>,
    /// One per group, or none at all.
    pub(crate) measured: Vec<Measured>,
    /// How many of the events of each group belong to each share that is wanted.
    pub(crate) shares: Vec<Vec<u64>>,
    /// Microseconds of the last error of each group, where that is wanted.
    pub(crate) last_errors: Vec<Option<i64>>,
    /// The memory that they take of the count's.
    pub(crate) held: Held,
}

impl Groups {
    pub(crate) fn new(columns: usize) -> Groups {
        Groups {
            columns: vec![Vec::new(); columns],
            ..Groups::default()
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }

    /// The same groups, held by nobody.
    pub(crate) fn copied(&self) -> Groups {
        Groups {
            buckets: self.buckets.clone(),
            counts: self.counts.clone(),
            columns: self.columns.clone(),
            measured: self.measured.clone(),
            shares: self.shares.clone(),
            last_errors: self.last_errors.clone(),
            held: Held::default(),
        }
    }

    /// Bytes of memory that they take, about.
    pub(crate) fn bytes(&self) -> usize {
        let ids: usize = self.columns.iter().map(Vec::capacity).sum();
        let shares: usize = self.shares.iter().map(Vec::capacity).sum();
        ids * 4
            + (self.buckets.capacity() + self.counts.capacity() + shares) * 8
            + self.measured.capacity() * size_of::<Measured>()
            + self.last_errors.capacity() * size_of::<Option<i64>>()
    }

    /// Counts the memory that they take now.
    pub(crate) fn charge(&mut self) -> Result<()> {
        self.held.set(self.bytes())
    }

    /// Adds a group of others.
    pub(crate) fn push(&mut self, others: &Groups, row: usize) {
        self.buckets.push(others.buckets[row]);
        self.counts.push(others.counts[row]);
        self.measured.extend(others.measured.get(row).copied());
        self.last_errors
            .extend(others.last_errors.get(row).copied());
        for (column, other) in self.columns.iter_mut().zip(&others.columns) {
            column.push(other[row]);
        }
        for (share, other) in self.shares.iter_mut().zip(&others.shares) {
            share.push(other[row]);
        }
    }

    /// Lets a group say what one of others does, but for how many events it has and what was measured.
    pub(crate) fn put(&mut self, at: usize, others: &Groups, row: usize) {
        self.buckets[at] = others.buckets[row];
        if let Some(last) = self.last_errors.get_mut(at) {
            *last = others.last_errors[row];
        }
        for (column, other) in self.columns.iter_mut().zip(&others.columns) {
            column[at] = other[row];
        }
        for (share, other) in self.shares.iter_mut().zip(&others.shares) {
            share[at] = other[row];
        }
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

    /// Whether an instant is in the bucket.
    pub(crate) fn holds(&self, time: i64) -> bool {
        (self.bucket..self.end).contains(&time)
    }

    /// Where the bucket ends; without steps nowhere.
    pub(crate) fn end(&self) -> i64 {
        match self.step {
            Some(_) => self.end,
            None => i64::MAX,
        }
    }

    /// Goes on to the bucket that holds an instant.
    pub(crate) fn enter(&mut self, time: i64) {
        if self.holds(time) {
            return;
        }
        self.finish();
        if let Some(step) = self.step {
            self.bucket = begin(time, step);
            self.end = self.bucket.saturating_add(step);
        }
    }

    /// Takes over groups that were counted beside.
    pub(crate) fn take_over(&mut self, mut groups: Groups) {
        self.finish();
        let all = &mut *self.groups;
        all.buckets.append(&mut groups.buckets);
        all.counts.append(&mut groups.counts);
        all.measured.append(&mut groups.measured);
        all.last_errors.append(&mut groups.last_errors);
        for (column, own) in all.columns.iter_mut().zip(&mut groups.columns) {
            column.append(own);
        }
    }

    /// Counts the memory that they take now.
    pub(crate) fn charge(&mut self) -> Result<()> {
        let bytes = self.tally.bytes() + self.groups.bytes();
        self.groups.held.set(bytes)
    }

    /// Ends the bucket.
    pub(crate) fn finish(&mut self) {
        self.tally.drain(self.bucket, self.groups);
    }
}

/// The beginning of the bucket that holds an instant.
pub(crate) fn begin(time: i64, step: i64) -> i64 {
    time.saturating_sub(time.rem_euclid(step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn dense_and_sparse_counts_agree(
            adds in prop::collection::vec((0u32..5, 0u32..7, 1u32..9), 0..60),
            many in any::<bool>(),
        ) {
            let width = if many { u32::MAX - 1 } else { 6 };
            let mut tally = Tally::new([4, width].into_iter(), &Measures::default());
            let mut expected = std::collections::BTreeMap::<Vec<u32>, u64>::new();
            for &(first, second, count) in &adds {
                *expected.entry(vec![first, second]).or_default() += u64::from(count);
            }
            let first: Vec<u32> = adds.iter().map(|add| add.0).collect();
            let second: Vec<u32> = adds.iter().map(|add| add.1).collect();
            let counts: Vec<u32> = adds.iter().map(|add| add.2).collect();
            let rows: Vec<u32> = (0..adds.len() as u32).collect();
            let amounts = Amounts { events: Some(&counts), ..Amounts::default() };
            let (begun, rest) = rows.split_at(adds.len() / 2);
            tally.add(&[&first, &second], begun, &amounts);
            tally.add(&[&first, &second], rest, &amounts);
            let mut groups = Groups::new(2);
            tally.drain(7, &mut groups);
            let found: std::collections::BTreeMap<Vec<u32>, u64> = (0..groups.len())
                .map(|at| (groups.columns.iter().map(|ids| ids[at]).collect(), groups.counts[at]))
                .collect();
            prop_assert_eq!(found.len(), groups.len());
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(&groups.buckets, &vec![7; groups.len()]);
            tally.drain(8, &mut groups);
            prop_assert_eq!(found.len(), groups.len());
        }
    }
}
