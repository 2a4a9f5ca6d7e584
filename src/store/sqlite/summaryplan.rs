//! Whether a segment's summary answers a count, and the answer from it.

use std::collections::HashMap;

use super::countkeys::Key;
use super::layout::{Origin, TextColumn, origin};
use super::measures::Measures;
use super::part::Part;
use super::partscan::keep;
use super::predicate::{self, Predicate};
use super::scan::{PartSource, Snapshot};
use super::sealed::Sealed;
use super::shares::Errors;
use super::stringsets;
use super::summary::{
    self, EVENT_FLAGS, EVENTS, FIRST, FLAG_NAMED, FLAG_URI, FLAGS, LASTED, PLACES, URIS,
};
use super::tally::{Amounts, Buckets};
use super::uricolumns::{UriColumns, of_uri};
use crate::model::column::Column;
use crate::store::filter::Test;
use crate::store::{Budget, CountQuery, Result, Work};

/// Whether summaries answer a query for most of its events.
pub(crate) fn answer_most(snapshot: &Snapshot, query: &CountQuery) -> bool {
    let CountQuery {
        filter, by, step, ..
    } = query;
    let told = filter.terms.iter().all(|term| match &term.test {
        Test::Text { column, .. } | Test::Number { column, .. } | Test::Absent { column } => {
            tells(*column)
        }
        Test::Users { .. } | Test::Resource { .. } | Test::Ended => true,
        Test::Contains { .. } => false,
    });
    if !told || step.is_some() || !by.iter().all(|&column| tells(column)) {
        return false;
    }
    let (mut whole, mut all) = (0, 0);
    for part in snapshot.parts(filter).0 {
        let within = filter.since.is_none_or(|since| since <= part.oldest)
            && filter.until.is_none_or(|until| until > part.newest);
        let (events, summed) = match &part.source {
            PartSource::Open(part) => (part.rows() as u64, false),
            PartSource::Sealed(meta) => (meta.events, within),
        };
        all += events;
        whole += if summed { events } else { 0 };
    }
    whole >= all - all / 8
}

/// Whether a summary tells apart what a column says.
fn tells(column: Column) -> bool {
    match origin(column) {
        Origin::Text(text) | Origin::Number(text) | Origin::Derived(text, _) => {
            text != TextColumn::RequestUri && summary::place(text).is_some()
        }
        Origin::EffectiveUser => true,
        Origin::Flag(flag) => flag & EVENT_FLAGS != 0,
        _ => false,
    }
}

/// How a summary answers a query.
pub(crate) struct SummaryPlan {
    /// With the columns that they are about.
    predicates: Vec<(Predicate, Vec<u8>)>,
    by: Vec<Key>,
    /// Whether times are wanted.
    times: bool,
    /// Where the time of the last error is: see [`super::shares::Shared::errors`].
    pub(crate) errors: Option<(usize, Vec<bool>)>,
    /// The columns that are counted by and added up; those of times in order.
    places: Vec<u8>,
}

impl SummaryPlan {
    /// `None` when the segment has no summary, or one that does not tell apart what is asked for.
    pub(crate) fn new(
        sealed: &Sealed,
        predicates: Vec<Predicate>,
        by: &[Key],
        measures: &Measures,
    ) -> Option<SummaryPlan> {
        if !sealed.has_summary() || measures.of_events() {
            return None;
        }
        // Of events about a resource, a summary knows only whether they have a URI.
        let about_none = |predicate: &Predicate| match predicate {
            Predicate::Ids(TextColumn::Resource, set) => set.holds(0) && set.count() == 1,
            _ => false,
        };
        let about_none = predicates.iter().any(about_none);
        let with_places = |predicate: Predicate| {
            let places = places_of(&predicate, about_none)?;
            Some((predicate, places))
        };
        let mut predicates: Vec<_> = predicates
            .into_iter()
            .map(with_places)
            .collect::<Option<_>>()?;
        predicates.sort_by_key(|(predicate, _)| predicate.likely());
        let mut places: Vec<u8> = by.iter().map(|&key| place_of(key)).collect::<Option<_>>()?;
        places.push(EVENTS);
        if measures.times || measures.last_error {
            places.extend([FIRST, LASTED]);
        }
        Some(SummaryPlan {
            predicates,
            by: by.to_vec(),
            times: measures.times,
            errors: None,
            places,
        })
    }

