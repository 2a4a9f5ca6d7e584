//! Content-Encoding of request bodies. kube-apiserver sends none; proxies and exporters may.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use axum::http::header::CONTENT_ENCODING;
use axum::http::{HeaderMap, StatusCode};
use flate2::write::MultiGzDecoder;
use zstd::stream::raw::Decoder as ZstdDecoder;
use zstd::stream::zio;

use super::problem::Problem;
use crate::intake::body::Body;

/// A body on its way into memory or a file, decoded as it comes.
pub(super) struct Receiver {
    inner: Inner,
}

enum Inner {
    Plain(Measured),
    Gzip(Box<MultiGzDecoder<Measured>>),
    Zstd(Box<zio::Writer<Measured, ZstdDecoder<'static>>>),
}

/// A body that takes only so many bytes, so that a compression bomb meets the same limit.
struct Measured {
    body: Body,
    bytes_max: u64,
}

/// The decoded body is larger than the limit.
#[derive(Debug)]
pub(super) struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("larger than the limit")
    }
}

impl std::error::Error for TooLarge {}

/// The store's disk failed, not the sender.
#[derive(Debug, thiserror::Error)]
#[error("spooling a body: {0}")]
pub(super) struct SpoolFailed(io::Error);

impl Write for Measured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.body.bytes() + bytes.len() as u64 > self.bytes_max {
            return Err(io::Error::other(TooLarge));
        }
        self.body
            .push(bytes)
            .map_err(|error| io::Error::other(SpoolFailed(error)))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Receiver {
    /// `length` is the announced size as sent.
    pub(super) fn new(
        headers: &HeaderMap,
        spool_dir: &Path,
        length: Option<u64>,
        bytes_max: u64,
    ) -> Result<Receiver, Problem> {
        let coding = headers
            .get(CONTENT_ENCODING)
            .map(axum::http::HeaderValue::as_bytes);
        let coding = coding.unwrap_or(b"identity").to_ascii_lowercase();
        let measured = |length| Measured {
            body: Body::new(spool_dir, length),
            bytes_max,
        };
        let inner = match coding.as_slice() {
            b"identity" | b"" => Inner::Plain(measured(length)),
            b"gzip" | b"x-gzip" => Inner::Gzip(Box::new(MultiGzDecoder::new(measured(None)))),
            b"zstd" => {
                let decoder = ZstdDecoder::new()
                    .map_err(|error| Problem::internal(format!("zstd: {error}")))?;
                Inner::Zstd(Box::new(zio::Writer::new(measured(None), decoder)))
            }
            other => {
                return Err(Problem::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    format!(
                        "Content-Encoding \"{}\" cannot be decoded; send gzip, zstd or none; \
                         nothing was stored",
                        other.escape_ascii()
                    ),
                ));
            }
        };
        Ok(Receiver { inner })
    }

    /// Whether taking `bytes` more may block: it decodes, or writes to a file.
    pub(super) fn blocks(&self, bytes: usize) -> bool {
        match &self.inner {
            Inner::Plain(measured) => measured.body.spools(bytes),
            Inner::Gzip(_) | Inner::Zstd(_) => true,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.inner {
            Inner::Plain(measured) => measured.write_all(bytes),
            Inner::Gzip(decoder) => decoder.write_all(bytes),
            Inner::Zstd(decoder) => decoder.write_all(bytes),
        }
    }

    /// The decoded body. Fails when the compressed data ends before its end.
    pub(super) fn finish(self) -> io::Result<Body> {
        match self.inner {
            Inner::Plain(measured) => Ok(measured.body),
            Inner::Gzip(decoder) => Ok(decoder.finish()?.body),
            Inner::Zstd(mut decoder) => {
                decoder.finish()?;
                Ok(decoder.into_inner().0.body)
            }
        }
    }
}
