//! `GET /api/v1/quarantine`, `/quarantine/{id}/raw`: items that could not be understood.

use std::io::Write;
use std::ops::ControlFlow;

use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::question::{self, Question};
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::stream::{Hold, stream};
use crate::query::wire;

pub(in crate::http) async fn list(
    State(app): State<App>,
    request: Request,
) -> Result<Response, Problem> {
    Question::none(request.uri())?;
    let store = app.0.store.clone();
    let budget = question::budget(&app, Some(0));
    stream(&app, budget, Hold::No, wire::NDJSON, move |budget, pipe| {
        store.quarantined(&mut |item| {
            let mut line = serde_json::to_vec(&item).expect("plain data");
            line.push(b'\n');
            go_on(budget.check().is_ok() && pipe.write_all(&line).is_ok())
        })?;
        Ok(budget.check()?)
    })
    .await
}

pub(in crate::http) async fn raw(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    Question::none(request.uri())?;
    let id: i64 = id.parse().map_err(|_| {
        Problem::bad_request(format!("{id:?} is no quarantine id: ids are numbers"))
    })?;
    let store = app.0.store.clone();
    let budget = question::budget(&app, Some(0));
    let content_type = "application/octet-stream";
    stream(&app, budget, Hold::No, content_type, move |budget, pipe| {
        let found = store.quarantined_bytes(id, &mut |bytes| {
            go_on(budget.check().is_ok() && pipe.write_all(bytes).is_ok())
        })?;
        budget.check()?;
        match found {
            true => Ok(()),
            false => Err(Problem::not_found(format!(
                "no quarantined item has the id {id}"
            ))),
        }
    })
    .await
}

fn go_on(yes: bool) -> ControlFlow<()> {
    match yes {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(()),
    }
}
