//! The table `event_counts`: one row per combination of those of its columns that the statement
//! reads, with the number of its events. It counts as `count` does, from rollups where they fit.
//!
//! SQLite tells a table which columns a statement names, those in conditions that the table decides
//! alone included. What the statement's program reads is known once it is compiled (`reads`), so that
//! `where user match :user` alone does not make a group of every user. It is compiled as it is written
//! (`asis`), so that a column is read though nothing comes of it.

mod columns;
mod order;

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::vtab::{Filters, IndexInfo};

use super::events::{declaration, read_plan};
use super::plan::{self, Planned, Subject};
use super::pushdown;
use super::quota;
use super::session::Session;
use super::vtab::{Table, TableCursor};
use crate::model::column::{Column, Kind};
use crate::store::sqlite::count::Counted;
use crate::store::sqlite::grouporder::{GroupOrder, SortedBy};
use crate::store::sqlite::measures::{Amount, Measures};
use crate::store::sqlite::rollup::HOUR;
use crate::store::sqlite::scan::{Cell, ScanOrder};
use crate::store::sqlite::shares::Share;
use crate::store::{CountQuery, Result, StoreError};
use columns::{COLUMNS, SHORT_US, Shown, hidden};

pub(super) const NAME: &str = "event_counts";

/// Tells its plans from those of `events`, and a number behind it from each other: what they read is
/// known by their text.
const PREFIX: &str = "counts ";

pub(super) struct EventCounts {
    pub(super) session: Arc<Session>,
}

impl Table for EventCounts {
    fn columns(&self) -> String {
        let columns = COLUMNS.iter().map(|&shown| match shown {
            Shown::Hour | Shown::FirstTime | Shown::LastTime | Shown::LastError => {
                declaration(shown.name(), Kind::Time)
            }
            Shown::Amount(_) => declaration(shown.name(), Kind::Int),
            Shown::TopUsers => declaration(shown.name(), Kind::Json),
            Shown::Ended | Shown::PerRequest | Shown::Summed => hidden(shown.name(), Kind::Bool),
            Shown::ShortUs => hidden(shown.name(), Kind::Int),
            Shown::Group(column) => declaration(column.name(), column.kind()),
            Shown::Condition(column) => hidden(column.name(), column.kind()),
        });
        columns.collect::<Vec<_>>().join(", ")
    }

    fn plan(&self, info: &mut IndexInfo) -> rusqlite::Result<()> {
        let serial = self.session.watch_reads();
        let events = self.session.backing.event_count();
        let subject = |at: i32| match COLUMNS.get(usize::try_from(at).ok()?)? {
            Shown::Hour => Some(Subject::Hour),
            Shown::Amount(amount) => Some(Subject::Amount(*amount)),
            Shown::Group(column) | Shown::Condition(column) => Some(Subject::Event(*column)),
            Shown::Ended => Some(Subject::Ended),
            Shown::PerRequest => Some(Subject::PerRequest),
            Shown::Summed => Some(Subject::Summed),
            Shown::ShortUs => Some(Subject::ShortUs),
            _ => None,
        };
        let order = order::of(info);
        let decided = plan::choose(
            info,
            &Planned {
                subject: &subject,
                ordered: &|_| None,
                only_order: Some(ScanOrder::Any),
                prefix: &format!("{PREFIX}{serial} {}", order::to_text(&order)),
                plain_times: true,
                events,
            },
        )?;
        self.session.set_named(serial, named(info, &decided));
        if !order.is_empty() {
            info.set_order_by_consumed(true);
        }
        // All plans cost the same, so that SQLite never puts one together of a count per term of an
        // `or`: the groups of several counts are not those of one.
        info.set_estimated_cost(events.max(1) as f64);
        Ok(())
    }

    fn is_told_by_columns(&self) -> bool {
        true
    }

    fn cursor(&self) -> Box<dyn TableCursor> {
        Box::new(EventCountsCursor {
            session: Arc::clone(&self.session),
            groups: None,
        })
    }
}

