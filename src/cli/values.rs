//! Values that a column can have, for completion: from the browse tables, within a time limit.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::model::outcome::Outcome;
use crate::model::value::Value;
use crate::query::listing::Collected;
use crate::query::source::Source;
use crate::store::SqlQuery;

/// Most values that are offered.
const VALUES_MAX: u64 = 100;

/// Verbs of the API, which may be meant though no event has them.
pub(super) const VERBS: [&str; 8] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
];

const STAGES: [&str; 4] = [
    "RequestReceived",
    "ResponseStarted",
    "ResponseComplete",
    "Panic",
];

/// The table and its column that list the values of a column of `events`.
fn browse(column: &str) -> Option<(&'static str, &'static str)> {
    Some(match column {
        "user" | "effective_user" | "impersonated_user" => ("users", "user"),
        "verb" => ("verbs", "verb"),
        "resource" => ("resources", "resource"),
        "namespace" => ("namespaces", "namespace"),
        "user_agent" => ("user_agents", "user_agent"),
        "source_ip" | "client_ip" | "source_ips" => ("source_ips", "source_ip"),
        "cluster" => ("sources", "cluster"),
        "source" => ("sources", "source"),
        _ => return None,
    })
}

/// The values that a column can have at all, where that is known.
fn fixed(column: &str) -> Vec<&'static str> {
    match column {
        "outcome" => Outcome::ALL
            .iter()
            .map(|outcome| outcome.as_str())
            .collect(),
        "stage" => STAGES.to_vec(),
        "level" => vec!["Metadata", "Request", "RequestResponse"],
        "decision" => vec!["allow", "forbid"],
        "verb" => VERBS.to_vec(),
        "code" => vec!["2xx", "3xx", "4xx", "5xx"],
        _ => Vec::new(),
    }
}

/// Whether there is anything to tell of a column's values.
pub(super) fn are_known(column: &str) -> bool {
    browse(column).is_some() || !fixed(column).is_empty()
}

/// Values of `column` that begin with `prefix`, the frequent ones first. Those of the store come
/// from what `open` opens, if that takes no longer than `patience`; whatever goes wrong, there are
/// none of them.
pub(super) fn of_column(
    column: &str,
    prefix: &str,
    patience: Duration,
    open: impl FnOnce() -> Option<Box<dyn Source>> + Send + 'static,
) -> Vec<String> {
    let mut values = Vec::new();
    if let Some((table, name)) = browse(column) {
        let query = SqlQuery {
            sql: format!(
                "select \"{name}\" from {table} \
                 where substr(\"{name}\", 1, length(:prefix)) = :prefix \
                 group by 1 order by sum(events) desc, 1"
            ),
            params: vec![("prefix".to_owned(), Value::text(prefix))],
            limit: VALUES_MAX,
            skip_damaged: true,
        };
        let (send, receive) = mpsc::channel();
        // Left to itself when it is late: nothing waits for it.
        thread::spawn(move || {
            let mut found = Collected::default();
            if let Some(source) = open()
                && source.sql(&query, Some(patience), &mut found).is_ok()
            {
                let _ = send.send(found.rows);
            }
        });
        let rows = receive.recv_timeout(patience).unwrap_or_default();
        values.extend(rows.iter().filter_map(|row| match row.first() {
            Some(Value::Text(text)) => Some(text.to_string()),
            _ => None,
        }));
    }
    // What cannot be typed cannot be completed.
    values.retain(|value| !value.chars().any(char::is_control));
    for known in fixed(column) {
        if known.starts_with(prefix) && !values.iter().any(|value| value == known) {
            values.push(known.to_owned());
        }
    }
    values
}

/// A filter's list split before the item that is being typed: what stays, and the item.
pub(super) fn last_item(list: &str) -> (&str, &str) {
    let mut from = 0;
    let mut escaped = false;
    for (at, letter) in list.char_indices() {
        match letter {
            '\\' if !escaped => escaped = true,
            ',' if !escaped => from = at + 1,
            '!' if !escaped && at == from => from = at + 1,
            _ => escaped = false,
        }
    }
    list.split_at(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_item_that_is_typed() {
        for (list, kept, item) in [
            ("", "", ""),
            ("al", "", "al"),
            ("a,b", "a,", "b"),
            ("a,!b", "a,!", "b"),
            ("!a", "!", "a"),
            ("a\\,b", "", "a\\,b"),
            ("a,", "a,", ""),
        ] {
            assert_eq!(last_item(list), (kept, item), "{list}");
        }
    }

    #[test]
    fn values_without_a_store_are_the_fixed_ones() {
        let none = |column: &str, prefix: &str| {
            of_column(column, prefix, Duration::from_secs(60), || None)
        };
        assert_eq!(none("verb", "de"), ["delete", "deletecollection"]);
        assert_eq!(none("decision", ""), ["allow", "forbid"]);
        assert!(none("user", "").is_empty());
        assert!(none("nothing", "").is_empty());
    }
}
