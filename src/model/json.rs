//! Structure of JSON text, found without building a tree and without recursion.
//!
//! Two ways over a value: [`Scanner::skip`] is strict (RFC 8259, except that it does not look at
//! UTF-8), [`Scanner::skip_body`] falls back to balancing strings and brackets, because what
//! clients write into `requestObject` must not cost the event around it.

mod literal;
mod plain;
#[cfg(test)]
pub(crate) mod tests;

use std::ops::Range;

use crate::limits::BODY_DEPTH_MAX;

pub use self::literal::{quoted_end, string_end, texts, unescape};
use self::plain::plain_length;

/// Where and why text is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    /// Byte offset.
    pub at: usize,
    /// What was wrong or expected there.
    pub what: &'static str,
}

/// What is wrong where the text ends too early.
pub const UNEXPECTED_END: &str = "unexpected end";

/// A string literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// Byte range between the quotes.
    pub span: Range<usize>,
    /// Whether it holds escapes, so that its bytes are not its value.
    pub escaped: bool,
}

/// A cursor over JSON text.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    spaced: bool,
}

impl<'a> Scanner<'a> {
    /// A cursor at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Scanner<'a> {
        Scanner::starting_at(bytes, 0)
    }

    /// A cursor at an offset of `bytes`.
    pub fn starting_at(bytes: &'a [u8], at: usize) -> Scanner<'a> {
        Scanner {
            bytes,
            at,
            spaced: false,
        }
    }

    /// The offset of the next byte.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Whether whitespace outside strings has been passed.
    pub fn spaced(&self) -> bool {
        self.spaced
    }

    /// Forgets the whitespace passed so far.
    pub fn forget_space(&mut self) {
        self.spaced = false;
    }

    /// The next byte.
    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Passes whitespace.
    #[inline]
    pub fn space(&mut self) {
        if matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.spaced = true;
            self.at += 1;
            while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
                self.at += 1;
            }
        }
    }

    /// The error `what`, here.
    #[cold]
    pub fn broken(&self, what: &'static str) -> Broken {
        let what = if self.at >= self.bytes.len() {
            UNEXPECTED_END
        } else {
            what
        };
        Broken { at: self.at, what }
    }

    /// Passes a string literal: escapes and control characters are checked, UTF-8 is not.
    #[inline]
    pub fn string(&mut self) -> Result<Literal, Broken> {
        if self.peek() != Some(b'"') {
            return Err(self.broken("expected a string"));
        }
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_length(&self.bytes[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Literal {
                        span: start..self.at - 1,
                        escaped,
                    });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(self.broken("control character in a string")),
            }
        }
    }

    /// Passes one escape.
    fn escape(&mut self) -> Result<(), Broken> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    match self.peek() {
                        Some(byte) if byte.is_ascii_hexdigit() => self.at += 1,
                        _ => return Err(self.broken("bad escape in a string")),
                    }
                }
            }
            _ => return Err(self.broken("bad escape in a string")),
        }
        Ok(())
    }

    /// Enters an object; [`Scanner::next_key`] goes on.
    pub fn enter_object(&mut self) -> Result<(), Broken> {
        self.enter(b'{', "expected an object")
    }

    /// Enters an array; [`Scanner::next_element`] goes on.
    pub fn enter_array(&mut self) -> Result<(), Broken> {
        self.enter(b'[', "expected an array")
    }

    fn enter(&mut self, open: u8, what: &'static str) -> Result<(), Broken> {
        if self.peek() != Some(open) {
            return Err(self.broken(what));
        }
        self.at += 1;
        Ok(())
    }

    /// The next key of the object entered, the cursor then on its value; `None` after the end.
    /// The caller passes each value before it asks again, and says which member is the first.
    #[inline]
    pub fn next_key(&mut self, first: bool) -> Result<Option<Literal>, Broken> {
        if !self.go_on(first, b'}', "expected ',' or '}'")? {
            return Ok(None);
        }
        self.key().map(Some)
    }

    /// Whether another element follows in the array entered, the cursor then on it.
    #[inline]
    pub fn next_element(&mut self, first: bool) -> Result<bool, Broken> {
        self.go_on(first, b']', "expected ',' or ']'")
    }

    #[inline]
    fn go_on(&mut self, first: bool, close: u8, what: &'static str) -> Result<bool, Broken> {
        self.space();
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                return Ok(false);
            }
            Some(b',') if !first => {
                self.at += 1;
                self.space();
            }
            Some(_) if first => {}
            _ => return Err(self.broken(what)),
        }
        Ok(true)
    }

    #[inline]
    fn key(&mut self) -> Result<Literal, Broken> {
        if self.peek() != Some(b'"') {
            return Err(self.broken("expected a key"));
        }
        let key = self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.broken("expected ':'"));
        }
        self.at += 1;
        self.space();
        Ok(key)
    }

    /// Passes one value strictly and gives how deep it nests: 0 for a scalar, 1 for `[]`.
    pub fn skip(&mut self) -> Result<usize, Broken> {
        let mut nesting = Nesting::default();
        let mut deepest = 0;
        'value: loop {
            match self.peek() {
                Some(b'"') => {
                    self.string()?;
                }
                Some(open @ (b'{' | b'[')) => {
                    self.at += 1;
                    self.space();
                    nesting.push(open == b'{');
                    deepest = deepest.max(nesting.depth);
                    if self.peek() != Some(open + 2) {
                        if open == b'{' {
                            self.key()?;
                        }
                        continue 'value;
                    }
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                _ => return Err(self.broken("expected a value")),
            }
            while let Some(in_object) = nesting.top() {
                self.space();
                match (self.peek(), in_object) {
                    (Some(b','), _) => {
                        self.at += 1;
                        self.space();
                        if in_object {
                            self.key()?;
                        }
                        continue 'value;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        self.at += 1;
                        nesting.pop();
                    }
                    (_, true) => return Err(self.broken("expected ',' or '}'")),
                    (_, false) => return Err(self.broken("expected ',' or ']'")),
                }
            }
            return Ok(deepest);
        }
    }

    /// Passes `null` if it stands here.
    pub fn null(&mut self) -> bool {
        self.peek() == Some(b'n') && self.word(b"null").is_ok()
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), Broken> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.broken("expected a value"));
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), Broken> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Broken> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            Err(self.broken("expected a digit"))
        } else {
            Ok(())
        }
    }

    /// Passes the value of a member of the object entered, whatever it holds, as long as strings
    /// and brackets balance: it ends at the next ',' or '}' outside of them. Gives its byte range
    /// and what speaks against reading it as JSON.
    pub fn skip_body(&mut self) -> Result<(Range<usize>, Option<&'static str>), Broken> {
        let start = self.clone();
        if let Ok(depth) = self.skip() {
            let span = start.at..self.at;
            self.space();
            if matches!(self.peek(), Some(b',' | b'}')) {
                let deep = (depth > BODY_DEPTH_MAX).then_some(TOO_DEEP);
                return Ok((span, deep));
            }
        }
        *self = start;
        self.balance().map(|span| (span, Some(NOT_JSON)))
    }

    /// The tolerant half of [`Scanner::skip_body`].
    fn balance(&mut self) -> Result<Range<usize>, Broken> {
        let start = self.at;
        let mut end = start;
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.at = string_end(self.bytes, self.at).ok_or(Broken {
                        at: self.bytes.len(),
                        what: UNEXPECTED_END,
                    })?;
                    end = self.at;
                    continue;
                }
                b' ' | b'\t' | b'\n' | b'\r' => {
                    self.spaced = true;
                    self.at += 1;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b',' | b'}' if depth == 0 => {
                    if end == start {
                        return Err(self.broken("expected a value"));
                    }
                    return Ok(start..end);
                }
                b']' if depth == 0 => return Err(self.broken("unbalanced ']'")),
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            end = self.at;
        }
        Err(self.broken(UNEXPECTED_END))
    }
}

