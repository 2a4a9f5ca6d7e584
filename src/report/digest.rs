//! The digest that a document holds of itself, and checking it.
//!
//! A document holds one SHA-256: that of its own bytes with these 64 digits replaced by zeros. A
//! renderer writes [`PLACEHOLDER`] where it stands, [`seal`] puts it in, and anybody can check it
//! with `sed` and `sha256sum`.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

/// What a renderer writes where the digest goes.
pub const PLACEHOLDER: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Puts the digest into a document, wherever the placeholder stands; gives it too.
pub fn seal(text: &str) -> (String, String) {
    let digest = hex(&Sha256::digest(text.as_bytes()));
    (text.replace(PLACEHOLDER, &digest), digest)
}

/// What stands before the digest, by form: nothing else in a document does, as text of events is
/// escaped or does not begin a line.
const LABELS: [&str; 4] = [
    "<code id=\"digest\">",
    "| SHA-256 of this document | `",
    "\"digest\": \"",
    "\ndigest,sha256,",
];

/// The digest that a document says it has. `None` if it says none, or more than one: whoever reads
/// it must not see another than the one that fits.
pub fn stated(document: &[u8]) -> Option<&[u8]> {
    let after = LABELS.iter().flat_map(|label| {
        memchr::memmem::find_iter(document, label).map(|at| &document[at + label.len()..])
    });
    let mut stated = after.map(|rest| rest.get(..PLACEHOLDER.len()).unwrap_or_default());
    let first = stated.next()?;
    (first.iter().all(is_digit) && stated.all(|other| other == first)).then_some(first)
}

/// The digest that a document says it has, if its bytes are those of which it is one.
pub fn find(document: &[u8]) -> Option<String> {
    let stated = stated(document)?;
    let mut hash = Sha256::new();
    let mut rest = document;
    while let Some(at) = memchr::memmem::find(rest, stated) {
        hash.update(&rest[..at]);
        hash.update(PLACEHOLDER);
        rest = &rest[at + stated.len()..];
    }
    hash.update(rest);
    let digest = hex(&hash.finalize());
    (digest.as_bytes() == stated).then_some(digest)
}

fn is_digit(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// The first run of exactly 64 hexadecimal digits.
pub(super) fn word(text: &[u8]) -> Option<&[u8]> {
    let mut runs = text.split(|byte| !is_digit(byte));
    runs.find(|run| run.len() == PLACEHOLDER.len())
}

/// Text of an event that a document can hold: one with 64 zeros would be taken for the place of the
/// digest, so these are written as their number.
pub fn apart(text: &str) -> Cow<'_, str> {
    match text.contains(PLACEHOLDER) {
        true => Cow::Owned(text.replace(PLACEHOLDER, "[64 zeros]")),
        false => Cow::Borrowed(text),
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).expect("below 16");
    let pairs = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    pairs.map(digit).collect()
}