    /// Adds up the rows of the summary.
    pub(crate) fn add_up(
        &self,
        part: &Part,
        sealed: &Sealed,
        budget: &Budget,
        work: &mut Work,
        buckets: &mut Buckets<'_>,
    ) -> Result<()> {
        let errors = self.errors.as_ref();
        let (mut rows, mut bits) = (Vec::new(), vec![Vec::new(); self.by.len()]);
        let mut uris: Vec<HashMap<u32, bool>> = vec![HashMap::new(); self.predicates.len()];
        let mut read = Columns::default();
        for number in 0..sealed.summary_pieces() {
            budget.check()?;
            let count = sealed.summary_rows(number);
            work.rollup_entries += count as u64;
            rows.clear();
            rows.extend(0..count as u32);
            read.begin();
            for ((predicate, places), uris) in self.predicates.iter().zip(&mut uris) {
                for &place in places {
                    read.load(sealed, place, number, &rows)?;
                }
                match predicate {
                    Predicate::Uri { any, .. } if !any.is_empty() => {
                        read.retain_uris(part, predicate, uris, &mut rows)?;
                    }
                    _ => read.retain(predicate, &mut rows),
                }
            }
            if rows.is_empty() {
                continue;
            }
            for &place in &self.places {
                read.load(sealed, place, number, &rows)?;
            }
            for (key, ids) in self.by.iter().zip(&mut bits) {
                if let Key::Flag(flag) = *key {
                    ids.resize(count, 0);
                    let flags = &read.ids[FLAGS as usize];
                    for &row in &rows {
                        let set = flags[row as usize] & flag as u32 != 0;
                        ids[row as usize] = 1 + u32::from(set);
                    }
                }
            }
            let column = |(key, bits)| match key {
                &Key::Text(column) => read.column(column),
                Key::Flag(_) | Key::Within(_) => bits,
            };
            let bits = bits.iter().map(Vec::as_slice);
            let columns: Vec<&[u32]> = self.by.iter().zip(bits).map(column).collect();
            let amounts = Amounts {
                events: Some(&read.ids[EVENTS as usize]),
                times: self.times.then_some((&read.first, &read.last)),
                errors: errors.map(|(place, held)| Errors {
                    told: (*place, held),
                    last: &read.last,
                }),
                ..Amounts::default()
            };
            let lead = self.by.iter().position(|&key| key == LEAD);
            match lead.map(|lead| columns[lead]) {
                Some(ids) => add_in_order(ids, &columns, &rows, &amounts, buckets),
                None => buckets.tally.add(&columns, &rows, &amounts),
            }
            buckets.charge()?;
        }
        Ok(())
    }
}

/// The column by which a summary is in order before all others.
const LEAD: Key = Key::Text(summary::COLUMNS[0]);

/// How many rows are added at once and groups looked up among, about: what processors hold near.
const STRETCH: usize = 1024;

/// Adds rows that are in order of one of the columns, whose ids these are. Once that goes on, the
/// groups so far get no more rows and are put away, so that there are few to look up.
fn add_in_order(
    ids: &[u32],
    columns: &[&[u32]],
    rows: &[u32],
    amounts: &Amounts<'_>,
    buckets: &mut Buckets<'_>,
) {
    let id = |row: &u32| ids[*row as usize];
    let mut left = rows;
    while let Some(last) = left.get(STRETCH - 1).or(left.last()) {
        let last = id(last);
        let count = left.partition_point(|row| id(row) <= last).max(1);
        if buckets.tally.looked_up() > STRETCH {
            buckets.finish();
        }
        buckets.tally.add(columns, &left[..count], amounts);
        left = &left[count..];
    }
}

/// Where what is counted by stands.
fn place_of(key: Key) -> Option<u8> {
    match key {
        Key::Text(TextColumn::RequestUri) => None,
        Key::Text(column) => summary::place(column),
        Key::Flag(flag) => (flag & EVENT_FLAGS != 0).then_some(FLAGS),
        Key::Within(_) => None,
    }
}

/// The columns that say whether a predicate holds; `None` when a summary does not say it. `about_none`
/// is for events about no resource.
fn places_of(predicate: &Predicate, about_none: bool) -> Option<Vec<u8>> {
    use TextColumn as T;
    let columns = |columns: &[T]| columns.iter().copied().map(summary::place).collect();
    match predicate {
        Predicate::Ids(T::Name, set) => set.tells_absent_only().then(|| vec![FLAGS]),
        Predicate::Ids(column, _) => columns(&[*column]),
        Predicate::Pairs(pairs) => columns(&pairs.columns),
        Predicate::Uri { any, .. } if any.is_empty() => Some(vec![FLAGS]),
        // A command is told by the subresource, too.
        Predicate::Uri { column, .. } => {
            (about_none && *column != Column::Command).then(|| vec![URIS])
        }
        Predicate::Number { column, .. } => match origin(*column) {
            Origin::Flag(flag) if flag & EVENT_FLAGS != 0 => Some(vec![FLAGS]),
            _ => None,
        },
        Predicate::AuditId { .. } | Predicate::Bytes(_) => None,
    }
}

