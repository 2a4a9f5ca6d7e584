//! Answers that are written while the query runs, in constant memory.
//!
//! The query runs in the blocking pool and writes into a [`Pipe`]; the connection takes pieces out
//! of its small channel. Whichever side goes away stops the other: a dropped answer sets the
//! query's cancel flag, and a failed query breaks the answer off so that it cannot pass for whole.

mod streamed;

use std::io::{self, Read, Seek, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, TRAILER, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use tempfile::SpooledTempFile;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::App;
use super::negotiate::{self, Coding, Compressor};
use super::problem::Problem;
use crate::store::{Budget, StoreError, Text};
use streamed::Streamed;

/// Bytes of one piece, and how many pieces wait at most for the client.
const PIECE_BYTES: usize = 64 << 10;
const PIECES_WAITING: usize = 4;

/// Headers with the limits of an answer: rows, and milliseconds.
const ROWS_LIMIT: &str = "auditql-limit-rows";
const TIME_LIMIT: &str = "auditql-limit-ms";

/// Whether rows are missing.
pub(super) const TRUNCATED: &str = "auditql-truncated";

/// Fields that an answer of rows ends with when it is sent before they are known. Clients get them
/// that say `TE: trailers` (RFC 9110, 6.5).
const ENDING: &str = "auditql-truncated, auditql-coverage, link";

/// A held answer larger than this waits in an unlinked file.
const HELD_MEMORY_BYTES_MAX: usize = 1 << 20;

/// Part of an answer. One that ends without its last piece was broken off, for whatever reason.
struct Piece {
    bytes: Bytes,
    last: bool,
    /// How all pieces of the answer are compressed.
    coding: Coding,
    /// Of the last piece.
    trailers: HeaderMap,
}

/// What an answer looks like from outside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) hold: Hold,
    pub(super) content_type: &'static str,
    pub(super) coding: Coding,
    /// Most rows, 0 is all; `None` where there are no rows.
    pub(super) rows_max: Option<u64>,
}

/// Whether an answer leaves only once it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    No,
    Whole,
}

impl Hold {
    pub(super) fn when(whole: bool) -> Hold {
        if whole { Hold::Whole } else { Hold::No }
    }
}

