//! *Evidence for compliance*: whether events are complete, kept, and without interruption, and who
//! did how much.

use std::collections::{BTreeMap, BTreeSet};

use auditql::model::time;
use serde_json::{Value, json};

use super::made::{made, store_of};
use super::plain::{
    READS, SESSIONS, WRITES, admin_by, code, count, ended, number, object, succeeded, user,
};
use super::{EVENTS, Row, ask, ask_of, cell, text};
use crate::both::Both;
use crate::support::{event, event_at};

pub(super) const TESTED: &[&str] = &[
    "event-completeness",
    "retention",
    "silent-hours",
    "clock-check",
    "audit-interruptions",
    "actions-by-actor",
    "admin-actions",
    "audit-trail-access",
    "active-users",
    "changes-by-user",
];

#[test]
fn event_completeness() {
    let rows = ask("event-completeness", &[]);
    assert_eq!(rows.len(), 9);
    assert!(rows.iter().all(|row| row["verdict"] == "met"), "{rows:?}");
    let of = |rows: &[Row], detail: &str| {
        let row = rows
            .iter()
            .find(|row| cell(row, "detail").contains(detail))
            .unwrap();
        let figures = ["events", "missing", "excused"].map(|column| number(row, column));
        assert_eq!(figures[0] - figures[1], number(row, "present"));
        figures
    };
    let all = EVENTS.len() as u64;
    let unknown =
        count(|event| user(event).is_empty() && text(event, "/stage") == "ResponseStarted");
    assert!(unknown > 0);
    assert_eq!(of(&rows, "who: the user"), [all - unknown, 0, unknown]);
    let arriving = count(|event| text(event, "/stage") == "RequestReceived");
    assert_eq!(
        of(&rows, "success or failure"),
        [all - arriving, 0, arriving]
    );
    let odd = count(|event| text(event, "/verb").is_empty());
    assert_eq!(of(&rows, "type of event"), [all - odd, 0, odd]);
    let named = count(|event| {
        ["get", "update", "patch", "delete"].contains(&text(event, "/verb"))
            && event["objectRef"]["resource"].is_string()
            && (200..400).contains(&code(event))
    });
    assert_eq!(of(&rows, "name of the object"), [named, 0, all - named]);

    let lame = |n, member: &str, value: Value| made(n, "get", json!({member: value}));
    let both = store_of(&[
        lame(1, "user", json!({})),
        lame(2, "sourceIPs", json!([])),
        lame(3, "responseStatus", Value::Null),
        lame(4, "stageTimestamp", Value::Null),
        lame(5, "auditID", json!("")),
        made(6, "get", json!({})),
    ]);
    let rows = ask_of(&both, "event-completeness", &[]);
    for detail in [
        "the user",
        "the address",
        "success or failure",
        "date and time",
        "audit ID",
    ] {
        assert_eq!(of(&rows, detail), [6, 1, 0], "{detail}");
    }
    for detail in ["type of event", "resource or path", "the cluster"] {
        assert_eq!(of(&rows, detail), [6, 0, 0], "{detail}");
    }
    let verdicts = rows
        .iter()
        .filter(|row| row["verdict"] == "not met")
        .count();
    assert_eq!(verdicts, 5);
    assert_eq!(ask_of(&Both::empty(), "event-completeness", &[]).len(), 0);
}

