//! The identity of an event's content: what decides whether two copies are the same event.

use std::ops::Range;

use sha2::{Digest, Sha256};

use super::json;

/// The members of an item that count: all but the top-level `kind` and `apiVersion`.
///
/// Only the log backend stamps these two, so a log line and the webhook's item of one event are
/// the same content without them.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// Byte ranges of neighbouring members with the commas between them. Two members can be left
    /// out at most, so there are three runs at most.
    runs: [Range<usize>; 3],
    count: usize,
    open: bool,
}

impl Kept {
    /// Adds the member at `span`, from its key's quote to its value's end.
    pub fn keep(&mut self, span: Range<usize>) {
        if self.open {
            self.runs[self.count - 1].end = span.end;
        } else if self.count < self.runs.len() {
            self.runs[self.count] = span;
            self.count += 1;
            self.open = true;
        }
    }

    /// Leaves the next member out. At most twice per item.
    pub fn leave_out(&mut self) {
        self.open = false;
    }

    /// 128 bits of SHA-256 over `cluster` (its length first, so that no cluster's name can run
    /// into the content) and the members of `raw`, without whitespace outside strings if there is
    /// any (`spaced`).
    pub fn identity(&self, cluster: &str, raw: &[u8], spaced: bool) -> [u8; 16] {
        let mut hasher = Sha256::new();
        hasher.update((cluster.len() as u64).to_le_bytes());
        hasher.update(cluster.as_bytes());
        for (index, run) in self.runs[..self.count].iter().enumerate() {
            hasher.update(if index == 0 { b"{" } else { b"," });
            let run = &raw[run.clone()];
            if spaced {
                compact(run, |piece| hasher.update(piece));
            } else {
                hasher.update(run);
            }
        }
        hasher.update(if self.count == 0 {
            b"{}".as_slice()
        } else {
            b"}"
        });
        let digest = hasher.finalize();
        let mut identity = [0; 16];
        identity.copy_from_slice(&digest[..16]);
        identity
    }
}

/// Gives the pieces of `text` between whitespace outside strings. In valid JSON such whitespace never
/// parts two tokens that would be one without it; a body that a client wrote need not be valid, and
/// there one space stays between them, so that `1 2` is not `12`.
fn compact(text: &[u8], mut piece: impl FnMut(&[u8])) {
    let mut start = 0;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => at = json::string_end(text, at).unwrap_or(text.len()),
            b' ' | b'\t' | b'\n' | b'\r' => {
                if start < at {
                    piece(&text[start..at]);
                }
                let before = at.checked_sub(1).map(|before| text[before]);
                while matches!(text.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
                    at += 1;
                }
                start = at;
                if before.is_some_and(is_word) && text.get(at).copied().is_some_and(is_word) {
                    piece(b" ");
                }
            }
            _ => at += 1,
        }
    }
    if start < text.len() {
        piece(&text[start..]);
    }
}

/// Whether a byte outside strings can be part of a number or a word.
const fn is_word(byte: u8) -> bool {
    !matches!(
        byte,
        b'{' | b'}' | b'[' | b']' | b',' | b':' | b'"' | b' ' | b'\t' | b'\n' | b'\r'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compacted(text: &str) -> String {
        let mut bytes = Vec::new();
        compact(text.as_bytes(), |piece| bytes.extend_from_slice(piece));
        String::from_utf8(bytes).unwrap()
    }

    /// Tokens that may stand next to each other in what clients write into a body.
    fn tokens() -> impl Strategy<Value = Vec<&'static str>> {
        let token = prop::sample::select(vec![
            "1",
            "2",
            "12",
            "-",
            "true",
            "nul",
            "l",
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"a b\"",
            "\"\\\" \"",
            "\"\"",
        ]);
        prop::collection::vec(token, 0..12)
    }

    fn spaced(tokens: &[&str], spaces: &[&str]) -> String {
        let mut spaces = spaces.iter().cycle();
        let parts = tokens
            .iter()
            .flat_map(|token| [*token, spaces.next().expect("it goes on")]);
        parts.collect()
    }

    proptest! {
        #[test]
        fn only_the_amount_of_space_between_tokens_is_lost(
            one in tokens(),
            other in tokens(),
            spaces in prop::collection::vec(prop::sample::select(vec![" ", "\n", "\t ", "\r\n"]), 1..5),
        ) {
            prop_assert_eq!(compacted(&spaced(&one, &spaces)), compacted(&spaced(&one, &[" "])));
            if one != other {
                prop_assert_ne!(compacted(&spaced(&one, &spaces)), compacted(&spaced(&other, &[" "])));
            }
        }

        #[test]
        fn all_space_outside_strings_goes_from_valid_json(value in prop::collection::vec(any::<(i64, String)>(), 0..5)) {
            let value = serde_json::json!({ "a": value, "b": [null, true, {}] });
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(compacted(&pretty), value.to_string());
        }
    }
}
