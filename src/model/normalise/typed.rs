//! Typed values of members: each is what its field says, or the item is refused.

use std::ops::Range;

use super::Reject;
use crate::model::event::Text;
use crate::model::json::{Literal, Scanner, unescape};
use crate::model::time;

/// An instant, and where it stands if its spelling is the canonical one.
#[derive(Debug)]
pub(super) struct Stamp {
    pub micros: i64,
    pub literal: Option<Range<usize>>,
}

/// A cursor over an item that knows how to read the API's types.
pub(super) struct Reader<'a> {
    pub raw: &'a [u8],
    /// The bytes as text, if all of them are UTF-8: then no part has to be checked again.
    pub whole: Option<&'a str>,
    pub scanner: Scanner<'a>,
}

/// Marks a member as seen, or refuses the second one.
pub(super) fn once(seen: &mut u32, bit: u32, field: &str) -> Result<(), Reject> {
    if *seen & 1 << bit != 0 {
        return Err(Reject::new(format!(
            "{field} stands twice, so the item is ambiguous"
        )));
    }
    *seen |= 1 << bit;
    Ok(())
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `raw`.
    pub(super) fn new(raw: &'a [u8]) -> Reader<'a> {
        Reader {
            raw,
            whole: std::str::from_utf8(raw).ok(),
            scanner: Scanner::new(raw),
        }
    }

    /// The value of a string literal of `field`.
    pub(super) fn text(&self, literal: &Literal, field: &str) -> Result<Text<'a>, Reject> {
        let text = self.str(literal.span.clone(), field)?;
        Ok(if literal.escaped {
            unescape(text)
        } else {
            Text::Borrowed(text)
        })
    }

    /// The bytes of `span` as text.
    pub(super) fn str(&self, span: Range<usize>, field: &str) -> Result<&'a str, Reject> {
        match self.whole.and_then(|whole| whole.get(span.clone())) {
            Some(text) => Ok(text),
            None => {
                let bytes = &self.raw[span];
                std::str::from_utf8(bytes)
                    .map_err(|_| Reject::value(field, "is no valid UTF-8", bytes))
            }
        }
    }

    /// A string that must be there.
    pub(super) fn literal(&mut self, field: &str) -> Result<Literal, Reject> {
        if self.scanner.peek() != Some(b'"') {
            return Err(self.wrong(field, "is no string"));
        }
        Ok(self.scanner.string()?)
    }

    /// A string that must be there and say something.
    pub(super) fn required(&mut self, field: &str) -> Result<Text<'a>, Reject> {
        let literal = self.literal(field)?;
        if literal.span.is_empty() {
            return Err(Reject::new(format!("{field} is empty")));
        }
        self.text(&literal, field)
    }

    /// A string, or nothing if it is null or empty.
    pub(super) fn optional(&mut self, field: &str) -> Result<Option<Text<'a>>, Reject> {
        if self.scanner.null() {
            return Ok(None);
        }
        let literal = self.literal(field)?;
        if literal.span.is_empty() {
            return Ok(None);
        }
        self.text(&literal, field).map(Some)
    }

    /// Refuses the value here.
    #[cold]
    pub(super) fn wrong(&mut self, field: &str, problem: &str) -> Reject {
        let start = self.scanner.at();
        match self.scanner.skip() {
            Ok(_) => Reject::value(field, problem, &self.raw[start..self.scanner.at()]),
            Err(broken) => broken.into(),
        }
    }

    /// Enters the object of `field`; false if it is null.
    pub(super) fn enter(&mut self, field: &str) -> Result<bool, Reject> {
        if self.scanner.null() {
            return Ok(false);
        }
        if self.scanner.peek() != Some(b'{') {
            return Err(self.wrong(field, "is no object"));
        }
        self.scanner.enter_object()?;
        Ok(true)
    }

    /// The bytes of a key, unescaped.
    pub(super) fn key(&self, key: &Literal, field: &str) -> Result<Text<'a>, Reject> {
        if key.escaped || self.whole.is_none() {
            // A key that is no text is none that anybody reads.
            return Ok(self.text(key, field).unwrap_or(Text::Borrowed("\u{fffd}")));
        }
        self.text(key, field)
    }

    /// An array of strings as JSON text.
    pub(super) fn texts(&mut self, field: &str) -> Result<Option<Text<'a>>, Reject> {
        if self.scanner.null() {
            return Ok(None);
        }
        if self.scanner.peek() != Some(b'[') {
            return Err(self.wrong(field, "is no array of strings"));
        }
        let start = self.scanner.at();
        self.scanner.enter_array()?;
        let mut first = true;
        while self.scanner.next_element(first)? {
            first = false;
            self.literal(field)?;
        }
        self.str(start..self.scanner.at(), field)
            .map(|text| Some(Text::Borrowed(text)))
    }

    /// An object of arrays of strings as JSON text.
    pub(super) fn extra(&mut self, field: &str) -> Result<Option<Text<'a>>, Reject> {
        let start = self.scanner.at();
        if !self.enter(field)? {
            return Ok(None);
        }
        let mut first = true;
        while self.scanner.next_key(first)?.is_some() {
            first = false;
            self.texts(field)?;
        }
        self.str(start..self.scanner.at(), field)
            .map(|text| Some(Text::Borrowed(text)))
    }

    /// A time. Go's zero time is none.
    pub(super) fn stamp(&mut self, field: &str) -> Result<Option<Stamp>, Reject> {
        const GO_ZERO: i64 = -62_135_596_800_000_000;
        if self.scanner.null() {
            return Ok(None);
        }
        let literal = self.literal(field)?;
        let text = self.text(&literal, field)?;
        match time::parse_rfc3339(text.as_bytes()) {
            Some(GO_ZERO) => Ok(None),
            Some(micros) => {
                let canonical = !literal.escaped && time::is_canonical(text.as_bytes());
                Ok(Some(Stamp {
                    micros,
                    literal: canonical.then_some(literal.span),
                }))
            }
            None => Err(Reject::value(field, "is no RFC 3339 time", text.as_bytes())),
        }
    }
}
