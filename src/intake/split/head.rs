//! Whether a top-level object is a list of events or one event, from its members.
//!
//! An object is a list when its `kind` says so, or when it has none, `items` holds an array, and no
//! member that only an event has stands beside it. Members come in any order, so `items` may have
//! to be passed before the question is settled.

use super::scan::{Scan, Stop};

/// Members that an event has and a list has not.
const EVENT_KEYS: [&[u8]; 6] = [
    b"auditID",
    b"stage",
    b"level",
    b"requestURI",
    b"verb",
    b"user",
];

/// Kinds whose `items` are handed on one by one.
const LIST_KINDS: [&[u8]; 2] = [b"EventList", b"List"];

/// What the members say so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Undecided,
    /// One item, whatever it holds.
    Item,
    /// A list, whose items begin behind [`Head::items`].
    List,
}

/// The members of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Kind,
    ApiVersion,
    Metadata,
    Items,
    Other,
}

/// What may come next between the brackets of the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Key,
    Colon(Member),
    Value(Member),
    /// A word or number that began at an index.
    Literal(Member, usize),
    Comma,
}

/// Where the items of a list begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ItemsAt {
    /// The index behind the bracket.
    pub(super) index: usize,
    /// Something stands before them that is no envelope.
    pub(super) odd: bool,
}

/// Reads the members of an object as its bytes come. Indices count from the start of the piece, so
/// that they hold when the window moves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) verdict: Verdict,
    /// The first array under the key `items`.
    pub(super) items: Option<ItemsAt>,
    /// Something stands here that is not the envelope of a list: its `kind`, `apiVersion` and
    /// `metadata`, and the key `items`.
    pub(super) odd: bool,
    is_tail: bool,
    is_list_kind: bool,
    items_null: bool,
    next: Next,
    string: usize,
}

impl Head {
    /// At the start of an object.
    pub(super) const fn new() -> Head {
        Head {
            verdict: Verdict::Undecided,
            items: None,
            odd: false,
            is_tail: false,
            is_list_kind: false,
            items_null: false,
            next: Next::Key,
            string: 0,
        }
    }

    /// Behind the items of a list.
    pub(super) const fn tail() -> Head {
        Head {
            is_tail: true,
            is_list_kind: true,
            next: Next::Comma,
            ..Head::new()
        }
    }

    /// Whether the object, which ended undecided, is a list without items: an absent slice is
    /// written as `null`.
    pub(super) const fn is_empty_list(&self) -> bool {
        self.items_null && !self.odd && self.items.is_none()
    }

    /// Steps through `piece` from `at` until the members decide or the scan stops. Gives the index
    /// behind the last byte read, and the stop.
    pub(super) fn advance(
        &mut self,
        scan: &mut Scan,
        piece: &[u8],
        mut at: usize,
    ) -> (usize, Option<Stop>) {
        while let Some(&byte) = piece.get(at) {
            if scan.depth > 1 {
                let mut inner = Scan {
                    depth: scan.depth - 1,
                    ..*scan
                };
                let stop = inner.advance(piece, at);
                *scan = Scan {
                    depth: inner.depth + 1,
                    ..inner
                };
                match stop {
                    Stop::Closed(end) => at = end,
                    Stop::End => return (piece.len(), Some(Stop::End)),
                    stop => return (at, Some(stop)),
                }
                continue;
            }
            let was = scan.in_string;
            let stop = scan.step(byte, at);
            at += 1;
            self.top_level(byte, was, scan.in_string, at, piece);
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
        if let Next::Literal(member, start) = self.next {
            let ends = matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
            if was || is || !ends {
                return self.odd |= was || is;
            }
            self.literal(member, piece.get(start..behind - 1).unwrap_or_default());
            self.next = Next::Comma;
        }
        match (was, is, byte) {
            (false, true, _) => {
                self.string = behind;
                self.odd |= !matches!(self.next, Next::Key | Next::Value(_));
            }
            (true, false, _) => {
                let text = piece.get(self.string..behind - 1).unwrap_or_default();
                self.next = match self.next {
                    Next::Key => Next::Colon(self.key(text)),
                    Next::Value(member) => {
                        self.text(member, text);
                        Next::Comma
                    }
                    next => next,
                };
            }
            (true, true, _) | (_, _, b' ' | b'\t' | b'\r' | b'\n') => {}
            (_, _, b':') => match self.next {
                Next::Colon(member) => self.next = Next::Value(member),
                _ => self.odd = true,
            },
            (_, _, b',') => {
                self.odd |= self.next != Next::Comma;
                self.next = Next::Key;
            }
            (_, _, b'{' | b'[') => {
                self.bracket(byte, behind);
                self.next = Next::Comma;
            }
            (_, _, b'}') => self.odd |= !matches!(self.next, Next::Key | Next::Comma),
            (_, _, b']') => self.odd = true,
            _ => match self.next {
                Next::Value(member) => self.next = Next::Literal(member, behind - 1),
                _ => self.odd = true,
            },
        }
    }

    fn key(&mut self, key: &[u8]) -> Member {
        match key {
            b"kind" => Member::Kind,
            b"apiVersion" => Member::ApiVersion,
            b"metadata" => Member::Metadata,
            b"items" => Member::Items,
            _ => {
                self.odd = true;
                if EVENT_KEYS.contains(&key) && !self.is_list_kind {
                    self.verdict = Verdict::Item;
                }
                Member::Other
            }
        }
    }

    fn text(&mut self, member: Member, text: &[u8]) {
        match member {
            Member::Kind => self.kind(LIST_KINDS.contains(&text)),
            Member::ApiVersion => {}
            Member::Metadata | Member::Items | Member::Other => self.odd = true,
        }
    }

    /// A bracket opens.
    fn bracket(&mut self, byte: u8, behind: usize) {
        match (self.next, byte) {
            (Next::Value(Member::Metadata), b'{') => {}
            (Next::Value(Member::Items), b'[') => {
                let odd = self.odd;
                self.items.get_or_insert(ItemsAt { index: behind, odd });
                if self.is_list_kind {
                    self.verdict = Verdict::List;
                }
            }
            (Next::Value(Member::Kind), _) => self.kind(false),
            _ => self.odd = true,
        }
    }

    fn literal(&mut self, member: Member, literal: &[u8]) {
        match (member, literal) {
            (Member::Items, b"null") => self.items_null = true,
            (Member::Kind | Member::ApiVersion | Member::Metadata, b"null") => {}
            (Member::Kind, _) => self.kind(false),
            _ => self.odd = true,
        }
    }

    fn kind(&mut self, is_list: bool) {
        self.odd |= !is_list;
        if is_list {
            self.is_list_kind = true;
            if self.items.is_some() {
                self.verdict = Verdict::List;
            }
        } else if !self.is_tail {
            self.verdict = Verdict::Item;
        }
    }
}
