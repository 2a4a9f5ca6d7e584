//! The tables `image_history` and `scale_history`: writes of objects beside what was there before.
//!
//! What was there before is what the latest write of the same object left that took effect. SQL can
//! say that, but only by sorting every write of the range, however few rows are wanted. Here rows
//! come newest first, and what was before them is read only as far back as they need. A row that
//! needs to go far back is not waited for: the writes of its object alone are looked up.

mod merged;
mod pasts;
mod what;

use std::sync::Arc;

use rusqlite::vtab::{Filters, IndexInfo};

use merged::Merged;
use pasts::{Asked, Pasts, left, name_object};
pub(super) use what::What;
use what::one_of;

use super::events::{declaration, read_plan};
use super::plan::{self, Planned, Subject};
use super::pushdown;
use super::session::Session;
use super::vtab::{Table, TableCursor};
use crate::model::column::{Column, Kind};
use crate::model::value::Value;
use crate::store::filter::{Filter, Test};
use crate::store::sqlite::scan::{Cell, ScanOrder};
use crate::store::{Result, StoreError};

/// Every table with its name in SQL.
pub(super) const ALL: [(&str, What); 2] = [
    ("image_history", What::Images),
    ("scale_history", What::Replicas),
];

/// Columns before those of `events`.
const OWN: usize = 2;

/// The event column at a position; -1 is the row's id.
fn column(at: i32) -> Option<Column> {
    match usize::try_from(at) {
        Ok(at) => Column::ALL.get(at.checked_sub(OWN)?).copied(),
        Err(_) => Some(Column::Id),
    }
}

pub(super) struct History {
    pub(super) session: Arc<Session>,
    pub(super) what: What,
}

impl Table for History {
    fn columns(&self) -> String {
        let before = match self.what {
            What::Images => Kind::Json,
            What::Replicas => Kind::Int,
        };
        let own = [("before", before), ("changed", Kind::Bool)];
        let of_events = Column::ALL
            .iter()
            .map(|column| (column.name(), column.kind()));
        let columns = own.into_iter().chain(of_events);
        let columns = columns.map(|(name, kind)| declaration(name, kind));
        columns.collect::<Vec<_>>().join(", ")
    }

    fn plan(&self, info: &mut IndexInfo) -> rusqlite::Result<()> {
        let events = self.session.backing.event_count();
        plan::choose(
            info,
            &Planned {
                subject: &|at| column(at).map(Subject::Event),
                ordered: &column,
                only_order: Some(ScanOrder::NewestFirst),
                prefix: "",
                plain_times: false,
                events,
            },
        )?;
        Ok(())
    }

    fn cursor(&self) -> Box<dyn TableCursor> {
        Box::new(HistoryCursor {
            session: Arc::clone(&self.session),
            what: self.what,
            asked: Filter::default(),
            rows: None,
        })
    }
}

struct HistoryCursor {
    session: Arc<Session>,
    what: What,
    /// The statement's conditions.
    asked: Filter,
    rows: Option<(Merged, Pasts)>,
}

impl HistoryCursor {
    /// The table's writes with more conditions, newest first.
    fn writes(&self, conditions: &Filter) -> Result<Merged> {
        let mut filters = self.what.writes();
        for filter in &mut filters {
            filter.terms.extend_from_slice(&conditions.terms);
            (filter.since, filter.until) = (conditions.since, conditions.until);
        }
        Merged::new(&self.session, &filters)
    }

