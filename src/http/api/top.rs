//! `GET /api/v1/top/{field}`: the most frequent values of a column.

use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::answer::{FORMATS, Writer};
use super::question::Question;
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::stream::stream_as;
use crate::query::params::EventParams;
use crate::query::{clock, listing};

pub(in crate::http) async fn top(
    State(app): State<App>,
    Path(field): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let question = Question::read(&request)?;
    let format = question.format(&FORMATS)?;
    let budget = question.budget(&app);
    let coding = question.coding();
    let (column, query) = EventParams::from_pairs(question.pairs)
        .and_then(|params| params.into_top(&field, clock::now()))
        .map_err(Problem::bad_request)?;
    let store = app.0.store.clone();
    let shape = format.shape(coding, query.limit);
    stream_as(&app, budget, shape, move |budget, pipe| {
        let mut writer = Writer::new(format, pipe);
        let outcome = listing::top(&*store, column, &query, budget, &mut writer);
        writer.finish(outcome)
    })
    .await
}
