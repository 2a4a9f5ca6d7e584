//! Listings and counts of events as every output shows them, with the columns that are computed
//! from a row and the question together.

use std::ops::ControlFlow;

use crate::limits::PAGE_ROWS_MAX;
use crate::model::column::{Column, Kind};
use crate::model::value::Value;
use crate::query::wire::type_name;
use crate::store::filter::{Pattern, Term, Test};
use crate::store::{Answer, Budget, EventQuery, Result, SqlColumn, SqlSink, Store};

/// Every column but the bytes, their hash and the bodies.
pub const DEFAULT_COLUMNS: &[Column] = &default_columns();

/// Columns that are read from an event's body, which must be decompressed for them.
const HEAVY: [Column; 7] = [
    Column::UserExtra,
    Column::ObjectUid,
    Column::Annotations,
    Column::RequestObject,
    Column::ResponseObject,
    Column::Raw,
    Column::Sha256,
];

const fn default_columns() -> [Column; Column::ALL.len() - HEAVY.len()] {
    let mut columns = [Column::Id; Column::ALL.len() - HEAVY.len()];
    let (mut from, mut to) = (0, 0);
    while from < Column::ALL.len() {
        let column = Column::ALL[from];
        let mut heavy = false;
        let mut at = 0;
        while at < HEAVY.len() {
            heavy |= HEAVY[at] as u8 == column as u8;
            at += 1;
        }
        if !heavy {
            columns[to] = column;
            to += 1;
        }
        from += 1;
    }
    columns
}

/// Name of the computed column with the recorded addresses that a source IP filter matched.
pub const MATCHED_IP: &str = "matched_ip";

/// Name of the counts beside values.
pub const COUNT: &str = "count";

/// Lists events. With a filter on source addresses, and any of the address columns among those
/// asked for, each row ends with [`MATCHED_IP`]: which of the recorded addresses matched, joined
/// by commas.
pub fn run(
    store: &dyn Store,
    query: &EventQuery,
    budget: &Budget,
    sink: &mut dyn SqlSink,
) -> Result<Answer> {
    let addresses = [Column::SourceIp, Column::ClientIp, Column::SourceIps];
    let shown = query
        .columns
        .iter()
        .any(|column| addresses.contains(column));
    let patterns = wanted_addresses(&query.filter.terms);
    let mut columns: Vec<SqlColumn> = query
        .columns
        .iter()
        .map(|&column| describe(column))
        .collect();
    if !shown || patterns.is_empty() {
        sink.columns(&columns);
        let long = query.limit == 0 || query.limit > PAGE_ROWS_MAX;
        return match sink.encoder(&columns).filter(|_| long) {
            Some(encoder) => store.export(query, budget, &*encoder, &mut |text, rows| {
                sink.encoded(text, rows)
            }),
            None => store.events(query, budget, &mut |row| sink.row(row)),
        };
    }

    columns.push(SqlColumn {
        name: MATCHED_IP.to_owned(),
        kind: type_name(Kind::Text).to_owned(),
    });
    sink.columns(&columns);
    let mut query = query.clone();
    let asked = query.columns.len();
    let at = match query
        .columns
        .iter()
        .position(|&column| column == Column::SourceIps)
    {
        Some(at) => at,
        None => {
            query.columns.push(Column::SourceIps);
            asked
        }
    };
    let mut shown: Vec<Value> = Vec::with_capacity(columns.len());
    store.events(&query, budget, &mut |row| {
        shown.clear();
        shown.extend_from_slice(&row[..asked]);
        shown.push(matched(&row[at], &patterns));
        sink.row(&shown)
    })
}

/// A column of `events` as an answer declares it.
pub fn describe(column: Column) -> SqlColumn {
    SqlColumn {
        name: column.name().to_owned(),
        kind: type_name(column.kind()).to_owned(),
    }
}

fn wanted_addresses(terms: &[Term]) -> Vec<&Pattern> {
    terms
        .iter()
        .filter(|term| !term.negate)
        .filter_map(|term| match &term.test {
            Test::Text {
                column: Column::SourceIps,
                any,
            } => Some(any),
            _ => None,
        })
        .flatten()
        .collect()
}

fn matched(recorded: &Value, patterns: &[&Pattern]) -> Value {
    let (Value::Json(text) | Value::Text(text)) = recorded else {
        return Value::Null;
    };
    let addresses: Vec<String> = serde_json::from_str(text).unwrap_or_default();
    let mut found: Vec<&str> = Vec::new();
    for address in &addresses {
        let matches = patterns.iter().any(|pattern| pattern.matches(address));
        if matches && !found.contains(&address.as_str()) {
            found.push(address);
        }
    }
    if found.is_empty() {
        return Value::Null;
    }
    Value::text(found.join(","))
}

/// A sink of rows that keeps them all, for small answers.
#[derive(Debug, Default)]
pub struct Collected {
    pub columns: Vec<SqlColumn>,
    pub rows: Vec<Vec<Value>>,
}

impl SqlSink for Collected {
    fn columns(&mut self, columns: &[SqlColumn]) {
        self.columns = columns.to_vec();
    }

    fn row(&mut self, row: &[Value]) -> ControlFlow<()> {
        self.rows.push(row.to_vec());
        ControlFlow::Continue(())
    }
}
