//! The groups that a statement asks for, and the one that it stands at.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::columns::{COLUMNS, Shown, place_of};
use super::foremost::{self, Foremost};
use crate::model::column::Column;
use crate::store::filter::Test;
use crate::store::sqlite::grouporder::{GroupOrder, SortedBy};
use crate::store::sqlite::measures::{Amount, Measures};
use crate::store::sqlite::rollup::HOUR;
use crate::store::sqlite::shares::Share;
use crate::store::sqlite::sql::session::Session;
use crate::store::sqlite::totals::Totals;
use crate::store::{CountQuery, Result, StoreError};

/// What is to be counted, and which groups are wanted in which order.
pub(super) struct Asked {
    pub(super) session: Arc<Session>,
    pub(super) query: CountQuery,
    pub(super) measures: Measures,
    /// Whether users are put together again, of whom each group tells some.
    pub(super) tops: bool,
    /// Where each of the table's columns is among those that are counted by, or the shares.
    places: Vec<Option<usize>>,
    /// Ranges that amounts lie in.
    having: Vec<(SortedBy, (i64, i64))>,
    /// Each descending if it says so; none if any order will do.
    pub(super) order: Vec<(SortedBy, bool)>,
}

impl Asked {
    /// Of a query that counts by nothing yet and what measures nothing, by the columns that are read.
    pub(super) fn new(
        session: &Arc<Session>,
        mut query: CountQuery,
        mut measures: Measures,
        reads: &BTreeSet<usize>,
        having: &[(Amount, (i64, i64))],
        order: &[(usize, bool)],
    ) -> Result<Asked> {
        let mut tops = false;
        let mut places = vec![None; COLUMNS.len()];
        for &at in reads {
            match COLUMNS.get(at) {
                Some(Shown::Hour) => query.step = Some(HOUR),
                Some(&Shown::Group(column)) => {
                    places[at] = Some(query.by.len());
                    query.by.push(column);
                }
                Some(&shown) if shown.is_hidden() => return Err(shown.no_value()),
                Some(Shown::FirstTime | Shown::LastTime) => measures.times = true,
                Some(Shown::Amount(Amount::RawBytes)) => measures.raw_bytes = true,
                Some(Shown::Amount(Amount::MeanLatency)) => measures.latency = true,
                Some(Shown::Amount(Amount::Users) | Shown::TopUsers) => tops = true,
                Some(Shown::Amount(Amount::MeanWatch)) => {
                    measures.latency = true;
                    places[at] = Some(measures.shares.len());
                    let mean = [Share::TimedWatches, Share::WatchMicros];
                    measures.shares.extend(mean);
                }
                Some(&Shown::Amount(Amount::Share(share))) => {
                    places[at] = Some(measures.shares.len());
                    measures.shares.push(share);
                }
                Some(Shown::LastError) => {
                    measures.last_error = true;
                    measures.times |= query.per_request;
                }
                Some(_) | None => {}
            }
        }
        let sorted_by = |at: usize| {
            let place = || places[at].unwrap_or_default();
            match COLUMNS[at] {
                Shown::Hour => SortedBy::Bucket,
                Shown::FirstTime => SortedBy::First,
                Shown::LastTime => SortedBy::Last,
                Shown::LastError => SortedBy::LastError,
                Shown::Amount(Amount::Events) => SortedBy::Events,
                Shown::Amount(Amount::RawBytes) => SortedBy::RawBytes,
                Shown::Amount(Amount::MeanLatency) => SortedBy::MeanLatency,
                Shown::Amount(Amount::Users) => SortedBy::Different,
                Shown::Amount(Amount::Share(_)) => SortedBy::Share(place()),
                Shown::Amount(Amount::MeanWatch) => SortedBy::MeanOf(place(), place() + 1),
                _ => SortedBy::Column(place()),
            }
        };
        if !tops {
            let rare = |&(amount, (least, _)): &(Amount, (i64, i64))| match amount {
                Amount::Share(share) if least > 0 => share.rare().map(|_| share),
                _ => None,
            };
            measures.needed = having.iter().find_map(rare);
        }
        let amount = |&(amount, range)| (sorted_by(place_of(Shown::Amount(amount))), range);
        let having = having.iter().map(amount).collect();
        let order = order.iter().map(|&(at, down)| (sorted_by(at), down));
        let order = order.collect();
        Ok(Asked {
            session: Arc::clone(session),
            query,
            measures,
            tops,
            places,
            having,
            order,
        })
    }

