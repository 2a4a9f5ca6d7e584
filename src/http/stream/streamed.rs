//! The answer as the connection takes it, piece by piece.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::HttpBody;
use axum::http::HeaderMap;
use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::{CancelOnDrop, Piece};
use crate::http::negotiate::Coding;
use crate::http::problem::Problem;

/// The body of a streamed answer.
pub(super) struct Streamed {
    first: Option<Piece>,
    pieces: mpsc::Receiver<Result<Piece, Problem>>,
    ended: bool,
    /// What is to be said after the last piece.
    trailers: HeaderMap,
    _cancel: CancelOnDrop,
}

/// The answer ends before its end; the connection closes without the final chunk.
#[derive(Debug, thiserror::Error)]
#[error("the answer was broken off")]
pub(super) struct BrokenOff;

impl Streamed {
    /// The rest of an answer after its first piece; when it is dropped, so is the query.
    pub(super) fn new(
        first: Piece,
        pieces: mpsc::Receiver<Result<Piece, Problem>>,
        cancel: CancelOnDrop,
    ) -> Streamed {
        Streamed {
            first: Some(first),
            pieces,
            ended: false,
            trailers: HeaderMap::new(),
            _cancel: cancel,
        }
    }

    pub(super) fn coding(&self) -> Coding {
        self.first
            .as_ref()
            .map_or(Coding::Identity, |piece| piece.coding)
    }
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if self.ended {
            let trailers = std::mem::take(&mut self.trailers);
            return Poll::Ready((!trailers.is_empty()).then(|| Ok(Frame::trailers(trailers))));
        }
        let piece = match self.first.take() {
            Some(first) => Some(Ok(first)),
            None => ready!(self.pieces.poll_recv(context)),
        };
        Poll::Ready(Some(match piece {
            Some(Ok(Piece {
                bytes,
                last,
                trailers,
                ..
            })) => {
                (self.ended, self.trailers) = (last, trailers);
                Ok(Frame::data(bytes))
            }
            Some(Err(_)) | None => {
                self.ended = true;
                Err(BrokenOff)
            }
        }))
    }
}
