//! `like` and `glob`, which may take the product of the lengths of text and pattern, with a look at
//! the clock in between. They answer like SQLite's own, oddities included: texts end at a NUL.

use memchr::{memchr, memchr2};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Result};

use super::functions::{text, timely};

/// SQLite's limit of that name would have to be asked for at every call.
pub(super) const PATTERN_BYTES_MAX: usize = 256;

/// Characters compared between two looks at the clock.
const LOOK_STEPS: u32 = 1 << 16;

pub(super) fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection
        .create_scalar_function("like", 2, flags, |context| call(context, Kind::Like(None)))?;
    connection.create_scalar_function("like", 3, flags, |context| {
        let Some(escape) = text(context.get_raw(2)) else {
            return Ok(None);
        };
        let mut rest = ended(&escape);
        match (read(&mut rest), rest) {
            (Some(escape), []) => call(context, Kind::Like(Some(escape))),
            _ => Err(said("ESCAPE expression must be a single character")),
        }
    })?;
    connection.create_scalar_function("glob", 2, flags, |context| call(context, Kind::Glob))
}

fn said(text: &str) -> Error {
    Error::UserFunctionError(text.into())
}

fn call(context: &Context<'_>, kind: Kind) -> Result<Option<bool>> {
    // The pattern of most calls is a constant, whose compiled form SQLite keeps for the next row.
    let constant = matches!(context.get_raw(0), ValueRef::Text(_));
    let kept = if constant {
        context.get_aux::<Compiled>(0)?
    } else {
        None
    };
    let pattern = match kept {
        Some(pattern) if pattern.kind == kind => pattern,
        _ => {
            let Some(pattern) = text(context.get_raw(0)) else {
                return Ok(None);
            };
            if pattern.len() > PATTERN_BYTES_MAX {
                return Err(said("LIKE or GLOB pattern too complex"));
            }
            let compiled = Compiled::new(ended(&pattern), kind);
            if constant {
                context.set_aux(0, compiled)?
            } else {
                compiled.into()
            }
        }
    };
    let Some(whole) = text(context.get_raw(1)) else {
        return Ok(None);
    };
    if whole.len() > LOOK_STEPS as usize {
        timely()?;
    }
    pattern.matches(&whole).map(Some)
}

/// Which of the two, `like` with its escape character.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Like(Option<u32>),
    Glob,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// Any number of characters.
    Star,
    /// One character.
    Any,
    Char(u32),
    /// One character in (or not in) some ranges.
    Set {
        inverted: bool,
        ranges: Vec<(u32, u32)>,
    },
    /// The pattern is cut off here: nothing matches.
    Never,
}

#[derive(Debug)]
struct Compiled {
    tokens: Vec<Token>,
    kind: Kind,
    ignore_case: bool,
}

impl Compiled {
    fn new(mut pattern: &[u8], kind: Kind) -> Compiled {
        let mut tokens = Vec::new();
        while let Some(character) = read(&mut pattern) {
            let is = |mark: u8| character == u32::from(mark);
            tokens.push(match kind {
                Kind::Like(Some(escape)) if character == escape => {
                    read(&mut pattern).map_or(Token::Never, Token::Char)
                }
                Kind::Like(_) if is(b'%') => Token::Star,
                Kind::Like(_) if is(b'_') => Token::Any,
                Kind::Glob if is(b'*') => Token::Star,
                Kind::Glob if is(b'?') => Token::Any,
                Kind::Glob if is(b'[') => set(&mut pattern),
                _ => Token::Char(character),
            });
        }
        Compiled {
            tokens,
            kind,
            ignore_case: kind != Kind::Glob,
        }
    }

    /// Whether the whole text matches. Only the last star met need give way: what stands before it
    /// matched as early as it could.
    fn matches(&self, whole: &[u8]) -> Result<bool> {
        let mut rest = ended(whole);
        let mut at = 0;
        // Where to go on when a comparison fails: behind a star, with one character less.
        let mut retry: Option<(usize, &[u8])> = None;
        let mut steps = 0;
        loop {
            steps += 1;
            if steps == LOOK_STEPS {
                steps = 0;
                timely()?;
            }
            match self.tokens.get(at) {
                Some(Token::Star) => {
                    at += 1;
                    if at == self.tokens.len() {
                        return Ok(true);
                    }
                    let Some(found) = self.seek(at, rest) else {
                        return Ok(false);
                    };
                    rest = found;
                    retry = Some((at, rest));
                    continue;
                }
                None if rest.is_empty() => return Ok(true),
                None => {}
                Some(token) => {
                    let mut next = rest;
                    if let Some(character) = read(&mut next)
                        && self.accepts(token, character)
                    {
                        rest = next;
                        at += 1;
                        continue;
                    }
                }
            }
            let Some((star, mut from)) = retry else {
                return Ok(false);
            };
            if read(&mut from).is_none() {
                return Ok(false);
            }
            let Some(found) = self.seek(star, from) else {
                return Ok(false);
            };
            (at, rest) = (star, found);
            retry = Some((star, found));
        }
    }

    /// The first place where a token that is an ASCII character may match; for others where it is.
    fn seek<'a>(&self, at: usize, text: &'a [u8]) -> Option<&'a [u8]> {
        match self.tokens.get(at) {
            Some(&Token::Char(character @ 1..0x80)) => {
                let byte = character as u8;
                let (lower, upper) = (byte.to_ascii_lowercase(), byte.to_ascii_uppercase());
                let found = if self.ignore_case && lower != upper {
                    memchr2(lower, upper, text)
                } else {
                    memchr(byte, text)
                };
                found.map(|at| &text[at..])
            }
            _ => Some(text),
        }
    }

    #[inline]
    fn accepts(&self, token: &Token, character: u32) -> bool {
        let lower = |character: u32| match u8::try_from(character) {
            Ok(byte) => u32::from(byte.to_ascii_lowercase()),
            Err(_) => character,
        };
        match token {
            Token::Any => true,
            Token::Char(one) if self.ignore_case => lower(*one) == lower(character),
            Token::Char(one) => *one == character,
            Token::Set { inverted, ranges } => {
                let inside = ranges
                    .iter()
                    .any(|&(first, last)| (first..=last).contains(&character));
                inside != *inverted
            }
            Token::Star | Token::Never => false,
        }
    }
}

