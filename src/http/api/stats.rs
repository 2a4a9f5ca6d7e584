//! `GET /api/v1/stats`.

use axum::extract::{Request, State};
use axum::response::Response;

use super::question::{self, Question};
use crate::http::App;
use crate::http::problem::Problem;

pub(in crate::http) async fn stats(
    State(app): State<App>,
    request: Request,
) -> Result<Response, Problem> {
    Question::none(request.uri())?;
    let store = app.0.store.clone();
    let budget = question::budget(&app, None);
    let stats = super::query(&app, budget, move |_| store.stats()).await?;
    Ok(super::json(serde_json::to_vec(&stats).expect("plain data")))
}
