//! *Evidence for compliance*: the audit policy in force, graded from what it recorded.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::made::{made, store_of};
use super::plain::{class, count, number, object};
use super::{EVENTS, Row, ask, ask_of, cell, list, text};

pub(super) const TESTED: &[&str] = &[
    "policy-levels",
    "policy-exceptions",
    "policy-cis",
    "policy-stig",
    "policy-conflict",
    "policy-unseen",
];

/// How many recorded events of a kind and class have these levels.
fn at(object_is: &str, class_is: &str, levels: &[&str]) -> u64 {
    let matching = EVENTS.iter().filter(|event| {
        object(event) == object_is
            && class(event) == class_is
            && levels.contains(&text(event, "/level"))
    });
    matching.count() as u64
}

const BODIES: &[&str] = &["Request", "RequestResponse"];
const ALL: &[&str] = &["Metadata", "Request", "RequestResponse"];

fn find<'a>(rows: &'a [Row], object: &str, class: &str) -> &'a Row {
    let mut found = rows
        .iter()
        .filter(|row| cell(row, "object") == object && cell(row, "class") == class);
    let row = found
        .next()
        .unwrap_or_else(|| panic!("no {object} {class}"));
    assert!(found.next().is_none(), "{object} {class} twice");
    row
}

#[test]
fn policy_levels() {
    let mut expected: BTreeMap<(String, &str), [u64; 9]> = BTreeMap::new();
    for event in EVENTS.iter() {
        let sums = expected.entry((object(event), class(event))).or_default();
        let code = event["responseStatus"]["code"].as_u64().unwrap_or(0);
        let levels = ALL.iter().map(|level| text(event, "/level") == *level);
        let stages = [
            "RequestReceived",
            "ResponseStarted",
            "ResponseComplete",
            "Panic",
        ];
        let stages = stages.iter().map(|stage| text(event, "/stage") == *stage);
        let succeeded = code == 101 || (200..400).contains(&code);
        let counts = [true]
            .into_iter()
            .chain(levels)
            .chain(stages)
            .chain([succeeded]);
        for (sum, counts) in sums.iter_mut().zip(counts) {
            *sum += u64::from(counts);
        }
    }
    let columns = [
        "events",
        "metadata",
        "request",
        "request_response",
        "received",
        "started",
        "complete",
        "panic",
        "succeeded",
    ];
    let rows = ask("policy-levels", &[]);
    let mut given = BTreeMap::new();
    for row in &rows {
        let sums = columns.map(|column| number(row, column));
        let used = sums[1..4].iter().zip(ALL).filter(|(sum, _)| **sum > 0);
        let used: Vec<_> = used.map(|(_, level)| *level).collect();
        let ends = (cell(row, "lowest"), cell(row, "highest"));
        assert_eq!(ends, (used[0], used[used.len() - 1]), "{row:?}");
        given.insert((cell(row, "object").to_owned(), cell(row, "class")), sums);
    }
    assert_eq!(given, expected);
    assert_eq!(rows.len(), expected.len());

    // What the policy of the recording says, without reading it.
    for (object, class, lowest, highest) in [
        ("secrets", "read", "Metadata", "Metadata"),
        ("secrets", "write", "Metadata", "Metadata"),
        ("serviceaccounts/token", "write", "Metadata", "Metadata"),
        (
            "tokenreviews.authentication.k8s.io",
            "write",
            "Metadata",
            "Metadata",
        ),
        ("pods/exec", "connect", "Request", "Request"),
        ("nodes/proxy", "connect", "Request", "Request"),
        ("events", "write", "Request", "Request"),
        (
            "clusterroles.rbac.authorization.k8s.io",
            "write",
            "RequestResponse",
            "RequestResponse",
        ),
        (
            "rolebindings.rbac.authorization.k8s.io",
            "write",
            "RequestResponse",
            "RequestResponse",
        ),
        ("configmaps", "read", "Metadata", "RequestResponse"),
    ] {
        let row = find(&rows, object, class);
        let ends = (cell(row, "lowest"), cell(row, "highest"));
        assert_eq!(ends, (lowest, highest), "{object} {class}");
    }
    // Stages that the policy omits.
    assert_eq!(
        number(
            find(&rows, "leases.coordination.k8s.io", "write"),
            "received"
        ),
        0
    );
    assert_eq!(number(find(&rows, "events", "write"), "received"), 0);
    assert_eq!(ask("policy-levels", &["--cluster", "elsewhere"]).len(), 0);
}

