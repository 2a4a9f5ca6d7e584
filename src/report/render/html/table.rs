//! Rows of an answer as a table that fits a screen and a page. A single row stands upright.

use super::columns::{Column, Kind, Layout, has_lines, instant, shares};
use super::text::{Attribute, Cut, Data, Lines, instant_to};
use crate::limits::REPORT_CELL_CHARS_MAX;
use crate::model::time;
use crate::model::value::Value;
use crate::query::output::plain;
use crate::store::SqlColumn;

/// A single row of more columns stands upright.
const LEVEL_COLUMNS_MAX: usize = 5;

/// Writes `rows`, at least one; `caption` is HTML, `label` names the table for readers who do not
/// see it.
pub(super) fn table(
    out: &mut String,
    label: &str,
    caption: &str,
    columns: &[SqlColumn],
    rows: &[Vec<Value>],
) {
    put!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n",
        Attribute(label)
    );
    match rows {
        [row] if columns.len() > LEVEL_COLUMNS_MAX => upright(out, caption, columns, row),
        _ => level(out, caption, columns, rows),
    }
}

fn level(out: &mut String, caption: &str, columns: &[SqlColumn], rows: &[Vec<Value>]) {
    let layout = Layout::new(columns, rows);
    put!(
        out,
        "<table class=\"rows\"><caption>{caption}</caption>\n<thead><tr>"
    );
    for (column, share) in layout.abreast.iter().zip(shares(&layout.abreast)) {
        put!(
            out,
            "<th scope=\"col\"{} style=\"--w:{share:.1}%\">{}{}</th>",
            column.head_class(),
            Data(&heading(column)),
            zone(column.kind)
        );
    }
    out.push_str("</tr></thead>\n");
    let mut left_out = false;
    for row in rows {
        let value = |column: &Column<'_>| row.get(column.at).unwrap_or(&Value::Null);
        out.push_str("<tbody><tr>");
        for column in &layout.abreast {
            let value = value(column);
            put!(out, "<td{}>", column.class(value));
            cell(out, value, column.kind);
            out.push_str("</td>");
        }
        out.push_str("</tr>");
        let present = layout.below.iter();
        let present: Vec<_> = present
            .filter(|column| *value(column) != Value::Null)
            .collect();
        left_out |= present.len() < layout.below.len();
        if !present.is_empty() {
            put!(
                out,
                "\n<tr class=\"more\"><td colspan=\"{}\">",
                layout.abreast.len()
            );
            for column in present {
                field(out, column, value(column));
            }
            out.push_str("</td></tr>");
        }
        out.push_str("</tbody>\n");
    }
    out.push_str("</table></div>\n");
    notes(out, &layout, &rows[0], left_out);
}

/// A value with its name, below a row.
fn field(out: &mut String, column: &Column<'_>, value: &Value) {
    put!(
        out,
        "<span class=\"f{}\"><b>{}</b>{} <bdi>",
        if column.takes_line(value) {
            " long"
        } else {
            ""
        },
        Data(&heading(column)),
        zone(column.kind)
    );
    cell(out, value, column.kind);
    out.push_str("</bdi></span> ");
}

/// What the table leaves out because it goes without saying.
fn notes(out: &mut String, layout: &Layout<'_>, first: &[Value], left_out: bool) {
    if !layout.same.is_empty() {
        out.push_str("<p class=\"note lifted\">The same in all these rows: ");
        for column in &layout.same {
            field(out, column, &first[column.at]);
        }
        out.push_str("</p>\n");
    }
    if !layout.absent.is_empty() {
        absent(out, &layout.absent);
    }
    if left_out {
        out.push_str(
            "<p class=\"note lifted\">What is missing from a row’s second line was not recorded \
             (<i class=\"null\">NULL</i>).</p>\n",
        );
    }
}

fn absent(out: &mut String, columns: &[Column<'_>]) {
    let names: Vec<String> = columns
        .iter()
        .map(|column| format!("<b>{}</b>", Data(&heading(column))))
        .collect();
    put!(
        out,
        "<p class=\"note lifted\">Not recorded (<i class=\"null\">NULL</i>): {}.</p>\n",
        names.join(", ")
    );
}

/// One row, a line per column.
fn upright(out: &mut String, caption: &str, columns: &[SqlColumn], row: &[Value]) {
    let rows = [row.to_vec()];
    let (missing, present): (Vec<Column<'_>>, Vec<Column<'_>>) = (0..columns.len())
        .map(|at| Column::new(columns, &rows, at))
        .partition(|column| matches!(row.get(column.at), None | Some(Value::Null)));
    put!(
        out,
        "<table class=\"rows upright\"><caption>{caption}</caption>\n<thead><tr>\
         <th scope=\"col\">Column</th><th scope=\"col\">Value</th></tr></thead>\n<tbody>\n"
    );
    for column in present {
        put!(
            out,
            "<tr><th scope=\"row\">{}{}</th><td>",
            Data(&heading(&column)),
            zone(column.kind)
        );
        cell(out, &row[column.at], column.kind);
        out.push_str("</td></tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    if !missing.is_empty() {
        absent(out, &missing);
    }
}

/// A column's name for people to read.
fn heading(column: &Column<'_>) -> String {
    column.name.replace('_', " ")
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
        (_, Kind::Time(letters)) if let Some(time) = instant(value) => {
            instant_to(out, &time::to_text(time), letters).expect("a string takes all text");
        }
        (Value::Text(text) | Value::Json(text), _) if has_lines(value) => {
            put!(out, "{}", Lines(text, REPORT_CELL_CHARS_MAX));
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