    /// Sees to it that the past of the row is known; false at the end.
    fn settle(&mut self) -> Result<bool> {
        let Some((mut rows, mut pasts)) = self.rows.take() else {
            return Ok(false);
        };
        let Some((time, id)) = rows.place() else {
            return Ok(false);
        };
        let (mut is_read, mut object) = (true, String::new());
        while !pasts.known.contains_key(&id) {
            if !is_read {
                return Err(StoreError::Io("an event is not in its own past".into()));
            }
            // Bodies, where a segment lacks the facts, are better read once for all objects.
            let reads_on = pasts.since_lookup < self.what.lookup_rows()
                || pasts.rows.place().is_none()
                || pasts.rows.has_read_bodies();
            if reads_on {
                is_read = pasts.read(self.what)?;
                continue;
            }
            pasts.since_lookup = 0;
            let reached = pasts.rows.place().filter(|&at| at < (time, id));
            let waiting = match reached {
                Some(_) => {
                    name_object(&mut rows, self.what, &mut object)?;
                    let object = pasts.objects.get(object.as_str());
                    let waiting = object.and_then(|&object| pasts.waiting.get_mut(object));
                    waiting.map(std::mem::take).unwrap_or_default()
                }
                None => vec![Asked::of(&mut rows, self.what, id)?],
            };
            let before = self.look_up(&mut rows, reached.unwrap_or((time, id - 1)))?;
            pasts.settle(waiting, &before)?;
        }
        self.rows = Some((rows, pasts));
        Ok(true)
    }

    /// What the latest write of the row's object left among those from a place on to the oldest.
    fn look_up(&self, rows: &mut Merged, from: (i64, i64)) -> Result<Value> {
        let mut object = Filter {
            since: self.asked.since,
            until: Some(from.0.saturating_add(1)),
            terms: Vec::new(),
        };
        for &column in self.what.object() {
            object.push(match rows.cell(column)? {
                Cell::Text(text) => one_of(column, &[text]),
                _ => Test::Absent { column },
            });
        }
        let mut earlier = self.writes(&object)?;
        while let Some(place) = earlier.place() {
            if place <= from {
                let left = left(&mut earlier, self.what)?;
                if left != Value::Null {
                    return Ok(left);
                }
            }
            earlier.advance()?;
        }
        Ok(Value::Null)
    }
}

impl TableCursor for HistoryCursor {
    fn start(&mut self, _number: i32, plan: &str, arguments: &Filters<'_>) -> Result<bool> {
        self.rows = None;
        let plan = read_plan(plan)?;
        let Some(asked) = pushdown::filter(&plan, arguments)? else {
            return Ok(false);
        };
        // What all writes of an object have in common leaves nothing out of its past.
        let of_objects = asked.terms.iter().filter(|term| match &term.test {
            Test::Text { column, .. } | Test::Absent { column } => {
                self.what.object().contains(column)
            }
            Test::Resource { .. } => true,
            _ => false,
        });
        let past = Filter {
            terms: of_objects.cloned().collect(),
            ..asked
        };
        self.asked = asked;
        self.rows = Some((self.writes(&self.asked)?, Pasts::new(self.writes(&past)?)));
        self.settle()
    }

    fn advance(&mut self) -> Result<bool> {
        if let Some((rows, pasts)) = &mut self.rows {
            if let Some((_, id)) = rows.place() {
                pasts.known.remove(&id);
            }
            rows.advance()?;
        }
        self.settle()
    }

    fn cell(&mut self, column: usize) -> Result<Cell<'_>> {
        let Some((rows, pasts)) = &mut self.rows else {
            return Ok(Cell::Null);
        };
        let past = rows.place().and_then(|(_, id)| pasts.known.get(&id));
        let event = column.checked_sub(OWN).and_then(|at| Column::ALL.get(at));
        let value = match (past, event) {
            (Some(past), None) if column == 1 => {
                let changed = self.what.changes(&past.before, &past.asked);
                return Ok(Cell::Int(i64::from(changed)));
            }
            (Some(past), None) => &past.before,
            (Some(past), Some(&column)) if column == self.what.asked() => &past.asked,
            (_, Some(&column)) => return rows.cell(column),
            (None, None) => &Value::Null,
        };
        Ok(match value {
            Value::Text(text) => Cell::Text(text),
            Value::Int(number) => Cell::Int(*number),
            _ => Cell::Null,
        })
    }

    fn rowid(&mut self) -> Result<i64> {
        let place = self.rows.as_ref().and_then(|(rows, _)| rows.place());
        Ok(place.map_or(0, |(_, id)| id))
    }
}