#[test]
fn policy_exceptions() {
    let mut seen: BTreeMap<(String, &str, &str), BTreeMap<&str, u64>> = BTreeMap::new();
    for event in EVENTS
        .iter()
        .filter(|event| event["objectRef"]["resource"].is_string())
    {
        let key = (object(event), text(event, "/verb"), text(event, "/level"));
        let users = seen.entry(key).or_default();
        *users.entry(text(event, "/user/username")).or_default() += 1;
    }
    let mut levels: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (object, verb, _) in seen.keys() {
        *levels.entry((object, verb)).or_default() += 1;
    }
    let expected: BTreeMap<_, _> = seen
        .iter()
        .filter(|((object, verb, _), _)| levels[&(object.as_str(), *verb)] > 1)
        .map(|((object, verb, level), users)| {
            let named = users.keys().filter(|user| !user.is_empty()).count();
            let figures = (users.values().sum::<u64>(), named as u64);
            (
                (object.clone(), verb.to_string(), level.to_string()),
                figures,
            )
        })
        .collect();
    assert!(expected.keys().any(|(object, ..)| object == "configmaps"));
    let rows = ask("policy-exceptions", &[]);
    let mut given = BTreeMap::new();
    for row in &rows {
        let key = ["object", "verb", "level"].map(|column| cell(row, column).to_owned());
        let [object, verb, level] = key;
        let recorded = &seen[&(object.clone(), verb.as_str(), level.as_str())];
        let mut ranked: Vec<_> = recorded
            .iter()
            .filter(|(user, _)| !user.is_empty())
            .collect();
        ranked.sort_by_key(|(user, events)| (std::cmp::Reverse(**events), **user));
        let top: Vec<_> = ranked
            .iter()
            .take(5)
            .map(|(user, _)| (**user).to_owned())
            .collect();
        assert_eq!(list(row, "top_users"), top, "{row:?}");
        given.insert(
            (object, verb, level),
            (number(row, "events"), number(row, "users")),
        );
    }
    assert_eq!(given, expected);

    // A policy that was changed shows by the hours.
    let event = |n, hour: u32, level: &str| {
        let time = format!("2026-11-20T{hour:02}:30:00.000000Z");
        let object = json!({"resource": "secrets", "namespace": "a", "name": "b"});
        made(
            n,
            "get",
            json!({"objectRef": object, "level": level, "stageTimestamp": time,
            "requestReceivedTimestamp": time}),
        )
    };
    let both = store_of(&[
        event(1, 3, "Metadata"),
        event(2, 4, "Metadata"),
        event(3, 9, "Request"),
    ]);
    let rows = ask_of(&both, "policy-exceptions", &[]);
    let hours: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                cell(row, "level"),
                cell(row, "first_hour"),
                cell(row, "last_hour"),
            )
        })
        .collect();
    let hour = |at: &str| format!("2026-11-20T{at}:00:00.000000Z");
    let (three, four, nine) = (hour("03"), hour("04"), hour("09"));
    assert_eq!(
        hours,
        [
            ("Metadata", &three[..], &four[..]),
            ("Request", &nine, &nine)
        ]
    );
}

