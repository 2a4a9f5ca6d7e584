//! *Access*: secrets, logins, refusals, impersonation, tokens, certificates.

mod bursts;
pub(super) mod credentials;
mod rights;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{EVENTS, Row, ask, ask_of, audit_ids, cell, list, recorded_ids, text};
use crate::both::Both;

pub(super) const TESTED: &[&str] = &[
    "secret-reads",
    "failed-logins",
    "forbidden-bursts",
    "anonymous-calls",
    "impersonation",
    "token-requests",
    "credential-use",
    "certificates",
    "calls-by-system-masters",
    "escalation-denied",
    "admission-denied",
    "identities",
    "access-used",
    "rbac-uses",
    "privileged-use",
];

pub(super) const ALL: &[&str] = &["--since", "all"];
pub(super) const THIEF: &str = "system:serviceaccount:payments:builder";

/// A call of a made-up event, which `over` changes: members of the event by name.
pub(super) fn made(n: u64, over: Value) -> String {
    let mut event: Value = serde_json::from_str(&crate::support::event(n)).unwrap();
    for (key, value) in over.as_object().unwrap() {
        event[key] = value.clone();
    }
    event.to_string()
}

/// What tells calls apart whatever audit ID the client chose.
pub(super) fn call(event: &Value) -> (&str, &str, &str, &str) {
    (
        text(event, "/auditID"),
        text(event, "/requestReceivedTimestamp"),
        text(event, "/requestURI"),
        text(event, "/user/username"),
    )
}

/// One event per recorded call that matches: its last one, which says what came of it.
pub(super) fn calls(matches: impl Fn(&Value) -> bool) -> Vec<&'static Value> {
    let mut last = BTreeMap::new();
    for event in EVENTS
        .iter()
        .filter(|event| answered(event) && matches(event))
    {
        let known = last.entry(call(event)).or_insert(event);
        if text(event, "/stageTimestamp") >= text(known, "/stageTimestamp") {
            *known = event;
        }
    }
    last.into_values().collect()
}

fn answered(event: &Value) -> bool {
    event["stage"] != "RequestReceived"
}

fn ids<'a>(events: &[&'a Value]) -> Vec<&'a str> {
    let mut ids: Vec<_> = events.iter().map(|event| text(event, "/auditID")).collect();
    ids.sort_unstable();
    ids
}

#[track_caller]
fn newest_first(rows: &[Row]) {
    let times: Vec<_> = rows.iter().map(|row| cell(row, "time")).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
}

#[test]
fn secret_reads() {
    let read = |event: &Value| {
        text(event, "/objectRef/resource") == "secrets"
            && ["get", "list", "watch"].contains(&text(event, "/verb"))
    };
    let rows = ask("secret-reads", ALL);
    let expected = calls(read);
    assert!(expected.len() > 80, "{}", expected.len());
    assert_eq!(audit_ids(&rows), ids(&expected));
    newest_first(&rows);

    let stolen = ask("secret-reads", &["--user", THIEF, "--since", "all"]);
    let scopes: BTreeSet<_> = stolen.iter().map(|row| cell(row, "scope")).collect();
    assert_eq!(
        scopes,
        BTreeSet::from([
            "all namespaces",
            "kube-system",
            "payments/db-creds",
            "prod/db-creds"
        ])
    );
    // The list whose audit ID was used for a harmless call just before.
    assert!(stolen.iter().any(|row| {
        cell(row, "audit_id") == "7f1d0c1e-0000-4000-8000-00000000beef"
            && cell(row, "client_ip") == "198.51.100.23"
    }));
}

