//! String literals: their end and their value.

use std::borrow::Cow;

use super::{Broken, Scanner};
use memchr::{memchr, memchr2};

/// The value of a string literal's text (between the quotes, escapes checked by
/// the scanner). Half a surrogate pair reads as U+FFFD, as Go's decoder reads it.
pub fn unescape(text: &str) -> Cow<'_, str> {
    let Some(first) = memchr(b'\\', text.as_bytes()) else {
        return Cow::Borrowed(text);
    };
    let mut value = String::with_capacity(text.len());
    let mut rest = text;
    let mut next = Some(first);
    while let Some(at) = next {
        value.push_str(&rest[..at]);
        let escape = &rest[at..];
        let (char, length) = match escape.as_bytes().get(1) {
            Some(b'b') => ('\u{8}', 2),
            Some(b'f') => ('\u{c}', 2),
            Some(b'n') => ('\n', 2),
            Some(b'r') => ('\r', 2),
            Some(b't') => ('\t', 2),
            Some(b'u') => unicode_escape(escape),
            Some(&byte) if byte.is_ascii() => (char::from(byte), 2),
            _ => ('\\', 1),
        };
        value.push(char);
        rest = &escape[length..];
        next = memchr(b'\\', rest.as_bytes());
    }
    value.push_str(rest);
    Cow::Owned(value)
}

/// The character that `\uXXXX`, or a pair of them, stands for, and the escape's length.
fn unicode_escape(escape: &str) -> (char, usize) {
    let unit = |from: usize| {
        let digits = escape.get(from..from + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let Some(high) = unit(0) else {
        return (char::REPLACEMENT_CHARACTER, 2);
    };
    if (0xd800..0xdc00).contains(&high)
        && let Some(low @ 0xdc00..0xe000) = unit(6)
    {
        let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        return (
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
            12,
        );
    }
    (
        char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER),
        6,
    )
}

/// The end of the string literal that opens at `open`, closing quote included, whatever it holds.
pub fn string_end(bytes: &[u8], open: usize) -> Option<usize> {
    Some(open + 1 + quoted_end(bytes.get(open + 1..)?)?)
}

/// The end of a quoted string whose opening quote is passed already, closing quote included.
pub fn quoted_end(rest: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', rest.get(at..)?)?;
        if rest[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The strings of a JSON array; what is no string is passed over, and nothing follows what is
/// no JSON.
pub fn texts(array: &str) -> Vec<Cow<'_, str>> {
    let mut texts = Vec::new();
    // What cannot be read ends the list.
    let _ = collect_texts(array, &mut texts);
    texts
}

fn collect_texts<'a>(array: &'a str, texts: &mut Vec<Cow<'a, str>>) -> Result<(), Broken> {
    let mut scanner = Scanner::new(array.as_bytes());
    scanner.space();
    scanner.enter_array()?;
    let mut first = true;
    while scanner.next_element(first)? {
        first = false;
        if scanner.peek() == Some(b'"') {
            texts.push(unescape(&array[scanner.string()?.span]));
        } else {
            scanner.skip()?;
        }
    }
    Ok(())
}
