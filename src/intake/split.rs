//! Cuts a stream of bytes into items, whatever shape the stream has.
//!
//! Shapes, in any mix: JSON lines of events or of lists; compact or pretty-printed `EventList`,
//! `Event` and `[...]` documents, one after the other. A top-level object is a list when its members
//! say so (see `head`): its items are handed on one by one while it is read, and what stands beside
//! them and is no envelope is a broken piece. Every other object is one item, handed on whole. Where
//! `items` comes before what decides, the object is read on until that is clear; if it breaks off,
//! or grows larger than an item may be, it is a list. What an item means is not decided here.
//!
//! A document that does not end on its line goes on over the next ones as long as the tokens on
//! both sides of the line break can stand next to each other. When it breaks down, its first line
//! is broken and scanning resumes behind it: at the next line in JSON lines, otherwise at the next
//! line that begins with a bracket (lines inside a pretty-printed document are indented).

mod head;
mod list;
mod piece;
mod scan;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

use head::{Head, Verdict};
use piece::{Piece, Why};
use scan::{Scan, Stop};

use super::decode::{MAGIC_BYTES, format_of};
use crate::limits;

/// Where a piece begins in the decompressed input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Bytes before it.
    pub offset: u64,
    /// Its line, from 1.
    pub line: u64,
}

/// How much a broken piece takes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// One line; its neighbours are not touched.
    Line,
    /// One item whose ends are known.
    Item,
    /// The rest of a document whose structure is lost.
    Rest,
}

/// The bytes of a broken piece.
#[derive(Debug)]
pub enum BrokenBytes<'a> {
    /// In memory.
    Slice(&'a [u8]),
    /// The first `bytes` bytes of a temporary file.
    File { file: &'a std::fs::File, bytes: u64 },
    /// Not kept, because [`Limits::spill`] is `None`; the caller has them by their position.
    Elsewhere,
}

/// A piece that is no item.
#[derive(Debug)]
pub struct Broken<'a> {
    pub bytes: BrokenBytes<'a>,
    /// Its true size; more than `bytes` holds when it is over [`Limits::kept_bytes_max`].
    pub size: u64,
    pub at: Position,
    pub extent: Extent,
    /// Why, for people.
    pub reason: &'a str,
}

/// Takes what the splitter finds, in the order of the input.
pub trait Items {
    /// What stops the splitting: the taker's own failures, and those of the temporary file.
    type Error: From<io::Error>;

    /// An item with its exact bytes.
    fn item(&mut self, bytes: &[u8], at: Position) -> Result<(), Self::Error>;

    /// A piece that is no item.
    fn broken(&mut self, broken: Broken<'_>) -> Result<(), Self::Error>;
}

/// What the splitter keeps.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest item; more than this is never held in memory.
    pub item_bytes_max: usize,
    /// The most bytes of one broken piece that go into its temporary file.
    pub kept_bytes_max: u64,
    /// The directory of the temporary files for broken pieces that are too large for memory.
    pub spill: Option<PathBuf>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            item_bytes_max: limits::EVENT_BYTES_MAX,
            kept_bytes_max: limits::QUARANTINE_BYTES_MAX,
            spill: Some(std::env::temp_dir()),
        }
    }
}

/// Documents that may start anew over several lines inside bytes that an earlier, broken document
/// had been scanned through. Beyond it they must end on their line, so that hostile input costs a
/// constant factor and not the square of its length.
const RETRIES_MAX: u32 = 4;

/// Capacity of the window that is kept from one item to the next.
const WINDOW_BYTES_KEPT: usize = 1 << 20;

const BOM: &[u8] = b"\xef\xbb\xbf";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Between documents.
    Between,
    /// In a value that is read to its end.
    Value(Kind),
    /// Between the items of a list.
    List(Expect),
    /// In a piece that is no item, up to where scanning resumes.
    Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A top-level object, as long as it is not known to be a list.
    Document,
    /// An item of a list that has brackets.
    Item,
    /// An item of a list that has none.
    Scalar,
    /// What follows the items in the envelope of a list.
    Tail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    FirstOrEnd,
    Item,
    CommaOrEnd,
}

