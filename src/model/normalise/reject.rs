//! Why an item is no audit event, in words.

use std::fmt;

use crate::limits::REASON_BYTES_MAX;
use crate::model::json::{Broken, UNEXPECTED_END};

/// The longest part of an offending value that a reason quotes, in bytes.
const QUOTED_BYTES_MAX: usize = 80;

/// Why an item is no audit event. The text is for people and names the field and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject(pub String);

impl Reject {
    /// A reason, cut to [`REASON_BYTES_MAX`].
    pub fn new(reason: impl Into<String>) -> Reject {
        let mut reason = reason.into();
        if reason.len() > REASON_BYTES_MAX {
            reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX - 3));
            reason.push_str("...");
        }
        Reject(reason)
    }

    #[cold]
    pub(super) fn missing(field: &str) -> Reject {
        Reject::new(format!("{field} is missing"))
    }

    /// `field` holds `value`, which is `problem`.
    #[cold]
    pub(super) fn value(field: &str, problem: &str, value: &[u8]) -> Reject {
        Reject::new(format!("{field} {problem}: {}", shown(value)))
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Reject {}

impl From<Broken> for Reject {
    #[cold]
    fn from(broken: Broken) -> Reject {
        Reject::new(match broken.what {
            UNEXPECTED_END => format!("unexpected end of JSON at byte {}", broken.at),
            what => format!("not valid JSON at byte {}: {what}", broken.at),
        })
    }
}

/// The beginning of `value` for people: control and invisible characters escaped.
fn shown(value: &[u8]) -> String {
    let cut = &value[..value.len().min(QUOTED_BYTES_MAX)];
    let text = String::from_utf8_lossy(cut);
    let mut shown = String::with_capacity(cut.len() + 3);
    for char in text.chars() {
        match char {
            '"' | '\'' | '\\' => shown.push(char),
            _ => shown.extend(char.escape_debug()),
        }
    }
    if cut.len() < value.len() {
        shown.push_str("...");
    }
    shown
}
