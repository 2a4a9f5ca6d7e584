//! Events in the order in which they arrive, read from the store: whoever falls behind catches up
//! there, so nothing is lost and nothing waits in memory.

use std::ops::ControlFlow;

use super::listing;
use crate::model::column::Column;
use crate::model::value::Value;
use crate::store::{Budget, EventQuery, Order, Result, SqlColumn, SqlSink, Store};

/// Content type of a stream of arriving events.
pub const EVENT_STREAM: &str = "text/event-stream";

/// Ids that one step looks at, at first. It looks at more while few of them match.
const WINDOW: i64 = 4096;

/// Rows of one step at most. A step over more ids than [`WINDOW`] that meets more looks again, at
/// fewer.
const ROWS_MAX: usize = WINDOW as usize;

/// A place in the stream of arriving events that match a query.
pub struct Follower {
    /// With the id before the columns that were asked for.
    query: EventQuery,
    seen: i64,
    window: i64,
}

/// What a step found, in the order of arrival.
#[derive(Debug, Default)]
pub struct Arrived {
    pub columns: Vec<SqlColumn>,
    /// Ids and rows.
    pub rows: Vec<(i64, Vec<Value>)>,
}

impl Follower {
    /// Follows what arrives after the event with the id `seen`. The query's order and limit do not
    /// count.
    pub fn new(mut query: EventQuery, seen: i64) -> Follower {
        query.columns.insert(0, Column::Id);
        query.order = Order::OldestFirst;
        query.limit = 0;
        query.last_stage_only = false;
        Follower {
            query,
            seen,
            window: WINDOW,
        }
    }

    /// Everything up to this id was looked at.
    pub fn seen(&self) -> i64 {
        self.seen
    }

    /// Looks at the next ids; `None` when everything was looked at that the store has now.
    pub fn step(&mut self, store: &dyn Store, budget: &Budget) -> Result<Option<Arrived>> {
        let last = store.last_id();
        while self.seen < last {
            let end = self.seen.saturating_add(self.window).min(last);
            let mut query = self.query.clone();
            query.filter.push_ids(self.seen + 1..=end);
            let mut taking = Taking {
                arrived: Arrived::default(),
                rows_max: if self.window > WINDOW {
                    ROWS_MAX
                } else {
                    usize::MAX
                },
                over: false,
            };
            listing::run(store, &query, budget, &mut taking)?;
            if taking.over {
                self.window = WINDOW;
                continue;
            }
            self.window = match taking.arrived.rows.len() {
                0..ROWS_MAX if self.window < i64::MAX / 4 => self.window * 2,
                _ => self.window,
            };
            self.seen = end;
            let mut arrived = taking.arrived;
            arrived.rows.sort_by_key(|(id, _)| *id);
            return Ok(Some(arrived));
        }
        self.window = WINDOW;
        Ok(None)
    }

    /// How many events retention has removed so far.
    pub fn pruned_events(&self, store: &dyn Store, budget: &Budget) -> Result<u64> {
        let mut query = EventQuery {
            limit: 1,
            ..EventQuery::default()
        };
        // Nothing has this id, so that nothing is read.
        query.filter.push_ids(i64::MAX..=i64::MAX);
        let answer = store.events(&query, budget, &mut |_| ControlFlow::Break(()))?;
        Ok(answer.coverage.pruned_events)
    }
}

struct Taking {
    arrived: Arrived,
    rows_max: usize,
    over: bool,
}

impl SqlSink for Taking {
    fn columns(&mut self, columns: &[SqlColumn]) {
        self.arrived.columns = columns[1..].to_vec();
    }

    fn row(&mut self, row: &[Value]) -> ControlFlow<()> {
        if self.arrived.rows.len() == self.rows_max {
            self.over = true;
            return ControlFlow::Break(());
        }
        if let Value::Int(id) = row[0] {
            self.arrived.rows.push((id, row[1..].to_vec()));
        }
        ControlFlow::Continue(())
    }
}

/// A place in the stream of arriving events, as the `id` of its events and `Last-Event-ID`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// [`Store::identity`].
    pub store: String,
    /// The id of the last event that was seen.
    pub id: i64,
    /// How many events retention had removed by then, where that is known.
    pub pruned_events: Option<u64>,
}

impl Mark {
    pub fn to_word(&self) -> String {
        let pruned = self.pruned_events.map(|pruned| pruned.to_string());
        format!("{}-{}-{}", self.store, self.id, pruned.unwrap_or_default())
    }

    /// Reads what [`Mark::to_word`] wrote.
    pub fn from_word(word: &str) -> Option<Mark> {
        let mut parts = word.split('-');
        let mark = Mark {
            store: parts.next()?.to_owned(),
            id: parts.next()?.parse().ok()?,
            pruned_events: match parts.next()? {
                "" => None,
                pruned => Some(pruned.parse().ok()?),
            },
        };
        parts.next().is_none().then_some(mark)
    }
}