    /// Counts, the events of these users only, if any are given.
    fn count(&self, users: Option<&Foremost>) -> Result<Found> {
        let mut query = self.query.clone();
        if let Some(Foremost { users, .. }) = users {
            let any = Arc::clone(users);
            query.filter.push(Test::Users { any });
        }
        query.by.extend(self.tops.then_some(Column::User));
        let mut totals = self.session.count(&query, &self.measures)?.totals;
        if self.tops {
            totals = totals.with_tops()?;
        }
        if !self.order.is_empty() || !self.having.is_empty() {
            totals.charge_order()?;
        }
        let mut left = (!self.having.is_empty()).then(|| totals.having(&self.having));
        let order = (!self.order.is_empty()).then(|| {
            let all = || (0..totals.len() as u32).collect();
            totals.in_order(left.take().unwrap_or_else(all), &self.query.by, &self.order)
        });
        Ok(Found {
            totals,
            left,
            order,
        })
    }
}

/// What was counted.
struct Found {
    totals: Totals,
    /// The numbers of groups, if some are left out and no order is asked for.
    left: Option<Vec<u32>>,
    /// The order asked for, if one is.
    order: Option<GroupOrder>,
}

impl Found {
    /// The number of the group at a place; `None` at the end.
    fn at(&mut self, place: usize) -> Option<usize> {
        match (&mut self.order, &self.left) {
            (Some(order), _) => order.at(&self.totals, place),
            (None, Some(left)) => left.get(place).map(|&number| number as usize),
            (None, None) => (place < self.totals.len()).then_some(place),
        }
    }
}

/// Groups, and the one that the cursor stands at.
pub(super) struct Groups {
    asked: Asked,
    found: Found,
    /// The users whose groups these are, unless they are everybody's.
    of: Option<Foremost>,
    at: usize,
    /// The group's number.
    pub(super) number: usize,
    ids: Vec<u32>,
    /// When its bucket begins.
    pub(super) hour: i64,
    pub(super) events: u64,
}

impl Groups {
    pub(super) fn new(asked: Asked) -> Result<Groups> {
        let of = foremost::users(&asked)?;
        Ok(Groups {
            found: asked.count(of.as_ref())?,
            asked,
            of,
            at: 0,
            number: 0,
            ids: Vec::new(),
            hour: 0,
            events: 0,
        })
    }

    pub(super) fn totals(&self) -> &Totals {
        &self.found.totals
    }

    /// Goes to the group at `at`; false at the end.
    pub(super) fn enter(&mut self) -> Result<bool> {
        let mut number = self.found.at(self.at);
        if let Some(of) = &self.of
            && !number.is_some_and(|number| of.come_first(&self.found.totals, number))
        {
            // As many groups of everybody come before: those that came already.
            self.of = None;
            self.found = self.asked.count(None)?;
            number = self.found.at(self.at);
        }
        let Some(number) = number else {
            return Ok(false);
        };
        self.number = number;
        (self.hour, self.events) = self.found.totals.group(number, &mut self.ids);
        Ok(true)
    }

    /// Goes to the next group; false at the end.
    pub(super) fn advance(&mut self) -> Result<bool> {
        self.at += 1;
        self.enter()
    }

    /// What the group has in a column that is counted by.
    pub(super) fn text(&self, column: usize) -> Result<Option<&str>> {
        let place = self.place(column)?;
        Ok(self.found.totals.text(place, self.ids[place]))
    }

    /// How many of the group's events belong to a share.
    pub(super) fn share(&self, column: usize) -> Result<u64> {
        Ok(self.found.totals.share(self.place(column)?, self.number))
    }

    /// The mean of a share of the group's events; `None` of none.
    pub(super) fn mean_share(&self, column: usize) -> Result<Option<i64>> {
        let of = self.place(column)?;
        Ok(self.found.totals.mean_share(of, of + 1, self.number))
    }

    fn place(&self, column: usize) -> Result<usize> {
        self.asked.places[column].ok_or_else(|| {
            let name = COLUMNS[column].name();
            StoreError::Io(format!("event_counts was not counted by {name}"))
        })
    }
}
