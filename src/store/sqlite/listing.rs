//! Listings of events.

use std::collections::HashSet;
use std::sync::Arc;

use super::scan::{Cell, Cursor, ScanOrder, Snapshot};
use super::stages;
use crate::model::column::Column;
use crate::store::filter::{Filter, Pattern, Test};
use crate::store::{Answer, Budget, EventQuery, Order, Result, RowSink};

/// Requests remembered while a listing shows last stages only; beyond, they are looked up.
const REMEMBERED_REQUESTS_MAX: usize = 500_000;

/// Lists events.
pub(crate) fn events(
    snapshot: &Arc<Snapshot>,
    query: &EventQuery,
    budget: &Budget,
    sink: RowSink<'_>,
) -> Result<Answer> {
    let mut listing = Listing::new(snapshot, query, budget)?;
    let mut row = Vec::with_capacity(query.columns.len());
    while listing.advance()? {
        row.clear();
        for &column in &query.columns {
            row.push(listing.cursor.value(column)?);
        }
        if sink(&row).is_break() {
            break;
        }
    }
    Ok(listing.end())
}

/// A running listing.
pub(crate) struct Listing<'q> {
    query: &'q EventQuery,
    snapshot: Arc<Snapshot>,
    /// At the row that is the listing's next.
    pub(crate) cursor: Cursor,
    stages: Option<LastStages>,
    given: u64,
    answer: Answer,
}

impl<'q> Listing<'q> {
    /// Starts before the first row.
    pub(crate) fn new(
        snapshot: &Arc<Snapshot>,
        query: &'q EventQuery,
        budget: &Budget,
    ) -> Result<Listing<'q>> {
        let order = match query.order {
            Order::NewestFirst => ScanOrder::NewestFirst,
            Order::OldestFirst => ScanOrder::OldestFirst,
        };
        let filter = remaining(query);
        let mut cursor = snapshot.cursor(&filter, order, query.skip_damaged, budget.clone())?;
        cursor.after = query.after;
        let stages = query
            .last_stage_only
            .then(|| LastStages::new(Arc::clone(snapshot), budget.clone()).up_to(query.as_of));
        Ok(Listing {
            query,
            snapshot: Arc::clone(snapshot),
            cursor,
            stages,
            given: 0,
            answer: Answer::default(),
        })
    }

    /// Moves to the next row; false at the end.
    pub(crate) fn advance(&mut self) -> Result<bool> {
        while self.cursor.advance()? {
            if let Some(stages) = &mut self.stages
                && !stages.is_last(&mut self.cursor)?
            {
                continue;
            }
            if self.query.limit != 0 && self.given == self.query.limit {
                self.answer.truncated = true;
                return Ok(false);
            }
            self.given += 1;
            self.answer.last = self.cursor.place();
            return Ok(true);
        }
        Ok(false)
    }

    /// The end of the answer.
    pub(crate) fn end(self) -> Answer {
        let mut answer = self.answer;
        let filter = &self.query.filter;
        answer.coverage = self.snapshot.coverage(filter.since, filter.until);
        let damaged = self.cursor.damaged().iter().cloned();
        answer.coverage.damaged.extend(damaged);
        answer.stats = self.cursor.work();
        answer
    }
}

/// The filter of a listing, narrowed to what stands after its place and had arrived by then.
fn remaining(query: &EventQuery) -> Filter {
    let mut filter = query.filter.clone();
    if let Some(last) = query.as_of {
        filter.push_ids(i64::MIN..=last);
    }
    match (query.after, query.order) {
        (Some((time, _)), Order::NewestFirst) => {
            let end = time.saturating_add(1);
            filter.until = Some(filter.until.map_or(end, |until| until.min(end)));
        }
        (Some((time, _)), Order::OldestFirst) => {
            filter.since = Some(filter.since.map_or(time, |since| since.max(time)));
        }
        (None, _) => {}
    }
    filter
}

/// Tells the last stage of each request from the earlier ones.
pub(crate) struct LastStages {
    snapshot: Arc<Snapshot>,
    /// A later stage that arrived after this id does not count.
    as_of: Option<i64>,
    budget: Budget,
    /// Requests whose later stage went by already.
    later_seen: HashSet<u128>,
}

impl LastStages {
    pub(crate) fn new(snapshot: Arc<Snapshot>, budget: Budget) -> LastStages {
        LastStages {
            snapshot,
            as_of: None,
            budget,
            later_seen: HashSet::new(),
        }
    }

    /// As if nothing had arrived after this id.
    fn up_to(self, as_of: Option<i64>) -> LastStages {
        LastStages { as_of, ..self }
    }

    /// Whether the cursor's row is the last stage of its request.
    pub(crate) fn is_last(&mut self, cursor: &mut Cursor) -> Result<bool> {
        let place = place(cursor)?;
        let Some(key) = request_key(cursor)? else {
            return Ok(true);
        };
        if place == stages::END {
            if self.later_seen.len() >= REMEMBERED_REQUESTS_MAX {
                self.later_seen.clear();
            }
            self.later_seen.insert(key);
            return Ok(true);
        }
        if self.later_seen.contains(&key) {
            return Ok(false);
        }
        let audit_id = match cursor.cell(Column::AuditId)? {
            Cell::Text(text) => text.to_owned(),
            _ => return Ok(true),
        };
        let mut filter = Filter::default();
        filter.push(Test::Text {
            column: Column::AuditId,
            any: vec![Pattern::Is(audit_id)],
        });
        if let Some(last) = self.as_of {
            filter.push_ids(i64::MIN..=last);
        }
        let mut siblings =
            self.snapshot
                .cursor(&filter, ScanOrder::Any, true, self.budget.clone())?;
        let moment = moment(cursor)?;
        while siblings.advance()? {
            if request_key(&mut siblings)? != Some(key) {
                continue;
            }
            let sibling = self::place(&mut siblings)?;
            let same_start = sibling == place && place == stages::STARTED;
            if sibling > place || same_start && self::moment(&mut siblings)? > moment {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The place of the cursor's row in its request.
fn place(cursor: &mut Cursor) -> Result<u8> {
    Ok(match cursor.cell(Column::Stage)? {
        Cell::Text(stage) => stages::place(Some(stage)),
        _ => stages::place(None),
    })
}

/// When the cursor's row was, in microseconds, and its id.
fn moment(cursor: &mut Cursor) -> Result<(i64, i64)> {
    let mut number = |column| {
        Ok(match cursor.cell(column)? {
            Cell::Int(number) | Cell::Time(number) => number,
            _ => i64::MIN,
        })
    };
    Ok((number(Column::Time)?, number(Column::Id)?))
}

/// What the stages of one request have in common; `None` when a part of it is absent, which matches
/// nothing. An audit id alone would let a client merge two requests by reusing it.
fn request_key(cursor: &mut Cursor) -> Result<Option<u128>> {
    let mut bytes = Vec::with_capacity(256);
    for column in [
        Column::Cluster,
        Column::AuditId,
        Column::User,
        Column::RequestUri,
    ] {
        match cursor.cell(column)? {
            Cell::Text(text) => {
                bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
            _ => return Ok(None),
        }
    }
    match cursor.cell(Column::ReceivedTime)? {
        Cell::Time(time) => bytes.extend_from_slice(&time.to_be_bytes()),
        _ => return Ok(None),
    }
    Ok(Some(xxhash_rust::xxh3::xxh3_128(&bytes)))
}
