//! Adding up counts: per part by string ids, then over all parts by what the strings say.

use std::cmp::Ordering;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use rustc_hash::FxHasher;

use super::combinations::Combinations;
use crate::limits::COUNT_GROUPS_MAX;
use crate::model::column::Kind;
use crate::model::value::Value;
use crate::store::{Answer, CountQuery, Result, RowSink, StoreError};

type Map<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<FxHasher>>;

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
}

impl Tally {
    /// For columns with so many strings.
    pub(crate) fn new(strings: impl Iterator<Item = u32>) -> Tally {
        let strings: Vec<u32> = strings.collect();
        let sizes: Vec<usize> = strings.iter().map(|&most| most as usize + 1).collect();
        let combinations = sizes
            .iter()
            .try_fold(1usize, |all, &size| all.checked_mul(size))
            .filter(|&all| all <= DENSE_MAX);
        Tally {
            sizes,
            dense: vec![0; combinations.unwrap_or(0)],
            touched: Vec::new(),
            sparse: Combinations::new(strings.iter().map(|most| u32::BITS - most.leading_zeros())),
            sparse_counts: Vec::new(),
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
    pub(crate) fn drain(&mut self, mut sink: impl FnMut(&[u32], u64)) {
        let mut ids = Vec::new();
        for (number, count) in self.sparse_counts.drain(..).enumerate() {
            self.sparse.ids(number, &mut ids);
            sink(&ids, count);
        }
        self.sparse.clear();
        ids.resize(self.sizes.len(), 0);
        for place in self.touched.drain(..) {
            let count = std::mem::take(&mut self.dense[place as usize]);
            let mut rest = place as usize;
            for (id, &size) in ids.iter_mut().zip(&self.sizes).rev() {
                *id = (rest % size) as u32;
                rest /= size;
            }
            sink(&ids, count);
        }
    }
}

/// Groups of one part: their buckets, ids and counts.
#[derive(Default)]
pub(crate) struct Groups {
    counts: Vec<(i64, u64)>,
    /// Those of one group after those of the other.
    ids: Vec<u32>,
}

impl Groups {
    pub(crate) fn push(&mut self, bucket: i64, ids: &[u32], count: u64) {
        self.counts.push((bucket, count));
        self.ids.extend_from_slice(ids);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, &[u32], u64)> {
        let width = self.ids.len() / self.counts.len().max(1);
        let group =
            move |(at, &(bucket, count))| (bucket, &self.ids[at * width..(at + 1) * width], count);
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
            .drain(|ids, count| groups.push(bucket, ids, count));
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
pub(crate) struct Totals {
    columns: Vec<Texts>,
    buckets: Map<i64, u32>,
    bucket_begins: Vec<i64>,
    /// By the bucket's number, if there are buckets, and the ids of the texts.
    groups: Combinations,
    counts: Vec<u64>,
    stepped: bool,
    ids: Vec<u32>,
}

impl Totals {
    /// For so many columns, with buckets or without.
    pub(crate) fn new(columns: usize, stepped: bool) -> Totals {
        let width = columns + usize::from(stepped);
        Totals {
            columns: (0..columns).map(|_| Texts::default()).collect(),
            buckets: Map::default(),
            bucket_begins: Vec::new(),
            groups: Combinations::new(std::iter::repeat_n(u32::BITS, width)),
            counts: Vec::new(),
            stepped,
            ids: Vec::new(),
        }
    }

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

    pub(crate) fn add(&mut self, bucket: i64, ids: &[u32], count: u64) {
        let number = if self.stepped {
            let next = self.bucket_begins.len() as u32;
            let bucket = *self.buckets.entry(bucket).or_insert_with(|| {
                self.bucket_begins.push(bucket);
                next
            });
            self.ids.clear();
            self.ids.push(bucket);
            self.ids.extend_from_slice(ids);
            self.groups.number(&self.ids)
        } else {
            self.groups.number(ids)
        };
        match self.counts.get_mut(number) {
            Some(slot) => *slot += count,
            None => self.counts.push(count),
        }
    }

    /// How many groups there are.
    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }

    /// A group's count; puts the ids of its texts into `ids` and gives the beginning of its bucket.
    pub(crate) fn group(&self, number: usize, ids: &mut Vec<u32>) -> (i64, u64) {
        self.groups.ids(number, ids);
        let bucket = match self.stepped {
            true => self.bucket_begins[ids.remove(0) as usize],
            false => 0,
        };
        (bucket, self.counts[number])
    }

    /// A column's text.
    pub(crate) fn text(&self, column: usize, id: u32) -> Option<&str> {
        let at = (id as usize).checked_sub(1)?;
        self.columns[column].texts.get(at).map(|text| &**text)
    }

    /// Hands on the groups up to the limit: buckets ascending, then the most frequent first, ties by
    /// value with the absent first.
    pub(crate) fn give(mut self, query: &CountQuery, answer: &mut Answer, sink: RowSink<'_>) {
        // The number of all events is an answer also when it is none.
        if self.len() == 0 && query.by.is_empty() && query.step.is_none() {
            self.add(0, &[], 0);
        }
        let mut ids = Vec::new();
        let mut groups: Vec<(i64, u64, usize)> = (0..self.len())
            .map(|number| {
                let (bucket, count) = self.group(number, &mut ids);
                (bucket, count, number)
            })
            .collect();
        let order = self.order();
        if query.limit != 0 && groups.len() as u64 > query.limit {
            answer.truncated = true;
            let limit = query.limit as usize;
            groups.select_nth_unstable_by(limit, &order);
            groups.truncate(limit);
        }
        groups.sort_unstable_by(&order);
        let mut row = Vec::with_capacity(query.by.len() + 2);
        for (bucket, count, number) in groups {
            row.clear();
            row.extend(query.step.map(|_| Value::Time(bucket)));
            self.group(number, &mut ids);
            for ((at, column), &id) in query.by.iter().enumerate().zip(&ids) {
                row.push(match (self.text(at, id), column.kind()) {
                    (None, _) => Value::Null,
                    (Some(text), Kind::Int | Kind::Bool) => {
                        text.parse().map_or(Value::Null, Value::Int)
                    }
                    (Some(text), _) => Value::text(text),
                });
            }
            row.push(Value::Int(count as i64));
            if sink(&row).is_break() {
                break;
            }
        }
    }

    /// How groups of (bucket, count, number) are ordered.
    fn order(&self) -> impl Fn(&(i64, u64, usize), &(i64, u64, usize)) -> Ordering {
        let texts = |number: usize| {
            let mut ids = Vec::new();
            self.group(number, &mut ids);
            let texts = ids.into_iter().enumerate();
            texts.map(|(column, id)| self.text(column, id))
        };
        move |left, right| {
            let by_count = (left.0, right.1).cmp(&(right.0, left.1));
            by_count.then_with(|| texts(left.2).cmp(texts(right.2)))
        }
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
            let mut tally = Tally::new([4, width].into_iter());
            let mut expected = std::collections::BTreeMap::<Vec<u32>, u64>::new();
            for &(first, second, count) in &adds {
                tally.add(&[first, second], count);
                *expected.entry(vec![first, second]).or_default() += count;
            }
            let mut found = std::collections::BTreeMap::new();
            tally.drain(|ids, count| { found.insert(ids.to_vec(), count); });
            prop_assert_eq!(&found, &expected);
            let mut left = 0;
            tally.drain(|_, _| left += 1);
            prop_assert_eq!(left, 0);
        }
    }
}
