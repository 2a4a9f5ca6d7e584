//! `/api/v1`: the answers, in the shapes of [`crate::query::wire`].

mod answer;
pub(super) mod count;
pub(super) mod description;
pub(super) mod events;
pub(super) mod live;
pub(super) mod quarantine;
pub(super) mod queries;
mod question;
pub(super) mod reports;
pub(super) mod sql;
pub(super) mod stats;
pub(super) mod upkeep;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;

use super::App;
use super::problem::Problem;
use super::stream::CancelOnDrop;
use crate::store::{self, Budget};

/// Runs a small query in the blocking pool, in its turn; it is cancelled when the client goes away.
async fn query<T, F>(app: &App, budget: Budget, run: F) -> Result<T, Problem>
where
    T: Send + 'static,
    F: FnOnce(&Budget) -> store::Result<T> + Send + 'static,
{
    let _cancel = CancelOnDrop(budget.cancel_flag());
    let slot = app.0.queries.enter(budget.limit()).await?;
    let budget = budget.begun();
    let task = tokio::task::spawn_blocking(move || {
        let outcome = run(&budget);
        drop(slot);
        outcome
    });
    let outcome = task
        .await
        .map_err(|panic| Problem::internal(format!("a query failed: {panic}")))?;
    Ok(outcome?)
}

/// A complete JSON answer.
fn json(bytes: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(bytes));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