#[test]
fn policy_cis() {
    let rows = ask("policy-cis", &[]);
    assert_eq!(rows.len(), 12);
    // Kinds whose bodies must not be there, and those of which anything will do.
    let credentials = [
        ("secrets", "read", "secrets"),
        ("secrets", "write", "secrets"),
        ("configmaps", "read", "configmaps"),
        ("configmaps", "write", "configmaps"),
        (
            "tokenreviews",
            "write",
            "tokenreviews.authentication.k8s.io",
        ),
        ("serviceaccounts/token", "write", "serviceaccounts/token"),
    ];
    for (object, class, recorded) in credentials {
        let row = find(&rows, object, class);
        let (events, high) = (at(recorded, class, ALL), at(recorded, class, BODIES));
        assert_eq!(
            (number(row, "events"), number(row, "too_high")),
            (events, high),
            "{object}"
        );
        let verdict = match (events, high) {
            (0, _) => "not enough data",
            (_, 0) => "met",
            _ => "not met",
        };
        assert_eq!(cell(row, "verdict"), verdict, "{object} {class}");
        assert_eq!(row["rule"].is_null(), verdict == "met");
        assert_eq!(row["named"], u64::from(object != "serviceaccounts/token"));
    }
    // Bodies of config maps are the one thing that this policy keeps against the benchmark.
    let row = find(&rows, "configmaps", "write");
    assert_eq!(cell(row, "verdict"), "not met");
    assert_eq!(
        cell(row, "rule"),
        "- level: Metadata\n  resources: [{group: \"\", resources: [\"configmaps\"]}]"
    );
    let writers: BTreeSet<String> = EVENTS
        .iter()
        .filter(|event| object(event) == "configmaps" && class(event) == "write")
        .map(|event| text(event, "/user/username").to_owned())
        .collect();
    assert!(list(row, "whose").iter().all(|user| writers.contains(user)));
    assert_eq!(list(row, "whose").len(), 5);

    for (object, class, recorded) in [
        (
            "pods",
            "write",
            &[
                "pods",
                "pods/binding",
                "pods/ephemeralcontainers",
                "pods/eviction",
            ][..],
        ),
        (
            "deployments",
            "write",
            &["deployments.apps", "deployments.apps/scale"],
        ),
        ("pods/exec", "connect", &["pods/exec"]),
        ("pods/portforward", "connect", &["pods/portforward"]),
        ("pods/proxy", "connect", &["pods/proxy"]),
        ("services/proxy", "connect", &["services/proxy"]),
    ] {
        let row = find(&rows, object, class);
        let events: u64 = recorded
            .iter()
            .map(|recorded| at(recorded, class, ALL))
            .sum();
        assert_eq!(number(row, "events"), events, "{object}");
        let verdict = if events == 0 {
            "not enough data"
        } else {
            "met"
        };
        assert_eq!(
            (cell(row, "verdict"), number(row, "too_high")),
            (verdict, 0),
            "{object}"
        );
    }

    // Another policy: bodies of secrets are kept, for one user only; most was never asked for.
    let secret = |n, user: &str, level: &str| {
        let object = json!({"resource": "secrets", "namespace": "a", "name": "b"});
        made(
            n,
            "get",
            json!({"objectRef": object, "level": level, "user": {"username": user}}),
        )
    };
    let both = store_of(&[
        secret(1, "alice", "Metadata"),
        secret(2, "mallory", "RequestResponse"),
    ]);
    let rows = ask_of(&both, "policy-cis", &[]);
    let row = find(&rows, "secrets", "read");
    assert_eq!(
        (cell(row, "verdict"), list(row, "whose")),
        ("not met", vec!["mallory".to_owned()])
    );
    assert_eq!((number(row, "events"), number(row, "too_high")), (2, 1));
    assert_eq!(
        (cell(row, "lowest"), cell(row, "highest")),
        ("Metadata", "RequestResponse")
    );
    let row = find(&rows, "deployments", "write");
    assert_eq!(cell(row, "verdict"), "not enough data");
    assert_eq!(
        cell(row, "rule"),
        "- level: Metadata\n  verbs: [\"create\", \"update\", \"patch\", \"delete\", \"deletecollection\"]\n  resources: [{group: \"apps\", resources: [\"deployments\"]}]"
    );
}

