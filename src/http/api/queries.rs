//! `/api/v1/queries`: the library of questions, and the answers to them.

use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::answer::{Extra, FORMATS, Writer, explainable, explanation};
use super::question::Question;
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::stream::stream_as;
use crate::limits::ROWS_DEFAULT;
use crate::query::clock;
use crate::query::library::{Chosen, Reader};
use crate::store::StoreError;

/// `GET /api/v1/queries`: every question with its parameters and columns.
pub(in crate::http) async fn list(
    State(app): State<App>,
    request: Request,
) -> Result<Response, Problem> {
    Question::none(request.uri())?;
    let questions = app.0.settings.library.questions();
    let listed = serde_json::json!({ "queries": questions });
    Ok(super::json(listed.to_string().into_bytes()))
}

/// `GET /api/v1/queries/{name}`: asks it; parameters stand in the query string.
pub(in crate::http) async fn ask(
    State(app): State<App>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let mut question = Question::read(&request)?;
    let format = question.format(&FORMATS)?;
    let explain = explainable(question.switch("explain")?, format)?;
    let budget = question.budget(&app);
    let limit = match question.take("limit")? {
        None => ROWS_DEFAULT,
        Some(text) => text.parse().map_err(|_| {
            Problem::bad_request(format!("limit {text:?} is no number; use 0 for all rows"))
        })?,
    };
    let skip_damaged = question.switch("skip_damaged")?;
    let columns = question.take("columns")?;
    let coding = question.coding();
    let library = &app.0.settings.library;
    let asked = library.get(&name).map_err(Problem::not_found)?.clone();
    let query = asked
        .query(&question.pairs, limit, skip_damaged, clock::now())
        .map_err(Problem::bad_request)?;
    let columns = asked.columns_of(columns.as_deref());
    let columns = columns.map_err(Problem::bad_request)?;
    let store = app.0.store.clone();
    let shape = format.shape(coding, limit);
    stream_as(&app, budget, shape, move |budget, pipe| {
        let mut writer = Writer::new(format, pipe);
        let mut chosen = Chosen::new(columns, &mut writer);
        let outcome = store.sql(&query, budget, &mut asked.typed(&mut chosen));
        let outcome = chosen.finish(outcome);
        let outcome = outcome.map_err(|error| match error {
            StoreError::BadRequest(message) => {
                let about = format!("in the question {}", asked.name);
                let told = asked.tell(&message, &about, Reader::Client);
                StoreError::BadRequest(told.unwrap_or(message))
            }
            other => other,
        });
        writer.finish_with(outcome, |answer| Extra {
            explain: explain.then(|| explanation(answer, Some(&query.sql))),
            ..Extra::default()
        })
    })
    .await
}
