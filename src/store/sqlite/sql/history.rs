//! The tables `image_history` and `scale_history`: writes of objects beside what was there before.
//!
//! What was there before is what the latest write of the same object left that took effect. SQL can
//! say that, but only by sorting every write of the range, however few rows are wanted. Here rows
//! come newest first, and an object's past is looked up when its first row comes; once that was done
//! for many objects, everything that is left is read in one go.

mod merged;
mod what;

use std::sync::Arc;

use rusqlite::vtab::{Filters, IndexInfo};
use rustc_hash::FxHashMap;

use merged::Merged;
pub(super) use what::What;
use what::one_of;

use super::events::{declaration, read_plan};
use super::plan::{self, Planned, Subject};
use super::session::Session;
use super::vtab::{Table, TableCursor};
use super::{pushdown, quota};
use crate::limits::{HISTORY_LOOKUPS_MAX, SQL_MEMORY_BYTES_MAX};
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
        )
    }

    fn cursor(&self) -> Box<dyn TableCursor> {
        Box::new(HistoryCursor {
            session: Arc::clone(&self.session),
            what: self.what,
            asked: Filter::default(),
            rows: None,
            pasts: Pasts::default(),
            looked_up: 0,
        })
    }
}

/// What was there before a write, and whether it asks for something else.
struct Past {
    before: Value,
    changed: bool,
}

/// Pasts by the ids of events.
#[derive(Default)]
struct Pasts {
    known: FxHashMap<i64, Past>,
    held: usize,
    /// Memory counted against the statement.
    charged: i64,
}

impl Pasts {
    fn insert(&mut self, id: i64, past: Past) -> Result<()> {
        let text = match &past.before {
            Value::Text(text) => text.len(),
            _ => 0,
        };
        self.held += text + 2 * size_of::<(i64, Past)>();
        self.known.insert(id, past);
        let held = i64::try_from(self.held).unwrap_or(i64::MAX);
        if held > self.charged {
            let step = held - self.charged + (1 << 20);
            if !quota::take_memory(step) {
                return Err(super::errors::out_of_memory(SQL_MEMORY_BYTES_MAX));
            }
            self.charged += step;
        }
        Ok(())
    }
}

impl Drop for Pasts {
    fn drop(&mut self) {
        quota::take_memory(-self.charged);
    }
}

struct HistoryCursor {
    session: Arc<Session>,
    what: What,
    /// The statement's conditions.
    asked: Filter,
    rows: Option<Merged>,
    pasts: Pasts,
    looked_up: usize,
}

impl HistoryCursor {
    /// The table's writes with more conditions.
    fn writes(&self, conditions: &Filter) -> Vec<Filter> {
        let mut filters = self.what.writes();
        for filter in &mut filters {
            filter.terms.extend_from_slice(&conditions.terms);
            (filter.since, filter.until) = (conditions.since, conditions.until);
        }
        filters
    }

    /// Sees to it that the past of the row is known; false at the end.
    fn settle(&mut self) -> Result<bool> {
        let Some(rows) = &mut self.rows else {
            return Ok(false);
        };
        let Some((time, id)) = rows.place() else {
            return Ok(false);
        };
        if self.pasts.known.contains_key(&id) {
            return Ok(true);
        }
        let mut of = Filter {
            since: self.asked.since,
            until: Some(time.saturating_add(1)),
            terms: Vec::new(),
        };
        if self.looked_up < HISTORY_LOOKUPS_MAX {
            self.looked_up += 1;
            for &column in self.what.object() {
                of.push(match rows.cell(column)? {
                    Cell::Text(text) => one_of(column, &[text]),
                    _ => Test::Absent { column },
                });
            }
        } else {
            // What all writes of an object have in common leaves nothing out of its past.
            let terms = self.asked.terms.iter().filter(|term| match &term.test {
                Test::Text { column, .. } | Test::Absent { column } => {
                    self.what.object().contains(column)
                }
                Test::Resource { .. } => true,
                _ => false,
            });
            of.terms = terms.cloned().collect();
        }
        self.learn(&of)?;
        match self.pasts.known.contains_key(&id) {
            true => Ok(true),
            false => Err(StoreError::Io("an event is not in its own past".into())),
        }
    }

