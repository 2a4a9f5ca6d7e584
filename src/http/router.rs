//! The router, from the table of routes.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;

use super::problem::Problem;
use super::routes::ROUTES;
use super::{App, frame, guard};

pub(super) fn build(app: &App) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        router = router.route(route.path, (route.handler)());
        if route.path == "/webhook" {
            router = router.route("/webhook/", (route.handler)());
        }
    }
    router
        .fallback(not_found)
        .with_state(app.clone())
        .layer(from_fn_with_state(app.clone(), guard::guard))
        .layer(from_fn(frame::frame))
}

async fn not_found(request: Request) -> Result<Response, Problem> {
    let path = request.uri().path();
    let hint = if path == "/" && request.method() == axum::http::Method::POST {
        "kube-apiserver needs /webhook or /webhook/CLUSTER in its kubeconfig's server URL"
            .to_owned()
    } else {
        let known: Vec<String> = ROUTES.iter().map(|route| shown(route.path)).collect();
        format!("there are {}", known.join(", "))
    };
    let asked: String = path.chars().take(200).collect();
    Err(Problem::not_found(format!("nothing at {asked:?}; {hint}")))
}

/// A route's path with its parameters as `/webhook/CLUSTER` has them.
fn shown(path: &str) -> String {
    let mut parts = path.split(['{', '}']);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    while let Some(name) = parts.next() {
        shown.push_str(&name.trim_start_matches('*').to_uppercase());
        shown.push_str(parts.next().unwrap_or_default());
    }
    shown
}