/// The columns that a statement names anywhere but in conditions that the table decides alone.
fn named(info: &IndexInfo, decided: &[i32]) -> Vec<usize> {
    // The last of 64 bits stands for all columns from there on, which are hidden ones.
    let used = |at: usize| info.col_used() >> at & 1 != 0;
    let named =
        |at: &usize| used(*at) && !COLUMNS[*at].is_hidden() && !decided.contains(&(*at as i32));
    (0..COLUMNS.len().min(63)).filter(named).collect()
}

struct EventCountsCursor {
    session: Arc<Session>,
    groups: Option<Groups>,
}

/// Groups, and the one that the cursor stands at.
struct Groups {
    counted: Counted,
    /// Where each of the table's columns is among those that were counted by, or the shares.
    places: Vec<Option<usize>>,
    /// The numbers of groups, if some are left out and no order is asked for.
    left: Option<Vec<u32>>,
    /// The order asked for, if one is.
    order: Option<GroupOrder>,
    at: usize,
    /// The group's number.
    number: usize,
    ids: Vec<u32>,
    hour: i64,
    events: u64,
    /// JSON that the cursor stands at.
    json: String,
}

/// A place among the table's columns.
fn place_of(shown: Shown) -> usize {
    let at = COLUMNS.iter().position(|&known| known == shown);
    at.unwrap_or_default()
}

impl EventCountsCursor {
    fn count(
        &self,
        mut query: CountQuery,
        short_us: i64,
        reads: &BTreeSet<usize>,
        having: &[(Amount, (i64, i64))],
        order: &[(usize, bool)],
    ) -> Result<Groups> {
        let mut tops = false;
        let mut measures = Measures {
            short_us,
            ..Measures::default()
        };
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
        query.by.extend(tops.then_some(Column::User));
        if !tops {
            let rare = |&(amount, (least, _)): &(Amount, (i64, i64))| match amount {
                Amount::Share(share) if least > 0 => share.rare().map(|_| share),
                _ => None,
            };
            measures.needed = having.iter().find_map(rare);
        }
        let mut counted = self.session.count(&query, &measures)?;
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
        if tops {
            query.by.pop();
            counted.totals = counted.totals.with_tops()?;
        }
        if !order.is_empty() || !having.is_empty() {
            counted.totals.charge_order()?;
        }
        let order = order.iter().map(|&(at, down)| (sorted_by(at), down));
        let order: Vec<_> = order.collect();
        let totals = &counted.totals;
        let amount = |&(amount, range)| (sorted_by(place_of(Shown::Amount(amount))), range);
        let having: Vec<_> = having.iter().map(amount).collect();
        let mut left = (!having.is_empty()).then(|| totals.having(&having));
        let order = (!order.is_empty()).then(|| {
            let all = || (0..totals.len() as u32).collect();
            totals.in_order(left.take().unwrap_or_else(all), &query.by, &order)
        });
        Ok(Groups {
            counted,
            places,
            left,
            order,
            at: 0,
            number: 0,
            ids: Vec::new(),
            hour: 0,
            events: 0,
            json: String::new(),
        })
    }
}

impl Groups {
    /// Where one of the table's columns is among those that were counted by, or the shares.
    fn place(&self, column: usize) -> Result<usize> {
        self.places[column].ok_or_else(|| {
            let name = COLUMNS[column].name();
            StoreError::Io(format!("event_counts was not counted by {name}"))
        })
    }

    /// Goes to the group at `at`; false at the end.
    fn enter(&mut self) -> bool {
        let totals = &self.counted.totals;
        let number = match (&mut self.order, &self.left) {
            (Some(order), _) => order.at(totals, self.at),
            (None, Some(left)) => left.get(self.at).map(|&number| number as usize),
            (None, None) => (self.at < totals.len()).then_some(self.at),
        };
        let Some(number) = number else {
            return false;
        };
        self.number = number;
        (self.hour, self.events) = totals.group(self.number, &mut self.ids);
        true
    }
}

