//! Functions of SQLite whose single step can take hours on long texts, replaced by ones that take
//! linear time and answer alike: a step cannot be interrupted, so a deadline would not hold.

use std::borrow::Cow;
use std::collections::HashSet;

use memchr::memmem;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, Result, ffi};

use super::{length, like, quota};

/// From this length on a function looks at the clock before it reads a text.
const LOOK_BYTES: usize = 16 << 10;

/// Makes the replacements known to `connection`.
pub(super) fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("instr", 2, flags, instr)?;
    connection.create_scalar_function("replace", 3, flags, replace)?;
    for (name, left, right) in [
        ("trim", true, true),
        ("ltrim", true, false),
        ("rtrim", false, true),
    ] {
        let function = move |context: &Context<'_>| trim(context, left, right);
        connection.create_scalar_function(name, 2, flags, function)?;
    }
    like::register(connection)
}

/// Fails once the statement has no time left.
pub(super) fn timely() -> Result<()> {
    if quota::in_time() {
        return Ok(());
    }
    Err(Error::SqliteFailure(
        ffi::Error::new(ffi::SQLITE_INTERRUPT),
        None,
    ))
}

/// A value as SQLite turns it into text; `None` for NULL.
pub(super) fn text(value: ValueRef<'_>) -> Option<Cow<'_, [u8]>> {
    match value {
        ValueRef::Null => None,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(Cow::Borrowed(bytes)),
        ValueRef::Integer(number) => Some(Cow::Owned(number.to_string().into_bytes())),
        ValueRef::Real(number) => Some(Cow::Owned(real(number).into_bytes())),
    }
}

/// SQLite's `%!.15g`.
fn real(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 {
            "Inf".into()
        } else {
            "-Inf".into()
        };
    }
    let scientific = format!("{number:.14e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |digits: &str| match digits.trim_end_matches('0') {
        whole if whole.ends_with('.') => format!("{whole}0"),
        fraction => fraction.to_owned(),
    };
    if (-4..15).contains(&exponent) {
        let places = usize::try_from(14 - exponent).unwrap_or(0);
        let point = if places == 0 { "." } else { "" };
        trimmed(&format!("{number:.places$}{point}"))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trimmed(digits), exponent.abs())
    }
}

/// A result as text; bytes that are no UTF-8 come back as they would, with a replacement mark.
fn text_result(bytes: Vec<u8>) -> Value {
    Value::Text(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

fn instr(context: &Context<'_>) -> Result<Option<i64>> {
    let (haystack, needle) = (context.get_raw(0), context.get_raw(1));
    let bytes = matches!((haystack, needle), (ValueRef::Blob(_), ValueRef::Blob(_)));
    let (Some(haystack), Some(needle)) = (text(haystack), text(needle)) else {
        return Ok(None);
    };
    if haystack.len() > LOOK_BYTES {
        timely()?;
    }
    let found = memmem::find(&haystack, &needle).map(|at| {
        if bytes {
            at
        } else {
            haystack[..at]
                .iter()
                .filter(|&&byte| byte & 0xc0 != 0x80)
                .count()
        }
    });
    Ok(Some(
        found.and_then(|at| i64::try_from(at + 1).ok()).unwrap_or(0),
    ))
}

fn replace(context: &Context<'_>) -> Result<Value> {
    let (Some(whole), Some(pattern)) = (text(context.get_raw(0)), text(context.get_raw(1))) else {
        return Ok(Value::Null);
    };
    if whole.len() > LOOK_BYTES {
        timely()?;
    }
    if pattern.first().is_none_or(|&byte| byte == 0) {
        return Ok(text_result(whole.into_owned()));
    }
    let Some(with) = text(context.get_raw(2)) else {
        return Ok(Value::Null);
    };
    let most = usize::try_from(length::most()).unwrap_or(usize::MAX);
    let mut out = Vec::with_capacity(whole.len());
    let mut from = 0;
    for at in memmem::find_iter(&whole, &*pattern) {
        out.extend_from_slice(&whole[from..at]);
        out.extend_from_slice(&with);
        from = at + pattern.len();
        if out.len() > most {
            return Err(Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_TOOBIG),
                None,
            ));
        }
    }
    out.extend_from_slice(&whole[from..]);
    if out.len() > most {
        return Err(Error::SqliteFailure(
            ffi::Error::new(ffi::SQLITE_TOOBIG),
            None,
        ));
    }
    Ok(text_result(out))
}

fn trim(context: &Context<'_>, left: bool, right: bool) -> Result<Value> {
    let (Some(whole), Some(set)) = (text(context.get_raw(0)), text(context.get_raw(1))) else {
        return Ok(Value::Null);
    };
    if whole.len().max(set.len()) > LOOK_BYTES {
        timely()?;
    }
    let mut single = [false; 256];
    let mut longer: HashSet<&[u8]> = HashSet::new();
    for character in characters(&set) {
        match *character {
            [byte] => single[usize::from(byte)] = true,
            _ => {
                longer.insert(character);
            }
        }
    }
    let in_set = |character: &[u8]| match *character {
        [byte] => single[usize::from(byte)],
        _ => longer.contains(character),
    };
    let mut rest: &[u8] = &whole;
    while left && let Some(first) = characters(rest).next().filter(|first| in_set(first)) {
        rest = &rest[first.len()..];
    }
    let ends = |rest: &[u8]| (1..=rest.len().min(4)).find(|n| in_set(&rest[rest.len() - n..]));
    while right && let Some(last) = ends(rest) {
        rest = &rest[..rest.len() - last];
    }
    Ok(text_result(rest.to_vec()))
}

/// The characters of UTF-8 text.
fn characters(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let more = text
            .get(1..)?
            .iter()
            .take_while(|&&byte| byte & 0xc0 == 0x80)
            .count();
        let (first, rest) = text.split_at(1 + more);
        text = rest;
        Some(first)
    })
}
