//! *Operations.*

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::made::{made, store_of};
use super::{EVENTS, Row, ask, ask_of, audit_ids, cell, recorded_ids, text};
use crate::both::unpacked;

pub(super) const TESTED: &[&str] = &[
    "busiest-hours",
    "deprecated-api-callers",
    "error-rates",
    "noisiest-identities",
    "open-exec-sessions",
    "panics",
    "server-errors",
    "slow-requests",
    "throttled-requests",
    "watch-churn",
];

const ALL: [&str; 2] = ["--since", "all"];

/// Whether a call ended with this event.
fn ended(event: &Value) -> bool {
    ["ResponseComplete", "Panic"].contains(&text(event, "/stage"))
}

/// [`ended`], or the only event of a call that was refused before anybody was authenticated.
fn ended_or_refused(event: &Value) -> bool {
    ended(event) || event["stage"] == "ResponseStarted" && event["user"] == json!({})
}

fn code(event: &Value) -> u64 {
    event["responseStatus"]["code"].as_u64().unwrap_or(0)
}

/// Microseconds of the day.
fn micros(event: &Value, field: &str) -> u64 {
    let clock = &text(event, field)[11..26];
    let number = |range: std::ops::Range<usize>| clock[range].parse::<u64>().unwrap();
    ((number(0..2) * 60 + number(3..5)) * 60 + number(6..8)) * 1_000_000 + number(9..15)
}

fn took(event: &Value) -> u64 {
    micros(event, "/stageTimestamp") - micros(event, "/requestReceivedTimestamp")
}

fn number(row: &Row, column: &str) -> u64 {
    row[column]
        .as_u64()
        .unwrap_or_else(|| panic!("{column} is {}", row[column]))
}

fn key<'a>(row: &'a Row, columns: &[&str]) -> Vec<&'a str> {
    columns.iter().map(|column| cell(row, column)).collect()
}

/// How many rows there are of each key.
fn counted<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, u64> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_default() += 1;
    }
    counts
}

#[test]
fn deprecated_api_callers() {
    let rows = ask("deprecated-api-callers", &ALL);
    let calls = EVENTS
        .iter()
        .filter(|event| ended(event) && event["annotations"]["k8s.io/deprecated"] == "true");
    let expected = counted(calls.map(|event| {
        let group = match text(event, "/objectRef/apiGroup") {
            "" => String::new(),
            group => format!("{group}/"),
        };
        (
            text(event, "/user/username"),
            format!("{group}{}", text(event, "/objectRef/apiVersion")),
            text(event, "/objectRef/resource"),
            text(event, "/userAgent"),
        )
    }));
    let shown: BTreeMap<_, _> = rows
        .iter()
        .map(|row| {
            let key = (
                cell(row, "user"),
                cell(row, "api").to_owned(),
                cell(row, "resource"),
                cell(row, "user_agent"),
            );
            (key, number(row, "calls"))
        })
        .collect();
    assert_eq!(shown, expected);
    assert!(!shown.is_empty());

    let old = json!({"resource": "flowschemas", "apiGroup": "flowcontrol.apiserver.k8s.io", "apiVersion": "v1beta3", "name": "f"});
    let annotations = json!({"k8s.io/deprecated": "true", "k8s.io/removed-release": "1.32"});
    let store = store_of(&[
        made(
            1,
            "get",
            json!({"objectRef": old, "annotations": annotations}),
        ),
        made(
            2,
            "get",
            json!({"objectRef": old, "annotations": annotations}),
        ),
    ]);
    let rows = ask_of(&store, "deprecated-api-callers", &ALL);
    assert_eq!(rows.len(), 1);
    assert_eq!(
        key(&rows[0], &["api", "removed_release", "audit_id"]),
        ["flowcontrol.apiserver.k8s.io/v1beta3", "1.32", "made-2"]
    );
}

#[test]
fn throttled_requests_and_blocked_evictions() {
    assert_eq!(
        ask("throttled-requests", &[]).len(),
        recorded_ids(|event| ended(event) && code(event) == 429).len()
    );
    let refused = |message: &str| json!({"metadata": {}, "status": "Failure", "reason": "TooManyRequests", "code": 429, "message": message});
    let pod = json!({"resource": "pods", "namespace": "a", "name": "p"});
    let eviction =
        json!({"resource": "pods", "subresource": "eviction", "namespace": "a", "name": "p"});
    let later = "Too many requests, please try again later.";
    let store = store_of(&[
        made(
            1,
            "list",
            json!({"objectRef": pod, "responseStatus": refused(later)}),
        ),
        made(
            2,
            "list",
            json!({"objectRef": pod, "responseStatus": refused(later)}),
        ),
        made(
            3,
            "create",
            json!({"objectRef": eviction, "responseStatus":
            refused("Cannot evict pod as it would violate the pod's disruption budget.")}),
        ),
        made(4, "list", json!({"objectRef": pod})),
    ]);
    let rows = ask_of(&store, "throttled-requests", &[]);
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                cell(row, "outcome"),
                cell(row, "verb"),
                number(row, "calls"),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [("throttled", "list", 2), ("eviction_blocked", "create", 1)]
    );
    assert_eq!(cell(&rows[0], "message"), later);
}

