//! Cursors: where a listing goes on, as a word that means nothing to clients.
//!
//! A cursor holds the place of a page's last row, the time of the first page (so that `since=2h`
//! stays what it was) and the last id of an event that had arrived by then: whatever arrives while
//! the pages are turned belongs to none of them. It names its store and its question by their
//! hashes, because with others it would give pages that no listing has.

use xxhash_rust::xxh3::xxh3_64;

use super::base64;
use super::params::EventParams;
use crate::limits::ROWS_DEFAULT;
use crate::store::{EventQuery, Place};

/// The form of the bytes below.
const VERSION: u8 = 1;

/// Bytes of a cursor: version, four numbers, the hashes of store and question, checksum.
const BYTES: usize = 1 + 6 * 8 + 8;

/// Where a listing goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// When the first page was asked for, in microseconds.
    pub now: i64,
    /// The last id of an event that had arrived then.
    pub as_of: i64,
    /// The place of the last row that was given.
    pub last: Place,
}

impl Cursor {
    /// The word for clients: letters, digits, `-` and `_`. `store` is [`Store::identity`].
    ///
    /// [`Store::identity`]: crate::store::Store::identity
    pub fn to_word(self, store: &str, question: &EventParams) -> String {
        let mut bytes = vec![VERSION];
        for number in [self.now, self.as_of, self.last.0, self.last.1] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        for hash in [xxh3_64(store.as_bytes()), hash_of(question)] {
            bytes.extend_from_slice(&hash.to_be_bytes());
        }
        let check = xxh3_64(&bytes);
        bytes.extend_from_slice(&check.to_be_bytes());
        let word = base64::encode(&bytes).replace('+', "-").replace('/', "_");
        word.trim_end_matches('=').to_owned()
    }

    /// Reads a word that [`Cursor::to_word`] wrote for the same store and question.
    pub fn from_word(word: &str, store: &str, question: &EventParams) -> Result<Cursor, String> {
        let bad = |why: &str| Err(format!("bad cursor {word:.100?}: {why}"));
        let Some(numbers) = decode(word) else {
            return bad(
                "it is damaged; give the `next` of the page before as it is, or no cursor for the \
                 first page",
            );
        };
        let [now, as_of, time, id, of_store, of_question] = numbers;
        if of_store as u64 != xxh3_64(store.as_bytes()) {
            return bad("another store made it; begin with the first page, without a cursor");
        }
        if of_question as u64 != hash_of(question) {
            return bad(
                "it was made for another question; repeat the filters, reverse, final and \
                 skip_damaged of the first page",
            );
        }
        Ok(Cursor {
            now,
            as_of,
            last: (time, id),
        })
    }

    /// Lets a listing go on here.
    pub fn apply(self, query: &mut EventQuery) {
        query.after = Some(self.last);
        query.as_of = Some(self.as_of);
    }
}

/// The numbers of a whole word.
fn decode(word: &str) -> Option<[i64; 6]> {
    let padding = "=".repeat(word.len().wrapping_neg() % 4);
    let bytes = base64::decode(&(word.replace('-', "+").replace('_', "/") + &padding))?;
    if bytes.len() != BYTES || bytes[0] != VERSION {
        return None;
    }
    let (body, check) = bytes.split_at(BYTES - 8);
    if check != xxh3_64(body).to_be_bytes() {
        return None;
    }
    let (numbers, _) = body[1..].as_chunks::<8>();
    let mut decoded = [0; 6];
    for (number, bytes) in decoded.iter_mut().zip(numbers) {
        *number = i64::from_be_bytes(*bytes);
    }
    Some(decoded)
}

/// Over what of a question decides which rows there are in which order.
fn hash_of(question: &EventParams) -> u64 {
    let question = EventParams {
        limit: ROWS_DEFAULT,
        columns: None,
        ..question.clone()
    };
    let mut text = Vec::new();
    for (name, value) in question.to_pairs() {
        for part in [name, value.as_str()] {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part.as_bytes());
        }
    }
    xxh3_64(&text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::params::FilterParams;

    fn question(user: &str) -> EventParams {
        EventParams {
            filter: FilterParams::only("user", user),
            ..EventParams::default()
        }
    }

    proptest! {
        #[test]
        fn words_are_read_back(now: i64, as_of: i64, time: i64, id: i64) {
            let cursor = Cursor { now, as_of, last: (time, id) };
            let word = cursor.to_word("s", &question("al"));
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            prop_assert!(word.chars().all(plain));
            prop_assert_eq!(Cursor::from_word(&word, "s", &question("al")), Ok(cursor));
        }

        #[test]
        fn any_text_is_refused_with_the_word(word: String) {
            let refused = Cursor::from_word(&word, "s", &question("al")).unwrap_err();
            prop_assert!(refused.starts_with("bad cursor"));
        }

        #[test]
        fn any_flipped_bit_is_seen(at in 0usize..76, bit in 0u8..6) {
            let cursor = Cursor { now: 1, as_of: 2, last: (3, 4) };
            let mut word = cursor.to_word("s", &question("al")).into_bytes();
            prop_assert_eq!(word.len(), 76);
            word[at] = match word[at] ^ (1 << bit) {
                letter if letter.is_ascii_alphanumeric() => letter,
                _ => word[at] ^ 1,
            };
            let word = String::from_utf8_lossy(&word);
            let refused = Cursor::from_word(&word, "s", &question("al")).unwrap_err();
            prop_assert!(refused.contains("damaged"), "{}", refused);
        }
    }

    #[test]
    fn a_cursor_belongs_to_its_question_and_store() {
        let cursor = Cursor {
            now: 1,
            as_of: 2,
            last: (3, 4),
        };
        let word = cursor.to_word("s", &question("al"));
        let mut same = question("al");
        (same.limit, same.columns) = (7, Some("time".to_owned()));
        assert_eq!(Cursor::from_word(&word, "s", &same), Ok(cursor));
        let mut reversed = question("al");
        reversed.reverse = true;
        for other in [question("bo"), EventParams::default(), reversed] {
            let refused = Cursor::from_word(&word, "s", &other).unwrap_err();
            assert!(refused.contains("another question"), "{refused}");
        }
        let refused = Cursor::from_word(&word, "t", &question("al")).unwrap_err();
        assert!(refused.contains("another store"), "{refused}");
    }
}
