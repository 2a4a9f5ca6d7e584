//! A condition on the number of something rare, as of errors, leaves few groups: those that have any at
//! all. A first count finds them among the rare events only, and the second passes over rows of others.
//!
//! That saves work and decides nothing: groups that stay although the condition leaves them out are left
//! out by their numbers later. So a row is told by a hash of its ids, and where groups cost more to find
//! than they save, or cannot be found, every row stays.

use std::collections::HashMap;
use std::path::PathBuf;

use super::{Counting, Translate};
use crate::store::filter::Test;
use crate::store::sqlite::countkeys::{Key, Stored};
use crate::store::sqlite::countmemory::Held;
use crate::store::sqlite::countpart::PartCount;
use crate::store::sqlite::layout::{Origin, TextColumn, origin};
use crate::store::sqlite::measures::Measures;
use crate::store::sqlite::part::Part;
use crate::store::sqlite::partscan::keep;
use crate::store::sqlite::scan::{PartAt, PartSource};
use crate::store::sqlite::sealed::Sealed;
use crate::store::sqlite::shares::{Said, held};
use crate::store::sqlite::tally::Groups;
use crate::store::sqlite::totals::Totals;
use crate::store::{CountQuery, Result, StoreError, Work};

/// Events are rare if they are at most this share of a segment.
const SHARE: u64 = 8;

/// Texts of other parts that are looked up in a dictionary at most; tests have few.
const LOOK_UPS_MAX: usize = if cfg!(test) { 16 } else { 1024 };

/// Bits that a group has to be told from others by: one row in so many stays in vain.
const BITS_PER_GROUP: usize = 32;

/// Nothing was looked up yet, and no string of the part has the text.
const UNKNOWN: u32 = u32::MAX;
const NOWHERE: u32 = u32::MAX - 1;

/// An odd number whose bits are as good as random.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// The groups that have rare events, wherever these lie.
pub(super) struct Needed {
    columns: Vec<TextColumn>,
    totals: Totals,
    /// By the segment's file.
    own: HashMap<PathBuf, Own>,
    /// What they take of the count's memory.
    held: Held,
}

/// The groups that have rare events in a segment.
struct Own {
    /// Column by column the ids in the segment, and in the totals.
    here: Vec<Vec<u32>>,
    there: Vec<Vec<u32>>,
    /// In the totals.
    numbers: Vec<u32>,
}

impl Needed {
    /// The groups that are needed, if it is worth to know them.
    pub(super) fn find(counting: &mut Counting<'_>, stored: &Stored) -> Result<Option<Needed>> {
        let Some((test, columns)) = worth(counting, stored) else {
            return Ok(None);
        };
        let mut query = CountQuery {
            step: None,
            ..counting.query.clone()
        };
        query.filter.push(test);
        let measures = Measures::default();
        let Some(first) = Stored::new(&query, &measures) else {
            return Ok(None);
        };
        let mut among = Counting {
            query: &query,
            measures: &measures,
            totals: Totals::new(query.by.len(), false).within(Held::of(counting.memory)),
            work: Work::default(),
            damaged: Vec::new(),
            ..*counting
        };
        let mut needed = Needed {
            columns,
            totals: Totals::new(0, false),
            own: HashMap::new(),
            held: Held::of(counting.memory),
        };
        match needed.count(&mut among, &first) {
            // The count of everything says what is wrong, if it meets that at all.
            Err(StoreError::Damaged(_) | StoreError::LimitReached(_)) => return Ok(None),
            counted => counted?,
        }
        if !among.damaged.is_empty() {
            return Ok(None);
        }
        counting.work.rows_visited += among.work.rows_visited;
        counting.work.rollup_entries += among.work.rollup_entries;
        needed.totals = among.totals;
        Ok(Some(needed))
    }

