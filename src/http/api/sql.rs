//! `POST /api/v1/sql`: one read-only statement in the store's sandbox.

use axum::extract::{Request, State};
use axum::response::Response;

use super::answer::{FORMATS, Format, Writer};
use super::question::{self, Question};
use crate::http::App;
use crate::http::negotiate::Coding;
use crate::http::problem::Problem;
use crate::http::stream::stream_as;
use crate::limits::SQL_ROWS_DEFAULT;
use crate::query::wire::{SqlRequest, param_value};
use crate::store::SqlQuery;

pub(in crate::http) async fn sql(
    State(app): State<App>,
    request: Request,
) -> Result<Response, Problem> {
    Question::none(request.uri())?;
    let headers = request.headers().clone();
    let asked: SqlRequest = question::body(&app, request).await?;
    let format = Format::choose(asked.format.as_deref(), &headers, &FORMATS)?;
    let budget = question::budget(&app, asked.timeout_ms);
    let params = asked
        .params
        .iter()
        .map(|(name, value)| match param_value(value) {
            Ok(value) => Ok((name.clone(), value)),
            Err(error) => Err(Problem::bad_request(format!("parameter {name:?}: {error}"))),
        })
        .collect::<Result<_, _>>()?;
    let query = SqlQuery {
        sql: asked.sql,
        params,
        limit: asked.limit.unwrap_or(SQL_ROWS_DEFAULT),
        skip_damaged: asked.skip_damaged,
    };
    let store = app.0.store.clone();
    let shape = format.shape(Coding::accepted(&headers), query.limit);
    stream_as(&app, budget, shape, move |budget, pipe| {
        let mut writer = Writer::new(format, pipe);
        let outcome = store.sql(&query, budget, &mut writer);
        writer.finish(outcome)
    })
    .await
}