/// The rest of a `[...]`.
fn set(pattern: &mut &[u8]) -> Token {
    let is = |character: Option<u32>, mark: u8| character == Some(u32::from(mark));
    let mut next = read(pattern);
    let inverted = is(next, b'^');
    if inverted {
        next = read(pattern);
    }
    let mut ranges = Vec::new();
    if is(next, b']') {
        ranges.push((u32::from(b']'), u32::from(b']')));
        next = read(pattern);
    }
    let mut before = None;
    while let Some(character) = next.filter(|_| !is(next, b']')) {
        match (before.take(), pattern.first()) {
            (Some(first), Some(&after)) if is(next, b'-') && after != b']' => {
                let last = read(pattern).unwrap_or(0);
                ranges.push((first, last));
            }
            _ => {
                ranges.push((character, character));
                before = Some(character);
            }
        }
        next = read(pattern);
    }
    match next {
        Some(_) => Token::Set { inverted, ranges },
        None => Token::Never,
    }
}

/// A text up to its first NUL.
fn ended(text: &[u8]) -> &[u8] {
    memchr(0, text).map_or(text, |end| &text[..end])
}

/// Takes a character off as SQLite reads UTF-8, which gives any bytes some characters.
#[inline]
fn read(text: &mut &[u8]) -> Option<u32> {
    let (&first, rest) = text.split_first()?;
    *text = rest;
    if first < 0xc0 {
        return Some(first.into());
    }
    let lead = match first {
        0xc0..0xe0 => first & 0x1f,
        0xe0..0xf0 => first & 0x0f,
        0xf0..0xf8 => first & 0x07,
        0xf8..0xfc => first & 0x03,
        0xfc..0xfe => first & 0x01,
        _ => 0,
    };
    let mut character = u32::from(lead);
    while let Some((&next, rest)) = text.split_first()
        && next & 0xc0 == 0x80
    {
        character = (character << 6).wrapping_add(u32::from(next & 0x3f));
        *text = rest;
    }
    let odd =
        character < 0x80 || character & 0xffff_f800 == 0xd800 || character & 0xffff_fffe == 0xfffe;
    Some(if odd { 0xfffd } else { character })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// What SQLite's own functions and ours answer.
    fn both(sql: &str, arguments: &[&str]) -> [Result<Option<bool>, String>; 2] {
        let theirs = rusqlite::Connection::open_in_memory().unwrap();
        let ours = rusqlite::Connection::open_in_memory().unwrap();
        super::register(&ours).unwrap();
        [theirs, ours].map(|connection| {
            connection
                .query_row(sql, rusqlite::params_from_iter(arguments), |row| row.get(0))
                .map_err(|error| error.to_string())
        })
    }

    fn alike(sql: &str, arguments: &[&str]) {
        crate::store::sqlite::sql::install().unwrap();
        let [theirs, ours] = both(sql, arguments);
        assert_eq!(theirs, ours, "{sql} {arguments:?}");
    }

    proptest! {
        #[test]
        fn like_answers_as_sqlite_does(pattern in "[aAbé%_\\\\\u{0}]{0,8}", text in "[aAbBéÉ_%\u{0}]{0,12}") {
            alike("select ?1 like ?2", &[&text, &pattern]);
            alike("select ?1 like ?2 escape '\\'", &[&text, &pattern]);
            alike("select ?1 like ?2 escape '_'", &[&text, &pattern]);
            alike("select ?1 like ?2 escape '%'", &[&text, &pattern]);
        }

        #[test]
        fn glob_answers_as_sqlite_does(pattern in "[abcé*?\\[\\]^-]{0,9}", text in "[abcABé\\[\\]^*-]{0,10}") {
            alike("select ?1 glob ?2", &[&text, &pattern]);
        }

        #[test]
        fn any_bytes_match_as_with_sqlite(pattern in proptest::collection::vec(any::<u8>(), 0..6), text in proptest::collection::vec(any::<u8>(), 0..9)) {
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let (pattern, text) = (hex(&pattern), hex(&text));
            alike(&format!("select cast(x'25{text}' as text) like cast(x'25{pattern}25' as text)"), &[]);
            alike(&format!("select x'{text}' glob x'2a{pattern}'"), &[]);
        }
    }

    #[test]
    fn odd_arguments_are_taken_alike() {
        for sql in [
            "select null like 'a'",
            "select 'a' like null",
            "select 'a' like 'a' escape null",
            "select 'a' like 'a' escape 'ab'",
            "select 'a' like 'a' escape ''",
            "select 12 like '1%'",
            "select 1.5 glob '1.?'",
            "select 'ABC' like 'a%C'",
            "select 'x' glob '[^'",
            "select 'ÄÖ' like 'äö'",
            "select count(*) filter (where column1 like 'a%') from (values ('ab'), ('b'), ('A'), (null))",
        ] {
            alike(sql, &[]);
        }
        let long = "%a".repeat(200);
        alike("select 'a' like ?1", &[&long[..256]]);
        let [_, ours] = both("select 'a' like ?1", &[&long]);
        assert!(ours.unwrap_err().contains("pattern too complex"));
    }
}
