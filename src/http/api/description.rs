//! `GET /api/v1/openapi.json`: the API's description, made from the table of routes.

use axum::extract::Request;
use axum::response::Response;

use super::question::Question;
use crate::http::openapi;
use crate::http::problem::Problem;

pub(in crate::http) async fn describe(request: Request) -> Result<Response, Problem> {
    Question::none(request.uri())?;
    let document = openapi();
    Ok(super::json(
        serde_json::to_vec(&document).expect("plain data"),
    ))
}
