//! Groups of a count in the order that a statement asks for, sorted no further than it reads.

use super::measures::Measured;
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
    /// The mean of a share that is a sum, by the places of its number and of the sum.
    MeanOf(usize, usize),
    /// How many texts the column had that was left out.
    Different,
}

/// How many groups are sorted first; each time there must be more, so many times as many.
const FIRST_SORTED: usize = 1024;
const MORE_SORTED: usize = 8;

/// Groups in order, of which only those have keys that come first by what all are ordered by first.
pub(crate) struct GroupOrder {
    by: Vec<Column>,
    order: Vec<(SortedBy, bool)>,
    /// How many groups come before those that are being sorted.
    before: usize,
    sorting: Sorting,
    /// Groups that come after.
    rest: Vec<u32>,
}

impl GroupOrder {
    /// The number of the group at a place; `None` at the end. Places must come in order.
    pub(crate) fn at(&mut self, totals: &Totals, place: usize) -> Option<usize> {
        if place >= self.before + self.sorting.keyed.len() && !self.rest.is_empty() {
            self.before += self.sorting.keyed.len();
            self.sorting = totals.sorting(std::mem::take(&mut self.rest), &self.by, &self.order);
        }
        self.sorting.at(place.checked_sub(self.before)?)
    }
}

/// Groups that are sorted no further than they are read.
struct Sorting {
    /// Keys and numbers of the groups.
    keyed: Vec<(u128, u32)>,
    /// Bits of the keys that are in use.
    used: u32,
    /// How many stand where they belong.
    sorted: usize,
}

impl Sorting {
    fn new(groups: Vec<u32>) -> Sorting {
        Sorting {
            keyed: groups.into_iter().map(|number| (0, number)).collect(),
            used: 0,
            sorted: 0,
        }
    }