    fn count(&mut self, among: &mut Counting<'_>, stored: &Stored) -> Result<()> {
        let count =
            |counting: &PartCount<'_>, part: &Part, work: &mut Work| counting.count(part, work);
        let mut bytes = 0;
        let take = |totals: &mut Totals, translate: &Translate<'_>, part: Part, groups: Groups| {
            let here = groups.columns.clone();
            let groups = translate(totals, &part, groups)?;
            let numbers = totals.add_all(&groups);
            totals.check()?;
            if let Part::Sealed(sealed) = &part {
                bytes += numbers.len() * (2 * here.len() + 1) * size_of::<u32>();
                self.held.set(bytes)?;
                let there = groups.columns;
                let own = Own {
                    here,
                    there,
                    numbers,
                };
                self.own.insert(sealed.path.clone(), own);
            }
            Ok(())
        };
        among.part_by_part(stored, count, take)
    }

    /// The groups that are needed of a part; `None` where every row stays.
    pub(super) fn wanted(&self, part: &Part) -> Option<Wanted> {
        match part {
            // The count itself says what is damaged.
            Part::Sealed(sealed) => self.among(sealed).ok().flatten(),
            // Small, and looking up its texts is slow.
            Part::Block(..) => None,
        }
    }

    fn among(&self, sealed: &Sealed) -> Result<Option<Wanted>> {
        let all = self.totals.len();
        let mut wanted = Wanted::new(self.columns.len(), all);
        let texts = (0..self.columns.len()).map(|column| self.totals.texts(column).count());
        let mut known: Vec<Vec<u32>> = texts.map(|texts| vec![UNKNOWN; texts + 1]).collect();
        known.iter_mut().for_each(|known| known[0] = 0);
        let mut others = vec![true; all];
        let mut ids = Vec::with_capacity(self.columns.len());
        if let Some(own) = self.own.get(&sealed.path) {
            for (row, &number) in own.numbers.iter().enumerate() {
                ids.clear();
                ids.extend(own.here.iter().map(|here| here[row]));
                wanted.add(&ids);
                for ((known, there), &id) in known.iter_mut().zip(&own.there).zip(&ids) {
                    known[there[row] as usize] = id;
                }
                others[number as usize] = false;
            }
        }
        let mut looked_up = 0;
        let others = others.into_iter().enumerate();
        for (number, _) in others.filter(|&(_, other)| other) {
            ids.clear();
            for (column, known) in known.iter_mut().enumerate() {
                let id = self.totals.group_id(number as u32, column);
                let known = &mut known[id as usize];
                if *known == UNKNOWN {
                    looked_up += 1;
                    let text = self.totals.text(column, id).unwrap_or_default();
                    *known = sealed.find(self.columns[column], text)?.unwrap_or(NOWHERE);
                }
                ids.push(*known);
            }
            if looked_up > LOOK_UPS_MAX {
                return Ok(None);
            }
            if !ids.contains(&NOWHERE) {
                wanted.add(&ids);
                wanted.alone = false;
            }
        }
        Ok(Some(wanted))
    }
}

