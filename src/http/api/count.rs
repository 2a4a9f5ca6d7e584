//! `GET /api/v1/count`, `/histogram`, `/facets` and `/top/{field}`: numbers instead of events.

use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::answer::{Extra, FORMATS, Writer, explainable, explanation};
use super::question::Question;
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::stream::stream_as;
use crate::limits::ROWS_DEFAULT;
use crate::query::count::{self, CountParams, Shape};
use crate::query::{clock, equivalent};

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
    let mut question = Question::read(&request)?;
    let format = question.format(&FORMATS)?;
    let explain = explainable(question.switch("explain")?, format)?;
    let (budget, coding) = (question.budget(&app), question.coding());
    question
        .pairs
        .extend(by.map(|column| ("by".to_owned(), column)));
    let now = clock::now();
    let params = CountParams::from_pairs(shape, question.pairs).map_err(Problem::bad_request)?;
    let plan = params
        .clone()
        .into_plan(now)
        .map_err(Problem::bad_request)?;
    let store = app.0.store.clone();
    let shape = format.shape(coding, params.limit.unwrap_or(ROWS_DEFAULT));
    stream_as(&app, budget, shape, move |budget, pipe| {
        let mut writer = Writer::new(format, pipe);
        let outcome = count::run(&*store, plan, budget, &mut writer);
        writer.finish_with(outcome, |answer| Extra {
            explain: explain.then(|| {
                let sql = equivalent::count_sql(&params, now);
                explanation(answer, sql.as_deref())
            }),
            ..Extra::default()
        })
    })
    .await
}
