//! Where in a statement an error is, pointed at.

use unicode_width::UnicodeWidthStr;

use super::complete;
use crate::model::suggest::nearest;
use crate::query::library::pointed_at;
use crate::query::output::visible;
use crate::query::schema::TABLES;
use crate::store::StoreError;

/// Cells of a statement's line that are shown before and after the place.
const AROUND: usize = 60;

/// The error with the line of the statement that it names, and a caret under the place.
pub(in crate::cli) fn pointed(error: StoreError, sql: &str) -> StoreError {
    match error {
        StoreError::BadRequest(message) => {
            let help = help(&message, sql);
            StoreError::BadRequest(message + &help)
        }
        other => other,
    }
}

/// What stands behind a message: the name that may be meant, and the place.
pub(in crate::cli) fn help(message: &str, sql: &str) -> String {
    let hint = meant(message, sql).map(|name| format!("; did you mean {name}?"));
    let shown = caret(message, sql).map(|shown| format!("\n{shown}"));
    hint.unwrap_or_default() + &shown.unwrap_or_default()
}

/// The table or column that a statement's unknown one is near to.
fn meant(message: &str, sql: &str) -> Option<&'static str> {
    let unknown = |kind: &str| {
        let rest = message.strip_prefix(kind)?;
        let name = rest.split(" (").next().unwrap_or(rest);
        Some(name.rsplit('.').next().unwrap_or(name).to_owned())
    };
    if let Some(name) = unknown("no such table: ") {
        return nearest(&name, TABLES.iter().map(|table| table.name));
    }
    let name = unknown("no such column: ")?;
    nearest(&name, complete::columns(&complete::named(sql)))
}

/// The two lines that point at the place which the message ends with, if it does.
fn caret(message: &str, sql: &str) -> Option<String> {
    let (_, line, column) = pointed_at(message)?;
    let (line, column) = (sql.split('\n').nth(line - 1)?, column - 1);
    let letters: Vec<char> = line.chars().collect();
    if column > letters.len() {
        return None;
    }
    let from = column.saturating_sub(AROUND);
    let until = letters.len().min(column + AROUND);
    let text = |letters: &[char]| visible(&letters.iter().collect::<String>()).into_owned();
    let (before, after) = (text(&letters[from..column]), text(&letters[column..until]));
    let cut = |cut: bool| if cut { "…" } else { "" };
    let (left, right) = (cut(from > 0), cut(until < letters.len()));
    let blank = " ".repeat(left.width() + before.width());
    Some(format!("  {left}{before}{after}{right}\n  {blank}^"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_proposed() {
        for (message, sql, expected) in [
            (
                "no such table: evnts",
                "select 1 from evnts",
                Some("events"),
            ),
            (
                "no such column: nme (column 8)",
                "select nme from events",
                Some("name"),
            ),
            (
                "no such column: e.usr (column 8)",
                "select e.usr from events e",
                Some("user"),
            ),
            // Only of the tables that the statement names.
            (
                "no such column: first_sen",
                "select 1 from users",
                Some("first_seen"),
            ),
            ("no such column: first_sen", "select 1 from events", None),
            ("no such column: zzzzzz", "select 1 from events", None),
            ("near \"x\": syntax error (column 1)", "x", None),
        ] {
            assert_eq!(meant(message, sql), expected, "{message}");
        }
    }

    #[test]
    fn the_caret_stands_under_the_place() {
        for (message, sql, expected) in [
            (
                "no such column: x (column 8)",
                "select x",
                "  select x\n         ^",
            ),
            ("bad (line 2, column 3)", "select\n  x", "    x\n    ^"),
            // Wide letters take two cells.
            (
                "bad (column 11)",
                "select '世', x",
                "  select '世', x\n             ^",
            ),
            ("bad (column 4)", "a\tb c", "  a\\tb c\n      ^"),
        ] {
            assert_eq!(caret(message, sql).as_deref(), Some(expected), "{message}");
        }
        for message in ["bad", "bad (column 0)", "bad (column 99)", "bad (x)"] {
            assert_eq!(caret(message, "select"), None, "{message}");
        }
        let long = format!("select {}x{}", "1,".repeat(100), ",1".repeat(100));
        let shown = caret("bad (column 208)", &long).unwrap();
        let (line, caret) = shown.split_once('\n').unwrap();
        assert!(line.chars().count() < 130, "{line}");
        assert_eq!(line.chars().nth(caret.chars().count() - 1), Some('x'));
    }
}