#[test]
fn secret_reads_say_what_a_list_exposed_and_how_that_is_known() {
    let secret = |verb: &str, namespace: Value, name: Value| {
        let mut event = json!({
            "verb": verb,
            "objectRef": {"resource": "secrets", "apiVersion": "v1"},
            "responseStatus": {"metadata": {}, "code": 200},
        });
        for (key, value) in [("namespace", namespace), ("name", name)] {
            if !value.is_null() {
                event["objectRef"][key] = value;
            }
        }
        event
    };
    let with = |mut event: Value, over: Value| {
        for (key, value) in over.as_object().unwrap() {
            event[key] = value.clone();
        }
        event
    };
    let none = Value::Null;
    let items = json!({"kind": "SecretList", "items": [
        {"metadata": {"name": "seen", "namespace": "prod"}},
        {"metadata": {"name": "also", "namespace": "dev"}},
    ]});
    let table = json!({"kind": "Table", "rows": [
        {"cells": ["row"], "object": {"metadata": {"name": "row", "namespace": "prod"}}},
    ]});
    let watch = |stage: &str| {
        with(
            secret("watch", json!("prod"), none.clone()),
            json!({"stage": stage, "auditID": "watch", "requestURI": "/w", "user": {"username": "eve"},
                   "requestReceivedTimestamp": "2026-11-20T00:00:20.000000Z"}),
        )
    };
    let events = [
        made(1, secret("create", json!("prod"), json!("a"))),
        made(2, secret("get", json!("dev"), json!("b"))),
        made(3, secret("create", json!("prod"), json!("gone"))),
        made(4, secret("delete", json!("prod"), json!("gone"))),
        made(
            10,
            with(
                secret("list", json!("prod"), none.clone()),
                json!({"auditID": "one"}),
            ),
        ),
        made(
            11,
            with(
                secret("list", none.clone(), none.clone()),
                json!({"auditID": "every"}),
            ),
        ),
        made(
            12,
            with(
                secret("list", none.clone(), none.clone()),
                json!({"auditID": "body", "level": "RequestResponse", "responseObject": items}),
            ),
        ),
        made(
            13,
            with(
                secret("list", json!("prod"), none.clone()),
                json!({"auditID": "table", "level": "RequestResponse", "responseObject": table}),
            ),
        ),
        made(
            14,
            with(
                secret("list", json!("prod"), none.clone()),
                json!({"auditID": "refused", "responseStatus": {"metadata": {}, "code": 403}}),
            ),
        ),
        made(20, watch("ResponseStarted")),
        made(21, watch("ResponseComplete")),
        made(
            22,
            with(
                secret("watch", json!("dev"), none.clone()),
                json!({"stage": "ResponseStarted", "auditID": "open"}),
            ),
        ),
        made(30, secret("create", json!("prod"), json!("later"))),
    ];
    let both = Both::with_events(&events);
    let rows = ask_of(&both, "secret-reads", &["--verb", "list,watch", "--names"]);
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            let [id, scope, from] =
                ["audit_id", "scope", "exposed_from"].map(|column| cell(row, column));
            let exposed = match &row["exposed"] {
                Value::Null => String::new(),
                names => names.to_string(),
            };
            [id, scope, &exposed, from].join(" ")
        })
        .collect();
    assert_eq!(
        shown,
        [
            r#"open dev ["dev/b"] other events"#,
            r#"watch prod ["prod/a"] other events"#,
            r#"refused prod  "#,
            r#"table prod ["prod/row"] response"#,
            r#"body all namespaces ["prod/seen","dev/also"] response"#,
            r#"every all namespaces ["dev/b","prod/a"] other events"#,
            r#"one prod ["prod/a"] other events"#,
        ]
    );
}