#[test]
fn policy_stig() {
    let mut expected: BTreeMap<(String, &str), (u64, u64)> = BTreeMap::new();
    for event in EVENTS.iter() {
        let sums = expected.entry((object(event), class(event))).or_default();
        sums.0 += 1;
        sums.1 += u64::from(text(event, "/level") != "RequestResponse");
    }
    let rows = ask("policy-stig", &[]);
    let mut given = BTreeMap::new();
    for row in &rows {
        let (events, low) = (number(row, "events"), number(row, "too_low"));
        let met = low == 0;
        assert_eq!(cell(row, "verdict"), if met { "met" } else { "not met" });
        assert_eq!(row["rule"].is_null(), met);
        let share = row["share"].as_f64().unwrap();
        assert!((share - (events - low) as f64 / events as f64).abs() < 0.0001);
        given.insert(
            (cell(row, "object").to_owned(), cell(row, "class")),
            (events, low),
        );
    }
    assert_eq!(given, expected);
    assert_eq!(cell(find(&rows, "secrets", "read"), "verdict"), "not met");
    assert_eq!(
        cell(find(&rows, "pods/exec", "connect"), "lowest"),
        "Request"
    );
    assert_eq!(
        cell(
            find(&rows, "clusterroles.rbac.authorization.k8s.io", "write"),
            "verdict"
        ),
        "met"
    );
    let conflicts: BTreeSet<_> = rows
        .iter()
        .filter(|row| !row["conflict"].is_null())
        .map(|row| cell(row, "object"))
        .collect();
    let kinds = [
        "configmaps",
        "secrets",
        "serviceaccounts/token",
        "tokenreviews.authentication.k8s.io",
    ];
    assert_eq!(conflicts, BTreeSet::from(kinds));

    // What a client asks for goes into a rule as a scalar, whatever it holds.
    let hostile = "x\"]}]\n- level: None #";
    let object = json!({"resource": hostile, "apiGroup": "a", "namespace": "n"});
    let both = store_of(&[made(
        1,
        "list",
        json!({"objectRef": object, "level": "Metadata"}),
    )]);
    let rows = ask_of(&both, "policy-stig", &[]);
    let rule = cell(&rows[0], "rule");
    assert_eq!(rule.lines().count(), 3, "{rule}");
    assert!(
        rule.ends_with(r#"resources: ["x\"]}]\n- level: None #"]}]"#),
        "{rule}"
    );
}

#[test]
fn policy_conflict() {
    let rows = ask("policy-conflict", &[]);
    assert_eq!(rows.len(), 4);
    for row in &rows {
        let named = |event: &&Value| {
            let object = object(event);
            object
                .split_once(".authentication")
                .map_or(&object[..], |(kind, _)| kind)
                == cell(row, "object")
        };
        let of = |level: &str| {
            let at = EVENTS
                .iter()
                .filter(named)
                .filter(|event| text(event, "/level") == level);
            at.count() as u64
        };
        let (bare, request, full) = (of("Metadata"), of("Request"), of("RequestResponse"));
        let events = bare + request + full;
        assert!(events > 0);
        let given = ["events", "metadata", "with_bodies", "request_response"];
        let given = given.map(|column| number(row, column));
        assert_eq!(given, [events, bare, request + full, full], "{row:?}");
        let follows = match (bare == events, full == events) {
            (true, _) => "CIS",
            (_, true) => "STIG",
            _ => "neither",
        };
        assert_eq!(cell(row, "follows"), follows);
        assert_eq!(cell(row, "cis") == "met", follows == "CIS");
        assert_eq!(cell(row, "stig") == "met", follows == "STIG");
    }
    assert_eq!(cell(&rows[0], "object"), "secrets");
    assert_eq!(cell(&rows[0], "follows"), "CIS");

    let secret = json!({"objectRef": {"resource": "secrets", "namespace": "a", "name": "b"}});
    let rows = ask_of(&store_of(&[made(1, "get", secret)]), "policy-conflict", &[]);
    let follows: Vec<_> = rows.iter().map(|row| cell(row, "follows")).collect();
    let nothing = "nothing was recorded";
    assert_eq!(follows, ["STIG", nothing, nothing, nothing]);
}

/// A refused watch begins and ends; it was refused once. Where ends are dropped it was seen still.
#[test]
fn policy_unseen_counts_a_refused_request_once() {
    let refused = |n: u64, stage: &str, id: &str| {
        let code = json!({"metadata": {}, "code": 403});
        let forbid = json!({"authorization.k8s.io/decision": "forbid"});
        let change = json!({
            "stage": stage, "auditID": id, "responseStatus": code, "annotations": forbid,
        });
        made(n, "watch", change)
    };
    let began = [
        refused(1, "ResponseStarted", "a"),
        refused(3, "ResponseStarted", "b"),
    ];
    let ended = [
        refused(2, "ResponseComplete", "a"),
        refused(4, "ResponseComplete", "b"),
    ];
    for events in [[&began[..], &ended].concat(), began.to_vec()] {
        let rows = ask_of(&store_of(&events), "policy-unseen", &[]);
        let row = rows.iter().find(|row| cell(row, "what").contains("(403)"));
        assert_eq!(number(row.unwrap(), "events"), 2);
    }
}

#[test]
fn policy_unseen() {
    let rows = ask("policy-unseen", &[]);
    let events = |what: &str| {
        let row = rows.iter().find(|row| cell(row, "what").starts_with(what));
        let row = row.unwrap_or_else(|| panic!("no {what}"));
        let seen = if number(row, "events") > 0 {
            "seen"
        } else {
            "never seen"
        };
        assert_eq!(cell(row, "seen"), seen);
        number(row, "events")
    };
    for kind in [
        "pods/exec",
        "pods/log",
        "nodes/proxy",
        "serviceaccounts/token",
        "secrets",
    ] {
        assert_eq!(events(kind), count(|event| object(event) == kind), "{kind}");
    }
    assert_eq!(
        events("answers"),
        count(|event| text(event, "/stage") == "ResponseComplete")
    );
    assert_eq!(
        events("requests whose credential"),
        count(|event| event["responseStatus"]["code"] == 401)
    );
    assert_eq!(
        events("requests that were forbidden"),
        count(|event| event["responseStatus"]["code"] == 403
            && text(event, "/stage") == "ResponseComplete")
    );
    assert_eq!(
        events("leases of nodes"),
        count(|event| text(event, "/objectRef/resource") == "leases"
            && text(event, "/verb") == "update"
            && text(event, "/user/username").starts_with("system:node:"))
    );
    let lease = |event: &Value, user: &str| {
        text(event, "/objectRef/resource") == "leases"
            && ["get", "update"].contains(&text(event, "/verb"))
            && text(event, "/user/username") == user
    };
    let manager = "system:kube-controller-manager";
    assert_eq!(
        events("leases of kube-controller-manager"),
        count(|event| lease(event, manager))
    );
    let path = |event: &Value, starts: &[&str]| {
        event["objectRef"].is_null()
            && starts
                .iter()
                .any(|start| text(event, "/requestURI").starts_with(start))
    };
    assert_eq!(
        events("URLs /openapi"),
        count(|event| path(event, &["/openapi", "/swagger"]))
    );
    assert_eq!(
        events("URLs /healthz"),
        count(|event| path(event, &["/healthz", "/livez", "/readyz"]))
    );

    assert_eq!(
        events("URLs /api,"),
        count(|event| {
            let uri = text(event, "/requestURI");
            let path = uri.split('?').next().unwrap_or_default();
            let below = ["/api/", "/apis/", "/version"]
                .iter()
                .any(|begin| path.starts_with(begin));
            text(event, "/objectRef/resource").is_empty()
                && (below || ["/api", "/apis"].contains(&path))
        })
    );

    // The policy of the recording drops these two.
    let never: Vec<_> = rows
        .iter()
        .filter(|row| cell(row, "seen") == "never seen")
        .collect();
    let sign = |what: &str| {
        let row = never.iter().find(|row| cell(row, "what").starts_with(what));
        cell(row.unwrap_or_else(|| panic!("{what} was seen")), "sign").to_owned()
    };
    let scheduler = count(|event| text(event, "/user/username") == "system:kube-scheduler");
    assert_eq!(
        sign("leases of kube-scheduler"),
        format!("system:kube-scheduler runs: {scheduler} other events of it")
    );
    assert!(sign("URLs /openapi").starts_with("clients explore the API: "));
}
