//! Errors as RFC 9457 problem documents.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::query::wire;
use crate::store::StoreError;

/// An error answer. `frame` writes it out, with the request's id, and logs it once.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    status: StatusCode,
    wire: Box<wire::Problem>,
    /// What only the log tells.
    internal: Option<Arc<str>>,
    allow: Option<&'static str>,
    retry_after: Option<Duration>,
}

/// The JSON of a problem.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    problem: &'a wire::Problem,
    request_id: &'a str,
}

impl Problem {
    /// A problem with the status' own name for its type and title.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        let title = status
            .canonical_reason()
            .unwrap_or("error")
            .to_ascii_lowercase();
        let kind = title.replace(' ', "-");
        Problem {
            wire: Box::new(wire::Problem::new(&kind, &title, status.as_u16(), detail)),
            status,
            internal: None,
            allow: None,
            retry_after: None,
        }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::from(StoreError::BadRequest(detail.into()))
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn unavailable(detail: impl Into<String>) -> Problem {
        Problem::from(StoreError::Unavailable(detail.into()))
    }

    /// A failure whose cause is for the log only.
    pub(super) fn internal(cause: impl Into<String>) -> Problem {
        Problem::from(StoreError::Io(cause.into()))
    }

    pub(super) fn method_not_allowed(allow: &'static str) -> Problem {
        let detail = format!("this path takes {allow}");
        let mut problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail);
        problem.allow = Some(allow);
        problem
    }

    /// The same cause, but as something that may pass: the batch must be sent again.
    pub(super) fn into_unavailable(mut self) -> Problem {
        let detail = std::mem::take(&mut self.wire.detail);
        let mut problem = Problem::unavailable(detail);
        problem.internal = self.internal;
        problem
    }

    /// Tells when it is worth asking again. Never for the webhook: kube-apiserver would hammer.
    pub(super) fn retry_after(mut self, wait: Duration) -> Problem {
        self.retry_after = Some(wait);
        self
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// What the log says: the internal cause where there is one.
    pub(super) fn cause(&self) -> &str {
        self.internal.as_deref().unwrap_or(&self.wire.detail)
    }

    /// The document without a request id, as it ends a stream of `rows`.
    pub(super) fn wire(&self) -> &wire::Problem {
        &self.wire
    }

    /// The document, as a body.
    pub(super) fn document(&self, request_id: &str) -> Vec<u8> {
        let document = Document {
            problem: &self.wire,
            request_id,
        };
        serde_json::to_vec(&document).expect("strings and numbers only")
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        let mut wire = wire::Problem::from(&error);
        if matches!(error, StoreError::BadRequest(_)) {
            wire.detail = in_parameters(&wire.detail);
        }
        let mut internal = None;
        if matches!(error, StoreError::Io(_)) {
            let told = "internal error; the server's log has the cause under this request_id";
            internal = Some(std::mem::replace(&mut wire.detail, told.to_owned()).into());
        }
        Problem {
            status: StatusCode::from_u16(wire.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            wire: Box::new(wire),
            internal,
            allow: None,
            retry_after: None,
        }
    }
}

/// A message as it is for HTTP: what names a flag of the command line names the parameter. Quoted
/// text is what the client sent, and stays.
fn in_parameters(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    let mut quote = None;
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let flag = rest.strip_prefix("--").unwrap_or_default();
        let length = flag
            .bytes()
            .take_while(|byte| byte.is_ascii_lowercase() || *byte == b'-')
            .count();
        let begins = told.is_empty() || told.ends_with([' ', '(']);
        if quote.is_none() && begins && length > 0 && !flag.starts_with('-') {
            told.push_str(&flag[..length].replace('-', "_"));
            rest = &flag[length..];
            continue;
        }
        quote = match quote {
            None if matches!(letter, '"' | '`') => Some(letter),
            Some(begun) if begun == letter && !told.ends_with('\\') => None,
            other => other,
        };
        told.push(letter);
        rest = &rest[letter.len_utf8()..];
    }
    told
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(wire::PROBLEM_JSON));
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::in_parameters;

    #[test]
    fn flags_are_named_as_parameters() {
        for (text, told) in [
            ("--since \"soon\": no time", "since \"soon\": no time"),
            (
                "--since a is not before --until b; swap them",
                "since a is not before until b; swap them",
            ),
            (
                "--source-ip \"--since\\\" --x\": bad",
                "source_ip \"--since\\\" --x\": bad",
            ),
            (
                "near \"-- comment\" a--b -- c",
                "near \"-- comment\" a--b -- c",
            ),
        ] {
            assert_eq!(in_parameters(text), told);
        }
    }
}
