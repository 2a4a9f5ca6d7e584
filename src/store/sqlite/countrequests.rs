//! Counting each request once, by the last of those of its events that match: what is asked of calls
//! whose stages are all recorded (sessions, watches), and says what came of each.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;

use rustc_hash::FxHasher;

use super::cursor::Cursor;
use super::listing::{request_key, stage_rank};
use super::scan::Cell;
use super::shares::Share;
use super::tally::{Groups, Measured, Measures, begin};
use super::totals::Totals;
use crate::limits::COUNT_GROUPS_MAX;
use crate::model::column::{Column, Kind};
use crate::model::time;
use crate::store::{CountQuery, Result, StoreError};

/// Requests of which events were seen.
pub(crate) struct Requests<'a> {
    query: &'a CountQuery,
    measures: &'a Measures,
    /// Where requests are in the lists; those that cannot be told from others are not here.
    known: HashMap<u128, usize, BuildHasherDefault<FxHasher>>,
    /// The stage and the time of the last event of each.
    places: Vec<(u8, i64)>,
    groups: Groups,
}

impl<'a> Requests<'a> {
    pub(crate) fn new(query: &'a CountQuery, measures: &'a Measures) -> Requests<'a> {
        let mut groups = Groups::new(query.by.len());
        groups.shares = vec![Vec::new(); measures.shares.len()];
        Requests {
            query,
            measures,
            known: HashMap::default(),
            places: Vec::new(),
            groups,
        }
    }

    /// Adds the event that the cursor stands at.
    pub(crate) fn add(&mut self, cursor: &mut Cursor, totals: &mut Totals) -> Result<()> {
        let time = int(cursor, Column::Time)?.unwrap_or_default();
        let raw_bytes = match self.measures.raw_bytes {
            true => int(cursor, Column::RawBytes)?.unwrap_or_default() as u64,
            false => 0,
        };
        let latency = match self.measures.latency {
            true => int(cursor, Column::LatencyUs)?,
            false => None,
        };
        let place = (stage_rank(cursor)?, time);
        let next = self.places.len();
        let at = match request_key(cursor)?.map(|key| self.known.entry(key)) {
            None => next,
            Some(Entry::Vacant(new)) => *new.insert(next),
            Some(Entry::Occupied(known)) => *known.get(),
        };
        let measured = Measured {
            first: time,
            last: time,
            raw_bytes,
            latency: latency.unwrap_or_default(),
            timed: u64::from(latency.is_some()),
        };
        if at == next {
            if next == COUNT_GROUPS_MAX {
                return Err(StoreError::LimitReached(format!(
                    "more than {COUNT_GROUPS_MAX} requests are too many to count each once; narrow the filter"
                )));
            }
            self.places.push(place);
            self.groups.counts.push(1);
            self.groups.measured.push(measured);
            self.groups.buckets.push(0);
            let columns = self.groups.columns.iter_mut();
            columns.for_each(|column| column.push(0));
            self.groups.shares.iter_mut().for_each(|share| share.push(0));
            self.groups.last_errors.push(None);
        } else {
            self.groups.measured[at].add(&measured);
            if place < self.places[at] {
                return Ok(());
            }
            self.places[at] = place;
        }
        self.tell(at, time, cursor, totals)
    }

    /// Lets the event that the cursor stands at say what became of a request.
    fn tell(&mut self, at: usize, time: i64, cursor: &mut Cursor, totals: &mut Totals) -> Result<()> {
        let Groups {
            columns,
            shares,
            buckets,
            last_errors,
            ..
        } = &mut self.groups;
        for (place, (&by, column)) in self.query.by.iter().zip(columns).enumerate() {
            column[at] = text(cursor, by, |text| totals.id(place, text))?;
        }
        for (&share, belongs) in self.measures.shares.iter().zip(shares) {
            belongs[at] = u64::from(belongs_to(share, cursor)?);
        }
        if self.measures.last_error {
            last_errors[at] = belongs_to(Share::Errors, cursor)?.then_some(time);
        }
        buckets[at] = self.query.step.map_or(0, |step| begin(time, step));
        Ok(())
    }

    /// A group per request.
    pub(crate) fn into_groups(mut self) -> Groups {
        if !self.measures.any() {
            self.groups.measured.clear();
        }
        if !self.measures.last_error {
            self.groups.last_errors.clear();
        }
        self.groups
    }
}

fn belongs_to(share: Share, cursor: &mut Cursor) -> Result<bool> {
    text(cursor, share.column(), |text| {
        text.is_some_and(|text| share.holds(text))
    })
}

fn int(cursor: &mut Cursor, column: Column) -> Result<Option<i64>> {
    Ok(match cursor.cell(column)? {
        Cell::Int(number) | Cell::Time(number) => Some(number),
        _ => None,
    })
}

/// What a cell reads as in a group.
fn text<T>(
    cursor: &mut Cursor,
    column: Column,
    take: impl FnOnce(Option<&str>) -> T,
) -> Result<T> {
    debug_assert!(!column.is_list() && column.kind() != Kind::Bytes);
    Ok(match cursor.cell(column)? {
        Cell::Null => take(None),
        Cell::Int(value) => take(Some(&value.to_string())),
        Cell::Time(value) => take(Some(&time::to_text(value))),
        Cell::Text(text) => take(Some(text)),
        Cell::Bytes(bytes) => take(Some(&String::from_utf8_lossy(bytes))),
    })
}
