//! What passes find, against plain loops over the events, at every age of a store.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use serde_json::{Value as Json, json};

use crate::model::normalise::normalise;
use crate::model::value::Value;
use crate::store::{Budget, OpenOptions, SqlColumn, SqlQuery, SqlSink, Store, open_write};

#[derive(Default)]
struct Rows(Vec<Vec<String>>);

impl SqlSink for Rows {
    fn columns(&mut self, _: &[SqlColumn]) {}

    fn row(&mut self, row: &[Value]) -> ControlFlow<()> {
        let text = |value: &Value| match value {
            Value::Null => "NULL".to_owned(),
            Value::Int(number) => number.to_string(),
            Value::Text(text) | Value::Json(text) => text.to_string(),
            other => panic!("{other:?}"),
        };
        self.0.push(row.iter().map(text).collect());
        ControlFlow::Continue(())
    }
}

fn ask(store: &dyn Store, sql: &str) -> Vec<Vec<String>> {
    let query = SqlQuery {
        sql: sql.to_owned(),
        params: Vec::new(),
        limit: 0,
        skip_damaged: false,
    };
    let mut rows = Rows::default();
    store.sql(&query, &Budget::new(None), &mut rows).unwrap();
    rows.0
}

/// Events of two clusters: few audit ids, some of which stand for one request only.
fn events() -> Vec<(&'static str, Json)> {
    let random = |n: u64, salt: u64, end: u64| {
        let mixed = (n ^ salt << 32)
            .wrapping_add(1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33 & 0xffff_ffff & (end - 1)
    };
    let made = |n: u64| {
        let id = n % 97;
        let plain = id < 60;
        let of = |salt, end| {
            if plain {
                random(id, salt, end)
            } else {
                random(n, salt, end)
            }
        };
        let user = match of(1, 4) {
            0 => Json::Null,
            user => json!(format!("user-{user}")),
        };
        let audit_id = match id % 3 {
            0 => format!("chosen-{id}"),
            _ => format!("00000000-0000-4000-8000-{id:012x}"),
        };
        let time = match n % 50 {
            7 => format!("29{:02}-01-01T00:00:00.000000Z", n % 20),
            _ => format!("2026-01-{:02}T00:00:{:02}.{n:06}Z", 1 + n % 4, n % 60),
        };
        let received = match of(4, 8) {
            0 => Json::Null,
            second => json!(format!("2026-01-01T00:00:{second:02}.000000Z")),
        };
        let event = json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata",
            "auditID": audit_id, "stage": "ResponseComplete",
            "requestURI": format!("/api/v1/pods?n={}", of(2, 2)),
            "verb": if of(3, 2) == 0 { "get" } else { "list" },
            "user": {"username": user}, "annotations": {"n": n.to_string()},
            "requestReceivedTimestamp": received,
            "stageTimestamp": if n % 40 == 3 { Json::Null } else { json!(time) },
        });
        (["a", "b"][random(n, 5, 2) as usize], event)
    };
    (0..2000).map(made).collect()
}

fn put(store: &dyn Store, events: &[(&'static str, Json)]) {
    for cluster in ["a", "b"] {
        let mut batch = store.batch(cluster, "test");
        for (_, event) in events.iter().filter(|(of, _)| *of == cluster) {
            let line = event.to_string();
            let (event, content) = normalise(cluster, line.as_bytes()).unwrap();
            batch.event(&event, line.as_bytes(), content);
        }
        batch.commit().unwrap();
    }
}

/// Clusters and audit ids of more than one request.
fn reused<'e>(events: impl Iterator<Item = &'e (&'static str, Json)>) -> BTreeSet<Vec<String>> {
    let mut known: BTreeMap<(&str, &str), [BTreeSet<String>; 4]> = BTreeMap::new();
    for (cluster, event) in events {
        let id = event["auditID"].as_str().unwrap();
        let values = [
            &event["requestReceivedTimestamp"],
            &event["requestURI"],
            &event["user"]["username"],
            &event["verb"],
        ];
        for (set, value) in known
            .entry((cluster, id))
            .or_default()
            .iter_mut()
            .zip(values)
        {
            set.extend(value.as_str().map(str::to_owned));
        }
    }
    known.retain(|_, sets| sets.iter().any(|set| set.len() > 1));
    known
        .into_keys()
        .map(|(cluster, id)| vec![cluster.into(), id.into()])
        .collect()
}

const DELAYS: &str = "select cluster, source, ahead_us, events, before_received, untimed, least_delay_us, most_delay_us from event_delays";

fn check(store: &dyn Store, events: &[(&'static str, Json)]) {
    let found: BTreeSet<_> = ask(store, "select cluster, audit_id from reused_audit_ids")
        .into_iter()
        .collect();
    let expected = reused(events.iter());
    assert!(!expected.is_empty());
    assert_eq!(found, expected);

    let found: BTreeSet<_> = ask(
        store,
        "select cluster, audit_id from reused_audit_ids where cluster = 'b' \
         and time >= '2026-01-02' and time < '2026-01-03'",
    )
    .into_iter()
    .collect();
    let of_day = events.iter().filter(|(cluster, event)| {
        let time = [&event["stageTimestamp"], &event["requestReceivedTimestamp"]];
        let time = time.iter().find_map(|time| time.as_str());
        *cluster == "b" && time.is_some_and(|time| time.starts_with("2026-01-02"))
    });
    assert_eq!(found, reused(of_day));

    // The same added up from rows, whose times have microseconds.
    for limits in [
        "true",
        "cluster = 'a' and time >= '2026-01-02' and time < '2026-01-04'",
    ] {
        let found = ask(store, &format!("{DELAYS} where {limits} order by 1, 2, 3"));
        let micros =
            |column: &str| format!("(unixepoch({column}) * 1000000 + substr({column}, 21, 6))");
        let delay = format!("{} - {}", micros("stored_time"), micros("time"));
        let expected = ask(
            store,
            &format!(
                "select cluster, source, max(0, -delay) as ahead, count(*), \
                 sum(ifnull(latency_us < 0, 0)), count(time_quality), min(delay), max(delay) \
                 from (select *, {delay} as delay from events where {limits}) \
                 group by cluster, source, ahead order by 1, 2, 3"
            ),
        );
        assert!(
            expected.len() >= usize::from(limits == "true") * 6,
            "{expected:?}"
        );
        assert_eq!(found, expected);
    }
    let ids = "select count(*) from event_delays as d join events as e on e.audit_id = d.an_audit_id \
        and e.cluster = d.cluster where ahead_us > 0";
    assert_ne!(ask(store, ids), [["0"]]);
}

#[test]
fn passes_find_what_loops_over_the_events_do() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_write(dir.path(), &OpenOptions::default()).unwrap();
    let events = events();
    put(&*store, &events[..700]);
    check(&*store, &events[..700]);
    store.seal(true).unwrap();
    check(&*store, &events[..700]);
    put(&*store, &events[700..]);
    check(&*store, &events);
    store.seal(true).unwrap();
    check(&*store, &events);
}

#[test]
fn one_id_for_very_many_requests_hides_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_write(dir.path(), &OpenOptions::default()).unwrap();
    let mut events = events();
    for (_, event) in events.iter_mut().step_by(2) {
        event["auditID"] = json!("chosen");
    }
    put(&*store, &events);
    check(&*store, &events);
}
