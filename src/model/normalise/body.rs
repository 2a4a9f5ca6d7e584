//! The few things that are read from inside a body. Whatever cannot be read is absent.

use crate::model::event::Text;
use crate::model::json::{Literal, Scanner, unescape};

/// What an object in a body calls itself.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Identity<'a> {
    /// `kind` is `Status`: the body is an answer about the object, not the object.
    pub is_status: bool,
    pub name: Option<Text<'a>>,
    pub uid: Option<Text<'a>>,
}

/// Reads `kind`, `metadata.name` and `metadata.uid` of an object, no further than needed.
pub(super) fn identity_of(body: &[u8]) -> Option<Identity<'_>> {
    let mut identity = Identity::default();
    let mut scanner = Scanner::new(body);
    let mut has_kind = false;
    scanner.enter_object().ok()?;
    let mut first = true;
    while let Some(key) = scanner.next_key(first).ok()? {
        first = false;
        match &body[key.span] {
            b"kind" if scanner.peek() == Some(b'"') => {
                let kind = scanner.string().ok()?;
                identity.is_status = &body[kind.span] == b"Status";
                has_kind = true;
            }
            b"metadata" if scanner.peek() == Some(b'{') => {
                (identity.name, identity.uid) = name_and_uid(body, &mut scanner, has_kind)?;
                // Encoders write the kind first; an object without one is read to its end.
                if has_kind {
                    break;
                }
            }
            _ => {
                scanner.skip().ok()?;
            }
        }
    }
    Some(identity)
}

/// Reads `name` and `uid` of a `Status`' details.
pub(super) fn details_of(details: &[u8]) -> Option<Identity<'_>> {
    let mut scanner = Scanner::new(details);
    let (name, uid) = name_and_uid(details, &mut scanner, true)?;
    Some(Identity {
        is_status: false,
        name,
        uid,
    })
}

/// Reads `name` and `uid` of the object here; `hurry` stops behind the second of them.
fn name_and_uid<'a>(
    body: &'a [u8],
    scanner: &mut Scanner<'a>,
    hurry: bool,
) -> Option<(Option<Text<'a>>, Option<Text<'a>>)> {
    let (mut name, mut uid) = (None, None);
    scanner.enter_object().ok()?;
    let mut first = true;
    while let Some(key) = scanner.next_key(first).ok()? {
        first = false;
        let wanted = match &body[key.span] {
            b"name" => &mut name,
            b"uid" => &mut uid,
            _ => {
                scanner.skip().ok()?;
                continue;
            }
        };
        if scanner.peek() == Some(b'"') {
            *wanted = text(body, &scanner.string().ok()?);
        } else {
            scanner.skip().ok()?;
        }
        if hurry && name.is_some() && uid.is_some() {
            break;
        }
    }
    Some((name, uid))
}

/// Whether `DeleteOptions` say `"dryRun":["All"]`.
pub(super) fn asks_for_dry_run(body: &[u8]) -> bool {
    dry_run(body).unwrap_or(false)
}

fn dry_run(body: &[u8]) -> Option<bool> {
    let mut scanner = Scanner::new(body);
    scanner.enter_object().ok()?;
    let mut first = true;
    while let Some(key) = scanner.next_key(first).ok()? {
        first = false;
        if &body[key.span] == b"dryRun" && scanner.peek() == Some(b'[') {
            scanner.enter_array().ok()?;
            let mut first = true;
            while scanner.next_element(first).ok()? {
                first = false;
                let start = scanner.at();
                scanner.skip().ok()?;
                if &body[start..scanner.at()] == b"\"All\"" {
                    return Some(true);
                }
            }
        } else {
            scanner.skip().ok()?;
        }
    }
    Some(false)
}

fn text<'a>(body: &'a [u8], literal: &Literal) -> Option<Text<'a>> {
    let text = std::str::from_utf8(&body[literal.span.clone()]).ok()?;
    Some(unescape(text)).filter(|text| !text.is_empty())
}
