//! The tables beside `events`.

use std::sync::Arc;

use super::Limits;
use super::fake::{Fake, Row, event, query, run_query};
use super::tests::{last_scan, rows, store};
use crate::model::column::Column;
use crate::model::value::Value;
use crate::store::filter::Test;
use crate::store::sqlite::scan::ScanOrder;
use crate::store::{Budget, CountQuery, StoreError};

#[test]
fn requests_put_stages_together() {
    let call = |id, time: &str, stage: &'static str, more: &[(&'static str, &'static str)]| {
        let base = [
            ("cluster", "default"),
            ("audit_id", "a"),
            ("user", "alice"),
            ("request_uri", "/x"),
            ("received_time", "2026-11-20T14:00:00Z"),
            ("stage", stage),
            ("verb", "create"),
        ];
        // Later cells win, so `more` may replace a key.
        event(id, time, &[&base[..], more].concat())
    };
    let other = |id, more: &[(&'static str, &'static str)]| {
        call(id, "2026-11-20T14:00:05Z", "ResponseComplete", more)
    };
    let later = ("received_time", "2026-11-20T15:00:00Z");
    let events = vec![
        call(
            2,
            "2026-11-20T14:00:01Z",
            "ResponseComplete",
            &[("code", "201"), ("outcome", "success")],
        ),
        call(
            1,
            "2026-11-20T14:00:00Z",
            "RequestReceived",
            &[("name", "web"), ("outcome", "pending")],
        ),
        other(3, &[("user", "mallory")]),
        other(4, &[("cluster", "prod")]),
        other(5, &[("request_uri", "/y")]),
        other(6, &[later]),
        call(7, "2026-11-20T15:00:01Z", "ResponseComplete", &[later]),
        call(
            8,
            "2026-11-20T14:00:00Z",
            "ResponseStarted",
            &[("audit_id", "w"), ("code", "200")],
        ),
        call(
            9,
            "2026-11-20T14:00:00Z",
            "ResponseStarted",
            &[("audit_id", "u"), ("code", "401")],
        ),
        call(
            10,
            "2026-11-20T14:00:00Z",
            "ResponseStarted",
            &[("audit_id", "e"), ("code", "101")],
        ),
        call(
            11,
            "2026-11-20T14:09:00Z",
            "ResponseComplete",
            &[("audit_id", "e"), ("code", "101")],
        ),
    ];
    let mut events: Vec<Row> = events;
    for id in [12, 13] {
        let mut event = events[0].clone();
        event.insert(Column::Id, Value::Int(id));
        event.remove(&Column::ReceivedTime);
        events.push(event);
    }
    let fake = Arc::new(Fake {
        events: Arc::new(events),
        ..Fake::default()
    });
    assert_eq!(
        rows(
            &fake,
            "select last_event_id, stages, ambiguous, open, name, code, outcome, substr(first_time, 15, 5), substr(time, 15, 5) from requests order by 1"
        ),
        [
            r#"2|["RequestReceived","ResponseComplete"]|0|0|web|201|success|00:00|00:01"#,
            r#"3|["ResponseComplete"]|0|0|NULL|NULL|NULL|00:05|00:05"#,
            r#"4|["ResponseComplete"]|0|0|NULL|NULL|NULL|00:05|00:05"#,
            r#"5|["ResponseComplete"]|0|0|NULL|NULL|NULL|00:05|00:05"#,
            r#"6|["ResponseComplete"]|1|0|NULL|NULL|NULL|00:05|00:05"#,
            r#"7|["ResponseComplete"]|1|0|NULL|NULL|NULL|00:01|00:01"#,
            r#"8|["ResponseStarted"]|0|1|NULL|200|NULL|00:00|00:00"#,
            r#"9|["ResponseStarted"]|0|0|NULL|401|NULL|00:00|00:00"#,
            r#"11|["ResponseStarted","ResponseComplete"]|0|0|NULL|101|NULL|00:00|09:00"#,
            r#"12|["ResponseComplete"]|0|0|NULL|201|success|00:01|00:01"#,
            r#"13|["ResponseComplete"]|0|0|NULL|201|success|00:01|00:01"#,
        ]
    );
    assert_eq!(rows(&fake, "select count(*) from requests"), ["11"]);
    assert_eq!(
        rows(&fake, "select count(*) from requests where open"),
        ["1"]
    );
    // A condition on the last stage must not reach the scan, where it would split the call.
    assert_eq!(
        rows(
            &fake,
            "select stages from requests where code = 201 and received_time is not null"
        ),
        [r#"["RequestReceived","ResponseComplete"]"#]
    );
    assert_eq!(
        rows(
            &fake,
            "select count(*) from requests where time > '2026-11-20T14:00:00.5Z' and json_array_length(stages) = 2"
        ),
        ["2"]
    );
    assert_eq!(
        rows(
            &fake,
            "select last_event_id from requests where audit_id = 'e' and user = 'alice'"
        ),
        ["11"]
    );
    let (filter, order) = last_scan(&fake);
    assert_eq!((filter.terms.len(), order), (2, ScanOrder::ByReceivedTime));
    assert_eq!(
        rows(
            &fake,
            "select last_event_id from requests where received_time >= '2026-11-20T15:00:00Z' order by 1"
        ),
        ["6", "7"]
    );
}

