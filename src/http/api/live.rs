//! `GET /api/v1/events/stream`: matching events as they arrive, as server-sent events (WHATWG HTML,
//! section 9.2).
//!
//! A listener reads the store from the last id that it saw whenever something was committed. One
//! that is slow, or that was away and comes back with `Last-Event-ID`, reads on where it was: nothing
//! is kept for it in memory and nothing is left out without being told.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::question::Question;
use crate::http::App;
use crate::http::listeners::{self, Listener};
use crate::http::problem::Problem;
use crate::http::stream::CancelOnDrop;
use crate::limits::{LISTENER_BEHIND_MAX, LISTENER_HEARTBEAT, LISTENER_PAUSE};
use crate::query::clock;
use crate::query::live::{Arrived, EVENT_STREAM, Follower, Mark};
use crate::query::output::json::write_object;
use crate::query::output::unique_names;
use crate::query::params::EventParams;
use crate::query::wire;
use crate::store::{Budget, EventQuery, StoreError};

/// Pieces that wait for a client; each is what one step of reading gave.
const PIECES_WAITING: usize = 1;

/// How an event's data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// An object.
    Json,
    /// An array of cells; an event `columns` comes before the first.
    Rows,
}

pub(in crate::http) async fn listen(
    State(app): State<App>,
    request: Request,
) -> Result<Response, Problem> {
    let mut question = Question::read(&request)?;
    let form = match question.named_format() {
        None | Some("json") => Form::Json,
        Some("rows") => Form::Rows,
        Some(name) => {
            let detail = format!("unknown format {name:?}; this path has json, rows");
            return Err(Problem::bad_request(detail));
        }
    };
    let timed = question.timeout_ms.is_some();
    for name in [
        "limit",
        "reverse",
        "final",
        "cursor",
        "explain",
        "timeout_ms",
    ] {
        if question.take(name)?.is_some() || (timed && name == "timeout_ms") {
            return Err(Problem::bad_request(format!(
                "{name} has no meaning for a stream of arriving events; leave it out"
            )));
        }
    }
    let query = EventParams::from_pairs(question.pairs)
        .and_then(|params| params.into_query(clock::now()))
        .map_err(Problem::bad_request)?;
    let resumed = request
        .headers()
        .get("last-event-id")
        .filter(|value| !value.is_empty())
        .map(|value| {
            let word = String::from_utf8_lossy(value.as_bytes());
            Mark::from_word(&word).ok_or_else(|| {
                Problem::bad_request(format!(
                    "bad Last-Event-ID {word:.100?}; give the id of an event of this stream, or none"
                ))
            })
        })
        .transpose()?;
    let listener = listeners::join(&app)?;
    let (sender, pieces) = mpsc::channel(PIECES_WAITING);
    let budget = Budget::new(None);
    let cancel = CancelOnDrop(budget.cancel_flag());
    tokio::spawn(Stream::new(app, query, form, resumed, budget, sender, listener).run());
    let mut response = Response::new(Body::new(Pieces {
        pieces,
        _cancel: cancel,
    }));
    let content_type = HeaderValue::from_static(EVENT_STREAM);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(response)
}

/// One client's stream.
struct Stream {
    app: App,
    form: Form,
    mark: Mark,
    follower: Option<Follower>,
    budget: Budget,
    sender: mpsc::Sender<Bytes>,
    /// What is to be said first.
    opening: Vec<u8>,
    columns_told: bool,
    lag_told: bool,
    /// Since everything was last seen, there were never many events to read.
    up_to_date: bool,
    /// Last, so that whoever waits for all listeners to leave has the last handle of the store.
    listener: Listener,
}

impl Stream {
    fn new(
        app: App,
        query: EventQuery,
        form: Form,
        resumed: Option<Mark>,
        budget: Budget,
        sender: mpsc::Sender<Bytes>,
        listener: Listener,
    ) -> Stream {
        let store = &app.0.store;
        let (identity, last) = (store.identity(), store.last_id());
        let mut opening = b"retry: 2000\n".to_vec();
        let fresh = Mark {
            store: identity,
            id: last,
            pruned_events: None,
        };
        let mark = match resumed {
            None => fresh,
            Some(mark) if mark.store == fresh.store && mark.id <= last => mark,
            Some(_) => {
                let detail = "the last event that was seen is of another store, or this one was \
                              put back; events before now are left out";
                write_event(&mut opening, Some("gap"), None, &told(detail, None));
                fresh
            }
        };
        write_mark(&mut opening, &mark);
        Stream {
            follower: Some(Follower::new(query, mark.id)),
            app,
            form,
            mark,
            budget,
            sender,
            opening,
            columns_told: false,
            lag_told: false,
            up_to_date: false,
            listener,
        }
    }

    /// Until the client goes away, stands still for too long, or the server stops.
    async fn run(mut self) {
        let mut stopping = self.app.0.stopping.subscribe();
        let opening = std::mem::take(&mut self.opening);
        let mut open = self.send(opening).await;
        while open {
            self.listener.head.mark_unchanged();
            let read_at = Instant::now();
            if !self.catch_up().await {
                return;
            }
            tokio::select! {
                changed = self.listener.head.changed() => open = changed.is_ok(),
                () = sleep_until(Instant::now() + LISTENER_HEARTBEAT) => {
                    // It moves the client's place on past events that do not match.
                    let mut piece = b": alive\n".to_vec();
                    write_mark(&mut piece, &self.mark);
                    open = self.send(piece).await;
                }
                () = self.sender.closed() => return,
                () = async { let _ = stopping.wait_for(|stopping| *stopping).await; } => return,
            }
            // Many commits a second are read together.
            sleep_until(read_at + LISTENER_PAUSE).await;
        }
    }

