//! Times in SQL: the collation `instant`, which compares by the instant whatever the spelling.

use std::cmp::Ordering;
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::session::Session;
use crate::model::time;
use crate::store::StoreError;

/// The collation's name in SQL.
pub(super) const COLLATION: &str = "instant";

/// Makes the collation known to `connection`.
pub(super) fn register(connection: &Connection, session: &Arc<Session>) -> rusqlite::Result<()> {
    let session = Arc::clone(session);
    connection.create_collation(COLLATION, move |a: &str, b: &str| {
        if is_canonical(a) && is_canonical(b) {
            return a.cmp(b);
        }
        match (time::parse_instant(a), time::parse_instant(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            (None, _) => complain(&session, a),
            (_, None) => complain(&session, b),
        }
    })
}

/// A collation cannot fail, so the statement is failed behind SQLite's back.
#[cold]
fn complain(session: &Session, text: &str) -> Ordering {
    session.fail(not_a_time(text));
    Ordering::Equal
}

/// Whether the text is spelled as this store spells times, so that bytes compare like instants.
/// Days beyond the 28th are left to the parser, which knows the months.
fn is_canonical(text: &str) -> bool {
    let text = text.as_bytes();
    let two = |at: usize| u32::from(text[at] - b'0') * 10 + u32::from(text[at + 1] - b'0');
    text.len() == 27
        && text
            .iter()
            .zip(b"0000-00-00T00:00:00.000000Z")
            .all(|(byte, shape)| match shape {
                b'0' => byte.is_ascii_digit(),
                mark => byte == mark,
            })
        && (1..=12).contains(&two(5))
        && (1..=28).contains(&two(8))
        && two(11) < 24
        && two(14) < 60
        && two(17) < 60
}

/// Reads a value that is compared with a time; `None` is NULL.
pub(super) fn from_value(value: ValueRef<'_>) -> Result<Option<i64>, StoreError> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Text(text) => {
            let text = String::from_utf8_lossy(text);
            time::parse_instant(&text)
                .map(Some)
                .ok_or_else(|| not_a_time(&text))
        }
        ValueRef::Integer(number) => Err(not_a_time(&number.to_string())),
        ValueRef::Real(number) => Err(not_a_time(&number.to_string())),
        ValueRef::Blob(_) => Err(not_a_time("a blob")),
    }
}

fn not_a_time(text: &str) -> StoreError {
    let shown: String = text.chars().take(60).collect();
    StoreError::BadRequest(if text.parse::<f64>().is_ok() {
        format!(
            "a time cannot be compared with the number {shown}; write datetime({shown}, 'unixepoch') for seconds since 1970"
        )
    } else {
        format!(
            "'{shown}' is not a time; write it as '2026-11-20T14:00:00Z', '2026-11-20', or datetime('now', '-1 day')"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::is_canonical;

    #[test]
    fn only_the_stores_own_spelling_is_canonical() {
        assert!(is_canonical("2026-11-20T14:00:00.500000Z"));
        for other in [
            "2026-11-20T14:00:00Z",
            "2026-11-20 14:00:00.500000Z",
            "2026-13-20T14:00:00.500000Z",
            "2026-02-30T14:00:00.500000Z",
            "2026-11-20T24:00:00.500000Z",
            "2026-11-20T14:00:00.50000xZ",
            "",
        ] {
            assert!(!is_canonical(other), "{other}");
        }
    }
}
