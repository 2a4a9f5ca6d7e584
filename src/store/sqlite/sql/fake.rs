//! Events in memory that stand in for a snapshot, with the scan interface's own semantics.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use super::backing::{Backing, Rows};
use super::{Limits, run_on};
use crate::model::column::{Column, Kind};
use crate::model::value::Value;
use crate::store::filter::{Filter, Pattern, Test};
use crate::store::sqlite::count::Counted;
use crate::store::sqlite::countmemory::CountMemory;
use crate::store::sqlite::measures::{Measured, Measures};
use crate::store::sqlite::scan::{Cell, ScanOrder, Seen};
use crate::store::sqlite::systemtables::SystemTable;
use crate::store::sqlite::totals::Totals;
use crate::store::{
    Answer, Budget, CountQuery, Coverage, Result, SqlColumn, SqlQuery, SqlSink, Work,
};

pub(super) type Row = BTreeMap<Column, Value>;

/// The snapshot, and what was asked of it.
#[derive(Default)]
pub(super) struct Fake {
    pub(super) events: Arc<Vec<Row>>,
    pub(super) scans: Mutex<Vec<(Filter, ScanOrder)>>,
    pub(super) counts: Mutex<Vec<CountQuery>>,
}

fn micros(value: Option<&Value>) -> Option<i64> {
    match value {
        Some(Value::Time(number) | Value::Int(number)) => Some(*number),
        _ => None,
    }
}

fn text(value: Option<&Value>) -> Option<&str> {
    match value {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

fn holds(test: &Test, row: &Row) -> bool {
    let any_matches = |any: &[Pattern], column: &Column| {
        text(row.get(column)).is_some_and(|text| any.iter().any(|pattern| pattern.matches(text)))
    };
    match test {
        Test::Text { column, any } => {
            assert_eq!(column.kind(), Kind::Text, "{column:?}");
            any_matches(any, column)
        }
        Test::Number { column, any } => micros(row.get(column)).is_some_and(|number| {
            any.iter()
                .any(|&(low, high)| low <= number && number <= high)
        }),
        Test::Absent { column } => !row.contains_key(column),
        Test::Users { any } => {
            let user = text(row.get(&Column::User));
            any.iter().any(|wanted| wanted.as_deref() == user)
        }
        Test::Resource { .. } | Test::Ended | Test::Contains { .. } => {
            panic!("SQL never asks for {test:?}")
        }
    }
}

fn matches(filter: &Filter, row: &Row) -> bool {
    let time = micros(row.get(&Column::Time));
    filter.since.is_none_or(|since| time >= Some(since))
        && filter.until.is_none_or(|until| time < Some(until))
        && filter
            .terms
            .iter()
            .all(|term| holds(&term.test, row) != term.negate)
}

impl Backing for Fake {
    fn scan(
        self: Arc<Self>,
        filter: &Filter,
        order: ScanOrder,
        _skip_damaged: bool,
        budget: Budget,
    ) -> Result<Box<dyn Rows>> {
        self.scans.lock().unwrap().push((filter.clone(), order));
        let events = Arc::clone(&self.events);
        let mut picked: Vec<usize> = (0..events.len())
            .filter(|&at| matches(filter, &events[at]))
            .collect();
        let key = |at: &usize, column| micros(events[*at].get(&column));
        let by_time = |at: &usize| (key(at, Column::Time), key(at, Column::Id));
        match order {
            ScanOrder::Any => {}
            ScanOrder::OldestFirst => picked.sort_by_key(by_time),
            ScanOrder::NewestFirst => {
                picked.sort_by_key(by_time);
                picked.reverse();
            }
            ScanOrder::GroupedBy(column) => {
                picked.sort_by_key(|at| text(events[*at].get(&column)).map(str::to_owned));
            }
            ScanOrder::ByReceivedTime => {
                picked.sort_by_key(|at| (key(at, Column::ReceivedTime), by_time(at)));
            }
        }
        Ok(Box::new(FakeRows {
            events,
            picked: picked.into_iter(),
            at: None,
            budget,
            visited: 0,
        }))
    }

    fn groups(
        self: Arc<Self>,
        query: &CountQuery,
        measures: &Measures,
        _budget: &Budget,
        _memory: &Arc<CountMemory>,
    ) -> Result<Counted> {
        let mut totals = Totals::new(query.by.len(), query.step.is_some());
        for row in self.events.iter().filter(|row| matches(&query.filter, row)) {
            let time = micros(row.get(&Column::Time)).unwrap();
            let bucket = query.step.map_or(0, |step| time.div_euclid(step) * step);
            let ids: Vec<u32> = (query.by.iter().enumerate())
                .map(|(at, column)| match row.get(column) {
                    Some(Value::Int(number)) => totals.id(at, Some(&number.to_string())),
                    value => totals.id(at, text(value)),
                })
                .collect();
            let raw = match row.get(&Column::Raw) {
                Some(Value::Bytes(bytes)) => bytes.len() as u64,
                _ => 0,
            };
            let measured = Measured {
                first: time,
                last: time,
                raw_bytes: raw,
                ..Measured::NOTHING
            };
            let wanted = *measures != Measures::default();
            totals.add(bucket, &ids, 1, wanted.then_some(&measured));
        }
        self.counts.lock().unwrap().push(query.clone());
        Ok(Counted {
            totals,
            work: Work::default(),
            damaged: Vec::new(),
        })
    }

    fn is_summed(&self, _: &CountQuery) -> bool {
        true
    }

    fn seen(&self, column: Column, _budget: &Budget) -> Result<Vec<Seen>> {
        let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
        for row in self.events.iter() {
            let Some(value) = text(row.get(&column)) else {
                continue;
            };
            let time = micros(row.get(&Column::Time)).unwrap();
            let entry = seen.entry(value.to_owned()).or_insert(Seen {
                value: Value::text(value),
                count: 0,
                first: time,
                last: time,
            });
            entry.count += 1;
            entry.first = entry.first.min(time);
            entry.last = entry.last.max(time);
        }
        Ok(seen.into_values().collect())
    }

    fn rows(&self, table: SystemTable, _budget: &Budget) -> Result<Vec<Vec<Value>>> {
        Ok(match table {
            SystemTable::Sources => vec![vec![
                Value::text("default"),
                Value::text("webhook"),
                Value::Int(3),
                Value::Int(0),
                Value::Int(0),
                Value::Time(0),
                Value::Time(1),
            ]],
            _ => Vec::new(),
        })
    }

    fn event_count(&self) -> u64 {
        self.events.len() as u64
    }

    fn coverage(&self, since: Option<i64>, until: Option<i64>) -> Coverage {
        let text = |micros: i64| crate::model::time::to_text(micros);
        Coverage {
            oldest: since.map(text),
            newest: until.map(text),
            ..Coverage::default()
        }
    }
}

struct FakeRows {
    events: Arc<Vec<Row>>,
    picked: std::vec::IntoIter<usize>,
    at: Option<usize>,
    budget: Budget,
    visited: u64,
}

impl Rows for FakeRows {
    fn advance(&mut self) -> Result<bool> {
        self.at = self.picked.next();
        self.visited += 1;
        if self.visited.is_multiple_of(4096) {
            self.budget.check()?;
        }
        Ok(self.at.is_some())
    }

    fn cell(&mut self, column: Column) -> Result<Cell<'_>> {
        Ok(match self.events[self.at.unwrap()].get(&column) {
            None | Some(Value::Null | Value::Real(_)) => Cell::Null,
            Some(Value::Int(number)) => Cell::Int(*number),
            Some(Value::Time(micros)) => Cell::Time(*micros),
            Some(Value::Text(text) | Value::Json(text)) => Cell::Text(text),
            Some(Value::Bytes(bytes)) => Cell::Bytes(bytes),
        })
    }

    fn work(&self) -> Work {
        Work {
            rows_visited: self.visited,
            segments_opened: 1,
            ..Work::default()
        }
    }
}

/// An event whose columns are given by name; times as text.
pub(super) fn event(id: i64, time: &str, cells: &[(&str, &str)]) -> Row {
    let instant = |text| Value::Time(crate::model::time::parse_instant(text).unwrap());
    let mut row = Row::from([
        (Column::Id, Value::Int(id)),
        (Column::Time, instant(time)),
        (Column::StoredTime, instant(time)),
        (Column::DryRun, Value::Int(0)),
        (Column::Truncated, Value::Int(0)),
    ]);
    for (name, value) in cells {
        let column = Column::by_name(name).unwrap();
        let value = match column.kind() {
            Kind::Int | Kind::Bool => Value::Int(value.parse().unwrap()),
            Kind::Time => instant(value),
            Kind::Text | Kind::Json => Value::text(*value),
            Kind::Bytes => Value::Bytes(value.as_bytes().into()),
        };
        row.insert(column, value);
    }
    row
}

/// A result, kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) columns: Vec<SqlColumn>,
    pub(super) rows: Vec<Vec<Value>>,
}

