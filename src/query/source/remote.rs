//! A server, asked through its HTTP API ([`crate::query::wire`]).

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::Response;
use ureq::{Agent, Body, RequestBuilder};

use super::Source;
use crate::model::token::Token;
use crate::model::value::Value;
use crate::query::count::CountParams;
use crate::query::library::Question;
use crate::query::params::EventParams;
use crate::query::wire::{self, Line, Problem, PruneRequest, SqlRequest};
use crate::query::{base64, clock};
use crate::store::{
    Answer, Pruned, Quarantined, Resealed, Result, Sealed, SqlQuery, SqlSink, Stats, StoreError,
};

/// The longest error answer that is read.
const PROBLEM_BYTES_MAX: u64 = 64 << 10;

/// A server.
#[derive(Debug)]
pub struct Remote {
    agent: Agent,
    base: String,
    token: Option<Token>,
}

/// A server's URL as people type it, with its scheme and without a slash at the end.
pub fn server_url(url: &str) -> Result<String, String> {
    let base = match url.split_once("://") {
        None => format!("http://{url}"),
        Some(("http", _)) => url.to_owned(),
        Some((scheme, rest)) => {
            return Err(format!(
                "server {url:?}: {scheme} is not spoken; use http://{rest}"
            ));
        }
    };
    let base = base.trim_end_matches('/').to_owned();
    if let Err(error) = base.parse::<ureq::http::Uri>() {
        return Err(format!(
            "server {url:?} is no URL: {error}; use a form such as http://127.0.0.1:9770"
        ));
    }
    Ok(base)
}

impl Remote {
    /// A server at `url`, such as `http://127.0.0.1:9770`; without a scheme it is http. Nothing is
    /// sent yet.
    pub fn new(url: &str) -> Result<Remote, String> {
        let base = server_url(url)?;
        // Answers of any length stream, so no timeout but the server's. A proxy from the
        // environment would see evidence that is meant for this machine or its network.
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_secs(10)))
            .build()
            .new_agent();
        Ok(Remote {
            agent,
            base,
            token: None,
        })
    }

    /// This server, told a token with every question.
    pub fn with_token(self, token: Option<Token>) -> Remote {
        Remote { token, ..self }
    }

    fn authorized<Any>(&self, request: RequestBuilder<Any>) -> RequestBuilder<Any> {
        match &self.token {
            Some(token) => request.header("authorization", token.authorization()),
            None => request,
        }
    }

    fn get(&self, path: &str, pairs: &[(&str, String)]) -> Result<Response<Body>> {
        let mut request = self.authorized(self.agent.get(format!("{}{path}", self.base)));
        for (name, value) in pairs {
            request = request.query(name, value);
        }
        request.call().map_err(|error| self.unreachable(&error))
    }

    /// A stream of server-sent events, from the event with the id `mark` on. Waiting for its next
    /// bytes fails after `silence`; without it that may take for ever.
    pub(super) fn open_stream(
        &self,
        path: &str,
        pairs: &[(&str, String)],
        mark: Option<&str>,
        silence: Option<Duration>,
    ) -> Result<Box<dyn BufRead>> {
        let request = self.authorized(self.agent.get(format!("{}{path}", self.base)));
        let request = request.config().timeout_per_read(silence);
        let mut request = request.build();
        for (name, value) in pairs {
            request = request.query(name, value);
        }
        if let Some(mark) = mark {
            request = request.header("last-event-id", mark);
        }
        let response = request.call().map_err(|error| self.unreachable(&error))?;
        let reader = accepted(response)?.into_body().into_reader();
        Ok(Box::new(BufReader::with_capacity(1 << 16, reader)))
    }

    /// The questions that the server can be asked by name.
    pub fn questions(&self, patience: Duration) -> Result<Vec<Question>> {
        self.listed("queries", patience)
    }

    /// What the server lists of a kind: `queries`, `reports`.
    pub fn listed<T: DeserializeOwned>(&self, kind: &str, patience: Duration) -> Result<Vec<T>> {
        let request = self.authorized(self.agent.get(format!("{}/api/v1/{kind}", self.base)));
        let request = request.config().timeout_global(Some(patience)).build();
        let response = request.call().map_err(|error| self.unreachable(&error))?;
        let mut lists: HashMap<String, Vec<T>> = self.read_json(response)?;
        let none = || self.garbled(&format!("it has no {kind}"));
        lists.remove(kind).ok_or_else(none)
    }

    fn post<T: Serialize>(&self, path: &str, body: &T) -> Result<Response<Body>> {
        let body = serde_json::to_vec(body).map_err(|error| StoreError::Io(error.to_string()))?;
        self.authorized(self.agent.post(format!("{}{path}", self.base)))
            .content_type("application/json")
            .send(&body[..])
            .map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &ureq::Error) -> StoreError {
        StoreError::Unavailable(format!(
            "no answer from {}: {error}; is auditql serve running there?",
            self.base
        ))
    }

    fn read_json<T: DeserializeOwned>(&self, response: Response<Body>) -> Result<T> {
        let reader = BufReader::new(accepted(response)?.into_body().into_reader());
        serde_json::from_reader(reader).map_err(|error| self.garbled(&error.to_string()))
    }

    fn garbled(&self, error: &str) -> StoreError {
        StoreError::Io(format!(
            "the answer of {} cannot be read: {error}; is it an auditql server of this version?",
            self.base
        ))
    }

    /// Reads an answer of the format `rows` into the sink.
    fn read_rows(&self, response: Response<Body>, sink: &mut dyn SqlSink) -> Result<Answer> {
        let mut reader =
            BufReader::with_capacity(1 << 16, accepted(response)?.into_body().into_reader());
        let mut columns = Vec::new();
        let mut line = Vec::new();
        loop {
            line.clear();
            let cut = |error: &str| {
                StoreError::Io(format!(
                    "the answer of {} was cut off{error}; ask again",
                    self.base
                ))
            };
            reader
                .read_until(b'\n', &mut line)
                .map_err(|error| cut(&format!(": {error}")))?;
            if line.last() != Some(&b'\n') {
                return Err(cut(""));
            }
            match wire::read_line(&line, &columns).map_err(|error| self.garbled(&error))? {
                Line::Columns(names) => {
                    sink.columns(&names);
                    columns = names;
                }
                Line::Row(row) => {
                    if sink.row(&row).is_break() {
                        return Ok(Answer::default());
                    }
                }
                Line::End(answer) => return Ok(answer),
                Line::Error(problem) => return Err(problem.into_store_error()),
            }
        }
    }
}

