//! The table `event_counts`: one row per combination of those of its columns that the statement
//! reads, with the number of its events. It counts as `count` does, from rollups where they fit.
//!
//! SQLite tells a table which columns a statement names, those in conditions that the table decides
//! alone included. What the statement's program reads is known once it is compiled (`reads`), so that
//! `where user match :user` alone does not make a group of every user. It is compiled as it is written
//! (`asis`), so that a column is read though nothing comes of it.

mod columns;
mod foremost;
mod groups;
mod order;

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::vtab::{Filters, IndexConstraintOp, IndexInfo};

use super::events::{declaration, read_plan};
use super::plan::{self, Planned, Subject};
use super::pushdown;
use super::quota;
use super::session::Session;
use super::vtab::{Table, TableCursor};
use crate::model::column::Kind;
use crate::store::sqlite::measures::{Amount, Measures};
use crate::store::sqlite::scan::{Cell, ScanOrder};
use crate::store::{CountQuery, Result, StoreError};
pub(super) use columns::hidden;
use columns::{COLUMNS, SHORT_US, Shown, place_of};
use groups::{Asked, Groups};

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
        if !says_summed(info) {
            self.session.watch_written();
        }
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
            json: String::new(),
        })
    }
}

/// Whether conditions say `summed = 1`, so that it does not matter which columns a statement names.
fn says_summed(info: &IndexInfo) -> bool {
    let place = place_of(Shown::Summed) as i32;
    info.constraints().enumerate().any(|(at, constraint)| {
        constraint.column() == place
            && constraint.is_usable()
            && constraint.operator() == IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ
            && matches!(info.rhs_value(at), Ok(Some(ValueRef::Integer(1))))
    })
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
    /// JSON that the cursor stands at.
    json: String,
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
        reads.extend((having.iter()).map(|&(amount, _)| place_of(Shown::Amount(amount))));
        let query = CountQuery {
            filter: counting.filter,
            per_request: counting.per_request,
            skip_damaged: self.session.skip_damaged,
            ..CountQuery::default()
        };
        let measures = Measures {
            short_us: counting.short_us.unwrap_or(SHORT_US),
            ..Measures::default()
        };
        let asked = Asked::new(&self.session, query, measures, &reads, &having, &order)?;
        let groups = quota::exempt(|| Groups::new(asked))?;
        let groups = self.groups.insert(groups);
        quota::exempt(|| groups.enter())
    }

    fn advance(&mut self) -> Result<bool> {
        let Some(groups) = &mut self.groups else {
            return Ok(false);
        };
        let more = quota::exempt(|| groups.advance())?;
        if !more {
            // The cursor stays open until the statement ends.
            self.groups = None;
        }
        Ok(more)
    }

    fn cell(&mut self, column: usize) -> Result<Cell<'_>> {
        let (Some(groups), Some(&shown)) = (&self.groups, COLUMNS.get(column)) else {
            return Ok(Cell::Null);
        };
        let int = |number: u64| Cell::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let totals = groups.totals();
        Ok(match shown {
            Shown::Hour => Cell::Time(groups.hour),
            Shown::Amount(Amount::Events) => int(groups.events),
            Shown::Amount(Amount::Share(_)) => int(groups.share(column)?),
            Shown::Amount(Amount::MeanWatch) => {
                groups.mean_share(column)?.map_or(Cell::Null, Cell::Int)
            }
            Shown::Amount(Amount::Users) => int(totals.different(groups.number)),
            Shown::TopUsers => {
                let users = totals.top(groups.number);
                self.json = serde_json::to_string(&users).expect("texts are always JSON");
                Cell::Text(&self.json)
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
            Shown::Group(event_column) => match (groups.text(column)?, event_column.kind()) {
                (None, _) => Cell::Null,
                (Some(text), Kind::Int | Kind::Bool) => text.parse().map_or(Cell::Null, Cell::Int),
                (Some(text), _) => Cell::Text(text),
            },
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
