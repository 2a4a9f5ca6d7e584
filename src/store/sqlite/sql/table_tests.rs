//! The tables beside `events`.

use std::sync::Arc;

use super::fake::{Fake, Row, event};
use super::tests::{last_scan, rows, store};
use crate::model::column::Column;
use crate::model::value::Value;
use crate::store::sqlite::scan::ScanOrder;

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