    /// Puts the groups in order of numbers from 0 to `most`, those that are equal in the order that
    /// they have.
    fn by(&mut self, most: u64, descending: bool, place: impl Fn(u32) -> u64) {
        let bits = u64::BITS - most.leading_zeros();
        if self.used + bits > u128::BITS {
            self.compact();
        }
        for (key, number) in &mut self.keyed {
            let place = place(*number);
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
    fn at(&mut self, place: usize) -> Option<usize> {
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

/// Of a group's number its place in an order.
type Place<'t> = Box<dyn Fn(u32) -> u64 + 't>;

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
    /// The groups whose amounts are all in these ranges, by number.
    pub(crate) fn having(&self, ranges: &[(SortedBy, (i64, i64))]) -> Vec<u32> {
        let within = |number: u32, &(amount, (low, high)): &(SortedBy, (i64, i64))| {
            let amount = self.amount(amount, number);
            amount.is_some_and(|amount| (low..=high).contains(&amount))
        };
        let holds = |number: &u32| ranges.iter().all(|range| within(*number, range));
        (0..self.len() as u32).filter(holds).collect()
    }

    /// Some groups, whose numbers ascend, in the order of these columns, each descending if it says so:
    /// numbers and times as such, texts by their bytes, the absent as the smallest.
    pub(crate) fn in_order(
        &self,
        groups: Vec<u32>,
        by: &[Column],
        order: &[(SortedBy, bool)],
    ) -> GroupOrder {
        let (first, rest) = self.foremost(groups, by, order);
        GroupOrder {
            by: by.to_vec(),
            order: order.to_vec(),
            before: 0,
            sorting: self.sorting(first, by, order),
            rest,
        }
    }

    /// The groups that come before the others, at least as many as are sorted first, and the others.
    /// Most statements read few, and a key of all columns costs several times as much as one column.
    fn foremost(
        &self,
        groups: Vec<u32>,
        by: &[Column],
        order: &[(SortedBy, bool)],
    ) -> (Vec<u32>, Vec<u32>) {
        let key = order
            .first()
            .filter(|_| groups.len() > FIRST_SORTED * MORE_SORTED);
        let Some((most, place, descending)) = key.and_then(|&(column, down)| {
            self.key(column, by)
                .map(|(most, place)| (most, place, down))
        }) else {
            return (groups, Vec::new());
        };
        let place = |&number: &u32| {
            if descending {
                most - place(number)
            } else {
                place(number)
            }
        };
        let places: Vec<u64> = groups.iter().map(place).collect();
        let last = *places.clone().select_nth_unstable(FIRST_SORTED).1;
        let (mut first, mut rest) = (Vec::new(), Vec::new());
        for (&number, place) in groups.iter().zip(places) {
            let side = if place <= last { &mut first } else { &mut rest };
            side.push(number);
        }
        // Where so many are equal, one sorting of all is less work than two.
        match first.len() > groups.len() / MORE_SORTED {
            true => (groups, Vec::new()),
            false => (first, rest),
        }
    }

    /// Some of the groups with keys.
    fn sorting(&self, groups: Vec<u32>, by: &[Column], order: &[(SortedBy, bool)]) -> Sorting {
        let mut sorting = Sorting::new(groups);
        // The last first: it goes to the end of the key.
        for &(column, descending) in order.iter().rev() {
            if let Some((most, place)) = self.key(column, by) {
                sorting.by(most, descending, place);
            }
        }
        sorting
    }

    /// The place of each group in the order of a column, and the greatest; `None` where all have the
    /// same.
    fn key(&self, column: SortedBy, by: &[Column]) -> Option<(u64, Place<'_>)> {
        let stepped = usize::from(self.is_stepped());
        let (ranks, at) = match column {
            SortedBy::Bucket if stepped == 0 => return None,
            SortedBy::Bucket => (ranks(self.bucket_begins()), 0),
            SortedBy::Column(at) => (self.ranks_of_texts(at, by[at].kind()), stepped + at),
            measure => return Some(self.measure_key(measure)),
        };
        let most = ranks.len() as u64;
        let place = move |number| u64::from(ranks[self.group_id(number, at) as usize]);
        Some((most, Box::new(place)))
    }

    fn measure_key(&self, measure: SortedBy) -> (u64, Place<'_>) {
        let value = move |number: u32| self.amount(measure, number);
        let values = || (0..self.len() as u32).filter_map(value);
        let (least, most) = (values().min().unwrap_or(0), values().max().unwrap_or(0));
        let place = move |value: i64| value.abs_diff(least).saturating_add(1);
        (
            place(most),
            Box::new(move |number| value(number).map_or(0, place)),
        )
    }

    /// What a measure says of a group.
    #[inline]
    pub(crate) fn amount(&self, measure: SortedBy, number: u32) -> Option<i64> {
        let number = number as usize;
        let measured = || self.measured(number);
        match measure {
            SortedBy::Events => Some(self.events(number) as i64),
            SortedBy::First => measured().map(|measured| measured.first),
            SortedBy::Last => measured().map(|measured| measured.last),
            SortedBy::RawBytes => measured().map(|measured| measured.raw_bytes as i64),
            SortedBy::MeanLatency => measured().and_then(Measured::mean_latency),
            SortedBy::LastError => self.last_error(number),
            SortedBy::Share(at) => Some(self.share(at, number) as i64),
            SortedBy::MeanOf(of, sum) => self.mean_share(of, sum, number),
            SortedBy::Different => Some(self.different(number) as i64),
            SortedBy::Bucket | SortedBy::Column(_) => None,
        }
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
            let mut order = Sorting::new((0..rows.len() as u32).collect());
            for (at, &(shift, descending)) in shifts.iter().enumerate().rev() {
                order.by(u64::MAX >> shift, descending, |number| {
                    value(number as usize, at)
                });
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

    #[test]
    fn groups_of_totals_come_in_order_although_few_have_keys_at_first() {
        let groups = FIRST_SORTED * MORE_SORTED + 99;
        // Few that are equal, and so many that all are sorted at once.
        for different in [997, 3] {
            for descending in [false, true] {
                let events = |at: usize| (at * 7919 % different) as u64;
                let texts: Vec<String> = (0..groups).map(|at| format!("{:x}", at * 31)).collect();
                let mut totals = Totals::new(1, false);
                for (at, text) in texts.iter().enumerate() {
                    let id = totals.id(0, Some(text));
                    totals.add(0, &[id], events(at), None);
                }
                let by = [(SortedBy::Events, descending), (SortedBy::Column(0), false)];
                let all = (0..groups as u32).collect();
                let mut order = totals.in_order(all, &[Column::User], &by);
                let mut expected: Vec<usize> = (0..groups).collect();
                expected.sort_by(|&left, &right| {
                    let ordering = events(left).cmp(&events(right));
                    let ordering = if descending {
                        ordering.reverse()
                    } else {
                        ordering
                    };
                    ordering.then(texts[left].cmp(&texts[right]))
                });
                let found = (0..=groups).map_while(|place| order.at(&totals, place));
                assert_eq!(found.collect::<Vec<_>>(), expected);
            }
        }
    }
}
