//! Which columns of an answer stand side by side, and where the others go.
//!
//! Questions have up to 16 columns. Most of them say the same in every row or nothing at all: these
//! go into a sentence. Long texts, and what a page has no room for, go into a second line below
//! each row.

use unicode_width::UnicodeWidthStr;

use super::text::{cells, whole_instant};
use crate::limits::REPORT_CELL_CHARS_MAX;
use crate::model::value::Value;
use crate::query::output::plain;
use crate::store::SqlColumn;

/// Answers of no more columns keep all of them side by side, whatever they say.
const FEW: usize = 4;

/// The most columns side by side.
const ABREAST: usize = 8;

/// Letters of the table's type that a printed line has room for, the gaps between columns included.
const PAGE_LETTERS: usize = 104;

/// Texts up to this are not broken.
const SHORT_LETTERS: usize = 14;

/// What a longer text takes side by side with others; it may be broken.
const BROKEN_LETTERS: usize = 24;

/// Texts of more go below, but for those of the first columns that are mostly short enough.
const LONG_LETTERS: usize = 64;
const LEADING: usize = 3;
const LEADING_LETTERS: usize = 56;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Instants with so many letters of theirs as tell the column's apart.
    Time(usize),
    Number,
    Text,
}

pub(super) struct Column<'a> {
    pub(super) at: usize,
    pub(super) name: &'a str,
    pub(super) kind: Kind,
    /// Cells of its widest value.
    width: usize,
    /// And of its values on average.
    average: usize,
    /// A value has several lines.
    lines: bool,
}

/// Where the columns go.
pub(super) struct Layout<'a> {
    pub(super) abreast: Vec<Column<'a>>,
    pub(super) below: Vec<Column<'a>>,
    /// Those with one value in all rows, and those without any.
    pub(super) same: Vec<Column<'a>>,
    pub(super) absent: Vec<Column<'a>>,
}

impl<'a> Layout<'a> {
    pub(super) fn new(columns: &'a [SqlColumn], rows: &[Vec<Value>]) -> Layout<'a> {
        let mut layout = Layout {
            abreast: Vec::new(),
            below: Vec::new(),
            same: Vec::new(),
            absent: Vec::new(),
        };
        let mut rest = Vec::new();
        for at in 0..columns.len() {
            let column = Column::new(columns, rows, at);
            let mut values = rows.iter().map(|row| row.get(at).unwrap_or(&Value::Null));
            let first = values.next().unwrap_or(&Value::Null);
            let equal = rows.len() > 1 && values.all(|value| value == first);
            match (columns.len() > FEW && equal, first) {
                (true, Value::Null) => layout.absent.push(column),
                (true, _) => layout.same.push(column),
                (false, _) => rest.push(column),
            }
        }
        if rest.is_empty() {
            rest.append(&mut layout.same);
        }
        let few = rest.len() <= FEW && rest.iter().all(|column| !column.lines);
        let mut letters = 0;
        for column in rest {
            let room = letters + column.least();
            let fits = few
                || (room <= PAGE_LETTERS
                    && layout.abreast.len() < ABREAST
                    && (!column.is_long() || layout.abreast.len() < LEADING && column.leads()));
            if fits || layout.abreast.is_empty() {
                letters = room;
                layout.abreast.push(column);
            } else {
                layout.below.push(column);
            }
        }
        // Short ones share a line.
        layout.below.sort_by_key(Column::is_long);
        layout
    }
}

impl<'a> Column<'a> {
    pub(super) fn new(columns: &'a [SqlColumn], rows: &[Vec<Value>], at: usize) -> Column<'a> {
        let values = || rows.iter().filter_map(move |row| row.get(at));
        let kind = kind(values());
        let widths = || values().map(move |value| width(value, kind));
        Column {
            at,
            name: &columns[at].name,
            kind,
            width: widths().max().unwrap_or(0),
            average: widths().sum::<usize>() / rows.len().max(1),
            lines: values().any(has_lines),
        }
    }

    /// Letters below which it is not printed, the gap to the next one included.
    fn least(&self) -> usize {
        let head = self.name.split('_').map(UnicodeWidthStr::width).max();
        let value = match self.kind {
            // The day and the time of day may stand one above the other.
            Kind::Time(letters) => (letters - 11).max(10),
            Kind::Number => self.width + 1,
            Kind::Text => self.width.min(BROKEN_LETTERS),
        };
        value.max(head.unwrap_or(0).min(SHORT_LETTERS)) + 2
    }

    /// Whether it is mostly short enough for one of the first columns, which say what a row is
    /// about.
    fn leads(&self) -> bool {
        self.average <= LEADING_LETTERS && !self.lines
    }

    fn is_long(&self) -> bool {
        self.lines || self.width > LONG_LETTERS
    }

    /// Whether a value of it takes a line of its own below its row.
    pub(super) fn takes_line(&self, value: &Value) -> bool {
        has_lines(value) || width(value, self.kind) > LONG_LETTERS
    }

    /// The class of a cell with this value.
    pub(super) fn class(&self, value: &Value) -> &'static str {
        match self.kind {
            Kind::Time(_) => " class=\"t\"",
            Kind::Number => " class=\"n\"",
            Kind::Text if width(value, self.kind) <= SHORT_LETTERS => " class=\"s\"",
            Kind::Text => "",
        }
    }

    /// The class of its head.
    pub(super) fn head_class(&self) -> &'static str {
        match self.kind {
            Kind::Number => " class=\"n\"",
            _ => "",
        }
    }
}

