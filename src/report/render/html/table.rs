//! Rows of a question as a table that fits a screen and a page.
//!
//! Questions have up to 16 columns, and most of them say the same in every row or nothing at all.
//! These go into a sentence. A single row stands upright. What is still too wide for a page becomes
//! one block per row when it is printed.

use unicode_width::UnicodeWidthStr;

use super::text::{Attribute, Cut, Data, cells, instant_to};
use crate::limits::REPORT_CELL_CHARS_MAX;
use crate::model::time;
use crate::model::value::Value;
use crate::query::output::plain;
use crate::store::SqlColumn;

/// Tables of no more columns keep all of them, whatever they say.
const COLUMNS_KEPT: usize = 5;

/// The most columns that are printed side by side.
const COLUMNS_ABREAST: usize = 8;

/// Letters of the table's type that a printed line has room for, two between columns included.
const PAGE_LETTERS: usize = 104;

/// Texts up to this are not broken, and a column of longer ones is not narrower on paper.
const SHORT_LETTERS: usize = 14;

/// Texts of more take half of the line where a row is printed as a block.
const LONG_LETTERS: usize = 28;

/// Letters beyond which a text gets no more room on a printed line; it takes several.
const LINES_LETTERS: usize = 80;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Instants with so many letters of theirs as tell the column's apart.
    Time(usize),
    Number,
    Text,
}

struct Column<'a> {
    at: usize,
    name: &'a str,
    kind: Kind,
    /// Cells of its widest value.
    width: usize,
}

/// Writes `rows`, at least one; `caption` is HTML, `label` names the table for readers who do not
/// see it.
pub(super) fn table(
    out: &mut String,
    label: &str,
    caption: &str,
    columns: &[SqlColumn],
    rows: &[Vec<Value>],
) {
    if let [row] = rows
        && columns.len() > COLUMNS_KEPT
    {
        return upright(out, label, caption, columns, row);
    }
    let (shown, lifted) = lift(columns, rows);
    let shown: Vec<Column<'_>> = shown
        .into_iter()
        .map(|at| column(columns, rows, at))
        .collect();
    let blocks = !fits_page(&shown);
    put!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n\
         <table class=\"rows{}{}\"><caption>{caption}</caption>\n<thead><tr>",
        Attribute(label),
        if blocks { " blocks" } else { "" },
        if shown.len() > COLUMNS_ABREAST {
            " wide"
        } else {
            ""
        },
    );
    for (column, share) in shown.iter().zip(shares(&shown)) {
        put!(
            out,
            "<th scope=\"col\"{} style=\"--w:{share:.1}%\">{}{}</th>",
            class(column.kind, column.width),
            Data(column.name),
            zone(column.kind)
        );
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for column in &shown {
            let value = row.get(column.at).unwrap_or(&Value::Null);
            let width = width(value, column.kind);
            let mut classes = class(column.kind, if blocks { column.width } else { width });
            if blocks {
                let zone = if matches!(column.kind, Kind::Time(_)) {
                    " (UTC)"
                } else {
                    ""
                };
                classes.push_str(&format!(" data-h=\"{}{zone}\"", Attribute(column.name)));
            }
            put!(out, "<td{classes}>");
            cell(out, value, column.kind);
            out.push_str("</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out.push_str(&lifted);
}

/// One row, a line per column.
fn upright(out: &mut String, label: &str, caption: &str, columns: &[SqlColumn], row: &[Value]) {
    let (absent, present): (Vec<usize>, Vec<usize>) =
        (0..columns.len()).partition(|&at| matches!(row.get(at), None | Some(Value::Null)));
    put!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n\
         <table class=\"rows upright\"><caption>{caption}</caption>\n<thead><tr>\
         <th scope=\"col\">Column</th><th scope=\"col\">Value</th></tr></thead>\n<tbody>\n",
        Attribute(label)
    );
    for at in present {
        let rows = std::slice::from_ref(&row[at]);
        let kind = kind(rows.iter());
        put!(
            out,
            "<tr><th scope=\"row\">{}{}</th><td>",
            Data(&columns[at].name),
            zone(kind)
        );
        cell(out, &row[at], kind);
        out.push_str("</td></tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out.push_str(&absent_note(columns, &absent));
}

/// The columns that are worth their place, and a note on the others.
fn lift(columns: &[SqlColumn], rows: &[Vec<Value>]) -> (Vec<usize>, String) {
    let all: Vec<usize> = (0..columns.len()).collect();
    if columns.len() <= COLUMNS_KEPT || rows.len() < 2 {
        return (all, String::new());
    }
    let value = |row: &'_ [Value], at: usize| row.get(at).cloned().unwrap_or(Value::Null);
    let first = &rows[0];
    let (same, shown): (Vec<usize>, Vec<usize>) = all.iter().partition(|&&at| {
        rows[1..]
            .iter()
            .all(|row| value(row, at) == value(first, at))
    });
    if shown.is_empty() {
        return (all, String::new());
    }
    let (absent, same): (Vec<usize>, Vec<usize>) = same
        .into_iter()
        .partition(|&at| value(first, at) == Value::Null);
    let mut note = String::new();
    if !same.is_empty() {
        note.push_str("<p class=\"note lifted\">The same in all these rows: ");
        for (nth, &at) in same.iter().enumerate() {
            let kind = kind(std::iter::once(&first[at]));
            put!(
                note,
                "{}<b>{}</b>{} <bdi class=\"value\">",
                if nth > 0 { "; " } else { "" },
                Data(&columns[at].name),
                zone(kind)
            );
            cell(&mut note, &first[at], kind);
            note.push_str("</bdi>");
        }
        note.push_str(".</p>\n");
    }
    note.push_str(&absent_note(columns, &absent));
    (shown, note)
}

fn absent_note(columns: &[SqlColumn], absent: &[usize]) -> String {
    if absent.is_empty() {
        return String::new();
    }
    let names: Vec<String> = absent
        .iter()
        .map(|&at| format!("<b>{}</b>", Data(&columns[at].name)))
        .collect();
    format!(
        "<p class=\"note lifted\">Not recorded (<i class=\"null\">NULL</i>): {}.</p>\n",
        names.join(", ")
    )
}

fn column<'a>(columns: &'a [SqlColumn], rows: &[Vec<Value>], at: usize) -> Column<'a> {
    let kind = kind(rows.iter().filter_map(|row| row.get(at)));
    let widths = rows.iter().filter_map(|row| row.get(at));
    Column {
        at,
        name: &columns[at].name,
        kind,
        width: widths.map(|value| width(value, kind)).max().unwrap_or(0),
    }
}

fn kind<'a>(values: impl Iterator<Item = &'a Value> + Clone) -> Kind {
    let mut present = values.filter(|value| **value != Value::Null).peekable();
    if present.peek().is_none() {
        return Kind::Text;
    }
    if present
        .clone()
        .all(|value| matches!(value, Value::Int(_) | Value::Real(_)))
    {
        return Kind::Number;
    }
    let times: Option<Vec<i64>> = present
        .map(|value| match value {
            Value::Time(time) => Some(*time),
            _ => None,
        })
        .collect();
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

impl Column<'_> {
    /// Letters below which it must not be printed, the gap to the next one included.
    fn least(&self) -> usize {
        let head = self.name.split('_').map(UnicodeWidthStr::width).max();
        let value = match self.kind {
            // The day and the time of day may stand one above the other.
            Kind::Time(letters) => (letters - 11).max(10),
            Kind::Number => self.width + 1,
            Kind::Text => self.width.min(SHORT_LETTERS),
        };
        value.max(head.unwrap_or(0).min(SHORT_LETTERS)) + 2
    }

    fn takes_more(&self) -> bool {
        self.kind == Kind::Text && self.width > SHORT_LETTERS
    }
}

