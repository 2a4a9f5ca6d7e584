//! `POST /api/v1/prune`, `/seal` and `/reseal`: one at a time, and they end what they began even if the
//! client goes away.

use axum::extract::{Request, State};
use axum::response::Response;
use serde::Serialize;

use super::question::{self, Question};
use crate::http::App;
use crate::http::problem::Problem;
use crate::query::clock;
use crate::query::wire::PruneRequest;
use crate::store::{self, Store};

pub(in crate::http) async fn prune(
    State(app): State<App>,
    request: Request,
) -> Result<Response, Problem> {
    Question::none(request.uri())?;
    let asked: PruneRequest = question::body(&app, request).await?;
    let cutoff = asked.cutoff(clock::now()).map_err(Problem::bad_request)?;
    upkeep(&app, move |store| store.prune(cutoff, asked.dry_run)).await
}

pub(in crate::http) async fn seal(
    State(app): State<App>,
    request: Request,
) -> Result<Response, Problem> {
    Question::none(request.uri())?;
    upkeep(&app, |store| store.seal(true)).await
}

pub(in crate::http) async fn reseal(
    State(app): State<App>,
    request: Request,
) -> Result<Response, Problem> {
    Question::none(request.uri())?;
    upkeep(&app, |store| store.reseal()).await
}

async fn upkeep<T, F>(app: &App, run: F) -> Result<Response, Problem>
where
    T: Serialize + Send + 'static,
    F: FnOnce(&dyn Store) -> store::Result<T> + Send + 'static,
{
    let wait = app.0.settings.limits.query_wait;
    let turn = tokio::time::timeout(wait, app.0.upkeep.clone().lock_owned())
        .await
        .map_err(|_| {
            Problem::unavailable(format!(
                "another prune, seal or reseal has not ended within {wait:?}; ask again later"
            ))
        })?;
    let store = app.0.store.clone();
    let done = tokio::task::spawn_blocking(move || {
        let done = run(&*store);
        drop(turn);
        done
    })
    .await
    .map_err(|panic| Problem::internal(format!("a prune, seal or reseal failed: {panic}")))??;
    Ok(super::json(serde_json::to_vec(&done).expect("plain data")))
}
