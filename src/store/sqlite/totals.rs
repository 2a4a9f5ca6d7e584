//! Counts over all parts, by what the strings say.

mod regrouped;

use std::cell::RefCell;
use std::cmp::Ordering;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use rustc_hash::FxHasher;

use self::regrouped::Tops;
use super::combinations::Combinations;
use super::countmemory::Held;
use super::measures::{Measured, mean};
use super::tally::Groups;
use crate::limits::{COUNT_GROUPS_MAX, COUNT_TEXT_BYTES_MAX};
use crate::model::column::Kind;
use crate::model::value::Value;
use crate::store::{Answer, CountQuery, Result, RowSink, StoreError};

type Map<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<FxHasher>>;

/// The texts of a column over all parts; id 0 is absent.
#[derive(Default)]
struct Texts {
    ids: Map<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

/// Counts per bucket and values over all parts.
pub(crate) struct Totals {
    columns: Vec<Texts>,
    /// Bytes of all texts.
    text_bytes: usize,
    buckets: Map<i64, u32>,
    bucket_begins: Vec<i64>,
    /// By the bucket's number, if there are buckets, and the ids of the texts.
    groups: Combinations,
    /// Bits that the ids of the groups have room in, column by column.
    bits: Vec<u32>,
    counts: Vec<u64>,
    /// One per group, or none at all.
    measured: Vec<Measured>,
    /// Per share that is wanted one number per group.
    shares: Vec<Vec<u64>>,
    /// One per group, or none at all.
    last_errors: Vec<Option<i64>>,
    /// Where they are wanted.
    tops: Option<Tops>,
    stepped: bool,
    ids: Vec<u32>,
    /// The memory that all this takes of the count's.
    held: Held,
}

/// Bytes of a text beside its own, twice in a table.
const TEXT_BYTES_BESIDES: usize = 64;

/// Bytes that a group takes while groups are put in order.
const ORDER_BYTES: usize = 56;

impl Totals {
    /// For so many columns, with buckets or without.
    pub(crate) fn new(columns: usize, stepped: bool) -> Totals {
        let width = columns + usize::from(stepped);
        Totals {
            columns: (0..columns).map(|_| Texts::default()).collect(),
            text_bytes: 0,
            buckets: Map::default(),
            bucket_begins: Vec::new(),
            groups: Combinations::new(std::iter::repeat_n(0, width)),
            bits: vec![0; width],
            counts: Vec::new(),
            measured: Vec::new(),
            shares: Vec::new(),
            last_errors: Vec::new(),
            tops: None,
            stepped,
            ids: Vec::new(),
            held: Held::default(),
        }
    }

    /// The same, of a count that may hold only so much.
    pub(crate) fn within(self, held: Held) -> Totals {
        Totals { held, ..self }
    }

    /// Bytes of memory that they take, about.
    fn bytes(&self) -> usize {
        let texts: usize = self.columns.iter().map(|column| column.texts.len()).sum();
        let shares: usize = self.shares.iter().map(Vec::capacity).sum();
        self.text_bytes
            + texts * TEXT_BYTES_BESIDES
            + self.groups.bytes()
            + (self.counts.capacity() + shares) * 8
            + self.measured.capacity() * size_of::<Measured>()
            + self.last_errors.capacity() * size_of::<Option<i64>>()
            + self.tops.as_ref().map_or(0, Tops::bytes)
    }

    /// Counts the memory that putting them in order takes, too.
    pub(crate) fn charge_order(&mut self) -> Result<()> {
        let bytes = self.bytes() + self.len() * ORDER_BYTES;
        self.held.set(bytes)
    }

    /// The id of a column's text.
    pub(crate) fn id(&mut self, column: usize, text: Option<&str>) -> u32 {
        let Some(text) = text else { return 0 };
        let Texts { ids, texts } = &mut self.columns[column];
        if let Some(&id) = ids.get(text) {
            return id;
        }
        self.text_bytes += text.len();
        let text: Arc<str> = text.into();
        texts.push(Arc::clone(&text));
        let id = texts.len() as u32;
        ids.insert(text, id);
        id
    }

