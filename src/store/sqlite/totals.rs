//! Counts over all parts, by what the strings say.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use rustc_hash::FxHasher;

use super::combinations::Combinations;
use super::tally::{Groups, Measured};
use crate::limits::COUNT_GROUPS_MAX;
use crate::model::column::{Column, Kind};
use crate::model::value::Value;
use crate::store::{Answer, CountQuery, Result, RowSink, StoreError};

type Map<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<FxHasher>>;

/// The texts of a column over all parts; id 0 is absent.
#[derive(Default)]
struct Texts {
    ids: Map<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

/// What groups can be sorted by: the beginning of their bucket, or a column that is counted by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SortedBy {
    Bucket,
    Column(usize),
}

/// Of each key its place in their order; equal keys have the same.
fn ranks<K: Ord>(keys: &[K]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_unstable_by(|&left, &right| keys[left].cmp(&keys[right]));
    let mut ranks = vec![0; keys.len()];
    for (rank, pair) in (0..).zip(order.windows(2)) {
        let same = keys[pair[0]] == keys[pair[1]];
        ranks[pair[1]] = if same { ranks[pair[0]] } else { rank + 1 };
    }
    ranks
}

/// Counts per bucket and values over all parts.
pub(crate) struct Totals {
    columns: Vec<Texts>,
    buckets: Map<i64, u32>,
    bucket_begins: Vec<i64>,
    /// By the bucket's number, if there are buckets, and the ids of the texts.
    groups: Combinations,
    counts: Vec<u64>,
    /// One per group, or none at all.
    measured: Vec<Measured>,
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
            measured: Vec::new(),
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

    pub(crate) fn add(
        &mut self,
        bucket: i64,
        ids: &[u32],
        count: u64,
        measured: Option<&Measured>,
    ) {
        let number = if self.stepped {
            let bucket = self.bucket(bucket);
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
        if let Some(measured) = measured {
            match self.measured.get_mut(number) {
                Some(slot) => slot.add(measured),
                None => self.measured.push(*measured),
            }
        }
    }

    /// Adds groups with the ids of their texts, column by column.
    pub(crate) fn add_all(&mut self, groups: &Groups) {
        let rows: Vec<u32> = (0..groups.len() as u32).collect();
        let mut columns: Vec<&[u32]> = groups.columns.iter().map(Vec::as_slice).collect();
        let buckets: Vec<u32>;
        if self.stepped {
            buckets = groups
                .buckets
                .iter()
                .map(|&begin| self.bucket(begin))
                .collect();
            columns.insert(0, &buckets);
        }
        let mut numbers = Vec::new();
        self.groups.numbers(&columns, &rows, &mut numbers);
        self.counts.resize(self.groups.len(), 0);
        for (&number, &count) in numbers.iter().zip(&groups.counts) {
            self.counts[number as usize] += count;
        }
        if !groups.measured.is_empty() {
            self.measured.resize(self.groups.len(), Measured::NOTHING);
            for (&number, measured) in numbers.iter().zip(&groups.measured) {
                self.measured[number as usize].add(measured);
            }
        }
    }

    fn bucket(&mut self, begin: i64) -> u32 {
        let next = self.bucket_begins.len() as u32;
        *self.buckets.entry(begin).or_insert_with(|| {
            self.bucket_begins.push(begin);
            next
        })
    }

    /// What was measured of a group.
    pub(crate) fn measured(&self, number: usize) -> Option<&Measured> {
        self.measured.get(number)
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

    /// The numbers of the groups in ascending order of what these columns of `by` say: numbers as
    /// such, texts by their bytes, the absent first.
    pub(crate) fn sorted(&self, by: &[Column], order: &[SortedBy]) -> Vec<u32> {
        let ids = self.groups.columns();
        let (buckets, ids) = ids.split_at(usize::from(self.stepped));
        let mut numbers: Vec<u32> = (0..self.len() as u32).collect();
        let mut keys = vec![0u128; self.len()];
        let mut left = u128::BITS;
        // The last columns first, as many at a time as fit a key; sorting is stable.
        for &column in order.iter().rev() {
            let (ranks, ids) = match column {
                SortedBy::Bucket if buckets.is_empty() => continue,
                SortedBy::Bucket => (ranks(&self.bucket_begins), &buckets[0]),
                SortedBy::Column(at) => (self.ranks_of_texts(at, by[at].kind()), &ids[at]),
            };
            let bits = usize::BITS - ranks.len().leading_zeros();
            if bits > left {
                numbers.sort_by_key(|&number| keys[number as usize]);
                keys.fill(0);
                left = u128::BITS;
            }
            let shift = u128::BITS - left;
            left -= bits;
            for (key, &id) in keys.iter_mut().zip(ids) {
                *key |= u128::from(ranks[id as usize]) << shift;
            }
        }
        numbers.sort_by_key(|&number| keys[number as usize]);
        numbers
    }

    /// The place of each of a column's texts among them all, the absent one first.
    fn ranks_of_texts(&self, column: usize, kind: Kind) -> Vec<u32> {
        let texts = self.columns[column].texts.iter();
        match kind {
            Kind::Int | Kind::Bool => {
                let numbers = texts.map(|text| text.parse::<i64>().ok());
                ranks(&std::iter::once(None).chain(numbers).collect::<Vec<_>>())
            }
            _ => {
                let texts = texts.map(|text| Some(&**text));
                ranks(&std::iter::once(None).chain(texts).collect::<Vec<_>>())
            }
        }
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
            self.add(0, &[], 0, None);
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
        let both = RefCell::new((Vec::new(), Vec::new()));
        move |left, right| {
            let by_count = (left.0, right.1).cmp(&(right.0, left.1));
            by_count.then_with(|| {
                let (ids, others) = &mut *both.borrow_mut();
                self.group(left.2, ids);
                self.group(right.2, others);
                let texts = ids.iter().zip(others.iter()).enumerate();
                texts
                    .map(|(column, (&left, &right))| {
                        self.text(column, left).cmp(&self.text(column, right))
                    })
                    .find(|ordering| ordering.is_ne())
                    .unwrap_or(Ordering::Equal)
            })
        }
    }
}