/// What rare events are told by, and the columns that make the groups; `None` where a count of them does
/// not save anything.
fn worth(counting: &Counting<'_>, stored: &Stored) -> Option<(Test, Vec<TextColumn>)> {
    let (said, test) = counting.measures.needed?.rare()?;
    let by = counting.query.by.iter();
    let columns: Vec<TextColumn> = by
        .map(|&column| match origin(column) {
            // Only there ids tell groups apart as texts do.
            Origin::Text(text) | Origin::Number(text) if !column.is_list() => Some(text),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let keys = columns.iter().copied().map(Key::Text);
    if columns.is_empty() || !stored.columns.iter().copied().take(columns.len()).eq(keys) {
        return None;
    }
    let filter = &counting.query.filter;
    // Bodies are searched once.
    let searches = |test: &Test| matches!(test, Test::Contains { .. });
    if filter.terms.iter().any(|term| searches(&term.test)) {
        return None;
    }
    let (parts, _) = counting.snapshot.parts(filter);
    let scanned: Vec<&PartAt> = parts.iter().filter(|part| counting.cuts(part)).collect();
    let rare = |part: &&PartAt| {
        let part = part.open(&counting.snapshot.shared, &mut Work::default());
        part.and_then(|part| is_rare(said, &part)).unwrap_or(false)
    };
    (!scanned.is_empty() && scanned.iter().all(rare)).then_some((test, columns))
}

impl Counting<'_> {
    /// Whether the range leaves out events of a sealed segment, so that its summary does not answer.
    fn cuts(&self, part: &PartAt) -> bool {
        let filter = &self.query.filter;
        matches!(part.source, PartSource::Sealed(_))
            && (filter.since.is_some_and(|since| since > part.oldest)
                || filter.until.is_some_and(|until| until <= part.newest))
    }
}

/// Whether few events of a sealed segment say this.
fn is_rare(said: Said, part: &Part) -> Result<bool> {
    let key = said.key(0);
    let (Key::Text(column), Part::Sealed(sealed)) = (key, part) else {
        return Ok(false);
    };
    let held = held(said, part, key)?;
    let ids: Vec<u32> = (0..held.len() as u32)
        .filter(|&id| held[id as usize])
        .collect();
    let rows = u64::from(sealed.header.rows);
    Ok(sealed.count_of_all(column, &ids)? * SHARE <= rows)
}

/// Groups of a part whose rows count.
pub(crate) struct Wanted {
    /// How many columns make them, before others.
    width: usize,
    bits: Vec<u64>,
    /// How far a hash is shifted to become the number of a bit.
    shift: u32,
    /// No other part has any of them that this part has none of.
    pub(crate) alone: bool,
}

impl Wanted {
    fn new(width: usize, groups: usize) -> Wanted {
        let bits = (groups * BITS_PER_GROUP).next_power_of_two().max(1 << 12);
        Wanted {
            width,
            bits: vec![0; bits / 64],
            shift: u64::BITS - bits.trailing_zeros(),
            alone: true,
        }
    }

    fn add(&mut self, ids: &[u32]) {
        let hash = ids.iter().fold(0, |hash, &id| mix(hash, id)) >> self.shift;
        self.bits[hash as usize / 64] |= 1 << (hash % 64);
    }

    /// Leaves of some rows those whose group is wanted, and a few others.
    pub(crate) fn keep(&self, columns: &[&[u32]], rows: &mut Vec<u32>, hashes: &mut Vec<u64>) {
        let Some(length) = columns.first().map(|ids| ids.len()) else {
            return;
        };
        hashes.clear();
        hashes.resize(length, 0);
        for ids in &columns[..self.width] {
            for &row in &*rows {
                let hash = &mut hashes[row as usize];
                *hash = mix(*hash, ids[row as usize]);
            }
        }
        keep(rows, |row| {
            let hash = hashes[row as usize] >> self.shift;
            self.bits[hash as usize / 64] >> (hash % 64) & 1 != 0
        });
    }
}

#[inline]
fn mix(hash: u64, id: u32) -> u64 {
    (hash ^ u64::from(id))
        .wrapping_mul(MULTIPLIER)
        .rotate_right(29)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastrand::Rng;

    #[test]
    fn rows_of_wanted_groups_stay_and_few_of_others() {
        let mut rng = Rng::with_seed(8);
        for groups in [0, 1, 900, 5000] {
            let group = |rng: &mut Rng| [rng.u32(..60_000), rng.u32(..9), rng.u32(..70)];
            let known: Vec<[u32; 3]> = (0..groups).map(|_| group(&mut rng)).collect();
            let mut wanted = Wanted::new(3, groups);
            known.iter().for_each(|ids| wanted.add(ids));
            let mut all = known.clone();
            all.extend((0..20_000).map(|_| group(&mut rng)));
            let columns: Vec<Vec<u32>> = (0..3)
                .map(|column| all.iter().map(|ids| ids[column]).collect())
                .collect();
            let mut columns: Vec<&[u32]> = columns.iter().map(Vec::as_slice).collect();
            let more = vec![7; all.len()];
            columns.push(&more);
            let mut rows: Vec<u32> = (0..all.len() as u32).collect();
            wanted.keep(&columns, &mut rows, &mut Vec::new());
            let first: Vec<u32> = (0..groups as u32).collect();
            assert_eq!(rows[..groups], first, "{groups} groups");
            let others = rows.len() - groups;
            assert!(others < 20_000 * 3 / BITS_PER_GROUP, "{groups}: {others}");
        }
    }
}
