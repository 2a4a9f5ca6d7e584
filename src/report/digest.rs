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

/// How many different words that may be digests are tried, from each end of a document.
const TRIED: usize = 8;

/// The digest that a document holds, if its bytes are those of which it is one.
pub fn find(document: &[u8]) -> Option<String> {
    let words = words(document);
    let firsts = words.iter().take(TRIED);
    let lasts = words.iter().rev().take(TRIED);
    let mut tried: Vec<&[u8]> = Vec::new();
    for &word in firsts.chain(lasts) {
        if tried.contains(&word) {
            continue;
        }
        tried.push(word);
        let mut hash = Sha256::new();
        let mut rest = document;
        while let Some(at) = position(rest, word) {
            hash.update(&rest[..at]);
            hash.update(PLACEHOLDER);
            rest = &rest[at + word.len()..];
        }
        hash.update(rest);
        if hex(&hash.finalize()).as_bytes() == word {
            return String::from_utf8(word.to_vec()).ok();
        }
    }
    None
}

/// Every run of exactly 64 hexadecimal digits.
pub(super) fn words(document: &[u8]) -> Vec<&[u8]> {
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let mut runs = document.split(|byte| !is_hex(byte)).collect::<Vec<_>>();
    runs.retain(|run| run.len() == PLACEHOLDER.len());
    runs
}

fn position(text: &[u8], word: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, word)
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