    /// Finds out the pasts of writes: of all writes of an object or of none.
    fn learn(&mut self, of: &Filter) -> Result<()> {
        let filters = self.writes(of);
        let mut rows = Merged::new(&self.session, &filters, ScanOrder::OldestFirst)?;
        let (asked, left) = self.what.values();
        let mut latest: FxHashMap<Box<str>, Value> = FxHashMap::default();
        let mut object = String::new();
        while let Some((_, id)) = rows.place() {
            object.clear();
            for &column in self.what.object() {
                match rows.cell(column)? {
                    Cell::Text(text) => object.push_str(text),
                    _ => object.push('\u{1}'),
                }
                object.push('\0');
            }
            let known = latest.get(object.as_str());
            let mut before = known.cloned().unwrap_or(Value::Null);
            let asked = rows.value(asked, &before)?;
            if rows.is(Column::Outcome, "success")? {
                let left = match rows.cell(Column::DryRun)? {
                    Cell::Int(1) => Value::Null,
                    _ => rows.value(left, &asked)?,
                };
                match (latest.get_mut(object.as_str()), left) {
                    (_, Value::Null) => {}
                    (Some(known), left) => *known = left,
                    (None, left) => drop(latest.insert(object.as_str().into(), left)),
                }
                if let (Value::Null, Some(column)) = (&before, self.what.otherwise()) {
                    before = rows.value(column, &Value::Null)?;
                }
            }
            let changed = self.what.changes(&before, &asked);
            self.pasts.insert(id, Past { before, changed })?;
            rows.advance()?;
        }
        if rows.read_bodies {
            // An older segment, whose facts are read from bodies: once for all objects.
            self.looked_up = HISTORY_LOOKUPS_MAX;
        }
        Ok(())
    }
}

impl TableCursor for HistoryCursor {
    fn start(&mut self, _number: i32, plan: &str, arguments: &Filters<'_>) -> Result<bool> {
        self.rows = None;
        self.pasts = Pasts::default();
        self.looked_up = 0;
        let plan = read_plan(plan)?;
        let Some(asked) = pushdown::filter(&plan, arguments)? else {
            return Ok(false);
        };
        self.asked = asked;
        let filters = self.writes(&self.asked);
        self.rows = Some(Merged::new(
            &self.session,
            &filters,
            ScanOrder::NewestFirst,
        )?);
        self.settle()
    }

    fn advance(&mut self) -> Result<bool> {
        if let Some(rows) = &mut self.rows {
            if let Some((_, id)) = rows.place() {
                self.pasts.known.remove(&id);
            }
            rows.advance()?;
        }
        self.settle()
    }

    fn cell(&mut self, column: usize) -> Result<Cell<'_>> {
        let Some(rows) = &mut self.rows else {
            return Ok(Cell::Null);
        };
        if let Some(&column) = column.checked_sub(OWN).and_then(|at| Column::ALL.get(at)) {
            return rows.cell(column);
        }
        let past = rows.place().and_then(|(_, id)| self.pasts.known.get(&id));
        Ok(match past {
            Some(past) if column == 1 => Cell::Int(i64::from(past.changed)),
            Some(Past { before, .. }) => match before {
                Value::Text(text) => Cell::Text(text),
                Value::Int(number) => Cell::Int(*number),
                _ => Cell::Null,
            },
            None => Cell::Null,
        })
    }

    fn rowid(&mut self) -> Result<i64> {
        let place = self.rows.as_ref().and_then(Merged::place);
        Ok(place.map_or(0, |(_, id)| id))
    }
}
