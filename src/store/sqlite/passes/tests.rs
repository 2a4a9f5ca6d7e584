//! What passes find, against plain loops over the events, at every age of a store.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::model::normalise::normalise;
use crate::model::value::Value;
use crate::store::{
    Budget, OpenOptions, SqlColumn, SqlQuery, SqlSink, Store, open_read, open_write,
};

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
        let acting = match of(6, 16) {
            0 => json!({"username": "user-1"}),
            _ => Json::Null,
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
            "auditID": audit_id, "stage": if of(7, 4) == 0 { "Panic" } else { "ResponseComplete" },
            "requestURI": format!("/api/v1/pods?n={}", of(2, 2)),
            "verb": if of(3, 2) == 0 { "get" } else { "list" },
            "user": {"username": user}, "impersonatedUser": acting, "annotations": {"n": n.to_string()},
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

/// Clusters and audit ids of more than one event.
fn repeated<'e>(events: impl Iterator<Item = &'e (&'static str, Json)>) -> BTreeSet<Vec<String>> {
    let mut known: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for (cluster, event) in events {
        let id = event["auditID"].as_str().unwrap();
        *known.entry((cluster, id)).or_default() += 1;
    }
    known.retain(|_, events| *events > 1);
    known
        .into_keys()
        .map(|(cluster, id)| vec![cluster.into(), id.into()])
        .collect()
}

const DELAYS: &str = "select cluster, source, events, future, before_received, untimed, least_delay_us, most_delay_us from event_delays";

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

    check_repeated(store, events);

    // The same added up from rows, whose times have microseconds.
    for (limits, tolerance) in [
        ("true", 0),
        ("true", 28_000_000_000_000_000_i64),
        (
            "cluster = 'a' and time >= '2026-01-02' and time < '2026-01-04'",
            -1,
        ),
    ] {
        let found = ask(
            store,
            &format!("{DELAYS} where {limits} and tolerance_us = {tolerance} order by 1, 2"),
        );
        let micros =
            |column: &str| format!("(unixepoch({column}) * 1000000 + substr({column}, 21, 6))");
        let delay = format!("{} - {}", micros("stored_time"), micros("time"));
        let expected = ask(
            store,
            &format!(
                "select cluster, source, count(*), sum(-delay > {tolerance}), \
                 sum(ifnull(latency_us < 0, 0)), count(time_quality), min(delay), max(delay) \
                 from (select *, {delay} as delay from events where {limits}) \
                 group by cluster, source order by 1, 2"
            ),
        );
        assert_eq!(expected.len(), if limits == "true" { 2 } else { 1 });
        let [_, _, all, ahead, ..] = &expected[0][..] else {
            panic!("{expected:?}")
        };
        assert_ne!(ahead, all);
        assert_eq!(ahead == "0", limits != "true");
        assert_eq!(found, expected);
    }
    let ids = "select count(*) from event_delays as d join events as e on e.audit_id = d.least_audit_id \
        and e.cluster = d.cluster where e.time > '2900-01-01'";
    assert_ne!(ask(store, ids), [["0"]]);
}

