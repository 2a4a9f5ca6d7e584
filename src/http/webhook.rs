//! `POST /webhook` and `/webhook/{cluster}`: where kube-apiserver sends its batches.
//!
//! kube-apiserver retries every failure alike, the whole batch, five times over some 90 s, and then
//! drops it for good. So a complete body is answered 200 whatever it holds; only a body that did
//! not arrive whole, a full house or a store that cannot write are errors.

use std::sync::Arc;

use axum::Json;
use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde::Serialize;

use super::App;
use super::coding::{Receiver, SpoolFailed, TooLarge};
use super::problem::Problem;
use crate::intake::body::{self, Body};
use crate::limits::BODY_PROGRESS_BYTES;
use crate::model::cluster::cluster_name;
use crate::store::{Receipt, StoreError};

/// The cluster of events that came without one.
const CLUSTER_DEFAULT: &str = "default";

/// The answer of a webhook.
#[derive(Debug, Serialize)]
struct Stored {
    stored: u64,
    duplicates: u64,
    quarantined: u64,
}

pub(super) async fn receive(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let cluster = cluster_of(request.uri().path())?;
    let (head, body) = request.into_parts();
    let length = body.size_hint().exact();
    let limit = app.0.settings.limits.body_bytes_max;
    if length.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let room = app.0.room.admit(length).await?;
    let body = collect(&app, &head.headers, body, length).await?;

    let store = Arc::clone(&app.0.store);
    let stored = tokio::task::spawn_blocking(move || {
        let stored = body::take(&body, &cluster, "webhook", &*store);
        drop((body, room));
        stored
    })
    .await
    .unwrap_or_else(|panic| Err(StoreError::Io(format!("storing a batch: {panic}"))));
    app.wrote(stored.is_ok());

    let Receipt {
        stored,
        duplicates,
        quarantined,
    } = stored.map_err(|error| Problem::from(error).into_unavailable())?;
    let answer = Json(Stored {
        stored,
        duplicates,
        quarantined,
    });
    Ok(answer.into_response())
}

/// Receives the body. Fails when it is cut short, too large, or stands still.
async fn collect(
    app: &App,
    headers: &HeaderMap,
    mut from: axum::body::Body,
    length: Option<u64>,
) -> Result<Body, Problem> {
    let limits = &app.0.settings.limits;
    let spool_dir = &app.0.settings.spool_dir;
    let mut body = Receiver::new(headers, spool_dir, length, limits.body_bytes_max)?;
    let mut received: u64 = 0;
    let mut progress_at = BODY_PROGRESS_BYTES;
    let mut deadline = tokio::time::Instant::now() + limits.body_idle_wait;
    loop {
        let frame = match tokio::time::timeout_at(deadline, from.frame()).await {
            Err(_) => {
                return Err(Problem::new(
                    StatusCode::REQUEST_TIMEOUT,
                    format!(
                        "the body stood still for {:?} after {received} bytes; nothing was stored",
                        limits.body_idle_wait
                    ),
                ));
            }
            Ok(None) => break,
            Ok(Some(frame)) => frame.map_err(|error| cut(received, &error))?,
        };
        let Ok(bytes) = frame.into_data() else {
            continue;
        };
        received += bytes.len() as u64;
        if received >= progress_at {
            progress_at = received + BODY_PROGRESS_BYTES;
            deadline = tokio::time::Instant::now() + limits.body_idle_wait;
        }
        let pushed = if body.blocks(bytes.len()) {
            tokio::task::block_in_place(|| body.push(&bytes))
        } else {
            body.push(&bytes)
        };
        pushed.map_err(|error| refused(app, &error))?;
    }
    match length {
        Some(length) if length != received => Err(cut(received, &"shorter than its length")),
        _ => body.finish().map_err(|error| refused(app, &error)),
    }
}

/// Why a part of the body was not taken.
fn refused(app: &App, error: &std::io::Error) -> Problem {
    let cause = error.get_ref();
    if matches!(cause, Some(cause) if cause.is::<TooLarge>()) {
        return too_large(app.0.settings.limits.body_bytes_max);
    }
    if matches!(cause, Some(cause) if cause.is::<SpoolFailed>()) {
        app.wrote(false);
        return Problem::internal(error.to_string()).into_unavailable();
    }
    Problem::bad_request(format!(
        "the body is not what its Content-Encoding says: {error}; nothing was stored"
    ))
}

fn cut(received: u64, why: &dyn std::fmt::Display) -> Problem {
    Problem::bad_request(format!(
        "the body was cut after {received} bytes ({why}); nothing was stored"
    ))
}

fn too_large(limit: u64) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!(
            "the body is larger than the limit of {limit} bytes (body_bytes_max); nothing was \
             stored; raise it with --body-bytes-max, or lower kube-apiserver's \
             --audit-webhook-batch-max-size"
        ),
    )
}

/// The cluster that a path names. The name must be safe as a file name and in a shell, and the same
/// however it was spelled, because it is evidence of where events came from.
fn cluster_of(path: &str) -> Result<String, Problem> {
    let name = path.strip_prefix("/webhook").unwrap_or("");
    let name = name.strip_prefix('/').unwrap_or(name);
    if name.is_empty() {
        return Ok(CLUSTER_DEFAULT.to_owned());
    }
    let name = String::from_utf8_lossy(&percent_decode(name)).into_owned();
    match cluster_name(&name) {
        Ok(_) => Ok(name),
        Err(error) => Err(Problem::bad_request(format!(
            "{error} (in the path /webhook/CLUSTER); nothing was stored"
        ))),
    }
}

/// `%XX` as the byte; anything else as it stands.
fn percent_decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after
            .get(..2)
            .filter(|hex| first == b'%' && hex.iter().all(u8::is_ascii_hexdigit))
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cluster_names_are_plain() {
        for (path, expected) in [
            ("/webhook", Some("default")),
            ("/webhook/", Some("default")),
            ("/webhook/prod-eu.1_a", Some("prod-eu.1_a")),
            ("/webhook/prod%2Deu", Some("prod-eu")),
            ("/webhook/..", None),
            ("/webhook/.hidden", None),
            ("/webhook/..%2f", None),
            ("/webhook/..%2F..%2Fetc", None),
            ("/webhook/%2e%2e%2fx", None),
            ("/webhook/%2e%2e", None),
            ("/webhook/a/b", None),
            ("/webhook/a%2fb", None),
            ("/webhook/a%5cb", None),
            ("/webhook/a%00", None),
            ("/webhook/%", None),
            ("/webhook/%zz", None),
            ("/webhook/%ff%fe", None),
            ("/webhook/caf%c3%a9", None),
            ("/webhook/a b", None),
        ] {
            assert_eq!(cluster_of(path).ok().as_deref(), expected, "{path}");
        }
        let longest = "a".repeat(crate::limits::CLUSTER_BYTES_MAX);
        assert!(cluster_of(&format!("/webhook/{longest}")).is_ok());
        assert!(cluster_of(&format!("/webhook/{longest}a")).is_err());
    }
}
