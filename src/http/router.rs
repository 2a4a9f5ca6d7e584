//! Every route.

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{self, MethodRouter};

use super::api::{events, live, quarantine, queries, sql, stats, top, upkeep};
use super::problem::Problem;
use super::{App, frame, guard, health, webhook};

pub(super) fn build(app: &App) -> Router {
    Router::new()
        .route("/webhook", post(webhook::receive))
        .route("/webhook/", post(webhook::receive))
        // A wildcard, so that a name with a slash meets the check of names and not a 404.
        .route("/webhook/{*cluster}", post(webhook::receive))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/api/v1/events", get(events::list))
        .route("/api/v1/events/stream", get(live::listen))
        .route("/api/v1/events/{id}", get(events::one))
        .route("/api/v1/events/{id}/raw", get(events::raw))
        .route("/api/v1/top/{field}", get(top::top))
        .route("/api/v1/queries", get(queries::list))
        .route("/api/v1/queries/{name}", get(queries::ask))
        .route("/api/v1/stats", get(stats::stats))
        .route("/api/v1/quarantine", get(quarantine::list))
        .route("/api/v1/quarantine/{id}/raw", get(quarantine::raw))
        .route("/api/v1/prune", post(upkeep::prune))
        .route("/api/v1/seal", post(upkeep::seal))
        .route("/api/v1/sql", post(sql::sql))
        .fallback(not_found)
        .with_state(app.clone())
        .layer(from_fn_with_state(app.clone(), guard::guard))
        .layer(from_fn(frame::frame))
}

/// `GET` and `HEAD`, and an answer for the others that says so.
fn get<H: Handler<T, App>, T: 'static>(handler: H) -> MethodRouter<App> {
    routing::get(handler).fallback(async || Problem::method_not_allowed("GET, HEAD"))
}

/// `POST`, and an answer for the others that says so.
fn post<H: Handler<T, App>, T: 'static>(handler: H) -> MethodRouter<App> {
    routing::post(handler).fallback(async || Problem::method_not_allowed("POST"))
}

async fn not_found(request: Request) -> Result<Response, Problem> {
    let path = request.uri().path();
    let hint = if path == "/" && request.method() == axum::http::Method::POST {
        "kube-apiserver needs /webhook or /webhook/CLUSTER in its kubeconfig's server URL"
    } else {
        "there are /webhook, /webhook/CLUSTER, /healthz, /readyz and, under /api/v1, events, \
         events/stream, events/ID, events/ID/raw, top/FIELD, queries, queries/NAME, stats, quarantine, \
         quarantine/ID/raw, prune, seal, sql"
    };
    let shown: String = path.chars().take(200).collect();
    Err(Problem::not_found(format!("nothing at {shown:?}; {hint}")))
}
