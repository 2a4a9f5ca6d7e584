//! *Quality of the data*: what is cut off, unreadable, reused, late or silent.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{EVENTS, Row, ask, ask_of, audit_ids, cell, text};
use crate::both::{Both, unpacked};
use crate::support::{event, event_at};

pub(super) const TESTED: &[&str] = &[
    "truncated-events",
    "quarantined-items",
    "duplicate-audit-ids",
    "silent-sources",
    "clock-skew",
    "missing-fields",
    "ingest-summary",
];

const ALL: &[&str] = &["--since", "all"];

#[test]
fn truncated_events() {
    let both = Both::empty();
    let body = unpacked("webhook/truncated.json.zst");
    both.server.post("/webhook", &body).expect(200);
    both.server.post("/webhook", event(1)).expect(200);
    let list: Value = serde_json::from_slice(&body).unwrap();
    let mut cut: Vec<_> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| text(event, "/annotations/audit.k8s.io~1truncated") == "true")
        .map(|event| text(event, "/auditID"))
        .collect();
    cut.sort_unstable();
    assert!(!cut.is_empty());
    let rows = ask_of(&both, "truncated-events", &[]);
    assert_eq!(audit_ids(&rows), cut);
    assert!(
        rows.iter()
            .all(|row| row["level"] == "RequestResponse" && row["raw_bytes"].is_u64())
    );
}

#[test]
fn quarantined_items() {
    let both = Both::empty();
    let odd = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"}}"#;
    both.server
        .post("/webhook/prod", format!("{}\n{odd}", event(1)))
        .expect(200);
    let rows = ask_of(&both, "quarantined-items", &[]);
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(
        (cell(row, "cluster"), cell(row, "source")),
        ("prod", "webhook")
    );
    assert_eq!(row["bytes"], odd.len());
    assert_ne!(cell(row, "reason"), "");
    assert_eq!(
        ask_of(&both, "quarantined-items", &["--cluster", "pr*"]).len(),
        1
    );
    assert_eq!(
        ask_of(&both, "quarantined-items", &["--cluster", "dev"]).len(),
        0
    );
}

#[test]
fn duplicate_audit_ids() {
    let mut by_id: BTreeMap<&str, BTreeSet<_>> = BTreeMap::new();
    for event in EVENTS.iter() {
        by_id.entry(text(event, "/auditID")).or_default().insert((
            text(event, "/user/username"),
            text(event, "/verb"),
            text(event, "/requestURI"),
            text(event, "/requestReceivedTimestamp"),
        ));
    }
    by_id.retain(|_, requests| requests.len() > 1);
    let rows = ask("duplicate-audit-ids", ALL);
    let given: BTreeMap<_, _> = rows
        .iter()
        .map(|row| {
            (
                cell(row, "audit_id"),
                row["requests"].as_u64().unwrap() as usize,
            )
        })
        .collect();
    let expected: BTreeMap<_, _> = by_id.iter().map(|(id, set)| (*id, set.len())).collect();
    assert_eq!(given, expected);

    let hidden = "7f1d0c1e-0000-4000-8000-00000000beef";
    let row = rows
        .iter()
        .find(|row| cell(row, "audit_id") == hidden)
        .unwrap();
    let uris: BTreeSet<String> = serde_json::from_str(cell(row, "request_uris")).unwrap();
    assert_eq!(
        uris,
        BTreeSet::from(["/version", "/api/v1/namespaces/kube-system/secrets"].map(str::to_owned))
    );
    assert_eq!(
        cell(row, "users"),
        r#"["system:serviceaccount:payments:builder"]"#
    );

    // The same ID in two clusters is two requests that have nothing to do with each other, and
    // an event that is sent twice is one.
    let both = Both::empty();
    for cluster in ["a", "b", "a"] {
        both.server
            .post(&format!("/webhook/{cluster}"), event(1))
            .expect(200);
    }
    assert_eq!(ask_of(&both, "duplicate-audit-ids", ALL), Vec::<Row>::new());
}

#[test]
fn silent_sources() {
    let both = Both::empty();
    for (cluster, n) in [("a", 1), ("a", 2), ("b", 3)] {
        both.server
            .post(&format!("/webhook/{cluster}"), event(n))
            .expect(200);
    }
    let arrivals = both.rows("select stored_time from ingest_log where cluster = 'a' order by 1");
    // How long a silence lasts that goes on differs between two times of asking.
    let path = "/api/v1/queries/silent-sources?longer_than=0s&format=jsonl";
    let answer = both.server.get(path).expect(200);
    let rows: Vec<Value> = answer
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let shown: BTreeSet<_> = rows
        .iter()
        .map(|row| {
            let time = |column: &str| row[column].as_str().unwrap_or("").to_owned();
            (
                time("cluster"),
                row["still"] == 1,
                time("silent_from"),
                time("silent_until"),
            )
        })
        .collect();
    let b = both.rows("select stored_time from ingest_log where cluster = 'b'");
    assert_eq!(
        shown,
        BTreeSet::from([
            ("a".into(), false, arrivals[0].clone(), arrivals[1].clone()),
            ("a".into(), true, arrivals[1].clone(), String::new()),
            ("b".into(), true, b[0].clone(), String::new()),
        ])
    );
    assert!(
        rows.iter()
            .all(|row| row["seconds"].as_f64().unwrap() >= 0.0)
    );

    let long = both
        .server
        .get("/api/v1/queries/silent-sources?longer_than=1d&format=jsonl");
    assert_eq!(long.expect(200).text(), "");
    let bound = both.server.get(&format!(
        "/api/v1/queries/silent-sources?longer_than=0s&format=jsonl&until={}",
        arrivals[1]
    ));
    // Asked about the time before its second batch, source a is silent since the first.
    let first: Value =
        serde_json::from_str(bound.expect(200).text().lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["still"], first["silent_from"].as_str()),
        (&Value::from(1), Some(&arrivals[0][..]))
    );
}