#[test]
fn small_tables_show_distinct_values_and_the_store() {
    let fake = store();
    assert_eq!(
        rows(
            &fake,
            "select verb, events, substr(last_seen, 1, 10) from verbs where events > 1"
        ),
        ["get|2|2026-11-20"]
    );
    assert_eq!(
        rows(
            &fake,
            "select count(*) from users where first_seen >= '2026-11-20'"
        ),
        ["4"]
    );
    assert_eq!(
        rows(&fake, "select source, events, last_seen from sources"),
        ["webhook|3|1970-01-01T00:00:00.000001Z"]
    );
    for (name, _) in super::tables::ALL {
        rows(&fake, &format!("select * from {name}"));
    }
}

#[test]
fn counts_have_a_row_per_combination_of_what_is_read() {
    let fake = store();
    let asked = |sql: &str| {
        let found = rows(&fake, sql);
        let query = fake.counts.lock().unwrap().pop().unwrap();
        (found, query)
    };
    let (found, query) = asked("select verb, events from event_counts order by 2 desc, 1 limit 1");
    assert_eq!(found, ["get|2"]);
    assert_eq!((query.by, query.step), (vec![Column::Verb], None));
    // What only conditions name is not counted by.
    let (found, query) = asked(
        "select sum(events) from event_counts where user match 'alice' and verb = 'get' and time < '2027-01-01' and hour >= '2026-11-20T14:00Z'",
    );
    assert_eq!(found, ["1"]);
    assert!(query.by.is_empty(), "{query:?}");
    assert_eq!(query.step, None);
    assert!(query.filter.since.is_some() && query.filter.until.is_some());
    // Unless SQLite has to test it.
    let (found, query) = asked("select sum(events) from event_counts where user like 'ALICE'");
    assert_eq!(found, ["2"]);
    assert_eq!(query.by, [Column::User]);
    let (found, query) = asked("select hour, events from event_counts order by 2 desc limit 1");
    assert_eq!(found, ["2026-11-20T14:00:00.000000Z|3"]);
    assert!(query.by.is_empty() && query.step.is_some());
    let (found, query) = asked("select count(*) from event_counts");
    assert_eq!(found, ["1"]);
    assert!(query.by.is_empty());
    // Two that read different columns know nothing of each other.
    let (found, _) = asked(
        "select a.events, b.events from event_counts a, event_counts b where a.verb = 'get' and b.user = 'bob'",
    );
    assert_eq!(found, ["2|1"]);
    // Nor does a scan of events with the same conditions.
    let (found, query) = asked(
        "select sum(n) from (select count(id) n from events where verb = 'get' and time < '2027-01-01' union all select events from event_counts where verb = 'get' and time < '2027-01-01')",
    );
    assert_eq!(found, ["4"]);
    assert!(query.by.is_empty(), "{query:?}");
    rows(&fake, "select * from event_counts");
    assert!(rows(&fake, "select events from event_counts where verb = 'x'").is_empty());
    let plan = rows(
        &fake,
        "explain query plan select verb, events from event_counts where cluster match 'a' and hour > '2026-01-01'",
    );
    assert!(plan[0].ends_with("any hour:> cluster:match"), "{plan:?}");
}

