//! Groups of a count put together again: those that differ in their users only, with the users who have
//! the most events in place of the column.

use super::{Texts, Totals};
use crate::store::Result;
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
    /// Puts the groups together that differ in the last column only, and keeps of it which texts have
    /// the most events.
    pub(crate) fn with_tops(mut self) -> Result<Totals> {
        let last = self.groups.columns().pop().unwrap_or_default();
        let texts = self.columns.pop().unwrap_or_default();
        let counts = self.counts.clone();
        let mut there: Vec<u32> = (0..self.len() as u32).collect();
        let (mut totals, numbers) = self.regrouped()?;
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

    /// The groups, told apart by the columns that are left, and the number that each of them has then.
    fn regrouped(mut self) -> Result<(Totals, Vec<u32>)> {
        let width = self.columns.len();
        let mut held = std::mem::take(&mut self.held);
        held.set(self.bytes() + self.len() * (width * 8 + REGROUPING_BYTES))?;
        let mut columns = self.groups.columns();
        let buckets = match self.stepped {
            true => columns.remove(0),
            false => Vec::new(),
        };
        columns.truncate(width);
        let begin = |id: u32| self.bucket_begins[id as usize];
        let groups = Groups {
            buckets: buckets.into_iter().map(begin).collect(),
            counts: self.counts,
            columns,
            measured: self.measured,
            shares: self.shares,
            last_errors: self.last_errors,
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
