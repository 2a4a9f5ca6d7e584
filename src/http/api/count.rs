//! `GET /api/v1/count`, `/histogram`, `/facets` and `/top/{field}`: numbers instead of events.

use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::answer::{Format, Writer};
use super::question::Question;
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::stream::{Hold, stream};
use crate::query::clock;
use crate::query::count::{self, CountParams, Shape};

pub(in crate::http) async fn count(app: State<App>, request: Request) -> Result<Response, Problem> {
    answer(app, Shape::Count, None, request).await
}

pub(in crate::http) async fn histogram(
    app: State<App>,
    request: Request,
) -> Result<Response, Problem> {
    answer(app, Shape::Histogram, None, request).await
}

pub(in crate::http) async fn facets(
    app: State<App>,
    request: Request,
) -> Result<Response, Problem> {
    answer(app, Shape::Facets, None, request).await
}

/// A count by one column, which stands in the path.
pub(in crate::http) async fn top(
    app: State<App>,
    Path(field): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    answer(app, Shape::Count, Some(field), request).await
}

async fn answer(
    State(app): State<App>,
    shape: Shape,
    by: Option<String>,
    request: Request,
) -> Result<Response, Problem> {
    let mut question = Question::read(request.uri())?;
    let format = question.format(&[Format::Json, Format::Rows])?;
    let budget = question.budget(&app);
    question
        .pairs
        .extend(by.map(|column| ("by".to_owned(), column)));
    let plan = CountParams::from_pairs(shape, question.pairs)
        .and_then(|params| params.into_plan(clock::now()))
        .map_err(Problem::bad_request)?;
    let store = app.0.store.clone();
    let hold = Hold::when(format == Format::Json);
    let content_type = format.content_type();
    stream(&app, budget, hold, content_type, move |budget, pipe| {
        let mut writer = Writer::new(format, pipe);
        let outcome = count::run(&*store, plan, budget, &mut writer);
        writer.finish(outcome)
    })
    .await
}