/// Reasons why a body cannot be read as JSON.
pub const INVALID_UTF8: &str = "invalid UTF-8";
pub const NOT_JSON: &str = "not valid JSON";
pub const TOO_DEEP: &str = "nested deeper than 1000 levels";
const _: () = assert!(BODY_DEPTH_MAX == 1000, "TOO_DEEP names the limit");

/// Why `body`, one whole value, cannot be read as JSON by SQL; `None` if it can.
pub fn body_problem(body: &[u8]) -> Option<&'static str> {
    if std::str::from_utf8(body).is_err() {
        return Some(INVALID_UTF8);
    }
    let mut scanner = Scanner::new(body);
    scanner.space();
    match scanner.skip() {
        Ok(depth) => {
            scanner.space();
            if scanner.peek().is_some() {
                Some(NOT_JSON)
            } else {
                (depth > BODY_DEPTH_MAX).then_some(TOO_DEEP)
            }
        }
        Err(_) => Some(NOT_JSON),
    }
}

/// Which brackets are open, one bit each (set: an object), so that depth costs no stack.
#[derive(Default)]
struct Nesting {
    word: u64,
    depth: usize,
    full: Vec<u64>,
}

impl Nesting {
    #[inline]
    fn push(&mut self, object: bool) {
        if self.depth.is_multiple_of(64) && self.depth > 0 {
            self.full.push(self.word);
        }
        self.word = self.word << 1 | u64::from(object);
        self.depth += 1;
    }

    #[inline]
    fn pop(&mut self) {
        self.depth -= 1;
        self.word >>= 1;
        if self.depth.is_multiple_of(64) && self.depth > 0 {
            self.word = self.full.pop().unwrap_or(0);
        }
    }

    #[inline]
    fn top(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.word & 1 == 1)
    }
}