#[test]
fn retention() {
    let daily: Vec<String> = (1..=20)
        .map(|day| event_at(day, &format!("2026-03-{day:02}T12:00:00.000000Z")))
        .collect();
    let both = Both::with_events(&daily);
    let verdict = |both: &Both, days: &str, until: &str| {
        let rows = ask_of(both, "retention", &["--days", days, "--until", until]);
        let [row] = &rows[..] else { panic!("{rows:?}") };
        row.clone()
    };
    let row = verdict(&both, "10", "2026-03-20T13:00");
    assert_eq!(cell(&row, "verdict"), "met");
    assert_eq!(cell(&row, "oldest_hour"), "2026-03-01T12:00:00.000000Z");
    assert_eq!(
        (
            number(&row, "days_with_events"),
            number(&row, "days_without")
        ),
        (10, 0)
    );
    assert_eq!(row["held_days"].as_f64(), Some(19.0));
    let row = verdict(&both, "365", "2026-03-20T13:00");
    assert_eq!(cell(&row, "verdict"), "not enough data");
    assert!(cell(&row, "why").contains("19.0 days old"), "{row:?}");
    // The hour of the oldest event began before it did.
    let row = verdict(&both, "19", "2026-03-20T12:00:00.000001Z");
    assert_eq!(cell(&row, "verdict"), "met");
    let late = Both::with_events(&[event_at(1, "2026-03-01T12:30:00.000000Z")]);
    let row = verdict(&late, "1", "2026-03-02T12:15");
    assert_eq!(cell(&row, "verdict"), "not enough data", "{row:?}");
    // Days without events are no proof.
    let row = verdict(&both, "10", "2026-03-22T13:00");
    assert_eq!(cell(&row, "verdict"), "not enough data");
    assert_eq!(
        (
            number(&row, "days_with_events"),
            number(&row, "days_without")
        ),
        (8, 2)
    );

    // A store that begins on the first of the demanded days may not have held what was before.
    let young = Both::with_events(&daily[12..]);
    let row = verdict(&young, "7", "2026-03-20T11:00");
    assert_eq!(cell(&row, "verdict"), "not enough data", "{row:?}");
    assert!(
        cell(&row, "why").ends_with("cannot be shown yet"),
        "{row:?}"
    );

    // What was removed on purpose is more than too young.
    both.server
        .post("/api/v1/prune", r#"{"before":"2026-03-13"}"#)
        .expect(200);
    let row = verdict(&both, "10", "2026-03-20T13:00");
    assert_eq!(cell(&row, "verdict"), "not met");
    assert_eq!(number(&row, "pruned_events"), 12);
    assert_eq!(cell(&row, "pruned_before"), "2026-03-13T00:00:00.000000Z");
    let row = verdict(&both, "5", "2026-03-20T13:00");
    assert_eq!(cell(&row, "verdict"), "met");
    // Retention removed what was older than the first of the demanded days, so it was held.
    let row = verdict(&both, "7", "2026-03-20T11:00");
    assert_eq!(cell(&row, "verdict"), "met", "{row:?}");
    let gap = Both::with_events(&[&daily[..2], &daily[12..]].concat());
    gap.server
        .post("/api/v1/prune", r#"{"before":"2026-03-05"}"#)
        .expect(200);
    let row = verdict(&gap, "10", "2026-03-20T11:00");
    assert_eq!(cell(&row, "verdict"), "not enough data", "{row:?}");
    assert!(
        cell(&row, "why").contains("retention removed older ones, up to 2026-03-02"),
        "{row:?}"
    );

    let pruned = both.rows("select before, events, oldest, newest from pruned");
    let [one] = &pruned[..] else {
        panic!("{pruned:?}")
    };
    assert_eq!(
        one,
        "2026-03-13T00:00:00.000000Z|12|2026-03-01T12:00:00.000000Z|2026-03-12T23:59:59.999999Z"
    );
}

#[test]
fn silent_hours() {
    let at = |n, hour: &str| event_at(n, &format!("2026-03-01T{hour}:59:00.000000Z"));
    let events = [
        at(1, "01"),
        at(2, "02"),
        at(3, "02"),
        at(4, "05"),
        at(5, "06"),
    ];
    let rows = ask_of(
        &Both::with_events(&events),
        "silent-hours",
        &["--until", "2026-03-01T09:30"],
    );
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            let figures = ["still", "hours", "events_before"].map(|column| number(row, column));
            (cell(row, "silent_from"), cell(row, "silent_until"), figures)
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("2026-03-01T07:00:00.000000Z", "", [1, 2, 1]),
            (
                "2026-03-01T03:00:00.000000Z",
                "2026-03-01T05:00:00.000000Z",
                [0, 2, 2]
            ),
        ]
    );
    let flags = ["--until", "2026-03-01T09:30", "--longer-than", "3h"];
    assert_eq!(
        ask_of(&Both::with_events(&events), "silent-hours", &flags).len(),
        0
    );
}

