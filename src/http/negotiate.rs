//! Content negotiation (RFC 9110, section 12.5): the form of an answer from `Accept`, its
//! compression from `Accept-Encoding`.

use std::io::{self, Write};

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, ACCEPT_ENCODING, HeaderName};
use flate2::write::GzEncoder;
use zstd::stream::write::Encoder as ZstdEncoder;

/// An answer shorter than this is not compressed: it fits a packet anyhow.
pub(super) const COMPRESSED_BYTES_MIN: usize = 1 << 10;

/// zstd level of answers: they are compressed while somebody waits.
const ZSTD_LEVEL: i32 = 1;

/// The items of a header's lists with their weights, 0 to 1000.
fn weighted(headers: &HeaderMap, name: &HeaderName) -> Vec<(String, u16)> {
    let lists = headers.get_all(name).iter();
    let items = lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','));
    items
        .filter_map(|item| {
            let mut parts = item.split(';').map(str::trim);
            let name = parts.next()?.to_ascii_lowercase();
            let weight = parts.find_map(|part| {
                let (key, value) = part.split_once('=')?;
                key.trim().eq_ignore_ascii_case("q").then(|| value.trim())
            });
            let weight = match weight {
                None => 1000,
                Some(text) => (text.parse::<f32>().ok()?.clamp(0.0, 1.0) * 1000.0).round() as u16,
            };
            (!name.is_empty()).then_some((name, weight))
        })
        .collect()
}

/// Which of `offers` (media types, the preferred one first, with aliases) a client likes best: its
/// place. `None` when it takes none of them; the first when it does not say.
pub(super) fn media_type(headers: &HeaderMap, offers: &[&[&str]]) -> Option<usize> {
    let accepted = weighted(headers, &ACCEPT);
    if accepted.is_empty() {
        return Some(0);
    }
    let weight = |offer: &str| {
        let kind = offer.split('/').next().unwrap_or_default();
        // The most specific range decides.
        let ranges = [offer.to_owned(), format!("{kind}/*"), "*/*".to_owned()];
        let found = ranges
            .iter()
            .find_map(|range| accepted.iter().find(|(name, _)| name == range));
        found.map_or(0, |(_, weight)| *weight)
    };
    let weights = offers
        .iter()
        .map(|names| names.iter().map(|name| weight(name)).max().unwrap_or(0));
    let mut best: Option<(usize, u16)> = None;
    for (at, weight) in weights.enumerate() {
        if weight > best.map_or(0, |(_, weight)| weight) {
            best = Some((at, weight));
        }
    }
    best.map(|(at, _)| at)
}

/// How an answer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Zstd,
}

impl Coding {
    /// What a client likes best; of equals zstd before gzip. A client that names none gets none.
    pub(super) fn accepted(headers: &HeaderMap) -> Coding {
        let accepted = weighted(headers, &ACCEPT_ENCODING);
        let weight = |names: &[&str]| {
            let named = accepted
                .iter()
                .filter(|(name, _)| names.contains(&name.as_str()));
            named.map(|(_, weight)| *weight).max().unwrap_or(0)
        };
        let (gzip, zstd) = (weight(&["gzip", "x-gzip"]), weight(&["zstd"]));
        if gzip.max(zstd) < weight(&["identity"]).max(1) {
            Coding::Identity
        } else if zstd >= gzip {
            Coding::Zstd
        } else {
            Coding::Gzip
        }
    }

    /// Its name in `Content-Encoding`.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Coding::Identity => None,
            Coding::Gzip => Some("gzip"),
            Coding::Zstd => Some("zstd"),
        }
    }

    pub(super) fn compressor(self) -> io::Result<Compressor> {
        Ok(match self {
            Coding::Identity => Compressor::Identity,
            Coding::Gzip => {
                Compressor::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::fast()))
            }
            Coding::Zstd => Compressor::Zstd(ZstdEncoder::new(Vec::new(), ZSTD_LEVEL)?),
        })
    }
}