#[test]
fn clock_skew() {
    let before = |n, received: &str, stage: &str| {
        let line = event_at(n, stage);
        let field = format!("\"requestReceivedTimestamp\":\"{stage}\"");
        line.replace(
            &field,
            &format!("\"requestReceivedTimestamp\":\"{received}\""),
        )
    };
    let events = [
        event_at(1, "2026-01-01T00:00:00.000000Z"),
        event_at(2, "2999-01-01T00:00:00.000000Z"),
        before(
            3,
            "2026-01-01T00:00:02.000000Z",
            "2026-01-01T00:00:01.000000Z",
        ),
        event_at(4, "x")
            .replace("\"stageTimestamp\":\"x\"", "\"stageTimestamp\":null")
            .replace(
                "\"requestReceivedTimestamp\":\"x\"",
                "\"requestReceivedTimestamp\":\"2026-01-01T00:00:03.000000Z\"",
            ),
    ];
    let rows = ask_of(&Both::with_events(&events), "clock-skew", ALL);
    let [row] = &rows[..] else { panic!("{rows:?}") };
    let id = |n: usize| {
        text(
            &serde_json::from_str::<Value>(&events[n]).unwrap(),
            "/auditID",
        )
        .to_owned()
    };
    assert_eq!(row["events"], 4);
    assert_eq!(row["future"], 1);
    assert_eq!(row["before_received"], 1);
    assert_eq!(row["untimed"], 1);
    assert_eq!(cell(row, "a_future_audit_id"), id(1));
    assert!(row["least_delay_s"].as_f64().unwrap() < -3e10);
    assert_eq!(
        row["most_ahead_s"].as_f64().unwrap(),
        -row["least_delay_s"].as_f64().unwrap()
    );

    let rows = ask("clock-skew", ALL);
    assert_eq!(rows[0]["events"], EVENTS.len());
    assert_eq!(rows[0]["future"], 0);
}

#[test]
fn missing_fields() {
    let rows = ask("missing-fields", ALL);
    let mut events: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut missing: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    let fields = [
        ("user", "/user/username"),
        ("source_ips", "/sourceIPs/0"),
        ("user_agent", "/userAgent"),
        ("resource", "/objectRef/resource"),
        ("decision", "/annotations/authorization.k8s.io~1decision"),
        ("audit_id", "/auditID"),
        ("request_uri", "/requestURI"),
        (
            "credential_id",
            "/user/extra/authentication.kubernetes.io~1credential-id/0",
        ),
    ];
    for event in EVENTS.iter() {
        let (level, stage) = (text(event, "/level"), text(event, "/stage"));
        *events.entry((level, stage)).or_default() += 1;
        for (field, pointer) in fields {
            if text(event, pointer).is_empty() {
                *missing.entry((field, level, stage)).or_default() += 1;
            }
        }
        if !event["responseStatus"]["code"].is_i64() {
            *missing.entry(("code", level, stage)).or_default() += 1;
        }
    }
    let mut given = BTreeMap::new();
    for row in &rows {
        let key = (cell(row, "field"), cell(row, "level"), cell(row, "stage"));
        let (all, lacking) = (
            row["events"].as_u64().unwrap(),
            row["missing"].as_u64().unwrap(),
        );
        assert_eq!(all, events[&(key.1, key.2)]);
        let share = row["share"].as_f64().unwrap();
        assert!(
            (share - lacking as f64 / all as f64).abs() < 0.0001,
            "{row:?}"
        );
        if key.0 == "code" || fields.iter().any(|(field, _)| *field == key.0) {
            given.insert(key, lacking);
        }
    }
    assert_eq!(given, missing);
}

#[test]
fn ingest_summary() {
    let both = Both::empty();
    let bad = r#"{"kind":"Pod"}"#;
    both.server
        .post("/webhook/a", format!("{}\n{}\n{bad}", event(1), event(2)))
        .expect(200);
    both.server.post("/webhook/a", event(2)).expect(200);
    both.server.post("/webhook/b", event(3)).expect(200);
    for flags in [&["--daily"][..], &[]] {
        let rows = ask_of(&both, "ingest-summary", flags);
        let length = if flags.is_empty() {
            "2026-11-20T00:00Z"
        } else {
            "2026-11-20"
        }
        .len();
        assert!(rows.iter().all(|row| cell(row, "period").len() == length));
        let sum = |cluster: &str| {
            let columns = ["received", "stored", "duplicates", "quarantined"];
            let rows = rows.iter().filter(|row| cell(row, "cluster") == cluster);
            rows.fold([0; 4], |sum, row| {
                let cells = columns.map(|column| row[column].as_u64().unwrap());
                std::array::from_fn(|at| sum[at] + cells[at])
            })
        };
        assert_eq!(sum("a"), [4, 2, 1, 1]);
        assert_eq!(sum("b"), [1, 1, 0, 0]);
    }
    assert_eq!(
        ask_of(&both, "ingest-summary", &["--cluster", "b"]).len(),
        1
    );
}