#[test]
fn clock_check() {
    let one = |both: &Both| {
        let path = "/api/v1/queries/clock-check?format=jsonl";
        let answer = both.server.get(path).expect(200);
        serde_json::from_str::<Value>(&answer.text()).unwrap()
    };
    // More than an hour before the newest of its cluster: not looked at.
    let hours_ago = |hours: i64| {
        let at = time::to_text(time::now() - hours * 3_600_000_000);
        event_at(hours.unsigned_abs(), &at)
    };
    let sound = one(&Both::with_events(&[hours_ago(0), hours_ago(2)]));
    assert_eq!(
        (&sound["verdict"], &sound["events"]),
        (&json!("met"), &json!(1))
    );
    let behind = one(&Both::with_events(&[hours_ago(2), hours_ago(4)]));
    assert_eq!(
        (&behind["verdict"], &behind["events"]),
        (&json!("not enough data"), &json!(1))
    );
    assert!(
        behind["least_delay_s"].as_f64().unwrap() >= 7200.0,
        "{behind}"
    );
    assert!(cell(behind.as_object().unwrap(), "why").contains("a clock is behind, or"));
    let future = one(&Both::with_events(&[
        event(1),
        event_at(2, "2999-01-01T00:00:00.000000Z"),
    ]));
    assert_eq!(future["verdict"], "not met");
    assert_eq!(
        (&future["future"], &future["later_than_now"]),
        (&json!(1), &json!(1))
    );
    let early = event(1).replace(
        r#""requestReceivedTimestamp":"2026-11-20T00:00:01"#,
        r#""requestReceivedTimestamp":"2026-11-20T00:00:02"#,
    );
    assert_ne!(early, event(1));
    let backwards = one(&Both::with_events(&[early]));
    assert_eq!(
        (&backwards["verdict"], &backwards["before_received"]),
        (&json!("not met"), &json!(1))
    );
    // Imported events show a clock that is ahead, but not one that is behind.
    let rows = ask("clock-check", &["--until", "2026-11-22"]);
    assert_eq!(
        (cell(&rows[0], "verdict"), cell(&rows[0], "source")),
        ("not enough data", "file")
    );
    assert_eq!(number(&rows[0], "events"), EVENTS.len() as u64);
}

#[test]
fn audit_interruptions() {
    let lease = json!({"user": {"username": "system:apiserver"}, "stageTimestamp": "2026-11-20T05:10:00.000000Z",
        "requestReceivedTimestamp": "2026-11-20T05:10:00.000000Z",
        "objectRef": {"apiGroup": "coordination.k8s.io", "resource": "leases",
            "namespace": "kube-system", "name": "apiserver-abc"}});
    let lines = [
        event_at(1, "2026-11-20T01:00:00.000000Z"),
        event_at(2, "2026-11-20T02:00:00.000000Z"),
        made(3, "create", lease).to_string(),
    ];
    let both = Both::with_events(&lines);
    both.server
        .post("/api/v1/prune", r#"{"before":"2026-11-20T01:30:00Z"}"#)
        .expect(200);
    let path =
        "/api/v1/queries/audit-interruptions?format=jsonl&longer_than=1d&until=2026-11-20T06:00";
    let answer = both.server.get(path).expect(200);
    let text = answer.text();
    let rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            let texts = ["time", "what", "until"].map(|column| row[column].as_str().unwrap_or(""));
            (texts, row["seconds"].as_u64())
        })
        .collect();
    assert_eq!(
        shown,
        [
            (
                ["2026-11-20T05:10:00.000000Z", "an apiserver started", ""],
                None
            ),
            (
                [
                    "2026-11-20T03:00:00.000000Z",
                    "no events",
                    "2026-11-20T05:00:00.000000Z"
                ],
                Some(7200)
            ),
            (
                ["2026-11-20T02:00:00.000000Z", "oldest event left", ""],
                None
            ),
        ]
    );
    // Removed now, so after the time range above; and nothing has come in since.
    let rows = both
        .rows("select count(*), sum(events) from pruned where pruned_time > '2026-11-20T06:00Z'");
    assert_eq!(rows, ["1|1"]);
    let path = "/api/v1/queries/audit-interruptions?format=jsonl&longer_than=0s";
    let answer = both.server.get(path).expect(200);
    for what in ["retention removed events", "nothing came in"] {
        assert!(answer.text().contains(what), "{}", answer.text());
    }
}

