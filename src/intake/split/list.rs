//! Lists: their envelope, and what stands between their items.

use super::head::{Head, Verdict};
use super::piece::Why;
use super::{Expect, Extent, Flow, Items, Kind, Mode, Run, is_blank};

/// Why a part of a list's envelope is kept.
const ODD_ENVELOPE: &str = "a list has more beside its items than kind, apiVersion and metadata";

impl<S: Items> Run<'_, S> {
    /// Whether the current object holds items and nothing says yet that it is no list.
    pub(super) fn may_be_list(&self) -> bool {
        self.at.mode == Mode::Value(Kind::Document)
            && !self.at.piece.is_open()
            && self.at.head.verdict == Verdict::Undecided
            && self.at.head.items.is_some()
    }

    /// The current object is a list: goes on at its first item, also when it was read beyond that.
    pub(super) fn enter_list(&mut self) -> Result<(), S::Error> {
        let Some(items) = self.at.head.items else {
            return Ok(());
        };
        let end = self.at.mark + items.index;
        self.leave_envelope(end, items.odd)?;
        self.at.pos = end;
        self.at.bare_list = false;
        self.at.mode = Mode::List(Expect::FirstOrEnd);
        Ok(())
    }

    /// The object that is a list ends before `end`.
    pub(super) fn close_list(&mut self, end: usize) -> Result<(), S::Error> {
        self.leave_envelope(end, self.at.head.odd)?;
        self.end_list();
        Ok(())
    }

    /// Leaves a part of a list's envelope behind; what is `odd` in it is kept.
    fn leave_envelope(&mut self, end: usize, odd: bool) -> Result<(), S::Error> {
        if odd {
            self.open(Why::Other(ODD_ENVELOPE.to_owned()));
            self.at.piece.extent = Extent::Item;
            return self.report(end);
        }
        self.skip_to(end);
        Ok(())
    }

    pub(super) fn end_list(&mut self) {
        self.at.lines_seen |= self.at.line == self.at.list_line;
        self.end_document();
    }

    /// Between the items of a list.
    pub(super) fn list(&mut self, expect: Expect) -> Result<Flow, S::Error> {
        let from = self.at.pos;
        let blank = self.data[from..].iter().take_while(|byte| is_blank(**byte));
        let blank = blank.count();
        if self.at.one_line && self.data[from..from + blank].contains(&b'\n') {
            self.fail("the line ends inside a list".into());
            return Ok(Flow::Go);
        }
        self.at.pos += blank;
        let Some(&byte) = self.data.get(self.at.pos) else {
            if self.last {
                self.fail("the input ends inside a list".into());
                return Ok(Flow::Go);
            }
            if self.at.pos - self.at.mark > self.limits.item_bytes_max {
                self.skip_to(self.at.pos);
            }
            return Ok(Flow::MoreData);
        };
        let bare_start = self.at.bare_list && expect == Expect::FirstOrEnd;
        match (expect, byte) {
            (Expect::FirstOrEnd | Expect::CommaOrEnd, b']') => {
                self.skip_to(self.at.pos + 1);
                self.at.pos += 1;
                if self.at.bare_list {
                    self.end_list();
                } else {
                    self.at.head = Head::tail();
                    self.begin(Kind::Tail, 1);
                }
            }
            (Expect::CommaOrEnd, b',') => {
                self.skip_to(self.at.pos);
                self.at.pos += 1;
                self.at.mode = Mode::List(Expect::Item);
            }
            (Expect::FirstOrEnd | Expect::Item, b'{') => {
                self.skip_to(self.at.pos);
                self.begin(Kind::Item, 0);
            }
            (Expect::FirstOrEnd | Expect::Item, b'[') if !bare_start => {
                self.skip_to(self.at.pos);
                self.begin(Kind::Item, 0);
            }
            (Expect::FirstOrEnd | Expect::Item, b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
                if !bare_start =>
            {
                self.skip_to(self.at.pos);
                self.begin(Kind::Scalar, 0);
            }
            _ => self.fail(format!(
                "'{}' stands where a list needs {}",
                byte.escape_ascii(),
                match expect {
                    Expect::CommaOrEnd => "',' or ']'",
                    Expect::FirstOrEnd | Expect::Item => "an item",
                }
            )),
        }
        Ok(Flow::Go)
    }
}