/// Sets a query's cancel flag when dropped: the client went away, or the answer is complete.
pub(super) struct CancelOnDrop(pub(super) Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Where a query writes its answer. A write fails once the client is gone or has stood still for
/// too long; the query should then end.
pub(super) struct Pipe {
    buffer: Vec<u8>,
    held: Option<SpooledTempFile>,
    pieces: mpsc::Sender<Result<Piece, Problem>>,
    runtime: Handle,
    stall: Duration,
    started: bool,
    broken: bool,
    coding: Coding,
    /// Made with the first piece.
    compressor: Option<Compressor>,
    headers: Arc<Mutex<HeaderMap>>,
    trailers: HeaderMap,
    /// Why a held answer could not be kept.
    failed: Option<Problem>,
}

impl Pipe {
    /// Whether bytes have left already, so that an error can no longer be an answer of its own.
    pub(super) fn started(&self) -> bool {
        self.started
    }

    /// Says something about the answer: in a header, or in a trailer once bytes have left.
    pub(super) fn header(&mut self, name: &'static str, value: &[u8]) {
        let Ok(value) = HeaderValue::from_bytes(value) else {
            return;
        };
        let name = HeaderName::from_static(name);
        if self.started {
            self.trailers.insert(name, value);
        } else {
            let mut headers = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
            headers.insert(name, value);
        }
    }

    /// Whether a write failed.
    pub(super) fn broken(&self) -> bool {
        self.broken
    }

    fn send(&mut self, piece: Result<Piece, Problem>) -> io::Result<()> {
        if !self.broken {
            let sent = self.runtime.block_on(async {
                tokio::time::timeout(self.stall, self.pieces.send(piece)).await
            });
            self.broken = !matches!(sent, Ok(Ok(())));
            self.started = true;
        }
        if self.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }

    fn send_buffer(&mut self, last: bool) -> io::Result<()> {
        let next = Vec::with_capacity(if last { 0 } else { PIECE_BYTES });
        let bytes = std::mem::replace(&mut self.buffer, next);
        if self.compressor.is_none() {
            if last && bytes.len() < negotiate::COMPRESSED_BYTES_MIN {
                self.coding = Coding::Identity;
            }
            self.compressor = Some(self.coding.compressor()?);
        }
        let compressor = self.compressor.as_mut().expect("made above");
        let piece = Piece {
            bytes: compressor.push(bytes, last)?.into(),
            last,
            coding: self.coding,
            trailers: match last {
                true => std::mem::take(&mut self.trailers),
                false => HeaderMap::new(),
            },
        };
        self.send(Ok(piece))
    }

    /// Takes much at once; without a copy where it goes out as it is.
    pub(super) fn push(&mut self, text: Text) -> io::Result<()> {
        let as_it_is = self.coding == Coding::Identity && self.held.is_none();
        if !as_it_is || text.as_ref().len() < PIECE_BYTES {
            return self.write_all(text.as_ref());
        }
        if !self.buffer.is_empty() {
            self.send_buffer(false)?;
        }
        self.send(Ok(Piece {
            bytes: Bytes::from_owner(text),
            last: false,
            coding: self.coding,
            trailers: HeaderMap::new(),
        }))
    }

    /// Sends what was held or is still in the buffer, and the end.
    fn finish(&mut self) -> Result<(), Problem> {
        if let Some(mut held) = self.held.take() {
            let failed = |error| Problem::internal(format!("reading a held answer: {error}"));
            held.rewind().map_err(failed)?;
            loop {
                let mut part = Read::by_ref(&mut held).take(PIECE_BYTES as u64);
                if part.read_to_end(&mut self.buffer).map_err(failed)? < PIECE_BYTES {
                    break;
                }
                self.send_buffer(false).map_err(gone)?;
            }
        }
        self.send_buffer(true).map_err(gone)
    }
}

fn gone(_: io::Error) -> Problem {
    StoreError::Cancelled.into()
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(held) = &mut self.held {
            let written = held.write(bytes);
            if let Err(error) = &written {
                self.failed = Some(Problem::internal(format!("holding an answer: {error}")));
            }
            return written;
        }
        if !self.buffer.is_empty() && self.buffer.len() + bytes.len() > PIECE_BYTES {
            self.send_buffer(false)?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Does nothing: small answers leave at once and whole, with their length.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// [`stream_as`] for answers that are neither rows nor compressed.
pub(super) async fn stream<F>(
    app: &App,
    budget: Budget,
    hold: Hold,
    content_type: &'static str,
    produce: F,
) -> Result<Response, Problem>
where
    F: FnOnce(&Budget, &mut Pipe) -> Result<(), Problem> + Send + 'static,
{
    let shape = Shape {
        hold,
        content_type,
        coding: Coding::Identity,
        rows_max: None,
    };
    stream_as(app, budget, shape, produce).await
}

/// Runs `produce` in the blocking pool, in its turn, and answers with what it writes. An error
/// before the first piece is an answer of its own; a later one breaks the connection off.
pub(super) async fn stream_as<F>(
    app: &App,
    budget: Budget,
    shape: Shape,
    produce: F,
) -> Result<Response, Problem>
where
    F: FnOnce(&Budget, &mut Pipe) -> Result<(), Problem> + Send + 'static,
{
    let cancel = CancelOnDrop(budget.cancel_flag());
    let slot = app.0.queries.enter(budget.limit()).await?;
    let budget = budget.begun();
    let settings = &app.0.settings;
    let headers = Arc::new(Mutex::new(limits(&budget, shape.rows_max)));
    let (sender, mut pieces) = mpsc::channel(PIECES_WAITING);
    let mut pipe = Pipe {
        buffer: Vec::new(),
        held: (shape.hold == Hold::Whole)
            .then(|| tempfile::spooled_tempfile_in(HELD_MEMORY_BYTES_MAX, &settings.spool_dir)),
        pieces: sender,
        runtime: Handle::current(),
        stall: settings.limits.answer_stall_wait,
        started: false,
        broken: false,
        coding: shape.coding,
        compressor: None,
        headers: Arc::clone(&headers),
        trailers: HeaderMap::new(),
        failed: None,
    };
    let span = tracing::Span::current();
    let task = tokio::task::spawn_blocking(move || {
        let _in_request = span.enter();
        let outcome = produce(&budget, &mut pipe);
        // The slot counts running queries: it is kept until this one has ended, even if its client
        // is long gone, and not while a finished answer is read.
        drop(slot);
        let ended = match pipe.failed.take() {
            Some(problem) => Err(problem),
            None => outcome.and_then(|()| pipe.finish()),
        };
        if let Err(problem) = ended {
            if pipe.started && !pipe.broken {
                tracing::warn!("an answer was broken off: {}", problem.cause());
            }
            // Fails only when nobody is there to be told.
            let _ = pipe.send(Err(problem));
        }
    });
    let (coding, body) = match pieces.recv().await {
        Some(first) => match first? {
            Piece {
                bytes,
                last: true,
                coding,
                ..
            } => (coding, Body::from(bytes)),
            first => {
                let streamed = Streamed::new(first, pieces, cancel);
                (streamed.coding(), Body::new(streamed))
            }
        },
        None => {
            let cause = task
                .await
                .map_or_else(|panic| panic.to_string(), |()| String::new());
            return Err(Problem::internal(format!("a query failed: {cause}")));
        }
    };
    let streams = body.size_hint().exact().is_none();
    let mut response = Response::new(body);
    let mut own = headers.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::swap(response.headers_mut(), &mut own);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(shape.content_type));
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    if streams && shape.rows_max.is_some() && !headers.contains_key(TRUNCATED) {
        headers.insert(TRAILER, HeaderValue::from_static(ENDING));
    }
    if let Some(name) = coding.name() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    Ok(response)
}

/// Headers that tell the limits of an answer; 0 is none.
fn limits(budget: &Budget, rows_max: Option<u64>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let time = budget.limit().map_or(0, |limit| limit.as_millis());
    headers.insert(TIME_LIMIT, time.to_string().parse().expect("a number"));
    if let Some(rows) = rows_max {
        headers.insert(ROWS_LIMIT, HeaderValue::from(rows));
    }
    headers
}
