//! The table `events`: one row per event, read from the segments.

use std::sync::Arc;

use rusqlite::vtab::{Filters, IndexInfo};

use super::plan::{self, Plan, Planned, Subject};
use super::pushdown;
use super::session::{Scan, Session};
use super::vtab::{Table, TableCursor};
use crate::model::column::{Column, Kind};
use crate::store::sqlite::scan::Cell;
use crate::store::{Result, StoreError};

pub(super) struct Events {
    pub(super) session: Arc<Session>,
}

/// Behind the columns of an event, and hidden as it is none: in which of its fields the words of
/// `raw match` stand, a JSON array.
const FOUND_IN: usize = Column::ALL.len();

// SQLite does not tell columns from the 64th on apart when it says which are read; this is the last.
const _: () = assert!(FOUND_IN < 64);

/// A column's declaration in `create table`. The first word is the type that an answer gives, the
/// second sets SQLite's affinity, which would be numeric for words that it does not know.
pub(super) fn declaration(name: &str, kind: Kind) -> String {
    let kind = match kind {
        Kind::Int => "INTEGER",
        Kind::Bool => "BOOLEAN INTEGER",
        Kind::Time => "TIME TEXT COLLATE instant",
        Kind::Text => "TEXT",
        Kind::Json => "JSON TEXT",
        Kind::Bytes => "BLOB",
    };
    format!("\"{name}\" {kind}")
}

/// The event column at a position of `events`; -1 is the row's id.
fn column(at: i32) -> Option<Column> {
    match at {
        -1 => Some(Column::Id),
        at => Column::ALL.get(usize::try_from(at).ok()?).copied(),
    }
}

impl Table for Events {
    fn columns(&self) -> String {
        let columns = Column::ALL
            .iter()
            .map(|column| declaration(column.name(), column.kind()));
        let found_in = "found_in JSON TEXT HIDDEN".to_owned();
        columns.chain([found_in]).collect::<Vec<_>>().join(", ")
    }

    fn plan(&self, info: &mut IndexInfo) -> rusqlite::Result<()> {
        let events = self.session.backing.event_count();
        info.set_idx_num((info.col_used() >> FOUND_IN & 1) as i32);
        plan::choose(
            info,
            &Planned {
                subject: &|at| column(at).map(Subject::Event),
                ordered: &column,
                only_order: None,
                prefix: "",
                plain_times: false,
                events,
            },
        )?;
        Ok(())
    }

    fn cursor(&self) -> Box<dyn TableCursor> {
        Box::new(EventsCursor {
            session: Arc::clone(&self.session),
            scan: None,
        })
    }
}

struct EventsCursor {
    session: Arc<Session>,
    scan: Option<Scan>,
}

/// A plan's text, which only [`plan::choose`] writes.
pub(super) fn read_plan(text: &str) -> Result<Plan> {
    Plan::parse(text).ok_or_else(|| StoreError::Io(format!("cannot read the query plan '{text}'")))
}

impl TableCursor for EventsCursor {
    fn start(&mut self, found_in: i32, plan: &str, arguments: &Filters<'_>) -> Result<bool> {
        self.scan = None;
        let plan = read_plan(plan)?;
        let Some(filter) = pushdown::filter(&plan, arguments)? else {
            return Ok(false);
        };
        let scan = self.scan.insert(self.session.scan(&filter, plan.order)?);
        if found_in != 0 {
            scan.tell_found_in();
        }
        scan.advance()
    }

    #[inline]
    fn advance(&mut self) -> Result<bool> {
        let Some(scan) = &mut self.scan else {
            return Ok(false);
        };
        let more = scan.advance()?;
        if !more {
            // The cursor stays open until the statement ends, with the chunks that it has at hand.
            self.scan = None;
        }
        Ok(more)
    }

    #[inline]
    fn cell(&mut self, column: usize) -> Result<Cell<'_>> {
        match (&mut self.scan, Column::ALL.get(column)) {
            (Some(scan), Some(&column)) => scan.cell(column),
            (Some(scan), None) if column == FOUND_IN => scan.found_in(),
            _ => Ok(Cell::Null),
        }
    }

    fn rowid(&mut self) -> Result<i64> {
        match self.cell(Column::Id as usize)? {
            Cell::Int(id) => Ok(id),
            _ => Err(StoreError::Io("an event has no id".into())),
        }
    }
}
