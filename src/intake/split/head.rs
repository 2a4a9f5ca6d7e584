//! Whether a top-level object is a list of events or one event, from its keys.

use super::scan::{Scan, Stop};

/// Keys that only an event has. One of them before `items` makes the object an event.
const EVENT_KEYS: [&[u8]; 3] = [b"auditID", b"stage", b"level"];

/// What the keys say so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Undecided,
    Event,
    List,
}

/// Reads the keys of an object as its bytes come. Positions count from the start of the piece, so
/// that they hold when the window moves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) verdict: Verdict,
    string: usize,
    string_end: usize,
    at_items: bool,
}

impl Head {
    pub(super) const fn new() -> Head {
        Head {
            verdict: Verdict::Undecided,
            string: 0,
            string_end: 0,
            at_items: false,
        }
    }

    /// Steps through `piece` from `at` until the keys decide or the scan stops. Gives the index
    /// behind the last byte read, and the stop.
    pub(super) fn advance(
        &mut self,
        scan: &mut Scan,
        piece: &[u8],
        mut at: usize,
    ) -> (usize, Option<Stop>) {
        while let Some(&byte) = piece.get(at) {
            let before = *scan;
            let stop = scan.step(byte, at);
            at += 1;
            if before.depth == 1 {
                self.top_level(byte, before.in_string, scan.in_string, at, piece);
            }
            if stop.is_some() {
                return (at, stop);
            }
            if self.verdict != Verdict::Undecided {
                return (at, None);
            }
        }
        (at, Some(Stop::End))
    }

    fn top_level(&mut self, byte: u8, was: bool, is: bool, behind: usize, piece: &[u8]) {
        match (was, is, byte) {
            (false, true, _) => (self.string, self.at_items) = (behind, false),
            (true, false, _) => self.string_end = behind - 1,
            (true, true, _) | (_, _, b' ' | b'\t' | b'\r' | b'\n') => {}
            (_, _, b':') => {
                let key = piece.get(self.string..self.string_end).unwrap_or_default();
                self.at_items = key == b"items";
                if EVENT_KEYS.contains(&key) {
                    self.verdict = Verdict::Event;
                }
            }
            (_, _, b'[') if self.at_items => self.verdict = Verdict::List,
            _ => self.at_items = false,
        }
    }
}