#[test]
fn slow_requests() {
    let rows = ask(
        "slow-requests",
        &[&ALL[..], &["--at-least", "50ms"]].concat(),
    );
    let slow = |event: &Value| {
        ended(event)
            && took(event) >= 50_000
            && !["watch", "proxy"].contains(&text(event, "/verb"))
            && !["exec", "attach", "portforward", "proxy", "log"]
                .contains(&text(event, "/objectRef/subresource"))
    };
    assert_eq!(audit_ids(&rows), recorded_ids(slow));
    assert!(rows.len() > 3);
    let seconds: Vec<f64> = rows
        .iter()
        .map(|row| row["seconds"].as_f64().unwrap())
        .collect();
    assert!(seconds.is_sorted_by(|a, b| a >= b));
    let slowest = EVENTS
        .iter()
        .filter(|event| slow(event))
        .map(took)
        .max()
        .unwrap();
    assert!((seconds[0] * 1e6 - slowest as f64).abs() < 0.5);
}

#[test]
fn noisiest_identities() {
    let rows = ask("noisiest-identities", &ALL);
    let mut expected: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let lines = unpacked("recorded.jsonl.zst");
    for line in lines
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let event: Value = serde_json::from_slice(line).unwrap();
        let (events, bytes) = expected
            .entry(text(&event, "/user/username").to_owned())
            .or_default();
        *events += 1;
        *bytes += line.len() as u64;
    }
    let shown: BTreeMap<_, _> = rows
        .iter()
        .map(|row| {
            let counts = (number(row, "events"), number(row, "raw_bytes"));
            (cell(row, "user").to_owned(), counts)
        })
        .collect();
    assert_eq!(shown, expected);
    assert!(rows.is_sorted_by(|a, b| number(a, "raw_bytes") >= number(b, "raw_bytes")));
    let shares: f64 = rows.iter().map(|row| row["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 0.01, "{shares}");
}

#[test]
fn error_rates_count_every_code_whatever_the_authorizer_said() {
    let rows = ask("error-rates", &ALL);
    let mut expected: BTreeMap<_, [u64; 3]> = BTreeMap::new();
    for event in EVENTS.iter().filter(|event| ended_or_refused(event)) {
        let key = [
            text(event, "/user/username"),
            text(event, "/verb"),
            text(event, "/objectRef/resource"),
        ];
        let counts = expected.entry(key.to_vec()).or_default();
        counts[0] += 1;
        counts[1] += u64::from((400..500).contains(&code(event)));
        counts[2] += u64::from((500..600).contains(&code(event)));
    }
    expected.retain(|_, counts| counts[1] + counts[2] > 0);
    let shown: BTreeMap<_, _> = rows
        .iter()
        .map(|row| {
            let counts =
                ["calls", "client_errors", "server_errors"].map(|column| number(row, column));
            (key(row, &["user", "verb", "resource"]), counts)
        })
        .collect();
    assert_eq!(shown, expected);
    let nobody = rows
        .iter()
        .find(|row| row["user"].is_null() && row["verb"] == "get");
    assert!(nobody.is_some(), "failed logins are calls that failed");
    let many = ask("error-rates", &[&ALL[..], &["--at-least", "5"]].concat());
    assert!(many.len() < rows.len());
    assert!(
        many.iter()
            .all(|row| number(row, "client_errors") + number(row, "server_errors") >= 5)
    );
}

#[test]
fn server_errors() {
    let rows = ask("server-errors", &[]);
    let failed = |event: &Value| event["stage"] == "ResponseComplete" && code(event) >= 500;
    assert_eq!(audit_ids(&rows), recorded_ids(failed));
    assert!(!rows.is_empty());
    for row in &rows {
        let same = |event: &&Value| failed(event) && event["auditID"] == row["audit_id"];
        let event = EVENTS.iter().find(same).unwrap();
        assert_eq!(number(row, "code"), code(event));
        assert_eq!(cell(row, "message"), text(event, "/responseStatus/message"));
    }
}

#[test]
fn watch_churn() {
    let rows = ask("watch-churn", &ALL);
    let churn = EVENTS.iter().filter(|event| {
        ended(event) && event["verb"] == "watch" && (code(event) >= 400 || took(event) < 60_000_000)
    });
    let of = |event: &'static Value| {
        vec![
            text(event, "/user/username"),
            text(event, "/objectRef/resource"),
        ]
    };
    let expected = counted(churn.map(of));
    let shown: BTreeMap<_, _> = rows
        .iter()
        .map(|row| {
            let broken = number(row, "short_watches") + number(row, "failed_watches");
            (key(row, &["user", "resource"]), broken)
        })
        .collect();
    assert_eq!(shown, expected);
    let lists = counted(
        EVENTS
            .iter()
            .filter(|event| ended(event) && event["verb"] == "list")
            .map(of),
    );
    for row in &rows {
        let expected = lists
            .get(&key(row, &["user", "resource"]))
            .copied()
            .unwrap_or(0);
        assert_eq!(number(row, "lists"), expected);
    }
    let none = ask(
        "watch-churn",
        &[&ALL[..], &["--shorter-than", "0s"]].concat(),
    );
    assert!(none.iter().all(|row| number(row, "short_watches") == 0));
}