impl SqlSink for Kept {
    fn columns(&mut self, columns: &[SqlColumn]) {
        self.columns = columns.to_vec();
    }

    fn row(&mut self, row: &[Value]) -> ControlFlow<()> {
        self.rows.push(row.to_vec());
        ControlFlow::Continue(())
    }
}

/// Runs a query against the fake.
pub(super) fn run_query(
    fake: &Arc<Fake>,
    query: &SqlQuery,
    limits: &Limits,
    budget: &Budget,
) -> Result<(Kept, Answer)> {
    let mut kept = Kept::default();
    let backing: Arc<dyn Backing> = Arc::clone(fake) as _;
    let answer = run_on(backing, query, limits, budget, &mut kept)?;
    Ok((kept, answer))
}

/// A statement without parameters.
pub(super) fn query(sql: &str) -> SqlQuery {
    SqlQuery {
        sql: sql.to_owned(),
        params: Vec::new(),
        limit: 0,
        skip_damaged: false,
    }
}

/// Rows as text, cells joined by `|`.
pub(super) fn show(rows: &[Vec<Value>]) -> Vec<String> {
    let cell = |value: &Value| match value {
        Value::Null => "NULL".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Real(number) => format!("{number:?}"),
        Value::Time(micros) => crate::model::time::to_text(*micros),
        Value::Text(text) | Value::Json(text) => text.to_string(),
        Value::Bytes(bytes) => format!("{bytes:?}"),
    };
    rows.iter()
        .map(|row| row.iter().map(cell).collect::<Vec<_>>().join("|"))
        .collect()
}