    /// Fails when there are too many groups to hold, or their texts are too long.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.held.set(self.bytes())?;
        if self.text_bytes > COUNT_TEXT_BYTES_MAX {
            return Err(StoreError::LimitReached(format!(
                "the values to count by are longer than {} MiB together; narrow the filter, or count by columns with shorter values",
                COUNT_TEXT_BYTES_MAX >> 20
            )));
        }
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
        let bucket = if self.stepped { self.bucket(bucket) } else { 0 };
        self.make_room();
        let number = if self.stepped {
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

    /// Adds groups with the ids of their texts, column by column; gives the numbers that they have.
    pub(crate) fn add_all(&mut self, groups: &Groups) -> Vec<u32> {
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
        self.make_room();
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
        let wanted = self.shares.len().max(groups.shares.len());
        self.shares.resize_with(wanted, Vec::new);
        for (shares, added) in self.shares.iter_mut().zip(&groups.shares) {
            shares.resize(self.groups.len(), 0);
            for (&number, &share) in numbers.iter().zip(added) {
                let known = &mut shares[number as usize];
                // A sum of latencies may be one of negative numbers.
                *known = known.wrapping_add(share);
            }
        }
        if !groups.last_errors.is_empty() {
            self.last_errors.resize(self.groups.len(), None);
            for (&number, &last) in numbers.iter().zip(&groups.last_errors) {
                let known = &mut self.last_errors[number as usize];
                *known = (*known).max(last);
            }
        }
        numbers
    }

    /// Widens the groups' ids where there are more by now than there is room for. Few bits are worth
    /// it: a group of one word is found several times as fast as one of three.
    fn make_room(&mut self) {
        let buckets = self.stepped.then_some(self.bucket_begins.len());
        let texts = self.columns.iter().map(|column| column.texts.len());
        let most = buckets.into_iter().chain(texts);
        let needed = most.map(|most| usize::BITS - most.leading_zeros());
        if needed
            .clone()
            .zip(&self.bits)
            .all(|(needed, &bits)| needed <= bits)
        {
            return;
        }
        self.bits = needed.map(|needed| (needed + 1).min(u32::BITS)).collect();
        let columns = self.groups.columns();
        let columns: Vec<&[u32]> = columns.iter().map(Vec::as_slice).collect();
        let rows: Vec<u32> = (0..self.groups.len() as u32).collect();
        self.groups = Combinations::new(self.bits.iter().copied());
        // In order of their numbers, which they get again.
        self.groups.numbers(&columns, &rows, &mut Vec::new());
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

    /// How many of a group's events belong to a share, by its place among those that are wanted.
    pub(crate) fn share(&self, at: usize, number: usize) -> u64 {
        self.shares.get(at).map_or(0, |shares| shares[number])
    }

    /// The mean of a share that is a sum, by the places of its number and of the sum.
    pub(crate) fn mean_share(&self, of: usize, sum: usize, number: usize) -> Option<i64> {
        mean(self.share(sum, number) as i64, self.share(of, number))
    }

    /// When the last error of a group was.
    pub(crate) fn last_error(&self, number: usize) -> Option<i64> {
        self.last_errors.get(number).copied().flatten()
    }

    /// How many events a group has.
    pub(crate) fn events(&self, number: usize) -> u64 {
        self.counts[number]
    }

    /// An id of a group: its bucket's, if there are any, and those of its texts.
    pub(crate) fn group_id(&self, number: u32, column: usize) -> u32 {
        self.groups.id(number as usize, column)
    }

    pub(crate) fn is_stepped(&self) -> bool {
        self.stepped
    }

    /// The beginnings of the buckets, by id.
    pub(crate) fn bucket_begins(&self) -> &[i64] {
        &self.bucket_begins
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

    /// A column's texts, by id from 1.
    pub(crate) fn texts(&self, column: usize) -> impl Iterator<Item = &str> {
        self.columns[column].texts.iter().map(|text| &**text)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_groups_are_bounded_together() {
        let mut totals = Totals::new(2, false);
        let text = "x".repeat(COUNT_TEXT_BYTES_MAX / 4 - 1);
        for (at, begin) in [(0, "a"), (0, "b"), (1, "a"), (1, "b"), (1, "b")] {
            totals.id(at, Some(&format!("{begin}{text}")));
            totals.check().unwrap();
        }
        totals.id(0, Some("c"));
        let refused = totals.check().unwrap_err().to_string();
        assert!(
            refused.contains("longer than 256 MiB together"),
            "{refused}"
        );
        assert!(refused.contains("narrow the filter"), "{refused}");
    }
}
