//! Groups of a count put together again: only those whose amounts are as a statement wants them, and
//! groups of users with the users who have the most events in place of the column.

use super::{Texts, Totals};
use crate::store::Result;
use crate::store::sqlite::grouporder::SortedBy;
use crate::store::sqlite::tally::Groups;

/// How many users are told of each group.
const TOP: usize = 5;

/// Bytes that a group takes once more while groups are put together, beside its ids.
const REGROUPING_BYTES: usize = 160;

/// What a column said that groups are no longer told apart by.
pub(super) struct Tops {
    texts: Texts,
    /// How many texts each group had.
    different: Vec<u32>,
    /// The ids of those with the most events, the most first; 0 behind the last.
    most: Vec<[u32; TOP]>,
}

impl Tops {
    pub(super) fn bytes(&self) -> usize {
        self.different.capacity() * 4 + self.most.capacity() * size_of::<[u32; TOP]>()
    }
}

impl Totals {
    /// Leaves the groups whose amounts are all in these ranges.
    pub(crate) fn retain(mut self, having: &[(SortedBy, (i64, i64))]) -> Result<Totals> {
        let within = |number: u32, &(amount, (low, high)): &(SortedBy, (i64, i64))| {
            let amount = self.amount(amount, number);
            amount.is_some_and(|amount| (low..=high).contains(&amount))
        };
        let holds = |number: &u32| having.iter().all(|condition| within(*number, condition));
        let left: Vec<u32> = (0..self.len() as u32).filter(holds).collect();
        if left.len() == self.len() {
            return Ok(self);
        }
        let tops = self.tops.take();
        let (mut totals, _) = self.regrouped(&left)?;
        let rows = || left.iter().map(|&row| row as usize);
        totals.tops = tops.map(|tops| Tops {
            different: rows().map(|row| tops.different[row]).collect(),
            most: rows().map(|row| tops.most[row]).collect(),
            texts: tops.texts,
        });
        Ok(totals)
    }

    /// Puts the groups together that differ in the last column only, and keeps of it which texts have
    /// the most events.
    pub(crate) fn with_tops(mut self) -> Result<Totals> {
        let last = self.groups.columns().pop().unwrap_or_default();
        let texts = self.columns.pop().unwrap_or_default();
        let counts = self.counts.clone();
        let mut there: Vec<u32> = (0..self.len() as u32).collect();
        let (mut totals, numbers) = self.regrouped(&there)?;
        there.retain(|&row| last[row as usize] > 0);
        let key = |row: u32| {
            let row = row as usize;
            let text = &texts.texts[last[row] as usize - 1];
            (numbers[row], u64::MAX - counts[row], text)
        };
        there.sort_unstable_by(|&left, &right| key(left).cmp(&key(right)));
        let mut different = vec![0; totals.len()];
        let mut most = vec![[0; TOP]; totals.len()];
        for row in there {
            let number = numbers[row as usize] as usize;
            if let Some(place) = most[number].get_mut(different[number] as usize) {
                *place = last[row as usize];
            }
            different[number] += 1;
        }
        totals.tops = Some(Tops {
            texts,
            different,
            most,
        });
        totals.held.set(totals.bytes())?;
        Ok(totals)
    }

    /// How many texts of the column that was left out a group had.
    pub(crate) fn different(&self, number: usize) -> u64 {
        let tops = self.tops.as_ref();
        tops.map_or(0, |tops| u64::from(tops.different[number]))
    }

    /// Those of them with the most events, the most first, ties by text.
    pub(crate) fn top(&self, number: usize) -> Vec<&str> {
        let Some(tops) = &self.tops else {
            return Vec::new();
        };
        let ids = tops.most[number].iter().take_while(|&&id| id > 0);
        ids.map(|&id| &*tops.texts.texts[id as usize - 1]).collect()
    }

    /// Some of the groups, told apart by the columns that are left; and the number that each of them has
    /// then.
    fn regrouped(mut self, rows: &[u32]) -> Result<(Totals, Vec<u32>)> {
        let width = self.columns.len();
        let mut held = std::mem::take(&mut self.held);
        held.set(self.bytes() + rows.len() * (width * 8 + REGROUPING_BYTES))?;
        let mut ids = self.groups.columns();
        let buckets = match self.stepped {
            true => ids.remove(0),
            false => Vec::new(),
        };
        ids.truncate(width);
        let groups = Groups {
            buckets: match self.stepped {
                true => of_rows(rows, &buckets, |&id| self.bucket_begins[id as usize]),
                false => Vec::new(),
            },
            counts: of_rows(rows, &self.counts, |&count| count),
            columns: ids.iter().map(|ids| of_rows(rows, ids, |&id| id)).collect(),
            measured: of_rows(rows, &self.measured, |&measured| measured),
            shares: (self.shares.iter())
                .map(|share| of_rows(rows, share, |&share| share))
                .collect(),
            last_errors: of_rows(rows, &self.last_errors, |&last| last),
            ..Groups::default()
        };
        let mut totals = Totals::new(width, self.stepped);
        totals.text_bytes = self.text_bytes;
        totals.columns = self.columns;
        let numbers = totals.add_all(&groups);
        drop(groups);
        held.set(totals.bytes())?;
        totals.held = held;
        Ok((totals, numbers))
    }
}

/// What these rows of a column say, if it has any.
fn of_rows<T, U>(rows: &[u32], column: &[T], value: impl Fn(&T) -> U) -> Vec<U> {
    if column.is_empty() {
        return Vec::new();
    }
    let rows = rows.iter().map(|&row| &column[row as usize]);
    rows.map(value).collect()
}
