//! `event_counts`: conditions on what its rows say of events, and the users who have the most.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::grouping::ask;
use super::{Open, at_every_age};
use crate::model::value::Value;

/// Rows whose amounts are not as a statement wants them stay away before SQLite sees them.
pub(super) fn counts_are_left_out_by_amounts(open: Open) {
    let (bench, _) = super::questions::filled(open);
    at_every_age(bench, &|bench, age| {
        let mut left_out = 0;
        for (at, amount) in [
            ("events", "count(*)"),
            ("errors", "total(code between 400 and 599)"),
            ("succeeded", "total(outcome in ('success', 'upgraded'))"),
            ("raw_bytes", "sum(raw_bytes)"),
            ("users", "count(distinct user)"),
        ]
        .iter()
        .enumerate()
        {
            let (name, aggregate) = amount;
            let by = ["verb, namespace", "resource, code", "outcome"][at % 3];
            let ordered = format!("order by events desc, {by}");
            let all = format!("select {by} from event_counts {ordered}");
            let all = ask(bench, &all, &[]).unwrap().0.len();
            for number in [
                "0", "1", "3", "2.5", "40", "700.0", "-7", "'3'", "9e30", "null",
            ] {
                for sign in [">", ">=", "=", "<", "<="] {
                    let counted = format!(
                        "select {by}, events from event_counts where {name} {sign} {number} {ordered}"
                    );
                    // A real number compares as such, and a text as the number that it is.
                    let wanted = format!(
                        "select {by}, count(*) as events from events group by {by}
                         having {aggregate} {sign} cast({number} as numeric) {ordered}"
                    );
                    let [found, wanted] =
                        [&counted, &wanted].map(|sql| ask(bench, sql, &[]).unwrap().0);
                    assert_eq!(found, wanted, "{age}: {counted}");
                    left_out += usize::from((1..all).contains(&found.len()));
                }
            }
            let plan =
                format!("explain query plan select events from event_counts where {name} > 1");
            let plan = format!("{:?}", ask(bench, &plan, &[]).unwrap().0);
            assert!(plan.contains(&format!("group.{name}:>")), "{plan}");
        }
        assert!(
            left_out > 40,
            "{age}: {left_out} statements leave something out"
        );
    });
}

/// Of each row the five users with the most events, and how many there are.
pub(super) fn counts_name_the_users_with_most_events(open: Open) {
    let (bench, _) = super::questions::filled(open);
    let hour = "strftime('%Y-%m-%dT%H:00:00.000000Z', time)";
    at_every_age(bench, &|bench, age| {
        let mut more = 0;
        for (by, terms, condition) in [
            ("verb", "verb", "time > '2000-01-01'"),
            (
                "verb, hour",
                &format!("verb, {hour}"),
                "time >= '2026-11-20T00:10:00Z'",
            ),
            ("resource, level", "resource, level", "verb match '!get'"),
            ("user", "user", "stage = 'ResponseComplete'"),
            ("cluster", "cluster", "per_request = 1"),
        ] {
            let width = by.split(", ").count();
            let events = match condition {
                // Another test compares these with events.
                "per_request = 1" => {
                    format!("select {by}, user, events from event_counts where {condition}")
                }
                _ => format!(
                    "select {terms}, user, count(*) from events where {condition} group by {terms}, user"
                ),
            };
            let mut wanted: BTreeMap<String, (i64, Vec<(Reverse<i64>, String)>)> = BTreeMap::new();
            for row in ask(bench, &events, &[]).unwrap().0 {
                let key = format!("{:?}", &row[..width]);
                let (all, users) = wanted.entry(key).or_default();
                let Value::Int(events) = row[width + 1] else {
                    panic!("{row:?}");
                };
                *all += events;
                if let Value::Text(user) = &row[width] {
                    users.push((Reverse(events), user.to_string()));
                }
            }
            let counted = format!(
                "select {by}, events, users, top_users from event_counts where {condition}
                 order by users desc, {by}"
            );
            let found = ask(bench, &counted, &[]).unwrap().0;
            assert_eq!(found.len(), wanted.len(), "{age}: {counted}");
            for row in found {
                let (all, mut users) = wanted.remove(&format!("{:?}", &row[..width])).unwrap();
                users.sort();
                more += usize::from(users.len() > 5);
                let top: Vec<&String> = users.iter().take(5).map(|(_, user)| user).collect();
                let top = serde_json::to_string(&top).unwrap();
                let numbers = [all, users.len() as i64].map(Value::Int);
                assert_eq!(row[width..width + 2], numbers, "{age}: {counted}");
                let (Value::Text(told) | Value::Json(told)) = &row[width + 2] else {
                    panic!("{row:?}");
                };
                assert_eq!(**told, *top, "{age}: {counted}");
            }
        }
        assert!(more > 3, "{age}: {more} rows have more than five users");
    });
}