/// Per cent of a printed line for each column: what it needs at least, and of what remains a part
/// by its length.
pub(super) fn shares(columns: &[Column<'_>]) -> Vec<f64> {
    let longer = |column: &Column<'_>| match column.kind {
        Kind::Text => {
            column
                .width
                .min(LONG_LETTERS)
                .saturating_sub(BROKEN_LETTERS)
                + 1
        }
        _ => 1,
    };
    let least: usize = columns.iter().map(Column::least).sum();
    let wanted: usize = columns.iter().map(longer).sum();
    let mut spare = PAGE_LETTERS.saturating_sub(least);
    let mut shares: Vec<f64> = Vec::with_capacity(columns.len());
    for column in columns {
        let mut share = column.least();
        if let Kind::Time(letters) = column.kind {
            let on_one_line = (letters + 2).saturating_sub(share).min(spare);
            spare -= on_one_line;
            share += on_one_line;
        }
        shares.push(share as f64);
    }
    for (share, column) in shares.iter_mut().zip(columns) {
        *share += (spare * longer(column)) as f64 / wanted.max(1) as f64;
    }
    let all: f64 = shares.iter().sum();
    shares.iter().map(|share| share * 100.0 / all).collect()
}

/// The instant that a value is, also as the text that SQL makes of one.
pub(super) fn instant(value: &Value) -> Option<i64> {
    match value {
        Value::Time(time) => Some(*time),
        Value::Text(text) => whole_instant(text),
        _ => None,
    }
}

fn kind<'a>(values: impl Iterator<Item = &'a Value> + Clone) -> Kind {
    let present = values.filter(|value| **value != Value::Null);
    if present.clone().next().is_none() {
        return Kind::Text;
    }
    if present
        .clone()
        .all(|value| matches!(value, Value::Int(_) | Value::Real(_)))
    {
        return Kind::Number;
    }
    let times: Option<Vec<i64>> = present.map(instant).collect();
    times.map_or(Kind::Text, |times| Kind::Time(time_letters(times)))
}

/// How much of these instants must be seen to tell them apart: up to the second, the millisecond
/// or all.
fn time_letters(mut times: Vec<i64>) -> usize {
    times.sort_unstable();
    times.dedup();
    let distinct = |unit: i64| {
        times
            .windows(2)
            .all(|pair| pair[0].div_euclid(unit) != pair[1].div_euclid(unit))
    };
    match () {
        () if distinct(1_000_000) => 19,
        () if distinct(1_000) => 23,
        () => 26,
    }
}

/// Cells that a value takes, roughly.
fn width(value: &Value, kind: Kind) -> usize {
    match (value, kind) {
        (Value::Null, _) => 4,
        (_, Kind::Time(letters)) => letters,
        (Value::Text(text) | Value::Json(text), _) => cells(text, REPORT_CELL_CHARS_MAX),
        _ => plain(value).map_or(0, |text| cells(&text, REPORT_CELL_CHARS_MAX)),
    }
}

/// Whether a value is several lines.
pub(super) fn has_lines(value: &Value) -> bool {
    match value {
        Value::Text(text) | Value::Json(text) => text.trim_end().contains('\n'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_show_what_tells_them_apart() {
        for (times, letters) in [
            (vec![], 19),
            (vec![5_000_000, 5_000_000], 19),
            (vec![5_000_000, 6_000_000], 19),
            (vec![5_000_000, 5_100_000], 23),
            (vec![-1, 0], 19),
            (vec![5_000_001, 5_000_002], 26),
        ] {
            assert_eq!(time_letters(times), letters);
        }
    }

    #[test]
    fn texts_of_instants_are_instants() {
        use crate::model::time;
        let text = Value::text("2026-11-21T03:41:26.826551Z");
        assert_eq!(instant(&text).map(time::to_text), plain(&text));
        for other in [
            "2026-11-21T03:41:26.826551z",
            "2026-11-21",
            "xxxx-xx-xxTxx:xx:xx.xxxxxxZ",
        ] {
            assert_eq!(instant(&Value::text(other)), None);
        }
    }

    #[test]
    fn every_column_has_its_place() {
        let columns: Vec<SqlColumn> = ["time", "user", "same", "absent", "message", "lines", "n"]
            .map(|name| SqlColumn {
                name: name.to_owned(),
                kind: String::new(),
            })
            .to_vec();
        let row = |n: i64| {
            vec![
                Value::Time(n),
                Value::text(format!("user-{n}")),
                Value::text("x"),
                Value::Null,
                Value::text("m".repeat(65)),
                Value::text(format!("{n}\nb")),
                Value::Int(n),
            ]
        };
        let rows = [row(1), row(2)];
        let layout = Layout::new(&columns, &rows);
        let names = |columns: &[Column<'_>]| {
            let names: Vec<String> = columns
                .iter()
                .map(|column| column.name.to_owned())
                .collect();
            names.join(" ")
        };
        assert_eq!(names(&layout.abreast), "time user n");
        assert_eq!(names(&layout.below), "lines");
        assert_eq!(names(&layout.same), "same message");
        assert_eq!(names(&layout.absent), "absent");
        let all: f64 = shares(&layout.abreast).iter().sum();
        assert!((all - 100.0).abs() < 0.01);
        // Rows that are all equal are still rows.
        let equal = [row(1), row(1)];
        assert!(!Layout::new(&columns, &equal).abreast.is_empty());
    }
}
