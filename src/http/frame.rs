//! What every answer has: a request id, headers for browsers, a problem document for an error,
//! and one line in the log for each failure.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use tracing::Instrument;

use super::problem::Problem;

/// The outermost layer.
pub(super) async fn frame(request: Request, next: Next) -> Response {
    let id = format!("{:016x}", fastrand::u64(..));
    let method = request.method().clone();
    let path = request.uri().path().to_owned();

    // For lines that are written amid a request, such as of an answer that was broken off.
    let span = tracing::info_span!("request", request_id = id);
    let mut response = bare_errors_as_problems(next.run(request).instrument(span).await);

    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        log(&method, &path, &id, &problem);
        let document = problem.document(&id);
        response
            .headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from(document.len()));
        if method != Method::HEAD {
            *response.body_mut() = Body::from(document);
        }
    } else {
        tracing::debug!(%method, path, request_id = id, status = response.status().as_u16());
    }
    let headers = response.headers_mut();
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("cross-origin-resource-policy", "same-origin"),
        (CACHE_CONTROL.as_str(), "no-store"),
    ] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    headers.insert(
        HeaderName::from_static("x-request-id"),
        HeaderValue::from_str(&id).expect("hexadecimal"),
    );
    response
}

/// Errors that the framework makes by itself have no document; this gives them one.
fn bare_errors_as_problems(response: Response) -> Response {
    let status = response.status();
    let has_document = response.extensions().get::<Problem>().is_some();
    if has_document || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    Problem::new(status, "the request could not be understood").into_response()
}

/// A refused write means events that may be lost, so it is never below `warn`.
fn log(method: &Method, path: &str, request_id: &str, problem: &Problem) {
    let status = problem.status().as_u16();
    let cause = problem.cause();
    let path = &path[..path.floor_char_boundary(200)];
    if problem.status() == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(%method, path, request_id, status, "{cause}");
    } else if problem.status().is_server_error() || *method == Method::POST {
        tracing::warn!(%method, path, request_id, status, "{cause}");
    } else {
        tracing::info!(%method, path, request_id, status, "{cause}");
    }
}