impl TableCursor for EventCountsCursor {
    fn start(&mut self, _used: i32, text: &str, arguments: &Filters<'_>) -> Result<bool> {
        self.groups = None;
        let plan = text
            .strip_prefix(PREFIX)
            .and_then(|plan| plan.split_once(' '));
        let parsed = plan.and_then(|(serial, plan)| Some((serial.parse().ok()?, plan)));
        let (serial, plan) =
            parsed.ok_or_else(|| StoreError::Io(format!("no plan of event_counts: {text}")))?;
        let (order, plan) = order::parse(plan);
        let plan = read_plan(plan)?;
        let Some(counting) = pushdown::counted(&plan, arguments)? else {
            return Ok(false);
        };
        let read = self.session.reads(text);
        let mut reads = BTreeSet::new();
        if !counting.summed {
            reads.extend(read.written);
            reads.extend(self.session.named(serial));
            // A subquery may name what is there for conditions around it, if nobody wants its value.
            reads.retain(|&at| COLUMNS.get(at).is_some_and(|shown| !shown.is_hidden()));
        }
        reads.extend(read.fetched);
        reads.extend(order.iter().map(|&(at, _)| at));
        let having = counting.having;
        let short_us = counting.short_us.unwrap_or(SHORT_US);
        reads.extend((having.iter()).map(|&(amount, _)| place_of(Shown::Amount(amount))));
        let query = CountQuery {
            filter: counting.filter,
            per_request: counting.per_request,
            skip_damaged: self.session.skip_damaged,
            ..CountQuery::default()
        };
        let groups = quota::exempt(|| self.count(query, short_us, &reads, &having, &order))?;
        let groups = self.groups.insert(groups);
        Ok(quota::exempt(|| groups.enter()))
    }

    fn advance(&mut self) -> Result<bool> {
        let Some(groups) = &mut self.groups else {
            return Ok(false);
        };
        groups.at += 1;
        let more = quota::exempt(|| groups.enter());
        if !more {
            // The cursor stays open until the statement ends.
            self.groups = None;
        }
        Ok(more)
    }

    fn cell(&mut self, column: usize) -> Result<Cell<'_>> {
        let (Some(groups), Some(&shown)) = (&mut self.groups, COLUMNS.get(column)) else {
            return Ok(Cell::Null);
        };
        let int = |number: u64| Cell::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let totals = &groups.counted.totals;
        Ok(match shown {
            Shown::Hour => Cell::Time(groups.hour),
            Shown::Amount(Amount::Events) => int(groups.events),
            Shown::Amount(Amount::Share(_)) => {
                int(totals.share(groups.place(column)?, groups.number))
            }
            Shown::Amount(Amount::MeanWatch) => {
                let of = groups.place(column)?;
                let mean = totals.mean_share(of, of + 1, groups.number);
                mean.map_or(Cell::Null, Cell::Int)
            }
            Shown::Amount(Amount::Users) => int(totals.different(groups.number)),
            Shown::TopUsers => {
                let users = totals.top(groups.number);
                groups.json = serde_json::to_string(&users).expect("texts are always JSON");
                Cell::Text(&groups.json)
            }
            Shown::LastError => totals
                .last_error(groups.number)
                .map_or(Cell::Null, Cell::Time),
            Shown::Ended
            | Shown::PerRequest
            | Shown::Summed
            | Shown::ShortUs
            | Shown::Condition(_) => return Err(shown.no_value()),
            Shown::FirstTime
            | Shown::LastTime
            | Shown::Amount(Amount::RawBytes | Amount::MeanLatency) => {
                match (totals.measured(groups.number), shown) {
                    (None, _) => Cell::Null,
                    (Some(measured), Shown::FirstTime) => Cell::Time(measured.first),
                    (Some(measured), Shown::LastTime) => Cell::Time(measured.last),
                    (Some(measured), Shown::Amount(Amount::MeanLatency)) => {
                        measured.mean_latency().map_or(Cell::Null, Cell::Int)
                    }
                    (Some(measured), _) => int(measured.raw_bytes),
                }
            }
            Shown::Group(event_column) => {
                let place = groups.place(column)?;
                let text = totals.text(place, groups.ids[place]);
                match (text, event_column.kind()) {
                    (None, _) => Cell::Null,
                    (Some(text), Kind::Int | Kind::Bool) => {
                        text.parse().map_or(Cell::Null, Cell::Int)
                    }
                    (Some(text), _) => Cell::Text(text),
                }
            }
        })
    }

    /// Nothing tells a group from those of another count.
    fn rowid(&mut self) -> Result<i64> {
        Err(StoreError::BadRequest(
            "rows of event_counts have no rowid; select its columns, and join a subquery of it"
                .into(),
        ))
    }
}
