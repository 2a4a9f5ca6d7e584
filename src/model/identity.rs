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

/// Gives the pieces of `text` between whitespace outside strings.
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
                at += 1;
                start = at;
            }
            _ => at += 1,
        }
    }
    if start < text.len() {
        piece(&text[start..]);
    }
}
