//! The order that a statement wants groups in, as SQLite asks for it and as a plan's text tells it.

use rusqlite::vtab::{IndexInfo, OrderBy};

use super::columns::{COLUMNS, Shown};

/// The columns by which groups are to come in order, each descending if it says so, which spares
/// SQLite's `group by` and `order by` their sorting and lets a statement of whose rows only the first
/// are wanted end with them; none if some term is for SQLite to sort by.
pub(super) fn of(info: &IndexInfo) -> Vec<(usize, bool)> {
    let column = |term: OrderBy<'_>| {
        let at = usize::try_from(term.column()).ok()?;
        let shown = COLUMNS.get(at)?;
        let sorted = !shown.is_hidden() && *shown != Shown::TopUsers;
        sorted.then_some((at, term.is_order_by_desc()))
    };
    let columns: Option<Vec<_>> = info.order_bys().map(column).collect();
    columns.unwrap_or_default()
}

/// The order as it stands in a plan's text.
pub(super) fn to_text(order: &[(usize, bool)]) -> String {
    if order.is_empty() {
        return String::new();
    }
    let sign = |descending| if descending { "-" } else { "" };
    let columns = order
        .iter()
        .map(|&(at, down)| format!("{}{at}", sign(down)));
    format!("by:{} ", columns.collect::<Vec<_>>().join(","))
}

/// The order that a plan's text begins with, and the rest.
pub(super) fn parse(text: &str) -> (Vec<(usize, bool)>, &str) {
    let column = |text: &str| {
        let ascending = text.trim_start_matches('-');
        Some((ascending.parse().ok()?, ascending.len() < text.len()))
    };
    let read = || {
        let (columns, rest) = text.strip_prefix("by:")?.split_once(' ')?;
        let columns = columns.split(',').map(column);
        Some((columns.collect::<Option<_>>()?, rest))
    };
    read().unwrap_or((Vec::new(), text))
}