fn check_repeated(store: &dyn Store, events: &[(&'static str, Json)]) {
    let user = |event: &Json| event["user"]["username"].as_str() == Some("user-1");
    let acting = |event: &Json| event["impersonatedUser"]["username"].as_str() == Some("user-1");
    let panicked = |event: &Json| event["stage"] == "Panic";
    type Which<'a> = &'a dyn Fn(&Json) -> bool;
    let asked: [(&str, Which); 6] = [
        ("true", &|_| true),
        ("identity match null", &|_| true),
        ("identity match 'user-1'", &|event| {
            user(event) || acting(event)
        }),
        ("identity match '!user-1'", &|event| !user(event)),
        ("identity match 'nobody'", &|_| false),
        (
            "identity match 'user-1' and stage match 'Panic' and namespace match null",
            &|event| panicked(event) && (user(event) || acting(event)),
        ),
    ];
    for (condition, which) in asked {
        let sql = format!("select cluster, audit_id from repeated_audit_ids where {condition}");
        let found = ask(store, &sql);
        let expected = repeated(events.iter().filter(|(_, event)| which(event)));
        assert_eq!(
            expected.is_empty(),
            condition.contains("nobody"),
            "{condition}"
        );
        assert_eq!(found.len(), expected.len(), "{condition}");
        assert_eq!(BTreeSet::from_iter(found), expected, "{condition}");
    }
    // By either name alone fewer are repeated.
    let either = repeated(
        events
            .iter()
            .filter(|(_, event)| user(event) || acting(event)),
    );
    let one = repeated(events.iter().filter(|(_, event)| user(event)));
    let other = repeated(events.iter().filter(|(_, event)| acting(event)));
    assert!(either.difference(&one).any(|id| !other.contains(id)));
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

#[test]
fn an_identity_is_a_list_and_no_value() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_write(dir.path(), &OpenOptions::default()).unwrap();
    put(&*store, &events());
    for wrong in [
        "select identity from repeated_audit_ids",
        "select audit_id from repeated_audit_ids where identity = 'a'",
        "select audit_id from repeated_audit_ids where identity match 'a,'",
        "select audit_id from repeated_audit_ids where identity match 'a' and identity match 'b'",
    ] {
        let query = SqlQuery {
            sql: wrong.to_owned(),
            params: Vec::new(),
            limit: 0,
            skip_damaged: false,
        };
        let failed = store.sql(&query, &Budget::new(None), &mut Rows::default());
        let error = failed.unwrap_err().to_string();
        assert!(error.contains("identity"), "{wrong}: {error}");
    }
}

#[test]
fn a_tolerance_is_a_number_and_no_value() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_write(dir.path(), &OpenOptions::default()).unwrap();
    put(&*store, &events()[..20]);
    let counted = |condition: &str| {
        let sql = format!("select sum(events) from event_delays where {condition}");
        ask(&*store, &sql)[0][0].clone()
    };
    assert_eq!(counted("tolerance_us = 5"), "20");
    assert_eq!(counted("tolerance_us = 5 and tolerance_us = 5"), "20");
    assert_eq!(counted("tolerance_us = 5 and tolerance_us = 6"), "NULL");
    assert_eq!(counted("tolerance_us = null"), "NULL");
    for wrong in [
        "select tolerance_us from event_delays",
        "select events from event_delays where tolerance_us = 0.5",
        "select events from event_delays where tolerance_us > 5",
        "select events from event_delays where tolerance_us in (5, 6)",
        "select events from event_delays where tolerance_us = 5 or events = 1",
    ] {
        let query = SqlQuery {
            sql: wrong.to_owned(),
            params: Vec::new(),
            limit: 0,
            skip_damaged: false,
        };
        let failed = store.sql(&query, &Budget::new(None), &mut Rows::default());
        let error = failed.unwrap_err().to_string();
        assert!(error.contains("tolerance_us"), "{wrong}: {error}");
    }
}

/// Rows of a statement that leaves out what is damaged, and what that was.
fn ask_of_healthy(dir: &Path, sql: &str) -> (Vec<Vec<String>>, Vec<String>) {
    let store = open_read(dir).unwrap();
    let query = SqlQuery {
        sql: sql.to_owned(),
        params: Vec::new(),
        limit: 0,
        skip_damaged: true,
    };
    let mut rows = Rows::default();
    let answer = store.sql(&query, &Budget::new(None), &mut rows).unwrap();
    (rows.0, answer.coverage.damaged)
}

#[test]
fn a_damaged_segment_is_left_out_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_write(dir.path(), &OpenOptions::default()).unwrap();
    let events = events();
    put(&*store, &events[..250]);
    store.seal(true).unwrap();
    drop(store);
    let sealed = std::fs::read_dir(dir.path()).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("sealed-").then(|| path.clone())
    });
    let size = |path: &PathBuf| std::fs::metadata(path).unwrap().len();
    let path = &sealed.max_by_key(size).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let whole = std::fs::read(path).unwrap();
    let statements = [
        format!("{DELAYS} order by 1, 2"),
        "select cluster, audit_id from reused_audit_ids order by 1, 2".to_owned(),
        "select cluster, audit_id from repeated_audit_ids order by 1, 2".to_owned(),
    ];
    let answers = || {
        statements
            .each_ref()
            .map(|sql| ask_of_healthy(dir.path(), sql))
    };
    let full = answers();
    std::fs::write(path, vec![0; whole.len()]).unwrap();
    let without = answers();
    let mut seen = [0; 3];
    for at in (61..whole.len()).step_by(whole.len() / 150) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        std::fs::write(path, damaged).unwrap();
        for (number, (rows, damaged)) in answers().into_iter().enumerate() {
            if damaged.is_empty() {
                assert_eq!(rows, full[number].0, "byte {at}, {}", statements[number]);
            } else {
                assert_eq!(rows, without[number].0, "byte {at}, {}", statements[number]);
                assert!(
                    damaged.len() == 1 && damaged[0].contains(name),
                    "{damaged:?}"
                );
                seen[number] += 1;
            }
        }
    }
    assert!(seen.iter().all(|&seen| seen > 10), "{seen:?}");
}
