//! Adding up counts: per part by string ids, then over all parts by what the strings say.

use std::hash::BuildHasherDefault;
use std::sync::Arc;

use rustc_hash::FxHasher;

use crate::limits::{COUNT_COLUMNS_MAX, COUNT_GROUPS_MAX};
use crate::model::column::Kind;
use crate::model::value::Value;
use crate::store::{Answer, CountQuery, Result, RowSink, StoreError};

type Map<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<FxHasher>>;

/// Ids of one group, one per column that is counted by; 0 is absent.
pub(crate) type Ids = [u32; COUNT_COLUMNS_MAX];

/// Combinations of ids up to which counts stand in a plain array.
const DENSE_MAX: usize = 1 << 20;

/// Counts of one bucket of one part.
pub(crate) struct Tally {
    /// How many ids each column may have.
    sizes: [usize; COUNT_COLUMNS_MAX],
    dense: Vec<u64>,
    touched: Vec<u32>,
    sparse: Map<Ids, u64>,
}

impl Tally {
    /// For columns with so many strings.
    pub(crate) fn new(strings: impl Iterator<Item = u32>) -> Tally {
        let mut sizes = [1; COUNT_COLUMNS_MAX];
        for (size, strings) in sizes.iter_mut().zip(strings) {
            *size = strings as usize + 1;
        }
        let combinations = sizes
            .iter()
            .try_fold(1usize, |all, &size| all.checked_mul(size))
            .filter(|&all| all <= DENSE_MAX);
        Tally {
            sizes,
            dense: vec![0; combinations.unwrap_or(0)],
            touched: Vec::new(),
            sparse: Map::default(),
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, ids: Ids, count: u64) {
        if self.dense.is_empty() {
            *self.sparse.entry(ids).or_default() += count;
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
    pub(crate) fn drain(&mut self, mut sink: impl FnMut(Ids, u64)) {
        for (ids, count) in self.sparse.drain() {
            sink(ids, count);
        }
        for place in self.touched.drain(..) {
            let count = std::mem::take(&mut self.dense[place as usize]);
            let (mut ids, mut rest) = ([0; COUNT_COLUMNS_MAX], place as usize);
            for (id, &size) in ids.iter_mut().zip(&self.sizes).rev() {
                *id = (rest % size) as u32;
                rest /= size;
            }
            sink(ids, count);
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
    groups: &'a mut Vec<(i64, Ids, u64)>,
}

impl<'a> Buckets<'a> {
    /// For groups of buckets of `step`, or of all times.
    pub(crate) fn new(
        step: Option<i64>,
        tally: Tally,
        groups: &'a mut Vec<(i64, Ids, u64)>,
    ) -> Self {
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
            .drain(|ids, count| groups.push((bucket, ids, count)));
    }
}

/// The beginning of the bucket that holds an instant.
pub(crate) fn begin(time: i64, step: i64) -> i64 {
    time.saturating_sub(time.rem_euclid(step))
}

/// The texts of a column over all parts; id 0 is absent.
#[derive(Default)]
struct Texts {
    ids: Map<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

/// Counts per bucket and values over all parts.
#[derive(Default)]
pub(crate) struct Totals {
    columns: [Texts; COUNT_COLUMNS_MAX],
    counts: Map<(i64, Ids), u64>,
}

/// One group of an answer: its bucket, its values, and how many events it has.
type Group = (i64, Vec<Option<Arc<str>>>, u64);

impl Totals {
    /// The id of a column's text.
    pub(crate) fn id(&mut self, column: usize, text: Option<&str>) -> u32 {
        let Some(text) = text else { return 0 };
        let Texts { ids, texts } = &mut self.columns[column];
        if let Some(&id) = ids.get(text) {
            return id;
        }
        let text: Arc<str> = text.into();
        texts.push(Arc::clone(&text));
        let id = texts.len() as u32;
        ids.insert(text, id);
        id
    }

    /// Fails when there are too many groups to hold.
    pub(crate) fn check(&self) -> Result<()> {
        match self.counts.len() > COUNT_GROUPS_MAX {
            true => Err(StoreError::LimitReached(format!(
                "the count has more than {COUNT_GROUPS_MAX} groups; narrow the filter, or count by columns with fewer values"
            ))),
            false => Ok(()),
        }
    }

    pub(crate) fn add(&mut self, bucket: i64, ids: Ids, count: u64) {
        *self.counts.entry((bucket, ids)).or_default() += count;
    }

    /// Hands on the groups in order, up to the limit.
    pub(crate) fn give(self, query: &CountQuery, answer: &mut Answer, sink: RowSink<'_>) {
        let mut groups = self.into_groups(query.by.len());
        // The number of all events is an answer also when it is none.
        if groups.is_empty() && query.by.is_empty() && query.step.is_none() {
            groups.push((0, Vec::new(), 0));
        }
        if query.limit != 0 && groups.len() as u64 > query.limit {
            answer.truncated = true;
            groups.truncate(query.limit as usize);
        }
        let mut row = Vec::with_capacity(query.by.len() + 2);
        for (bucket, texts, count) in groups {
            row.clear();
            row.extend(query.step.map(|_| Value::Time(bucket)));
            for (column, text) in query.by.iter().zip(texts) {
                row.push(match (text, column.kind()) {
                    (None, _) => Value::Null,
                    (Some(text), Kind::Int | Kind::Bool) => {
                        text.parse().map_or(Value::Null, Value::Int)
                    }
                    (Some(text), _) => Value::text(&*text),
                });
            }
            row.push(Value::Int(count as i64));
            if sink(&row).is_break() {
                break;
            }
        }
    }

    /// All groups by so many columns: buckets ascending, then the most frequent first, ties by
    /// value with the absent first.
    fn into_groups(self, columns: usize) -> Vec<Group> {
        let text = |(column, &id): (usize, &u32)| {
            let at = (id as usize).checked_sub(1)?;
            Some(Arc::clone(&self.columns[column].texts[at]))
        };
        let mut groups: Vec<Group> = self
            .counts
            .iter()
            .map(|((bucket, ids), &count)| {
                let texts = ids[..columns].iter().enumerate().map(text).collect();
                (*bucket, texts, count)
            })
            .collect();
        groups.sort_unstable_by(|left, right| {
            let by_count = (left.0, right.2).cmp(&(right.0, left.2));
            by_count.then_with(|| left.1.cmp(&right.1))
        });
        groups
    }
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
pub(crate) fn each_combination(values: &[&[u32]; COUNT_COLUMNS_MAX], mut sink: impl FnMut(Ids)) {
    let combinations = values.iter().map(|ids| ids.len()).product();
    for number in 0..combinations {
        let (mut ids, mut rest) = (Ids::default(), number);
        for (id, values) in ids.iter_mut().zip(values) {
            *id = values[rest % values.len()];
            rest /= values.len();
        }
        sink(ids);
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
            let mut tally = Tally::new([4, width].into_iter());
            let mut expected = std::collections::BTreeMap::<Ids, u64>::new();
            for &(first, second, count) in &adds {
                tally.add([first, second, 0, 0], count);
                *expected.entry([first, second, 0, 0]).or_default() += count;
            }
            let mut found = std::collections::BTreeMap::new();
            tally.drain(|ids, count| { found.insert(ids, count); });
            prop_assert_eq!(&found, &expected);
            let mut left = 0;
            tally.drain(|_, _| left += 1);
            prop_assert_eq!(left, 0);
        }
    }
}
