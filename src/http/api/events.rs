//! `GET /api/v1/events`, `/events/{id}`, `/events/{id}/raw`.

use std::ops::ControlFlow;

use axum::extract::{Path, Request, State};
use axum::http::Uri;
use axum::response::Response;

use super::answer::{Extra, Format, Writer, explainable, explanation};
use super::question::{self, Question};
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::stream::{Hold, stream_as};
use crate::limits::PAGE_ROWS_MAX;
use crate::model::column::Column;
use crate::model::value::Value;
use crate::query::cursor::Cursor;
use crate::query::output::json::write_object;
use crate::query::params::EventParams;
use crate::query::{clock, equivalent, listing};
use crate::store::filter::{Filter, Test};
use crate::store::{Answer, EventQuery, Order};

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
    let mut question = Question::read(&request)?;
    let format = question.format(&FORMATS)?;
    let budget = question.budget(&app);
    let word = question.take("cursor")?;
    let explain = explainable(question.switch("explain")?, format)?;
    let coding = question.coding();
    let params = EventParams::from_pairs(question.pairs).map_err(Problem::bad_request)?;
    let store = app.0.store.clone();
    let identity = store.identity();
    let cursor = word
        .map(|word| Cursor::from_word(&word, &identity, &params))
        .transpose()
        .map_err(Problem::bad_request)?;
    let now = cursor.map_or_else(clock::now, |cursor| cursor.now);
    let mut query = params
        .clone()
        .into_query(now)
        .map_err(Problem::bad_request)?;
    if format == Format::Raw {
        query.columns = vec![Column::Raw];
    }
    query.as_of = Some(store.last_id());
    if let Some(cursor) = cursor {
        cursor.apply(&mut query);
    }
    let mut shape = format.shape(coding, query.limit);
    if query.limit == 0 || query.limit > PAGE_ROWS_MAX {
        // Rows are whole one by one, and there may be any number of them.
        shape.hold = Hold::No;
    }
    let uri = request.uri().clone();
    stream_as(&app, budget, shape, move |budget, pipe| {
        let mut writer = Writer::new(format, pipe);
        let outcome = listing::run(&*store, &query, budget, &mut writer);
        writer.finish_with(outcome, |answer| {
            let next =
                next_page(answer, &query, now).map(|cursor| cursor.to_word(&identity, &params));
            Extra {
                link: next.as_deref().map(|word| link(&uri, word)),
                next,
                explain: explain.then(|| {
                    let sql = equivalent::listing_sql(&params, &query, now);
                    explanation(answer, sql.as_deref())
                }),
            }
        })
    })
    .await
}

/// Where a listing goes on that ended at its limit.
fn next_page(answer: &Answer, query: &EventQuery, now: i64) -> Option<Cursor> {
    Some(Cursor {
        now,
        as_of: query.as_of?,
        last: answer.truncated.then_some(answer.last).flatten()?,
    })
}

/// Path and query of the same question with another cursor.
fn link(uri: &Uri, cursor: &str) -> String {
    let pairs = uri.query().unwrap_or_default().split('&');
    let kept = pairs.filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let cursor = format!("cursor={cursor}");
    let query: Vec<&str> = kept.chain([cursor.as_str()]).collect();
    format!("{}?{}", uri.path(), query.join("&"))
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