    /// Sends what arrived since; false when the stream is over.
    async fn catch_up(&mut self) -> bool {
        loop {
            let Some(mut follower) = self.follower.take() else {
                return false;
            };
            if *self.app.0.stopping.borrow() {
                return false;
            }
            let turn = self.app.0.listeners.turn().await;
            let (store, budget) = (self.app.0.store.clone(), self.budget.clone());
            let read = tokio::task::spawn_blocking(move || {
                let step = follower
                    .step(&*store, &budget)
                    .and_then(|step| Ok((step, follower.pruned_events(&*store, &budget)?)));
                let behind = store.last_id() - follower.seen();
                drop(turn);
                (follower, step, behind)
            });
            let (follower, step, behind) = match read.await {
                Ok(read) => read,
                Err(panic) => {
                    let failed = StoreError::Io(format!("a listener failed: {panic}"));
                    return self.fail(failed).await;
                }
            };
            match step {
                Ok((None, pruned)) => {
                    let piece = self.tell_gap(pruned);
                    self.mark.id = follower.seen();
                    self.follower = Some(follower);
                    (self.up_to_date, self.lag_told) = (true, false);
                    return piece.is_empty() || self.send(piece).await;
                }
                Ok((Some(arrived), pruned)) => {
                    let mut piece = self.tell_gap(pruned);
                    self.write(&mut piece, &arrived, follower.seen(), behind);
                    self.follower = Some(follower);
                    if !piece.is_empty() && !self.send(piece).await {
                        return false;
                    }
                }
                Err(error) => return self.fail(error).await,
            }
        }
    }

    /// Ends the stream with an error that the client gets to see.
    async fn fail(&mut self, error: StoreError) -> bool {
        let problem = Problem::from(error);
        tracing::warn!("a stream of events was broken off: {}", problem.cause());
        let data = serde_json::to_vec(problem.wire()).expect("plain data");
        let mut piece = Vec::new();
        write_event(&mut piece, Some("error"), None, &data);
        self.send(piece).await;
        false
    }

    /// Retention may remove what a listener that is away or behind has not seen. What it removes
    /// while the listener is up to date was seen.
    fn tell_gap(&mut self, pruned: u64) -> Vec<u8> {
        let before = self.mark.pruned_events.replace(pruned);
        let mut piece = Vec::new();
        if !self.up_to_date && before.is_some_and(|before| before < pruned) {
            let detail = "retention removed events while this listener was away or behind; some \
                          of them may be missing here";
            write_event(&mut piece, Some("gap"), None, &told(detail, None));
        }
        piece
    }

    /// Writes what a step found.
    fn write(&mut self, piece: &mut Vec<u8>, arrived: &Arrived, seen: i64, behind: i64) {
        if behind > LISTENER_BEHIND_MAX && !self.lag_told {
            (self.up_to_date, self.lag_told) = (false, true);
            let detail = "events arrive faster than this listener takes them; it gets all of them, \
                          later";
            write_event(piece, Some("lagged"), None, &told(detail, Some(behind)));
        }
        if self.form == Form::Rows && !self.columns_told {
            self.columns_told = true;
            let columns = serde_json::to_vec(&arrived.columns).expect("plain data");
            write_event(piece, Some("columns"), None, &columns);
        }
        let names = unique_names(&arrived.columns);
        let mut data = Vec::new();
        for (id, row) in &arrived.rows {
            data.clear();
            match self.form {
                Form::Json => write_object(&mut data, &names, row),
                Form::Rows => wire::write_row(&mut data, row),
            }
            self.mark.id = *id;
            write_event(piece, None, Some(&self.mark), &data);
        }
        self.mark.id = seen;
    }

    async fn send(&self, piece: Vec<u8>) -> bool {
        let stall = self.app.0.settings.limits.answer_stall_wait;
        matches!(
            timeout(stall, self.sender.send(piece.into())).await,
            Ok(Ok(()))
        )
    }
}

/// The data of an event about the stream itself.
fn told(detail: &str, behind: Option<i64>) -> Vec<u8> {
    let mut told = serde_json::json!({ "detail": detail });
    if let Some(behind) = behind {
        told["behind"] = behind.into();
    }
    told.to_string().into_bytes()
}

/// Appends one event; its data has no newline in it.
fn write_event(out: &mut Vec<u8>, name: Option<&str>, mark: Option<&Mark>, data: &[u8]) {
    if let Some(name) = name {
        out.extend_from_slice(format!("event: {name}\n").as_bytes());
    }
    if let Some(mark) = mark {
        out.extend_from_slice(format!("id: {}\n", mark.to_word()).as_bytes());
    }
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\n\n");
}

/// Appends a place without an event.
fn write_mark(out: &mut Vec<u8>, mark: &Mark) {
    out.extend_from_slice(format!("id: {}\n\n", mark.to_word()).as_bytes());
}

/// The body: pieces until the listener ends, or the client does.
struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    _cancel: CancelOnDrop,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let piece = std::task::ready!(self.pieces.poll_recv(context));
        Poll::Ready(piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}
