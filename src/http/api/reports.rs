//! `/api/v1/reports`: the compliance reports, and making them.

use std::io::Write as _;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::question::Question;
use crate::http::App;
use crate::http::negotiate;
use crate::http::problem::Problem;
use crate::http::stream::{Hold, Shape, stream_as};
use crate::limits::{REPORT_ROWS_MAX, REPORT_ROWS_SHOWN_MAX};
use crate::query::clock;
use crate::query::library::Reader;
use crate::query::source::Local;
use crate::report::make;
use crate::report::render::Form;
use crate::store::{Budget, StoreError};

/// For whom a report is made when the request does not say so.
const MADE_FOR: &str = "HTTP client";

/// A document needs its own style and nothing else: not even its own scripts would run.
const DOCUMENT_POLICY: &[u8] = b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

/// The forms in the order in which they are offered, with their media types.
const OFFERS: [(Form, &[&str], &str); 4] = [
    (Form::Json, &["application/json"], "application/json"),
    (Form::Html, &["text/html"], "text/html; charset=utf-8"),
    (Form::Md, &["text/markdown"], "text/markdown; charset=utf-8"),
    (Form::Csv, &["text/csv"], "text/csv; charset=utf-8"),
];

/// `GET /api/v1/reports`: every report with its parameters and controls.
pub(in crate::http) async fn list(
    State(app): State<App>,
    request: Request,
) -> Result<Response, Problem> {
    Question::none(request.uri())?;
    let listed = serde_json::json!({ "reports": app.0.settings.reports.reports() });
    Ok(super::json(listed.to_string().into_bytes()))
}

/// `GET /api/v1/reports/{name}`: makes it; parameters stand in the query string.
pub(in crate::http) async fn make_one(
    State(app): State<App>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let mut question = Question::read(&request)?;
    let (form, content_type) = form(question.named_format(), &request)?;
    let budget = Budget::new(match question.timeout_ms {
        None => Some(app.0.settings.limits.report_time),
        Some(0) => None,
        Some(limit) => Some(std::time::Duration::from_millis(limit)),
    });
    let rows = match question.take("rows")? {
        None => None,
        Some(text) => match text.parse() {
            Ok(rows) if rows <= REPORT_ROWS_SHOWN_MAX => Some(rows),
            _ => {
                return Err(Problem::bad_request(format!(
                    "rows {text:?} is no number from 0 to {REPORT_ROWS_SHOWN_MAX}"
                )));
            }
        },
    };
    let rows_max = match question.take("rows_max")? {
        None => REPORT_ROWS_MAX,
        Some(text) => text.parse().map_err(|_| {
            Problem::bad_request(format!(
                "rows_max {text:?} is no number; use 0 for all rows"
            ))
        })?,
    };
    let skip_damaged = question.switch("skip_damaged")?;
    let summary = question.switch("summary")?;
    let made_for = question.take("for")?.unwrap_or_else(|| MADE_FOR.to_owned());
    let shape = Shape {
        hold: Hold::Whole,
        content_type,
        coding: question.coding(),
        rows_max: None,
    };
    let settings = &app.0.settings;
    let report = settings
        .reports
        .get(&name)
        .map_err(Problem::not_found)?
        .clone();
    let library = settings.library.clone();
    let given = question.pairs;
    let source = Local::until(app.0.store.clone(), budget.cancel_flag());
    stream_as(&app, budget, shape, move |budget, pipe| {
        let request = make::Request {
            given: &given,
            made_for: &made_for,
            reader: Reader::Client,
            rows,
            rows_max,
            skip_damaged,
            summary,
            timeout: budget.limit(),
            cancelled: budget.cancel_flag(),
            now: clock::now(),
            ..make::Request::default()
        };
        let made = make::make(&report, &library, &source, &request)?;
        let (text, _) = form.document(&made).map_err(Problem::bad_request)?;
        if form == Form::Html {
            pipe.header("content-security-policy", DOCUMENT_POLICY);
        }
        pipe.write_all(text.as_bytes())
            .map_err(|_| StoreError::Cancelled.into())
    })
    .await
}

/// The form of this name, or else what the client accepts.
fn form(name: Option<&str>, request: &Request) -> Result<(Form, &'static str), Problem> {
    let known = |names: Vec<&str>| names.join(", ");
    if let Some(name) = name {
        let found = OFFERS.iter().find(|(form, ..)| form.name() == name);
        return found.map(|(form, _, kind)| (*form, *kind)).ok_or_else(|| {
            let names = OFFERS.iter().map(|(form, ..)| form.name()).collect();
            Problem::bad_request(format!(
                "unknown format {name:?}; this path has {}",
                known(names)
            ))
        });
    }
    let chosen = negotiate::media_type(request.headers(), &OFFERS.map(|(_, types, _)| types));
    let chosen = chosen.map(|at| (OFFERS[at].0, OFFERS[at].2));
    chosen.ok_or_else(|| {
        let types = OFFERS
            .iter()
            .flat_map(|(_, types, _)| *types)
            .copied()
            .collect();
        Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            format!(
                "this path has nothing that the Accept header allows; it has {}",
                known(types)
            ),
        )
    })
}
