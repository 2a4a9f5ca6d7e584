//! `GET /api/v1/top/{field}`: the most frequent values of a column.

use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::answer::{Extra, FORMATS, Writer, explainable, explanation};
use super::question::Question;
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::stream::stream_as;
use crate::query::params::EventParams;
use crate::query::{clock, equivalent, listing};

pub(in crate::http) async fn top(
    State(app): State<App>,
    Path(field): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let mut question = Question::read(&request)?;
    let format = question.format(&FORMATS)?;
    let budget = question.budget(&app);
    let explain = explainable(question.switch("explain")?, format)?;
    let coding = question.coding();
    let now = clock::now();
    let params = EventParams::from_pairs(question.pairs).map_err(Problem::bad_request)?;
    let (column, query) = params
        .clone()
        .into_top(&field, now)
        .map_err(Problem::bad_request)?;
    let store = app.0.store.clone();
    let shape = format.shape(coding, query.limit);
    stream_as(&app, budget, shape, move |budget, pipe| {
        let mut writer = Writer::new(format, pipe);
        let outcome = listing::top(&*store, column, &query, budget, &mut writer);
        writer.finish_with(outcome, |answer| Extra {
            explain: explain.then(|| {
                let sql = equivalent::top_sql(column.name(), &params, now);
                explanation(answer, sql.as_deref())
            }),
            ..Extra::default()
        })
    })
    .await
}
