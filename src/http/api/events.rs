//! `GET /api/v1/events`, `/events/{id}`, `/events/{id}/raw`.

use std::ops::ControlFlow;

use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::answer::{Format, Writer};
use super::question::{self, Question};
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::stream::{Hold, stream};
use crate::model::column::Column;
use crate::model::value::Value;
use crate::query::output::json::write_object;
use crate::query::params::EventParams;
use crate::query::{clock, listing};
use crate::store::filter::{Filter, Test};
use crate::store::{EventQuery, Order};

const FORMATS: [Format; 5] = [
    Format::Json,
    Format::Rows,
    Format::Jsonl,
    Format::Csv,
    Format::Raw,
];

pub(in crate::http) async fn list(
    State(app): State<App>,
    request: Request,
) -> Result<Response, Problem> {
    let question = Question::read(request.uri())?;
    let format = question.format(&FORMATS)?;
    let budget = question.budget(&app);
    let mut query = EventParams::from_pairs(question.pairs)
        .and_then(|params| params.into_query(clock::now()))
        .map_err(Problem::bad_request)?;
    if format == Format::Raw {
        query.columns = vec![Column::Raw];
    }
    let store = app.0.store.clone();
    let content_type = format.content_type();
    stream(&app, budget, Hold::No, content_type, move |budget, pipe| {
        let mut writer = Writer::new(format, pipe);
        let outcome = listing::run(&*store, &query, budget, &mut writer);
        writer.finish(outcome)
    })
    .await
}

pub(in crate::http) async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    Question::none(request.uri())?;
    let columns: Vec<Column> = Column::ALL
        .iter()
        .copied()
        .filter(|&column| column != Column::Raw)
        .collect();
    let names: Vec<_> = columns.iter().copied().map(listing::describe).collect();
    by_id(&app, &id, columns, move |out, row| {
        write_object(out, &names, row);
    })
    .await
}

pub(in crate::http) async fn raw(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    Question::none(request.uri())?;
    by_id(&app, &id, vec![Column::Raw], |out, row| {
        if let Some(Value::Bytes(bytes)) = row.first() {
            out.extend_from_slice(bytes);
        }
    })
    .await
}

async fn by_id(
    app: &App,
    id: &str,
    columns: Vec<Column>,
    write: impl Fn(&mut Vec<u8>, &[Value]) + Send + 'static,
) -> Result<Response, Problem> {
    let id: i64 = id
        .parse()
        .map_err(|_| Problem::bad_request(format!("{id:?} is no event id: ids are numbers")))?;
    let mut filter = Filter::default();
    filter.push(Test::Number {
        column: Column::Id,
        any: vec![(id, id)],
    });
    let query = EventQuery {
        filter,
        order: Order::NewestFirst,
        limit: 1,
        columns,
        ..EventQuery::default()
    };
    let store = app.0.store.clone();
    let budget = question::budget(app, None);
    let found = super::query(app, budget, move |budget| {
        let mut found = None;
        store.events(&query, budget, &mut |row| {
            write(found.get_or_insert_default(), row);
            ControlFlow::Break(())
        })?;
        Ok(found)
    })
    .await?;
    found.map(super::json).ok_or_else(|| {
        Problem::not_found(format!(
            "no event has the id {id}: it was never given, or the event was pruned"
        ))
    })
}