#[test]
fn actions_by_actor() {
    type Key = (String, String, String, String);
    let expect = |matches: &dyn Fn(&Value) -> bool| {
        let mut sums: BTreeMap<Key, [u64; 2]> = BTreeMap::new();
        for event in EVENTS.iter().filter(|event| {
            ended(event) || text(event, "/stage") == "ResponseStarted" && user(event).is_empty()
        }) {
            if matches(event) {
                let key = (
                    user(event).to_owned(),
                    text(event, "/impersonatedUser/username").to_owned(),
                    text(event, "/verb").to_owned(),
                    object(event),
                );
                let sums = sums.entry(key).or_default();
                sums[0] += 1;
                sums[1] += u64::from(succeeded(event));
            }
        }
        sums
    };
    let given = |flags: &[&str]| -> BTreeMap<Key, [u64; 2]> {
        let rows = ask("actions-by-actor", flags);
        let key = |row: &Row| {
            let [user, as_user, verb, object] =
                ["user", "as_user", "verb", "object"].map(|column| cell(row, column).to_owned());
            (user, as_user, verb, object)
        };
        for row in &rows {
            let parts = ["succeeded", "refused", "failed"].map(|column| number(row, column));
            assert_eq!(
                parts.iter().sum::<u64>(),
                number(row, "requests"),
                "{row:?}"
            );
        }
        let rows = rows.iter();
        rows.map(|row| {
            (
                key(row),
                [number(row, "requests"), number(row, "succeeded")],
            )
        })
        .collect()
    };
    assert_eq!(given(&[]), expect(&|_| true));
    let roles = [
        "roles",
        "clusterroles",
        "rolebindings",
        "clusterrolebindings",
    ];
    assert_eq!(
        given(&["--resource", &roles.join(","), "--verb", &WRITES.join(",")]),
        expect(&|event| {
            roles.contains(&text(event, "/objectRef/resource"))
                && WRITES.contains(&text(event, "/verb"))
        })
    );
    assert_eq!(
        given(&["--as-user", "*"]),
        expect(&|event| !text(event, "/impersonatedUser/username").is_empty())
    );
    assert_eq!(
        given(&["--namespace", "payments", "--outcome", "denied_authz"]),
        expect(&|event| {
            text(event, "/objectRef/namespace") == "payments"
                && code(event) == 403
                // A denied impersonation has no decision.
                && text(event, "/annotations/authorization.k8s.io~1decision") != "allow"
        })
    );
    let logins = ask("actions-by-actor", &["--outcome", "denied_authn"]);
    let refused: u64 = logins.iter().map(|row| number(row, "refused")).sum();
    assert_eq!(
        refused,
        count(|event| code(event) == 401 && user(event).is_empty())
    );
}

#[test]
fn admin_actions() {
    let mut expected: BTreeMap<(String, String, &str), [u64; 4]> = BTreeMap::new();
    for event in EVENTS.iter().filter(|event| ended(event)) {
        let as_user = text(event, "/impersonatedUser/username");
        let Some(admin_by) = admin_by(event) else {
            continue;
        };
        let verb = text(event, "/verb");
        let session = SESSIONS.contains(&text(event, "/objectRef/subresource"));
        let secret = text(event, "/objectRef/resource") == "secrets" && READS.contains(&verb);
        let key = (user(event).to_owned(), as_user.to_owned(), admin_by);
        let sums = expected.entry(key).or_default();
        let counts = [true, WRITES.contains(&verb) && !session, secret, session];
        for (sum, counts) in sums.iter_mut().zip(counts) {
            *sum += u64::from(counts);
        }
    }
    let rows = ask("admin-actions", &[]);
    let given: BTreeMap<_, _> = rows
        .iter()
        .map(|row| {
            let key = (
                cell(row, "user").to_owned(),
                cell(row, "as_user").to_owned(),
                cell(row, "admin_by"),
            );
            let columns = ["requests", "changes", "secrets", "sessions"];
            (key, columns.map(|column| number(row, column)))
        })
        .collect();
    assert_eq!(given, expected);
    // The stolen account, by the binding that it made for itself.
    let stolen = "system:serviceaccount:payments:builder".to_owned();
    assert!(expected.contains_key(&(stolen, String::new(), "cluster-admin")));
    assert_eq!(cell(rows.last().unwrap(), "user"), "system:apiserver");
}