#[test]
fn columns_for_conditions_have_no_value() {
    let fake = store();
    for sql in [
        "select time from event_counts",
        "select events from event_counts where time > '2026-01-01' or verb = 'get'",
        "select events from event_counts where source_ips like '%10%'",
        "select events from event_counts where audit_id > 5",
        "select events from event_counts order by raw",
    ] {
        let error = run_query(&fake, &query(sql), &Limits::default(), &Budget::new(None));
        match error {
            Err(StoreError::BadRequest(text)) => {
                assert!(
                    text.contains("event_counts has no value of"),
                    "{sql}: {text}"
                );
            }
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[test]
fn counting_by_a_column_of_event_counts_reads_columns_only() {
    use crate::store::sqlite::layout::{Origin, origin};
    for column in Column::ALL.iter().filter(|column| column.is_grouping()) {
        assert!(
            !column.is_list() && !column.is_counting_condition(),
            "{column:?}"
        );
        let stored = matches!(
            origin(*column),
            Origin::Text(_)
                | Origin::Derived(..)
                | Origin::Number(_)
                | Origin::EffectiveUser
                | Origin::Path
                | Origin::Flag(_)
        );
        assert!(stored, "{column:?}");
    }
}

#[test]
fn groups_of_those_with_the_most_come_first_without_everybodys() {
    let mut events = Vec::new();
    // User n has n lists, but at most five, and as many gets, the last two thrice as many as their
    // number says.
    for n in 1..=9 {
        let name = format!("u{n}");
        let gets = if n > 7 { n * 3 } else { n };
        for (verb, calls) in [("get", gets), ("list", n.min(5))] {
            let cells = [("verb", verb), ("user", &*name)];
            let calls = (0..calls).map(|_| event(1, "2026-11-20T14:00:00Z", &cells));
            events.extend(calls);
        }
    }
    for verb in ["get", "list"] {
        let of_nobody = (0..3).map(|_| event(1, "2026-11-20T14:00:00Z", &[("verb", verb)]));
        events.extend(of_nobody);
    }
    let fake = Fake {
        events: Arc::new(events),
        ..Fake::default()
    };
    let fake = Arc::new(fake);
    let asked = |sql: &str| {
        fake.counts.lock().unwrap().clear();
        let found = rows(&fake, sql);
        let counts = std::mem::take(&mut *fake.counts.lock().unwrap());
        let users = |query: &CountQuery| {
            query.filter.terms.iter().find_map(|term| match &term.test {
                Test::Users { any } => Some(any.len()),
                _ => None,
            })
        };
        (found, counts.iter().map(users).collect::<Vec<_>>())
    };
    let all = "select user, verb, events from event_counts order by events desc, user, verb";
    // No group of another user has more than the twelve of u7.
    let (found, counts) = asked(&format!("{all} limit 1"));
    assert_eq!(found, ["u9|get|27"]);
    assert_eq!(counts, [None, Some(2)]);
    let (found, counts) = asked(all);
    assert_eq!(found.len(), 20);
    assert_eq!(
        found[..4],
        ["u9|get|27", "u8|get|24", "u7|get|7", "u6|get|6"]
    );
    assert_eq!(found[4..6], ["u5|get|5", "u5|list|5"]);
    assert_eq!(
        found[12..16],
        ["NULL|get|3", "NULL|list|3", "u3|get|3", "u3|list|3"]
    );
    assert_eq!(counts, [None, Some(2), None]);
    // One user's groups are not worth it, and an order by names has no foremost.
    for (sql, expected) in [
        (
            "select user, verb, events from event_counts where user = 'u9' order by events desc",
            2,
        ),
        (
            "select user, verb, events from event_counts order by user, events desc limit 1",
            1,
        ),
    ] {
        let (found, counts) = asked(sql);
        assert_eq!(counts, [None], "{found:?}");
        assert_eq!(found.len(), expected);
    }
}