/// The splitter: feed it slices of any size, then finish it.
#[derive(Debug)]
pub struct Splitter {
    limits: Limits,
    /// Bytes of the current piece that earlier feeds brought.
    window: Vec<u8>,
    /// Offset in the input of the window's first byte.
    base: u64,
    cursor: Cursor,
}

/// All of the state beside the bytes; indices count from the start of the window.
#[derive(Debug)]
struct Cursor {
    mode: Mode,
    /// Start of the current piece, and its line.
    mark: usize,
    line: u64,
    /// The next byte to read.
    pos: usize,
    scan: Scan,
    head: Head,
    /// Line breaks crossed inside the current value.
    crossed: u64,
    /// The token end before a line break inside a value, until the next token is seen.
    before_break: Option<u8>,
    /// The list is a top-level array, without an envelope.
    bare_list: bool,
    /// The line on which the current list began.
    list_line: u64,
    /// A comma may stand between this document and the next one.
    comma: bool,
    /// A whole event on one line was seen: the input is JSON lines.
    lines_seen: bool,
    /// See [`RETRIES_MAX`].
    retries: u32,
    scanned_to: u64,
    one_line: bool,
    piece: Piece,
}

/// What a step wants next.
enum Flow {
    Go,
    MoreData,
}

impl Splitter {
    /// A splitter at the start of an input.
    pub fn new(limits: Limits) -> Splitter {
        Splitter {
            limits,
            window: Vec::new(),
            base: 0,
            cursor: Cursor {
                mode: Mode::Between,
                mark: 0,
                line: 1,
                pos: 0,
                scan: Scan::inside(0),
                head: Head::new(),
                crossed: 0,
                before_break: None,
                bare_list: false,
                list_line: 1,
                comma: false,
                lines_seen: false,
                retries: 0,
                scanned_to: 0,
                one_line: false,
                piece: Piece::default(),
            },
        }
    }

    /// Takes the next bytes of the input.
    pub fn feed<S: Items>(&mut self, input: &[u8], sink: &mut S) -> Result<(), S::Error> {
        if self.window.is_empty() {
            self.run(input, false, sink)?;
            self.window.extend_from_slice(&input[self.cursor.mark..]);
        } else {
            let mut window = std::mem::take(&mut self.window);
            window.extend_from_slice(input);
            self.run(&window, false, sink)?;
            window.drain(..self.cursor.mark);
            if window.len() < WINDOW_BYTES_KEPT && window.capacity() > 4 * WINDOW_BYTES_KEPT {
                window.shrink_to(WINDOW_BYTES_KEPT);
            }
            self.window = window;
        }
        self.base += self.cursor.mark as u64;
        self.cursor.pos -= self.cursor.mark;
        self.cursor.mark = 0;
        Ok(())
    }

    /// Ends the input.
    pub fn finish<S: Items>(mut self, sink: &mut S) -> Result<(), S::Error> {
        let window = std::mem::take(&mut self.window);
        self.run(&window, true, sink)
    }

    fn run<S: Items>(&mut self, data: &[u8], last: bool, sink: &mut S) -> Result<(), S::Error> {
        let mut run = Run {
            limits: &self.limits,
            base: self.base,
            data,
            last,
            at: &mut self.cursor,
            sink,
        };
        loop {
            let flow = match run.at.mode {
                Mode::Between => run.between()?,
                Mode::Value(kind) => run.value(kind)?,
                Mode::List(expect) => run.list(expect)?,
                Mode::Broken => run.broken()?,
            };
            if matches!(flow, Flow::MoreData) {
                return Ok(());
            }
        }
    }
}

/// One pass over the window.
struct Run<'a, S> {
    limits: &'a Limits,
    base: u64,
    data: &'a [u8],
    last: bool,
    at: &'a mut Cursor,
    sink: &'a mut S,
}