#[test]
fn audit_trail_access() {
    let path = |event: &Value| {
        let uri = text(event, "/requestURI");
        uri.split('?').next().unwrap().to_owned()
    };
    type Key = (String, String, &'static str);
    let mut expected: BTreeMap<Key, [u64; 3]> = BTreeMap::new();
    for event in EVENTS.iter().filter(|event| ended(event)) {
        let name = text(event, "/objectRef/name");
        let trail = name.starts_with("kube-apiserver") || name.contains("audit");
        let target = match text(event, "/objectRef/resource") {
            "" if path(event) == "/logs" || path(event).starts_with("/logs/") => {
                "log files of the c"
            }
            "nodes" if path(event).contains("/proxy/logs") => "log files of a nod",
            "configmaps" | "secrets" if trail => "settings of the lo",
            _ => continue,
        };
        let key = (
            user(event).to_owned(),
            text(event, "/verb").to_owned(),
            target,
        );
        let sums = expected.entry(key).or_default();
        let counts = [true, succeeded(event), [401, 403].contains(&code(event))];
        for (sum, counts) in sums.iter_mut().zip(counts) {
            *sum += u64::from(counts);
        }
    }
    let mut given: BTreeMap<Key, [u64; 3]> = BTreeMap::new();
    for row in &ask("audit-trail-access", &[]) {
        let target = &cell(row, "target")[..18];
        let target = [
            "log files of the c",
            "log files of a nod",
            "settings of the lo",
        ]
        .into_iter()
        .find(|known| *known == target);
        let key = (
            cell(row, "user").to_owned(),
            cell(row, "verb").to_owned(),
            target.unwrap_or_else(|| panic!("{row:?}")),
        );
        let columns = ["requests", "succeeded", "refused"];
        for (sum, column) in given.entry(key).or_default().iter_mut().zip(columns) {
            *sum += number(row, column);
        }
    }
    assert!(expected.len() > 1);
    assert_eq!(given, expected);

    let of = |n, verb: &str, object: Value, uri: &str| {
        made(n, verb, json!({"objectRef": object, "requestURI": uri}))
    };
    let pod = |subresource: &str, name: &str| json!({"resource": "pods", "namespace": "kube-system", "name": name, "subresource": subresource});
    let node = json!({"resource": "nodes", "name": "n1", "subresource": "proxy"});
    let both = store_of(&[
        of(1, "get", pod("log", "kube-apiserver-n1"), "/x"),
        of(2, "get", pod("log", "web"), "/x"),
        of(3, "create", pod("exec", "auditql-0"), "/x"),
        of(
            4,
            "get",
            node.clone(),
            "/api/v1/nodes/n1/proxy/logs/kube-apiserver/audit.log",
        ),
        of(5, "get", node, "/api/v1/nodes/n1/proxy/pods"),
        of(6, "get", Value::Null, "/logs/kube-apiserver/"),
        of(7, "get", Value::Null, "/logsearch"),
    ]);
    let targets = |flags: &[&str]| -> BTreeSet<String> {
        let rows = ask_of(&both, "audit-trail-access", flags);
        assert!(
            rows.iter()
                .all(|row| row["requests"] == 1 && row["succeeded"] == 1)
        );
        rows.iter()
            .map(|row| cell(row, "target").to_owned())
            .collect()
    };
    let named = |targets: &[&str]| BTreeSet::from_iter(targets.iter().map(|&text| text.to_owned()));
    let (log, exec) = (
        "pods/log of what makes or keeps the log",
        "pods/exec of what makes or keeps the log",
    );
    let files = ["log files of a node", "log files of the control plane"];
    assert_eq!(targets(&[]), named(&[log, exec, files[0], files[1]]));
    assert_eq!(
        targets(&["--trail", "web"]),
        named(&[log, files[0], files[1]])
    );
}

#[test]
fn active_users() {
    let mut expected: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    for event in EVENTS.iter().filter(|event| !user(event).is_empty()) {
        let sums = expected.entry(user(event)).or_default();
        sums[0] += 1;
        sums[1] += u64::from(ended(event));
    }
    let rows = ask("active-users", &[]);
    let figures = |row: &Row| [number(row, "events"), number(row, "answered")];
    let given: BTreeMap<_, _> = rows
        .iter()
        .map(|row| (cell(row, "user"), figures(row)))
        .collect();
    assert_eq!(given, expected);
    assert!(
        rows.iter()
            .all(|row| row["last_hour"] == "2026-11-21T03:00:00.000000Z")
    );
}

#[test]
fn changes_by_user() {
    let mut expected: BTreeMap<&str, [u64; 5]> = BTreeMap::new();
    for event in EVENTS.iter().filter(|event| ended(event)) {
        let verb = text(event, "/verb");
        if !WRITES.contains(&verb) {
            continue;
        }
        let (done, refused) = (
            (200..400).contains(&code(event)),
            [401, 403].contains(&code(event)),
        );
        let counts = [
            done,
            done && verb == "create",
            done && ["update", "patch"].contains(&verb),
            done && verb.starts_with("delete"),
            refused,
        ];
        let sums = expected.entry(user(event)).or_default();
        for (sum, counts) in sums.iter_mut().zip(counts) {
            *sum += u64::from(counts);
        }
    }
    let columns = ["changes", "created", "changed", "deleted", "refused"];
    let rows = ask("changes-by-user", &[]);
    let figures = |row: &Row| columns.map(|column| number(row, column));
    let given: BTreeMap<_, _> = rows
        .iter()
        .map(|row| (cell(row, "user"), figures(row)))
        .collect();
    assert_eq!(given, expected);
}