#[test]
fn open_exec_sessions() {
    let rows = ask("open-exec-sessions", &[]);
    let session = |event: &Value| {
        ["exec", "attach", "portforward"].contains(&text(event, "/objectRef/subresource"))
    };
    let over: BTreeSet<_> = EVENTS
        .iter()
        .filter(|event| ended(event))
        .map(|event| text(event, "/auditID"))
        .collect();
    let open = recorded_ids(|event| {
        session(event)
            && event["stage"] == "ResponseStarted"
            && !over.contains(text(event, "/auditID"))
    });
    assert_eq!(audit_ids(&rows), open);
    assert!(!open.is_empty());
}

/// Policies record exec at any level, and a request for it has no body at all.
#[test]
fn an_open_session_is_seen_at_every_audit_level() {
    let pod = json!({"resource": "pods", "subresource": "exec", "namespace": "a", "name": "p"});
    let mut events = Vec::new();
    for (n, level) in ["Metadata", "Request", "RequestResponse"]
        .into_iter()
        .enumerate()
    {
        let started = json!({
            "objectRef": pod, "level": level, "stage": "ResponseStarted",
            "requestURI": format!("/api/v1/namespaces/a/pods/p/exec?command=cat&command=%2Fetc%2Fpasswd&n={n}"),
            "responseStatus": {"metadata": {}, "code": 101},
        });
        events.push(made(n as u64 + 1, "get", started.clone()));
        // Another session, which ended: the client took the same ID for it.
        if level == "Metadata" {
            let mut first = made(10, "create", started);
            first["auditID"] = json!("made-1");
            events.push(first.clone());
            first["stage"] = json!("ResponseComplete");
            events.push(first);
        }
    }
    let store = store_of(&events);
    let rows = ask_of(&store, "open-exec-sessions", &[]);
    assert_eq!(audit_ids(&rows), ["made-1", "made-2", "made-3"]);
    assert!(
        rows.iter()
            .all(|row| row["command"] == json!(["cat", "/etc/passwd"]))
    );
}

#[test]
fn panics() {
    let rows = ask("panics", &[]);
    assert_eq!(
        audit_ids(&rows),
        recorded_ids(|event| event["stage"] == "Panic")
    );
    assert!(!rows.is_empty());
    assert!(rows.iter().all(|row| cell(row, "kind") == "aborted"));
    let store = store_of(&[made(
        1,
        "get",
        json!({"stage": "Panic", "responseStatus":
        {"metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500, "message": "APIServer panic'd: nil"}}),
    )]);
    assert_eq!(cell(&ask_of(&store, "panics", &[])[0], "kind"), "panic");
}

#[test]
fn busiest_hours() {
    let rows = ask("busiest-hours", &ALL);
    let hours = counted(
        EVENTS
            .iter()
            .filter(|event| ended_or_refused(event))
            .map(|event| format!("{}:00:00Z", &text(event, "/stageTimestamp")[..13])),
    );
    let mut shown: BTreeMap<String, u64> = BTreeMap::new();
    for row in &rows {
        *shown.entry(cell(row, "hour").to_owned()).or_default() += number(row, "calls");
    }
    assert_eq!(shown, hours);
    let denied: u64 = rows
        .iter()
        .filter(|row| row["outcome"] == "denied_authn")
        .map(|row| number(row, "calls"))
        .sum();
    let refused = recorded_ids(|event| ended_or_refused(event) && code(event) == 401);
    assert_eq!(denied, refused.len() as u64);
    let one = ask(
        "busiest-hours",
        &[&ALL[..], &["--outcome", "success"]].concat(),
    );
    assert!(one.iter().all(|row| row["outcome"] == "success"));
}
