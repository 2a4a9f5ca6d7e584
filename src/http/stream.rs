//! Answers that are written while the query runs, in constant memory.
//!
//! The query runs in the blocking pool and writes into a [`Pipe`]; the connection takes pieces out
//! of its small channel. Whichever side goes away stops the other: a dropped answer sets the
//! query's cancel flag, and a failed query breaks the answer off so that it cannot pass for whole.

use std::io::{self, Read, Seek, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::Frame;
use tempfile::SpooledTempFile;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::App;
use super::problem::Problem;
use crate::store::{Budget, StoreError};

/// Bytes of one piece, and how many pieces wait at most for the client.
const PIECE_BYTES: usize = 64 << 10;
const PIECES_WAITING: usize = 4;

/// A held answer larger than this waits in an unlinked file.
const HELD_MEMORY_BYTES_MAX: usize = 1 << 20;

/// Part of an answer. One that ends without its last piece was broken off, for whatever reason.
struct Piece {
    bytes: Bytes,
    last: bool,
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
    /// Why a held answer could not be kept.
    failed: Option<Problem>,
}

impl Pipe {
    /// Whether bytes have left already, so that an error can no longer be an answer of its own.
    pub(super) fn started(&self) -> bool {
        self.started
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
        let bytes = Bytes::from(std::mem::replace(&mut self.buffer, next));
        self.send(Ok(Piece { bytes, last }))
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

/// Runs `produce` in the blocking pool, in its turn, and answers with what it writes. An error
/// before the first piece is an answer of its own; a later one breaks the connection off.
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
    let cancel = CancelOnDrop(budget.cancel_flag());
    let slot = app.0.queries.enter().await?;
    let settings = &app.0.settings;
    let (sender, mut pieces) = mpsc::channel(PIECES_WAITING);
    let mut pipe = Pipe {
        buffer: Vec::new(),
        held: (hold == Hold::Whole)
            .then(|| tempfile::spooled_tempfile_in(HELD_MEMORY_BYTES_MAX, &settings.spool_dir)),
        pieces: sender,
        runtime: Handle::current(),
        stall: settings.limits.answer_stall_wait,
        started: false,
        broken: false,
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
    let body = match pieces.recv().await {
        Some(first) => match first? {
            Piece { bytes, last: true } => Body::from(bytes),
            first => Body::new(Streamed {
                first: Some(first),
                pieces,
                ended: false,
                _cancel: cancel,
            }),
        },
        None => {
            let cause = task
                .await
                .map_or_else(|panic| panic.to_string(), |()| String::new());
            return Err(Problem::internal(format!("a query failed: {cause}")));
        }
    };
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}

/// The body of a streamed answer.
struct Streamed {
    first: Option<Piece>,
    pieces: mpsc::Receiver<Result<Piece, Problem>>,
    ended: bool,
    _cancel: CancelOnDrop,
}

/// The answer ends before its end; the connection closes without the final chunk.
#[derive(Debug, thiserror::Error)]
#[error("the answer was broken off")]
struct BrokenOff;

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let piece = match self.first.take() {
            Some(first) => Some(Ok(first)),
            None => ready!(self.pieces.poll_recv(context)),
        };
        Poll::Ready(Some(match piece {
            Some(Ok(Piece { bytes, last })) => {
                self.ended = last;
                Ok(Frame::data(bytes))
            }
            Some(Err(_)) | None => {
                self.ended = true;
                Err(BrokenOff)
            }
        }))
    }
}
