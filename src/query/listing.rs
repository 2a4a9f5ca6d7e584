//! Stand-in.
use crate::model::column::Column;
use crate::store::{self, Answer, Budget, EventQuery, SqlColumn, SqlSink, Store};

fn columns(columns: &[Column]) -> Vec<SqlColumn> {
    columns
        .iter()
        .map(|column| SqlColumn {
            name: column.name().to_owned(),
            kind: super::wire::type_name(column.kind()).to_owned(),
        })
        .collect()
}

pub fn run(
    store: &dyn Store,
    query: &EventQuery,
    budget: &Budget,
    sink: &mut dyn SqlSink,
) -> store::Result<Answer> {
    sink.columns(&columns(&query.columns));
    store.events(query, budget, &mut |row| sink.row(row))
}

pub fn top(
    store: &dyn Store,
    column: Column,
    query: &EventQuery,
    budget: &Budget,
    sink: &mut dyn SqlSink,
) -> store::Result<Answer> {
    let mut names = columns(&[column]);
    names.push(SqlColumn {
        name: "count".to_owned(),
        kind: "INTEGER".to_owned(),
    });
    sink.columns(&names);
    let (limit, skip) = (query.limit, query.skip_damaged);
    store.top(column, &query.filter, limit, skip, budget, &mut |row| {
        sink.row(row)
    })
}