/// The columns of a piece: of the rows that were left when a column was loaded.
#[derive(Default)]
struct Columns {
    loaded: [bool; PLACES],
    ids: [Vec<u32>; PLACES],
    first: Vec<i64>,
    last: Vec<i64>,
}

impl Columns {
    /// Begins another piece.
    fn begin(&mut self) {
        self.loaded = [false; PLACES];
    }

    /// Reads a column of a piece, at least in these rows. Rows only ever get fewer.
    fn load(&mut self, sealed: &Sealed, place: u8, number: u32, rows: &[u32]) -> Result<()> {
        if rows.is_empty() || std::mem::replace(&mut self.loaded[place as usize], true) {
            return Ok(());
        }
        let count = sealed.summary_rows(number);
        let chunk = sealed.summary_chunk(place, number)?;
        let chunk = chunk.chunk();
        let few = rows.len() * 16 < count;
        if place == FIRST || place == LASTED {
            let numbers = match place {
                FIRST => &mut self.first,
                _ => &mut self.last,
            };
            match few {
                true => {
                    numbers.resize(count, 0);
                    for &row in rows {
                        numbers[row as usize] = chunk.get(row as usize)?;
                    }
                }
                false => chunk.decode(count, numbers)?,
            }
            if place == LASTED {
                for &row in rows {
                    let (last, first) = (&mut self.last[row as usize], self.first[row as usize]);
                    *last = last.wrapping_add(first);
                }
            }
            return Ok(());
        }
        let ids = &mut self.ids[place as usize];
        match few {
            true => {
                ids.resize(count, 0);
                for &row in rows {
                    ids[row as usize] = chunk.get(row as usize)? as u32;
                }
            }
            false => chunk.decode_ids(count, ids)?,
        }
        Ok(())
    }

    fn column(&self, column: TextColumn) -> &[u32] {
        summary::place(column).map_or(&[], |place| &self.ids[place as usize])
    }

    /// Leaves the rows for which a predicate holds.
    fn retain(&self, predicate: &Predicate, rows: &mut Vec<u32>) {
        let flags = &self.ids[FLAGS as usize];
        match predicate {
            Predicate::Ids(TextColumn::Name, set) => {
                keep(rows, |row| {
                    (flags[row as usize] & FLAG_NAMED == 0) == set.holds(0)
                });
            }
            Predicate::Ids(column, set) => {
                let ids = self.column(*column);
                keep(rows, |row| set.holds(ids[row as usize]));
            }
            Predicate::Pairs(pairs) => {
                let [ids, others] = pairs.columns.map(|column| self.column(column));
                keep(rows, |row| {
                    pairs.hold(ids[row as usize], others[row as usize])
                });
            }
            Predicate::Number {
                column,
                any,
                absent,
                negate,
            } => keep(rows, |row| {
                let bits = i64::from(flags[row as usize]);
                let holds = predicate::number(*column, bits, 0)
                    .map_or(*absent, |value| predicate::in_any(value, any));
                holds != *negate
            }),
            Predicate::Uri { absent, negate, .. } => keep(rows, |row| {
                let holds = flags[row as usize] & FLAG_URI == 0 && *absent;
                holds != *negate
            }),
            Predicate::AuditId { .. } | Predicate::Bytes(_) => {
                unreachable!("no plan is made for these")
            }
        }
    }
}

impl Columns {
    /// Leaves the rows, of events about no resource, whose request URI is as a predicate says. What
    /// it says of each URI is kept in `known`.
    fn retain_uris(
        &self,
        part: &Part,
        predicate: &Predicate,
        known: &mut HashMap<u32, bool>,
        rows: &mut Vec<u32>,
    ) -> Result<()> {
        let Predicate::Uri {
            column,
            any,
            absent,
            negate,
        } = predicate
        else {
            return Ok(());
        };
        let ids = &self.ids[URIS as usize];
        let mut failure = None;
        rows.retain(|&row| {
            let id = ids[row as usize];
            *known.entry(id).or_insert_with(|| {
                let holds = match id {
                    0 => Ok(*absent),
                    id => part.string(TextColumn::RequestUri, id).and_then(|stored| {
                        let mut uri = String::new();
                        UriColumns::restore_from(part, stored, [0; 6], &mut uri)?;
                        let text = of_uri(*column, &uri, None);
                        Ok(text.map_or(*absent, |text| {
                            stringsets::text_matches(*column, &text, any)
                        }))
                    }),
                };
                holds.unwrap_or_else(|error| {
                    failure = Some(error);
                    false
                }) != *negate
            })
        });
        failure.map_or(Ok(()), Err)
    }
}