impl<S: Items> Run<'_, S> {
    fn offset(&self, index: usize) -> u64 {
        self.base + index as u64
    }

    fn position(&self) -> Position {
        Position {
            offset: self.offset(self.at.mark),
            line: self.at.line,
        }
    }

    fn between(&mut self) -> Result<Flow, S::Error> {
        while let Some(&byte) = self.data.get(self.at.pos) {
            match byte {
                b' ' | b'\t' | b'\r' => {}
                b'\n' => self.at.line += 1,
                b',' if self.at.comma => self.at.comma = false,
                _ => {
                    let rest = &self.data[self.at.pos..];
                    if rest.starts_with(BOM) {
                        self.at.pos += BOM.len();
                        continue;
                    }
                    self.at.mark = self.at.pos;
                    let names_itself = rest.len() >= MAGIC_BYTES || matches!(byte, b'{' | b'[');
                    if !names_itself && !self.last {
                        return Ok(Flow::MoreData);
                    }
                    self.document(byte);
                    return Ok(Flow::Go);
                }
            }
            self.at.pos += 1;
        }
        self.at.mark = self.at.pos;
        Ok(Flow::MoreData)
    }

    /// Begins a document at its first byte.
    fn document(&mut self, first: u8) {
        let at = self.offset(self.at.pos);
        if at >= self.at.scanned_to {
            self.at.retries = 0;
        }
        self.at.one_line = self.at.retries >= RETRIES_MAX;
        self.at.list_line = self.at.line;
        self.at.comma = false;
        match first {
            b'{' => {
                self.at.head = Head::new();
                self.begin(Kind::Document, 1);
                self.at.pos += 1;
            }
            b'[' => {
                self.at.bare_list = true;
                self.at.mode = Mode::List(Expect::FirstOrEnd);
                self.at.pos += 1;
            }
            _ => self.fail(not_json(&self.data[self.at.pos..])),
        }
    }

    fn begin(&mut self, kind: Kind, depth: u64) {
        self.at.mode = Mode::Value(kind);
        self.at.scan = Scan::inside(depth);
        self.at.crossed = 0;
        self.at.before_break = None;
    }

    fn value(&mut self, kind: Kind) -> Result<Flow, S::Error> {
        let over = self.at.piece.is_open();
        let limit = self.at.mark.saturating_add(self.limits.item_bytes_max);
        let bound = if over {
            self.data.len()
        } else {
            self.data.len().min(limit)
        };
        if let Some(before) = self.at.before_break {
            let blank = self.data[self.at.pos..bound]
                .iter()
                .position(|byte| !is_blank(*byte));
            let skipped = blank.unwrap_or(bound - self.at.pos);
            self.at.crossed += newlines(&self.data[self.at.pos..self.at.pos + skipped]);
            self.at.pos += skipped;
            if let Some(&next) = self.data[..bound].get(self.at.pos) {
                self.at.before_break = None;
                if !may_follow(before, next) {
                    self.fail_value(format!(
                        "'{}' cannot follow '{}' over a line break",
                        next.escape_ascii(),
                        before.escape_ascii()
                    ))?;
                    return Ok(Flow::Go);
                }
            }
        }
        match self.scan_value(kind, bound) {
            Stop::Closed(end) => self.close(kind, end)?,
            Stop::Newline(index) => {
                let ends = self.at.one_line || (over && kind == Kind::Document);
                if ends {
                    self.at.pos = index;
                    self.fail_value("the line ends inside a document".into())?;
                } else {
                    self.at.crossed += 1;
                    self.at.pos = index + 1;
                    if !over {
                        let piece = &self.data[self.at.mark..index];
                        self.at.before_break =
                            piece.iter().rev().copied().find(|byte| !is_blank(*byte));
                    }
                }
            }
            Stop::StringNewline(index) => {
                self.at.pos = index;
                self.fail_value("a line break inside a string".into())?;
            }
            Stop::End => {
                self.at.pos = bound;
                if !over && bound == limit && (bound < self.data.len() || !self.last) {
                    self.too_large(kind)?;
                } else if self.last {
                    self.fail_value("the input ends inside a document".into())?;
                } else {
                    self.spill()?;
                    return Ok(Flow::MoreData);
                }
            }
        }
        Ok(Flow::Go)
    }

    fn scan_value(&mut self, kind: Kind, bound: usize) -> Stop {
        let cursor = &mut *self.at;
        let data = &self.data[..bound];
        if kind == Kind::Scalar {
            while let Some(&byte) = data.get(cursor.pos) {
                let ends = matches!(byte, b',' | b']' | b'}' | b'{' | b'[') || is_blank(byte);
                if !cursor.scan.in_string && ends {
                    return Stop::Closed(cursor.pos);
                }
                if let Some(stop) = cursor.scan.step(byte, cursor.pos) {
                    return stop;
                }
                cursor.pos += 1;
            }
            return Stop::End;
        }
        let keys = matches!(kind, Kind::Document | Kind::Tail);
        if keys && cursor.head.verdict == Verdict::Undecided && !cursor.piece.is_open() {
            let piece = &data[cursor.mark..];
            let (read, stop) =
                cursor
                    .head
                    .advance(&mut cursor.scan, piece, cursor.pos - cursor.mark);
            cursor.pos = cursor.mark + read;
            match stop {
                Some(Stop::Closed(end)) => return Stop::Closed(cursor.mark + end),
                Some(Stop::Newline(index)) => return Stop::Newline(cursor.mark + index),
                Some(Stop::StringNewline(index)) => {
                    return Stop::StringNewline(cursor.mark + index);
                }
                Some(Stop::End) => return Stop::End,
                None if cursor.head.verdict == Verdict::List => return Stop::Closed(cursor.pos),
                None => {}
            }
        }
        cursor.scan.advance(data, cursor.pos)
    }

    /// The current value ends before `end`.
    fn close(&mut self, kind: Kind, end: usize) -> Result<(), S::Error> {
        let verdict = self.at.head.verdict;
        self.at.pos = end;
        if self.at.piece.is_open() {
            self.at.piece.extent = Extent::Item;
            self.report(end)?;
            self.after_value(kind);
            return Ok(());
        }
        match kind {
            Kind::Document | Kind::Tail if verdict == Verdict::List => return self.enter_list(),
            Kind::Document if self.may_be_list() => return self.enter_list(),
            Kind::Document if verdict == Verdict::Undecided && self.at.head.is_empty_list() => {
                self.skip_to(end);
                self.end_list();
                return Ok(());
            }
            Kind::Tail => return self.close_list(end),
            Kind::Document | Kind::Item | Kind::Scalar => {
                self.sink
                    .item(&self.data[self.at.mark..end], self.position())?;
                self.at.mark = end;
                self.at.lines_seen |=
                    kind == Kind::Document && verdict == Verdict::Item && self.at.crossed == 0;
            }
        }
        self.at.line += self.at.crossed;
        self.after_value(kind);
        Ok(())
    }

    fn after_value(&mut self, kind: Kind) {
        match kind {
            Kind::Document => self.end_document(),
            Kind::Item | Kind::Scalar => self.at.mode = Mode::List(Expect::CommaOrEnd),
            Kind::Tail => self.end_list(),
        }
    }

    fn end_document(&mut self) {
        self.at.mode = Mode::Between;
        self.at.comma = true;
    }

    /// Leaves the bytes before `index` behind: separators and envelope, which hold nothing.
    fn skip_to(&mut self, index: usize) {
        self.at.line += newlines(&self.data[self.at.mark..index]);
        self.at.mark = index;
    }

    /// The current value is over the limit: from now on its bytes are kept, not held.
    fn too_large(&mut self, kind: Kind) -> Result<(), S::Error> {
        if self.may_be_list() {
            return self.enter_list();
        }
        if kind == Kind::Document && self.at.crossed > 0 {
            self.give_up(Why::TooLarge);
        } else {
            self.open(Why::TooLarge);
            self.at.before_break = None;
        }
        Ok(())
    }

    /// The current value breaks at the next byte; `what` says how.
    fn fail_value(&mut self, what: String) -> Result<(), S::Error> {
        if self.may_be_list() {
            return self.enter_list();
        }
        self.fail(what);
        Ok(())
    }

    /// The current piece is no item: it breaks at the next byte. `what` says how.
    fn fail(&mut self, what: String) {
        let why = match self.at.mode {
            Mode::Between => Why::Other(what),
            _ => Why::Broken((self.at.pos - self.at.mark) as u64, what),
        };
        self.give_up(why);
    }

    /// The current piece is no item. It is read again from its start to find where it ends.
    fn give_up(&mut self, why: Why) {
        let top = match self.at.mode {
            Mode::Between | Mode::Value(Kind::Document) => true,
            Mode::List(Expect::FirstOrEnd) => self.at.bare_list,
            _ => false,
        };
        if !self.at.piece.is_open() {
            self.open(why);
            if self.offset(self.at.mark) < self.at.scanned_to {
                self.at.retries += 1;
            }
            self.at.scanned_to = self.at.scanned_to.max(self.offset(self.at.pos));
            self.at.pos = self.at.mark;
        }
        self.at.piece.extent = if top { Extent::Line } else { Extent::Rest };
        self.at.mode = Mode::Broken;
    }

    fn open(&mut self, why: Why) {
        let at = self.position();
        self.at.piece.open(at, why);
    }

    fn broken(&mut self) -> Result<Flow, S::Error> {
        while let Some(found) = memchr::memchr(b'\n', &self.data[self.at.pos..]) {
            let index = self.at.pos + found;
            self.at.pos = index;
            let resumes = match self.data.get(index + 1) {
                _ if self.at.lines_seen => true,
                Some(b'{' | b'[') => true,
                None if !self.last => {
                    self.spill()?;
                    return Ok(Flow::MoreData);
                }
                _ => false,
            };
            if resumes {
                self.report(index)?;
                self.at.mode = Mode::Between;
                return Ok(Flow::Go);
            }
            self.at.pos = index + 1;
        }
        self.at.pos = self.data.len();
        if !self.last {
            self.spill()?;
            return Ok(Flow::MoreData);
        }
        self.report(self.data.len())?;
        self.at.mode = Mode::Between;
        Ok(Flow::Go)
    }

    /// Moves the read part of an open piece into its file once it is too much for memory.
    fn spill(&mut self) -> Result<(), S::Error> {
        let read = &self.data[self.at.mark..self.at.pos];
        if self.at.piece.is_open() && read.len() >= self.limits.item_bytes_max.min(1 << 20) {
            self.at.piece.write(read, self.limits)?;
            self.skip_to(self.at.pos);
        }
        Ok(())
    }

    /// Hands on the open piece, which ends before `end`.
    fn report(&mut self, end: usize) -> Result<(), S::Error> {
        let rest = &self.data[self.at.mark..end];
        self.at.piece.report(rest, self.limits, self.sink)?;
        self.skip_to(end);
        Ok(())
    }
}

/// What stands where a document should begin.
fn not_json(bytes: &[u8]) -> String {
    match format_of(bytes) {
        Some(format) => format!("not a JSON object: it looks like {format}"),
        None => {
            let first = bytes.first().copied().unwrap_or_default();
            format!(
                "not a JSON object: it begins with '{}'",
                first.escape_ascii()
            )
        }
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Whether a token that begins with `next` may follow one that ended with `before`, anywhere in
/// JSON.
const fn may_follow(before: u8, next: u8) -> bool {
    let value = matches!(
        next,
        b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n'
    );
    match before {
        b'{' => matches!(next, b'"' | b'}'),
        b'[' => value || next == b']',
        b',' | b':' => value,
        b'"' => matches!(next, b',' | b'}' | b']' | b':'),
        _ => matches!(next, b',' | b'}' | b']'),
    }
}
