//! What a request asks: its query string, its JSON body, its time limit.

use std::time::Duration;

use axum::body::HttpBody;
use axum::extract::{Query, Request};
use axum::http::{HeaderMap, StatusCode, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::answer::Format;
use crate::http::App;
use crate::http::negotiate::Coding;
use crate::http::problem::Problem;
use crate::limits::API_BODY_BYTES_MAX;
use crate::query::params;
use crate::store::Budget;

/// A query string: the parameters of every listing taken out, the others left.
pub(super) struct Question {
    pub(super) pairs: Vec<(String, String)>,
    format: Option<String>,
    pub(super) timeout_ms: Option<u64>,
    headers: HeaderMap,
}

impl Question {
    pub(super) fn read(request: &Request) -> Result<Question, Problem> {
        let mut pairs = pairs(request.uri())?;
        let format = take(&mut pairs, "format")?;
        let timeout_ms = match take(&mut pairs, "timeout_ms")? {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| {
                Problem::bad_request(format!(
                    "timeout_ms {text:?} is no number of milliseconds (0 is without limit)"
                ))
            })?),
        };
        Ok(Question {
            pairs,
            format,
            timeout_ms,
            headers: request.headers().clone(),
        })
    }

    /// For paths that take no parameter at all.
    pub(super) fn none(uri: &Uri) -> Result<(), Problem> {
        match pairs(uri)?.first() {
            None => Ok(()),
            Some((name, _)) => Err(Problem::bad_request(format!(
                "unknown parameter {name:?}; this path takes none"
            ))),
        }
    }

    /// Takes out the value of a parameter that may stand there once.
    pub(super) fn take(&mut self, name: &str) -> Result<Option<String>, Problem> {
        take(&mut self.pairs, name)
    }

    /// Takes out a truth value; without one it is false.
    pub(super) fn switch(&mut self, name: &str) -> Result<bool, Problem> {
        let value = self.take(name)?;
        value.map_or(Ok(false), |value| {
            params::switch(name, &value).map_err(Problem::bad_request)
        })
    }

    /// What `format` names.
    pub(super) fn named_format(&self) -> Option<&str> {
        self.format.as_deref()
    }

    /// What `format` names, or else what the client accepts.
    pub(super) fn format(&self, among: &[Format]) -> Result<Format, Problem> {
        Format::choose(self.format.as_deref(), &self.headers, among)
    }

    /// How the answer is compressed.
    pub(super) fn coding(&self) -> Coding {
        Coding::accepted(&self.headers)
    }

    pub(super) fn budget(&self, app: &App) -> Budget {
        budget(app, self.timeout_ms)
    }
}

fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    match Query::try_from_uri(uri) {
        Ok(Query(pairs)) => Ok(pairs),
        Err(error) => Err(Problem::bad_request(format!("bad query string: {error}"))),
    }
}

/// The value of a parameter that may stand there once.
fn take(pairs: &mut Vec<(String, String)>, name: &str) -> Result<Option<String>, Problem> {
    let mut values = pairs.extract_if(.., |(key, _)| key == name);
    let value = values.next().map(|(_, value)| value);
    match values.next() {
        None => Ok(value),
        Some(_) => Err(Problem::bad_request(format!(
            "the parameter {name:?} stands there more than once"
        ))),
    }
}

/// The time limit that a request asks for: 0 is none, absent is the server's.
pub(super) fn budget(app: &App, timeout_ms: Option<u64>) -> Budget {
    Budget::new(match timeout_ms {
        None => Some(app.0.settings.limits.query_time),
        Some(0) => None,
        Some(timeout_ms) => Some(Duration::from_millis(timeout_ms)),
    })
}

/// The JSON body of a request, whatever its Content-Type calls it. Its type refuses unknown fields.
pub(super) async fn body<T: DeserializeOwned>(app: &App, request: Request) -> Result<T, Problem> {
    let body = request.into_body();
    if body.size_hint().lower() > API_BODY_BYTES_MAX {
        return Err(too_large());
    }
    let limit = usize::try_from(API_BODY_BYTES_MAX).unwrap_or(usize::MAX);
    let wait = app.0.settings.limits.body_idle_wait;
    let collected = tokio::time::timeout(wait, Limited::new(body, limit).collect())
        .await
        .map_err(|_| {
            let detail = format!("the body did not arrive within {wait:?}");
            Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
        })?
        .map_err(|error| match error.is::<LengthLimitError>() {
            true => too_large(),
            false => Problem::bad_request(format!("the body was cut: {error}")),
        })?;
    serde_json::from_slice(&collected.to_bytes())
        .map_err(|error| Problem::bad_request(format!("bad JSON body: {error}")))
}

fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the body is larger than the limit of {API_BODY_BYTES_MAX} bytes"),
    )
}