impl Source for Remote {
    fn events(
        &self,
        params: &EventParams,
        timeout: Option<Duration>,
        sink: &mut dyn SqlSink,
    ) -> Result<Answer> {
        // What is wrong with a parameter is told the same way as without a server.
        params
            .clone()
            .into_query(clock::now())
            .map_err(StoreError::BadRequest)?;
        let response = self.get("/api/v1/events", &rows_pairs(params.to_pairs(), timeout))?;
        self.read_rows(response, sink)
    }

    fn count(
        &self,
        params: &CountParams,
        timeout: Option<Duration>,
        sink: &mut dyn SqlSink,
    ) -> Result<Answer> {
        params
            .clone()
            .into_plan(clock::now())
            .map_err(StoreError::BadRequest)?;
        let path = format!("/api/v1/{}", params.shape.name());
        let response = self.get(&path, &rows_pairs(params.to_pairs(), timeout))?;
        self.read_rows(response, sink)
    }

    fn sql(
        &self,
        query: &SqlQuery,
        timeout: Option<Duration>,
        sink: &mut dyn SqlSink,
    ) -> Result<Answer> {
        let params = query
            .params
            .iter()
            .map(|(name, value)| (name.clone(), cell(value)))
            .collect();
        let request = SqlRequest {
            sql: query.sql.clone(),
            params,
            limit: Some(query.limit),
            timeout_ms: Some(milliseconds(timeout)),
            format: Some("rows".to_owned()),
            skip_damaged: query.skip_damaged,
        };
        let response = self.post("/api/v1/sql", &request)?;
        self.read_rows(response, sink)
    }

    fn hang_up(&self) {
        self.agent.clone().shutdown();
    }

    fn stats(&self) -> Result<Stats> {
        self.read_json(self.get("/api/v1/stats", &[])?)
    }

    fn quarantined(&self, sink: &mut dyn FnMut(Quarantined) -> ControlFlow<()>) -> Result<()> {
        let response = accepted(self.get("/api/v1/quarantine", &[])?)?;
        for line in BufReader::new(response.into_body().into_reader()).lines() {
            let line = line.map_err(|error| self.garbled(&error.to_string()))?;
            let item =
                serde_json::from_str(&line).map_err(|error| self.garbled(&error.to_string()))?;
            if sink(item).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn quarantined_bytes(
        &self,
        id: i64,
        sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<bool> {
        let response = self.get(&format!("/api/v1/quarantine/{id}/raw"), &[])?;
        if response.status() == 404 {
            return Ok(false);
        }
        let mut reader = accepted(response)?.into_body().into_reader();
        let mut part = vec![0; 1 << 16];
        loop {
            match reader.read(&mut part) {
                Ok(0) => return Ok(true),
                Ok(bytes) if sink(&part[..bytes]).is_break() => return Ok(true),
                Ok(_) => {}
                Err(error) => return Err(self.garbled(&error.to_string())),
            }
        }
    }

    fn seal(&self) -> Result<Sealed> {
        self.read_json(self.post("/api/v1/seal", &serde_json::json!({}))?)
    }

    fn reseal(&self) -> Result<Resealed> {
        self.read_json(self.post("/api/v1/reseal", &serde_json::json!({}))?)
    }

    fn prune(&self, request: &PruneRequest) -> Result<Pruned> {
        self.read_json(self.post("/api/v1/prune", request)?)
    }
}

/// The answer itself, or the error that it stands for.
fn accepted(response: Response<Body>) -> Result<Response<Body>> {
    let status = response.status();
    if status == 200 {
        return Ok(response);
    }
    let mut text = Vec::new();
    let mut reader = response.into_body().into_reader().take(PROBLEM_BYTES_MAX);
    // A body that breaks off still leaves the status to tell.
    let _ = reader.read_to_end(&mut text);
    let problem = serde_json::from_slice(&text).unwrap_or_else(|_| {
        let detail = format!("the server answered {status}");
        Problem::new("", "", status.as_u16(), detail)
    });
    Err(problem.into_store_error())
}

/// The pairs of a question whose answer is to come row by row.
fn rows_pairs(
    mut pairs: Vec<(&'static str, String)>,
    timeout: Option<Duration>,
) -> Vec<(&'static str, String)> {
    pairs.push(("format", "rows".to_owned()));
    pairs.push(("timeout_ms", milliseconds(timeout).to_string()));
    pairs
}

/// On the wire 0 is without limit.
fn milliseconds(timeout: Option<Duration>) -> u64 {
    timeout.map_or(0, |limit| {
        u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).max(1)
    })
}

fn cell(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Int(number) => (*number).into(),
        Value::Real(number) => (*number).into(),
        Value::Time(time) => clock::to_text(*time).into(),
        Value::Text(text) | Value::Json(text) => (&**text).into(),
        Value::Bytes(bytes) => serde_json::json!({ "base64": base64::encode(bytes) }),
    }
}