/// Whether the columns have room side by side on a printed page.
fn fits_page(columns: &[Column<'_>]) -> bool {
    let letters: usize = columns.iter().map(Column::least).sum();
    columns.len() <= COLUMNS_ABREAST && letters <= PAGE_LETTERS
}

/// Per cent of a printed line for each column: short values get what they need, and what remains
/// goes to long ones by their length.
fn shares(columns: &[Column<'_>]) -> Vec<f64> {
    let longer = |column: &Column<'_>| match column.takes_more() {
        true => column.width.min(LINES_LETTERS) - SHORT_LETTERS,
        false => 0,
    };
    let least: usize = columns.iter().map(Column::least).sum();
    let wanted: usize = columns.iter().map(longer).sum();
    let spare = PAGE_LETTERS.saturating_sub(least);
    let letters: Vec<f64> = columns
        .iter()
        .map(|column| {
            column.least() as f64 + (spare * longer(column)) as f64 / wanted.max(1) as f64
        })
        .collect();
    let all: f64 = letters.iter().sum();
    letters
        .iter()
        .map(|letters| letters * 100.0 / all)
        .collect()
}

/// Cells that a value takes, roughly.
fn width(value: &Value, kind: Kind) -> usize {
    match (value, kind) {
        (Value::Null, _) => 4,
        (Value::Time(_), Kind::Time(letters)) => letters,
        (Value::Text(text) | Value::Json(text), _) => cells(text, REPORT_CELL_CHARS_MAX),
        _ => plain(value).map_or(0, |text| cells(&text, REPORT_CELL_CHARS_MAX)),
    }
}

fn class(kind: Kind, width: usize) -> String {
    match kind {
        Kind::Time(_) => " class=\"t\"".to_owned(),
        Kind::Number => " class=\"n\"".to_owned(),
        Kind::Text if width <= SHORT_LETTERS => " class=\"s\"".to_owned(),
        Kind::Text if width > LONG_LETTERS => " class=\"l\"".to_owned(),
        Kind::Text => String::new(),
    }
}

fn zone(kind: Kind) -> &'static str {
    match kind {
        Kind::Time(_) => " <small>UTC</small>",
        _ => "",
    }
}

/// A value; numbers stay as they are, because many of them are identifiers and codes.
fn cell(out: &mut String, value: &Value, kind: Kind) {
    match (value, kind) {
        (Value::Null, _) => out.push_str("<i class=\"null\">NULL</i>"),
        (Value::Text(text) | Value::Json(text), _) if text.is_empty() => {
            out.push_str("<i class=\"null\">empty text</i>");
        }
        (Value::Time(time), _) => {
            let letters = match kind {
                Kind::Time(letters) => letters,
                _ => 26,
            };
            instant_to(out, &time::to_text(*time), letters).expect("a string takes all text");
        }
        (Value::Text(text) | Value::Json(text), _) => {
            put!(out, "{}", Cut(text, REPORT_CELL_CHARS_MAX));
        }
        _ => {
            let text = plain(value).unwrap_or_default();
            put!(out, "{}", Cut(&text, REPORT_CELL_CHARS_MAX));
        }
    }
}