/// Compresses an answer piece by piece.
pub(super) enum Compressor {
    Identity,
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(ZstdEncoder<'static, Vec<u8>>),
}

impl Compressor {
    /// What `bytes` become; a client can decode all that it was given so far. `last` ends the
    /// stream, after which there may be no more.
    pub(super) fn push(&mut self, bytes: Vec<u8>, last: bool) -> io::Result<Vec<u8>> {
        match self {
            Compressor::Identity => Ok(bytes),
            Compressor::Gzip(encoder) => {
                encoder.write_all(&bytes)?;
                match last {
                    true => encoder.try_finish()?,
                    false => encoder.flush()?,
                }
                Ok(std::mem::take(encoder.get_mut()))
            }
            Compressor::Zstd(encoder) => {
                encoder.write_all(&bytes)?;
                match last {
                    true => encoder.do_finish()?,
                    false => encoder.flush()?,
                }
                Ok(std::mem::take(encoder.get_mut()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn the_most_specific_range_decides_and_then_the_order_of_offers() {
        let offers: [&[&str]; 3] = [
            &["application/json"],
            &["application/x-ndjson", "application/jsonl"],
            &["text/csv"],
        ];
        let choose = |accept: &str| media_type(&headers(ACCEPT, accept), &offers);
        assert_eq!(media_type(&HeaderMap::new(), &offers), Some(0));
        for (accept, chosen) in [
            ("*/*", Some(0)),
            ("text/csv", Some(2)),
            ("TEXT/CSV; charset=utf-8", Some(2)),
            ("text/*", Some(2)),
            ("application/jsonl", Some(1)),
            ("text/csv;q=0.5, application/x-ndjson;q=0.9", Some(1)),
            ("application/*;q=0.1, text/csv;q=0.2", Some(2)),
            ("*/*, application/json;q=0", Some(1)),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                Some(0),
            ),
            ("text/html", None),
            ("text/csv;q=0", None),
            ("application/json;q=x", Some(0)),
            (";,", Some(0)),
        ] {
            assert_eq!(choose(accept), chosen, "{accept}");
        }
    }

    #[test]
    fn a_coding_is_used_only_where_it_is_named() {
        let choose = |accept: &str| Coding::accepted(&headers(ACCEPT_ENCODING, accept));
        assert_eq!(Coding::accepted(&HeaderMap::new()), Coding::Identity);
        for (accept, chosen) in [
            ("gzip, deflate, br, zstd", Coding::Zstd),
            ("gzip, deflate, br", Coding::Gzip),
            ("zstd;q=0.5, gzip", Coding::Gzip),
            ("gzip;q=0", Coding::Identity),
            ("identity, gzip;q=0.5", Coding::Identity),
            ("*", Coding::Identity),
            ("br", Coding::Identity),
        ] {
            assert_eq!(choose(accept), chosen, "{accept}");
        }
    }

    #[test]
    fn every_piece_can_be_decoded_as_it_comes() {
        for coding in [Coding::Gzip, Coding::Zstd, Coding::Identity] {
            let mut compressor = coding.compressor().unwrap();
            let mut sent = Vec::new();
            for (piece, last) in [("first ", false), ("second ", false), ("third", true)] {
                sent.extend(compressor.push(piece.into(), last).unwrap());
                let mut text = [0; 64];
                let sent = sent.as_slice();
                let mut reader: Box<dyn Read> = match coding {
                    Coding::Gzip => Box::new(flate2::read::GzDecoder::new(sent)),
                    Coding::Zstd => Box::new(zstd::stream::read::Decoder::new(sent).unwrap()),
                    Coding::Identity => Box::new(sent),
                };
                let mut length = 0;
                while let Ok(more @ 1..) = reader.read(&mut text[length..]) {
                    length += more;
                }
                assert!(
                    text[..length].ends_with(piece.as_bytes()),
                    "{coding:?} {piece}"
                );
            }
        }
    }
}