#[test]
fn failed_logins() {
    let mut expected: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for event in EVENTS
        .iter()
        .filter(|event| event["responseStatus"]["code"] == 401)
    {
        assert_eq!(
            (text(event, "/stage"), text(event, "/user/username")),
            ("ResponseStarted", "")
        );
        let key = (text(event, "/sourceIPs/0"), text(event, "/userAgent"));
        *expected.entry(key).or_default() += 1;
    }
    let rows = ask("failed-logins", ALL);
    let given: BTreeMap<_, _> = rows
        .iter()
        .map(|row| {
            let key = (cell(row, "client_ip"), cell(row, "user_agent"));
            (key, row["attempts"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(given, expected);

    let burst = ask(
        "failed-logins",
        &["--source-ip", "198.51.100.99", "--since", "all"],
    );
    assert_eq!(burst.len(), 1);
    assert_eq!(burst[0]["attempts"], 12);
    assert_eq!(burst[0]["a_path"], "/api/v1/namespaces/kube-system/secrets");
}

/// Milliseconds since midnight of the one day on which all recorded events happened.
fn millis(time: &str) -> i64 {
    let clock = time
        .strip_prefix("2026-11-21T")
        .unwrap()
        .trim_end_matches('Z');
    let mut parts = clock.split(':');
    let mut number = || parts.next().unwrap().parse::<f64>().unwrap();
    let seconds = number() * 3600.0 + number() * 60.0 + number();
    (seconds * 1000.0).round() as i64
}

#[test]
fn forbidden_bursts() {
    let (at_least, window) = (8, 5_000);
    let denied = calls(|event| {
        let allowed = text(event, "/annotations/authorization.k8s.io~1decision") == "allow";
        let code = event["responseStatus"]["code"].as_i64();
        matches!(code, Some(401 | 403)) && !allowed
    });
    let mut by_user: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in denied {
        let times = by_user.entry(text(event, "/user/username")).or_default();
        times.push(text(event, "/stageTimestamp"));
    }
    let mut expected = BTreeSet::new();
    for (user, times) in &mut by_user {
        times.sort_unstable();
        let full = |from: usize| {
            let near = |time: &&&str| millis(time) - millis(times[from]) <= window;
            let within = times[from..].iter().take_while(near).count();
            (within >= at_least).then_some(from..from + within)
        };
        let covered: BTreeSet<usize> = (0..times.len()).filter_map(full).flatten().collect();
        let mut burst: Vec<&str> = Vec::new();
        for at in covered {
            if let Some(last) = burst.last()
                && millis(times[at]) - millis(last) > window
            {
                expected.insert((*user, burst.len(), burst[0], *last));
                burst.clear();
            }
            burst.push(times[at]);
        }
        if let (Some(first), Some(last)) = (burst.first(), burst.last()) {
            expected.insert((*user, burst.len(), *first, *last));
        }
    }
    let args = ["--at-least", "8", "--window", "5s", "--since", "all"];
    let rows = ask("forbidden-bursts", &args);
    let given: BTreeSet<_> = rows
        .iter()
        .map(|row| {
            let denials = row["denials"].as_u64().unwrap() as usize;
            (
                cell(row, "user"),
                denials,
                cell(row, "first_time"),
                cell(row, "last_time"),
            )
        })
        .collect();
    assert!(expected.len() >= 3, "{expected:?}");
    assert_eq!(given, expected);

    let logins = rows
        .iter()
        .find(|row| list(row, "client_ips") == ["198.51.100.99"]);
    let logins = logins.expect("the burst of the storyline");
    assert_eq!(list(logins, "outcomes"), ["denied_authn"]);
    assert_eq!(list(logins, "resources"), ["secrets"]);
}

#[test]
fn anonymous_calls() {
    let anonymous = calls(|event| event["user"]["username"] == "system:anonymous");
    let rows = ask("anonymous-calls", ALL);
    let count = |of: &dyn Fn(&Row) -> bool| -> u64 {
        let rows = rows.iter().filter(|row| of(row));
        rows.map(|row| row["calls"].as_u64().unwrap()).sum()
    };
    let expected =
        |of: &dyn Fn(&Value) -> bool| anonymous.iter().filter(|event| of(event)).count() as u64;
    assert_eq!(count(&|_| true), expected(&|_| true));
    let code = |event: &Value| event["responseStatus"]["code"].as_i64().unwrap();
    assert_eq!(
        count(&|row| row["allowed"] == 0),
        expected(&|event| code(event) == 403)
    );
    assert_eq!(
        count(&|row| cell(row, "client_ip") == "198.51.100.99"),
        expected(&|event| text(event, "/sourceIPs/0") == "198.51.100.99")
    );
    assert!(
        rows.iter()
            .any(|row| cell(row, "path") == "/.env" && row["allowed"] == 0)
    );

    let stranger = |path: &str, user: &str, code: u64| {
        json!({
            "verb": "get", "requestURI": path, "objectRef": null,
            "user": {"username": user, "groups": ["system:unauthenticated"]},
            "responseStatus": {"metadata": {}, "code": code},
        })
    };
    let events = [
        made(1, stranger("/livez?verbose", "system:anonymous", 200)),
        made(2, stranger("/healthz/ping", "system:anonymous", 200)),
        made(3, stranger("/version", "system:anonymous", 200)),
        made(4, stranger("/livezz", "system:anonymous", 403)),
        made(5, stranger("/api", "guest", 200)),
        made(6, json!({"user": {"username": "bob"}})),
    ];
    let rows = ask_of(&Both::with_events(&events), "anonymous-calls", ALL);
    let shown: Vec<_> = rows
        .iter()
        .map(|row| (cell(row, "path"), row["health"] == 1, row["allowed"] == 1))
        .collect();
    assert_eq!(
        shown,
        [
            ("/api", false, true),
            ("/version", false, true),
            ("/livezz", false, false),
            ("/healthz/ping", true, true),
            ("/livez", true, true),
        ]
    );
}

#[test]
fn impersonation() {
    let refused = |event: &Value| {
        event["responseStatus"]["code"] == 403
            && text(event, "/responseStatus/message").contains("\" cannot impersonate")
    };
    let became = |event: &Value| !text(event, "/impersonatedUser/username").is_empty();
    let expected = calls(|event| refused(event) || became(event));
    let rows = ask("impersonation", ALL);
    assert_eq!(audit_ids(&rows), ids(&expected));
    newest_first(&rows);
    let allowed = rows.iter().filter(|row| row["allowed"] == 1).count();
    assert_eq!(allowed, calls(became).len());
    assert!(rows.iter().all(|row| row["as_extra"].is_null()));
    let rows = ask("impersonation", &["--extra", "--since", "all"]);
    let extra = rows.iter().filter(|row| !row["as_extra"].is_null()).count();
    assert_eq!(
        extra,
        calls(|event| event["impersonatedUser"]["extra"].is_object()).len()
    );

    let stolen = ask("impersonation", &["--user", THIEF, "--since", "all"]);
    assert!(!stolen.is_empty());
    assert!(
        stolen
            .iter()
            .all(|row| row["allowed"] == 0 && row["as_user"].is_null())
    );

    let carol = ["--as-user", "carol", "--since", "all"];
    let as_carol = |event: &Value| event["impersonatedUser"]["username"] == "carol";
    assert_eq!(
        audit_ids(&ask("impersonation", &carol)),
        ids(&calls(as_carol))
    );
}

#[test]
fn impersonation_says_who_was_wanted_where_the_apiserver_does() {
    let denied = |message: &str| {
        json!({"responseStatus": {"metadata": {}, "status": "Failure", "code": 403,
               "reason": "Forbidden", "message": message}})
    };
    let cannot = "is forbidden: User \"eve\" cannot";
    let events = [
        made(
            1,
            denied(&format!(
                "users \"system:admin\" {cannot} impersonate resource \"users\" in API group \"\" at the cluster scope"
            )),
        ),
        made(
            2,
            denied(&format!(
                "groups \"system:masters\" {cannot} impersonate:user-info resource \"groups\" in API group \"\" at the cluster scope"
            )),
        ),
        made(
            3,
            denied(&format!(
                "secrets {cannot} impersonate-on:user-info:list resource \"secrets\" in API group \"\" at the cluster scope"
            )),
        ),
        made(
            4,
            denied(&format!(
                "nodes {cannot} list resource \"nodes\" in API group \"\" at the cluster scope"
            )),
        ),
    ];
    let rows = ask_of(&Both::with_events(&events), "impersonation", &[]);
    let wanted: Vec<_> = rows.iter().map(|row| cell(row, "wanted")).collect();
    assert_eq!(
        wanted,
        ["", "groups \"system:masters\"", "users \"system:admin\""]
    );
}

#[test]
fn calls_by_system_masters() {
    let masters = |event: &Value, pointer: &str| {
        let groups = event.pointer(pointer).and_then(Value::as_array);
        groups.is_some_and(|groups| groups.contains(&json!("system:masters")))
    };
    let mut expected: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for event in
        calls(|event| masters(event, "/user/groups") || masters(event, "/impersonatedUser/groups"))
    {
        let key = (
            text(event, "/user/username"),
            text(event, "/impersonatedUser/username"),
        );
        *expected.entry(key).or_default() += 1;
    }
    let rows = ask("calls-by-system-masters", ALL);
    let mut given: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for row in &rows {
        let key = (cell(row, "user"), cell(row, "as_user"));
        *given.entry(key).or_default() += row["calls"].as_u64().unwrap();
    }
    assert_eq!(given, expected);
    assert!(expected.contains_key(&("kubernetes-admin", "")));
    assert_eq!(rows.last().unwrap()["user"], "system:apiserver");

    let user = |own: &str, other: &str| {
        json!({"user": {"username": "eve", "groups": [own]},
               "impersonatedUser": {"username": "root", "groups": [other]}})
    };
    let events = [
        made(3, user("dev", "system:masters")),
        made(4, user("system:masters", "system:masters")),
        made(5, user("dev", "dev")),
    ];
    let rows = ask_of(&Both::with_events(&events), "calls-by-system-masters", ALL);
    let calls: u64 = rows.iter().map(|row| row["calls"].as_u64().unwrap()).sum();
    assert_eq!(calls, 2);
    assert!(
        rows.iter()
            .all(|row| row["user"] == "eve" && row["as_user"] == "root")
    );
}

#[test]
fn escalation_denied() {
    assert_eq!(ask("escalation-denied", ALL), Vec::<Row>::new());
    let refused = |why: &str| {
        json!({
            "verb": "create", "level": "RequestResponse",
            "user": {"username": "eve", "groups": ["dev"]},
            "objectRef": {"resource": "clusterrolebindings", "name": "mine",
                          "apiGroup": "rbac.authorization.k8s.io"},
            "requestObject": {"kind": "ClusterRoleBinding", "metadata": {"name": "mine"},
                "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
                "subjects": [{"kind": "User", "name": "eve"}]},
            "annotations": {"authorization.k8s.io/decision": "allow"},
            "responseStatus": {"metadata": {}, "status": "Failure", "reason": "Forbidden", "code": 403,
                "message": format!("clusterrolebindings.rbac.authorization.k8s.io \"mine\" is forbidden: {why}")},
        })
    };
    let events = [
        made(
            1,
            refused(
                "user \"eve\" (groups=[\"dev\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"*\"], Resources:[\"*\"], Verbs:[\"*\"]}",
            ),
        ),
        made(2, refused("denied by policy")),
    ];
    let rows = ask_of(&Both::with_events(&events), "escalation-denied", &[]);
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(row["user"], "eve");
    assert_eq!(row["role_ref"], "ClusterRole/cluster-admin");
    assert_eq!(list(row, "subjects"), ["User:eve"]);
}

#[test]
fn admission_denied() {
    // Tools that take the recorded decision for the outcome count these as successes.
    let refused = |event: &Value| {
        event["stage"] == "ResponseComplete"
            && event["responseStatus"]["code"] == 403
            && text(event, "/annotations/authorization.k8s.io~1decision") == "allow"
    };
    let rows = ask("admission-denied", ALL);
    assert_eq!(audit_ids(&rows), recorded_ids(refused));
    newest_first(&rows);
    for row in &rows {
        let message = cell(row, "message");
        let by = match message {
            _ if message.starts_with("admission webhook \"images.policy.example.com\"") => {
                "webhook images.policy.example.com"
            }
            _ if message.contains("violates PodSecurity") => "PodSecurity",
            _ => "",
        };
        assert_eq!(cell(row, "refused_by"), by, "{message}");
    }
    let stolen = ask("admission-denied", &["--user", THIEF, "--since", "all"]);
    let [row] = &stolen[..] else {
        panic!("{stolen:?}")
    };
    assert_eq!(
        (cell(row, "namespace"), cell(row, "name")),
        ("restricted", "dbg-toolbox")
    );
    assert!(list(row, "pod_security").contains(&"privileged".to_owned()));

    let policy = json!({
        "verb": "create",
        "annotations": {"authorization.k8s.io/decision": "allow"},
        "responseStatus": {"metadata": {}, "status": "Failure", "code": 422, "reason": "Invalid",
            "message": "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'no-latest' with binding 'all' denied request: no"},
    });
    let rows = ask_of(
        &Both::with_events(&[made(1, policy)]),
        "admission-denied",
        &[],
    );
    assert_eq!(
        rows.iter()
            .map(|row| cell(row, "refused_by"))
            .collect::<Vec<_>>(),
        ["policy no-latest"]
    );
}
