//! Groups of a count in the order that a statement asks for, sorted no further than it reads.

use super::tally::Measured;
use super::totals::Totals;
use crate::model::column::{Column, Kind};

/// What groups can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SortedBy {
    /// The beginning of their bucket.
    Bucket,
    /// A column that is counted by.
    Column(usize),
    Events,
    First,
    Last,
    RawBytes,
    MeanLatency,
    LastError,
    /// A share, by its place among those that are wanted.
    Share(usize),
}

/// How many groups are sorted first; each time there must be more, so many times as many.
const FIRST_SORTED: usize = 1024;
const MORE_SORTED: usize = 8;

/// Groups in order.
pub(crate) struct GroupOrder {
    /// Keys and numbers of the groups.
    keyed: Vec<(u128, u32)>,
    /// Bits of the keys that are in use.
    used: u32,
    /// How many stand where they belong.
    sorted: usize,
}

impl GroupOrder {
    fn new(groups: usize) -> GroupOrder {
        GroupOrder {
            keyed: (0..groups as u32).map(|number| (0, number)).collect(),
            used: 0,
            sorted: 0,
        }
    }

    /// Puts the groups in order of numbers from 0 to `most`, those that are equal in the order that
    /// they have.
    fn by(&mut self, most: u64, descending: bool, place: impl Fn(usize) -> u64) {
        let bits = u64::BITS - most.leading_zeros();
        if self.used + bits > u128::BITS {
            self.compact();
        }
        for (key, number) in &mut self.keyed {
            let place = place(*number as usize);
            let place = if descending { most - place } else { place };
            *key |= u128::from(place) << self.used;
        }
        self.used += bits;
    }

    /// Makes room in the keys: their places take fewer bits than they do.
    fn compact(&mut self) {
        self.keyed.sort_unstable();
        let (mut last, mut rank) = (None, 0);
        for (key, _) in &mut self.keyed {
            if last.is_some_and(|last| last != *key) {
                rank += 1;
            }
            last = Some(std::mem::replace(key, rank));
        }
        self.used = u128::BITS - rank.leading_zeros();
    }

    /// The number of the group at a place; `None` at the end.
    pub(crate) fn at(&mut self, place: usize) -> Option<usize> {
        if place >= self.sorted {
            let more = (self.sorted * MORE_SORTED).max(FIRST_SORTED).max(place + 1);
            let rest = &mut self.keyed[self.sorted..];
            if more < rest.len() {
                rest.select_nth_unstable(more);
                rest[..more].sort_unstable();
                self.sorted += more;
            } else {
                rest.sort_unstable();
                self.sorted = self.keyed.len();
            }
        }
        self.keyed.get(place).map(|(_, number)| *number as usize)
    }
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

impl Totals {
    /// The groups in the order of these columns, each descending if it says so: numbers and times as
    /// such, texts by their bytes, the absent as the smallest.
    pub(crate) fn in_order(&self, by: &[Column], order: &[(SortedBy, bool)]) -> GroupOrder {
        let ids = self.group_ids();
        let (buckets, ids) = ids.split_at(usize::from(self.is_stepped()));
        let mut sorting = GroupOrder::new(self.len());
        // The last first: it goes to the end of the key.
        for &(column, descending) in order.iter().rev() {
            let (ranks, ids) = match column {
                SortedBy::Bucket if buckets.is_empty() => continue,
                SortedBy::Bucket => (ranks(self.bucket_begins()), &buckets[0]),
                SortedBy::Column(at) => (self.ranks_of_texts(at, by[at].kind()), &ids[at]),
                measure => {
                    self.by_measure(&mut sorting, measure, descending);
                    continue;
                }
            };
            sorting.by(ranks.len() as u64, descending, |number| {
                u64::from(ranks[ids[number] as usize])
            });
        }
        sorting
    }

    fn by_measure(&self, sorting: &mut GroupOrder, measure: SortedBy, descending: bool) {
        let value = |number: usize| -> Option<i64> {
            let measured = || self.measured(number);
            match measure {
                SortedBy::Events => Some(self.events(number) as i64),
                SortedBy::First => measured().map(|measured| measured.first),
                SortedBy::Last => measured().map(|measured| measured.last),
                SortedBy::RawBytes => measured().map(|measured| measured.raw_bytes as i64),
                SortedBy::MeanLatency => measured().and_then(Measured::mean_latency),
                SortedBy::LastError => self.last_error(number),
                SortedBy::Share(at) => Some(self.share(at, number) as i64),
                SortedBy::Bucket | SortedBy::Column(_) => None,
            }
        };
        let values = || (0..self.len()).filter_map(value);
        let (least, most) = (values().min().unwrap_or(0), values().max().unwrap_or(0));
        let place = |value: i64| value.abs_diff(least).saturating_add(1);
        sorting.by(place(most), descending, |number| {
            value(number).map_or(0, place)
        });
    }

    /// The place of each of a column's texts among them all, the absent one first.
    fn ranks_of_texts(&self, column: usize, kind: Kind) -> Vec<u32> {
        let texts = self.texts(column);
        match kind {
            Kind::Int | Kind::Bool => {
                let numbers = texts.map(|text| text.parse::<i64>().ok());
                ranks(&std::iter::once(None).chain(numbers).collect::<Vec<_>>())
            }
            _ => ranks(
                &std::iter::once(None)
                    .chain(texts.map(Some))
                    .collect::<Vec<_>>(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn groups_come_in_order_however_many_are_read(
            rows in prop::collection::vec(prop::collection::vec(any::<u64>(), 5), 0..4000),
            shifts in prop::collection::vec((0u32..64, any::<bool>()), 1..5),
            read in 0usize..4000,
        ) {
            let value = |number: usize, at: usize| rows[number][at] >> shifts[at].0;
            let mut order = GroupOrder::new(rows.len());
            for (at, &(shift, descending)) in shifts.iter().enumerate().rev() {
                order.by(u64::MAX >> shift, descending, |number| value(number, at));
            }
            let mut expected: Vec<usize> = (0..rows.len()).collect();
            expected.sort_by(|&left, &right| {
                let compare = |(at, &(_, descending)): (usize, &(u32, bool))| {
                    let ordering = value(left, at).cmp(&value(right, at));
                    if descending { ordering.reverse() } else { ordering }
                };
                let mut compared = shifts.iter().enumerate().map(compare);
                compared.find(|ordering| ordering.is_ne()).unwrap_or(left.cmp(&right))
            });
            for place in 0..read.min(rows.len() + 1) {
                prop_assert_eq!(order.at(place), expected.get(place).copied());
            }
        }
    }
}
