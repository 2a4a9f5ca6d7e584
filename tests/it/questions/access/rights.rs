//! Who holds and uses which rights.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::incident::requests;
use super::super::made::{made, store_of};
use super::super::{EVENTS, ask, ask_of, cell, list, text};
use super::{ALL, THIEF, calls};

const REASON: &str = "/annotations/authorization.k8s.io~1reason";
const DECISION: &str = "/annotations/authorization.k8s.io~1decision";

fn ended(event: &Value) -> bool {
    ["ResponseComplete", "Panic"].contains(&text(event, "/stage"))
}

#[test]
fn identities() {
    let rows = ask("identities", &["--since", "all"]);
    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    for event in EVENTS.iter() {
        let user = text(event, "/user/username");
        if !user.is_empty() {
            *expected.entry(user).or_default() += u64::from(ended(event));
        }
    }
    let seen: BTreeMap<_, _> = rows
        .iter()
        .filter(|row| !row["last_hour"].is_null())
        .map(|row| (cell(row, "user"), row["calls"].as_u64().unwrap()))
        .collect();
    assert_eq!(seen, expected);
    let mallory = rows.iter().find(|row| row["user"] == "mallory").unwrap();
    let refused = EVENTS.iter().filter(|event| {
        let hers = text(event, "/user/username") == "mallory" && ended(event);
        hers && event["responseStatus"]["code"] == 403
    });
    assert_eq!(mallory["refused"], refused.count());
    assert_eq!(mallory["first_hour"], "2026-11-21T03:00:00.000000Z");

    // Accounts that were made and never used.
    let unused: BTreeSet<_> = rows
        .iter()
        .filter(|row| row["last_hour"].is_null())
        .map(|row| cell(row, "user").to_owned())
        .collect();
    let created = calls(|event| {
        text(event, "/objectRef/resource") == "serviceaccounts"
            && text(event, "/objectRef/subresource").is_empty()
            && event["verb"] == "create"
            && event["responseStatus"]["code"] == 201
    });
    let created: BTreeSet<_> = created
        .iter()
        .map(|event| {
            let part = |name: &str| text(event, &format!("/objectRef/{name}")).to_owned();
            format!(
                "system:serviceaccount:{}:{}",
                part("namespace"),
                part("name")
            )
        })
        .filter(|user| !expected.contains_key(user.as_str()))
        .collect();
    assert_eq!(unused, created);
}

#[test]
fn identities_that_are_idle() {
    let at = |user: &str, time: &str| {
        json!({"user": {"username": user}, "requestReceivedTimestamp": time,
            "stageTimestamp": time})
    };
    let both = store_of(&[
        made(1, "get", at("old", "2020-01-01T01:30:00.000000Z")),
        made(2, "get", at("system:node:n", "2020-01-01T11:30:00.000000Z")),
        made(
            3,
            "get",
            at(
                "system:serviceaccount:ns:robot",
                "2020-01-01T02:00:00.000000Z",
            ),
        ),
        made(4, "get", at("later", "2020-01-01T13:00:00.000000Z")),
        made(
            5,
            "get",
            at("system:anonymous", "2020-01-01T11:59:59.000000Z"),
        ),
        made(6, "get", at("old", "2020-01-01T05:10:00.000000Z")),
    ]);
    let until = [
        "--since",
        "2020-01-01T05:00:00Z",
        "--until",
        "2020-01-01T12:00:00Z",
    ];
    let asked = |more: &[&str]| {
        let rows = ask_of(&both, "identities", &[&until[..], more].concat());
        let shown = rows.iter().map(|row| {
            let texts = ["user", "kind"].map(|column| cell(row, column));
            format!("{} {} {}", texts.join(" "), row["idle"], row["calls"])
        });
        shown.collect::<Vec<_>>()
    };
    assert_eq!(
        asked(&["--idle", "6h"]),
        [
            "system:serviceaccount:ns:robot service account 1 0",
            "old user 0 1",
            "system:anonymous anonymous 0 1",
            "system:node:n node 0 1",
        ]
    );
    assert_eq!(
        asked(&["--idle", "5h", "--only-idle"]),
        [
            "system:serviceaccount:ns:robot service account 1 0",
            "old user 1 1",
        ]
    );
    assert_eq!(asked(&["--kind", "node"]).len(), 1);
}

#[test]
fn access_used() {
    let rows = ask("access-used", ALL);
    let mut expected: BTreeMap<(String, String), u64> = BTreeMap::new();
    for event in EVENTS.iter().filter(|event| ended(event)) {
        if text(event, DECISION) == "allow" {
            let user = match text(event, "/impersonatedUser/username") {
                "" => text(event, "/user/username"),
                effective => effective,
            };
            let key = (user.to_owned(), text(event, REASON).to_owned());
            *expected.entry(key).or_default() += 1;
        }
    }
    // The authorizer's words, put together again from the columns.
    let words = |row: &super::Row| {
        if row["binding"].is_null() {
            return cell(row, "reason").to_owned();
        }
        let turned = |text: &str| match text.split_once('/') {
            Some((namespace, name)) => format!("{name}/{namespace}"),
            None => text.to_owned(),
        };
        let (kind, bound) = cell(row, "binding").split_once('/').unwrap();
        let (role_kind, role) = cell(row, "role").split_once('/').unwrap();
        let (subject_kind, subject) = cell(row, "subject").split_once(':').unwrap();
        format!(
            "RBAC: allowed by {kind} \"{}\" of {role_kind} \"{role}\" to {subject_kind} \"{}\"",
            turned(bound),
            match subject_kind {
                "ServiceAccount" => turned(subject),
                _ => subject.to_owned(),
            }
        )
    };
    let given: BTreeMap<_, _> = rows
        .iter()
        .map(|row| {
            let key = (cell(row, "user").to_owned(), words(row));
            (key, row["calls"].as_u64().unwrap())
        })
        .collect();
    assert!(expected.len() > 40);
    assert_eq!(given, expected);
    assert!(rows.iter().any(|row| !row["impersonated_by"].is_null()));

    assert!(rows.iter().all(|row| row["first_hour"].is_null()));
    let times = ask("access-used", &["--times", "--since", "all"]);
    assert_eq!(times.len(), rows.len());
    for (row, timed) in rows.iter().zip(&times) {
        assert_eq!(
            (&row["user"], &row["calls"]),
            (&timed["user"], &timed["calls"])
        );
        assert_eq!(timed["last_hour"], "2026-11-21T03:00:00.000000Z");
    }

    let admins = ["--role", "ClusterRole/cluster-admin", "--since", "all"];
    let admins = ask("access-used", &admins);
    let users: BTreeSet<_> = admins.iter().map(|row| cell(row, "user")).collect();
    let agent = "system:serviceaccount:kube-system:sync-agent";
    assert_eq!(
        users,
        BTreeSet::from(["bob", "erin@corp.example", THIEF, agent])
    );
}

#[test]
fn access_used_is_not_misled_by_names() {
    let reason = |words: &str| {
        json!({"annotations": {"authorization.k8s.io/decision": "allow",
            "authorization.k8s.io/reason": words}})
    };
    // A binding that is named so that its end looks like a role.
    let hostile = r#"RBAC: allowed by ClusterRoleBinding "x\" of ClusterRole \"cluster-admin\" to User \"y" of ClusterRole "view" to User "a\\b""#;
    let both = store_of(&[
        made(1, "get", reason(hostile)),
        made(2, "get", reason("RBAC: allowed by nothing of this kind")),
        made(3, "get", reason("")),
    ]);
    let rows = ask_of(&both, "access-used", &[]);
    let shown: BTreeSet<_> = rows
        .iter()
        .map(|row| ["binding", "role", "subject", "reason"].map(|column| cell(row, column)))
        .collect();
    assert_eq!(
        shown,
        BTreeSet::from([
            [
                "ClusterRoleBinding/x\" of ClusterRole \"cluster-admin\" to User \"y",
                "ClusterRole/view",
                r"User:a\b",
                "",
            ],
            ["", "", "", "RBAC: allowed by nothing of this kind"],
            ["", "", "", ""],
        ])
    );
    let admins = ask_of(
        &both,
        "access-used",
        &["--role", "ClusterRole/cluster-admin"],
    );
    assert!(admins.is_empty());
}

#[test]
fn rbac_uses() {
    let rows = ask("rbac-uses", &["--user", THIEF, "--since", "all"]);
    let counted = |name: &str, account: &str| {
        let words = format!(
            "RBAC: allowed by ClusterRoleBinding \"{name}\" of ClusterRole \"cluster-admin\" to ServiceAccount \"{account}\""
        );
        let used = EVENTS
            .iter()
            .filter(|event| ended(event) && text(event, REASON) == words);
        used.count() as u64
    };
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            let texts = ["subject", "role", "name", "removed_by"].map(|column| cell(row, column));
            (texts, row["calls"].as_u64().unwrap())
        })
        .collect();
    let role = "ClusterRole/cluster-admin";
    let (sync, agent) = ("system:metrics-sync", "system:sync-agent");
    assert_eq!(
        shown,
        [
            (
                ["ServiceAccount:payments/builder", role, sync, THIEF],
                counted(sync, "builder/payments")
            ),
            (
                ["ServiceAccount:kube-system/sync-agent", role, agent, ""],
                counted(agent, "sync-agent/kube-system")
            ),
        ]
    );
    assert_eq!((shown[0].1, shown[1].1), (10, 1));
    let unused = ask("rbac-uses", &["--unused", "--since", "all"]);
    assert!(!unused.is_empty());
    for row in &unused {
        assert_eq!(row["calls"], 0);
        assert_ne!(cell(row, "user"), THIEF);
    }
}

#[test]
fn rbac_uses_of_each_subject() {
    let bind = |extra: Value| {
        let mut over = json!({"objectRef": {"resource": "rolebindings", "namespace": "ns",
                "apiGroup": "rbac.authorization.k8s.io", "name": "b"},
            "requestObject": {"kind": "RoleBinding", "roleRef": {"kind": "Role", "name": "r"},
                "subjects": [{"kind": "User", "name": "a\"b"}, {"kind": "Group", "name": "g"},
                    {"kind": "ServiceAccount", "namespace": "ns", "name": "s"}]}});
        for (key, value) in extra.as_object().unwrap() {
            over[key] = value.clone();
        }
        over
    };
    let used = |user: &str, to: &str| {
        json!({"user": {"username": user}, "annotations": {"authorization.k8s.io/decision": "allow",
            "authorization.k8s.io/reason":
                format!("RBAC: allowed by RoleBinding \"b/ns\" of Role \"r\" to {to}")}})
    };
    let both = store_of(&[
        made(1, "create", bind(json!({}))),
        made(2, "get", used("a\"b", r#"User "a\"b""#)),
        made(3, "get", used("x", r#"ServiceAccount "s/ns""#)),
        made(4, "get", used("x", r#"ServiceAccount "s/ns""#)),
        made(
            5,
            "create",
            bind(json!({"responseStatus": {"metadata": {}, "code": 403},
            "user": {"username": "eve"}})),
        ),
    ]);
    let rows = ask_of(&both, "rbac-uses", &[]);
    let shown: Vec<_> = rows
        .iter()
        .map(|row| (cell(row, "subject"), row["calls"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        shown,
        [("Group:g", 0), ("ServiceAccount:ns/s", 2), ("User:a\"b", 1)]
    );
    assert_eq!(list(&rows[1], "used_by"), ["x"]);
}

#[test]
fn a_grant_is_found_by_whom_its_granter_impersonated() {
    let binding = |n: u64, change: Value| {
        let mut event = made(
            n,
            "create",
            json!({"objectRef": {"apiGroup": "rbac.authorization.k8s.io", "apiVersion": "v1",
                "resource": "rolebindings", "namespace": "ns", "name": format!("b{n}")},
                "requestObject": {"kind": "RoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1",
                    "roleRef": {"kind": "Role", "name": "r"},
                    "subjects": [{"kind": "User", "name": "u"}]}}),
        );
        for (key, value) in change.as_object().unwrap() {
            event[key] = value.clone();
        }
        event
    };
    let both = store_of(&[
        binding(1, json!({})),
        binding(2, json!({"impersonatedUser": {"username": "root"}})),
        binding(
            3,
            json!({"user": {"username": "root"}, "impersonatedUser": {"username": "root"}}),
        ),
        binding(4, json!({"user": {"username": "bob"}})),
    ]);
    let names = |user: &str| {
        let rows = ask_of(&both, "rbac-uses", &["--user", user]);
        let names = rows.iter().map(|row| cell(row, "name").to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names("root"), ["b2", "b3"]);
    assert_eq!(names("alice"), ["b1", "b2"]);
}

/// Privilege, user and impersonated user to requests that went through, were refused, failed.
type Uses = BTreeMap<(String, String, String), [u64; 3]>;

#[test]
fn privileged_use() {
    let rows = ask("privileged-use", ALL);
    let mut given = Uses::new();
    for row in &rows {
        let [a, b, c] = ["privilege", "user", "as_user"].map(|at| cell(row, at).to_owned());
        let counts = ["calls", "refused", "failed"].map(|at| row[at].as_u64().unwrap());
        // Dry runs stand apart.
        let sums = given.entry((a, b, c)).or_default();
        sums.iter_mut()
            .zip(counts)
            .for_each(|(sum, count)| *sum += count);
    }
    let mut expected = Uses::new();
    for event in requests(|event| event["stage"] != "RequestReceived") {
        for privilege in privileges(event) {
            let user = text(event, "/user/username").to_owned();
            let as_user = text(event, "/impersonatedUser/username").to_owned();
            let counts = expected
                .entry((privilege.to_owned(), user, as_user))
                .or_default();
            match event["responseStatus"]["code"].as_u64().unwrap() {
                101..=399 => counts[0] += 1,
                401 | 403 => counts[1] += 1,
                _ => counts[2] += 1,
            }
        }
    }
    assert!(expected.len() > 40);
    assert_eq!(given, expected);
}

fn privileges(event: &Value) -> Vec<&'static str> {
    let [verb, resource, subresource, group] = [
        "/verb",
        "/objectRef/resource",
        "/objectRef/subresource",
        "/objectRef/apiGroup",
    ]
    .map(|at| text(event, at));
    let message = text(event, "/responseStatus/message");
    let writes = ["create", "update", "patch", "delete", "deletecollection"].contains(&verb);
    let groups = event["user"]["groups"].as_array();
    let mut privileges = Vec::new();
    if groups.is_some_and(|groups| groups.contains(&json!("system:masters"))) {
        privileges.push("system:masters");
    }
    if text(event, REASON).contains("of ClusterRole \"cluster-admin\" to") {
        privileges.push("cluster-admin");
    }
    if event["impersonatedUser"].is_object() || message.contains("\" cannot impersonate") {
        privileges.push("impersonation");
    }
    match (group, resource, subresource) {
        ("rbac.authorization.k8s.io", _, _)
            if writes && message.contains("attempting to grant") =>
        {
            privileges.push("rbac escalation refused");
        }
        ("rbac.authorization.k8s.io", _, _) if writes => privileges.push("rbac change"),
        ("", "serviceaccounts", "token") if verb == "create" => privileges.push("token request"),
        ("certificates.k8s.io", _, "approval") => privileges.push("certificate approval"),
        ("", "pods", "exec") => privileges.push("exec"),
        ("", "pods", "attach") => privileges.push("attach"),
        ("", "pods", "portforward") => privileges.push("port-forward"),
        ("", "pods", "ephemeralcontainers") => privileges.push("debug container"),
        ("", "pods" | "services" | "nodes", "proxy") => privileges.push("proxy"),
        ("", "secrets", "") if !writes => privileges.push("secret read"),
        ("admissionregistration.k8s.io", _, "") if writes => privileges.push("admission change"),
        _ => {}
    }
    privileges
}

#[test]
fn privileged_use_counts_a_session_once() {
    let exec = |id: &str, second: u64, stage: &str, code: u64| {
        json!({"stage": stage, "auditID": id, "requestURI": format!("/{id}"),
            "requestReceivedTimestamp": "2026-11-20T00:00:01.000000Z",
            "stageTimestamp": format!("2026-11-20T00:00:{second:02}.000000Z"),
            "objectRef": {"resource": "pods", "subresource": "exec", "namespace": "ns", "name": "p"},
            "responseStatus": {"metadata": {}, "code": code}})
    };
    let both = store_of(&[
        made(1, "create", exec("whole", 2, "ResponseStarted", 101)),
        made(2, "create", exec("whole", 3, "ResponseComplete", 101)),
        made(3, "create", exec("open", 4, "ResponseStarted", 101)),
        made(4, "create", exec("broken", 5, "ResponseStarted", 101)),
        made(5, "create", exec("broken", 6, "Panic", 500)),
        made(6, "create", exec("refused", 7, "ResponseComplete", 403)),
        made(7, "create", exec("refused", 7, "ResponseStarted", 403)),
        made(
            8,
            "get",
            json!({"objectRef": {"resource": "secrets", "apiGroup": "other.io"}}),
        ),
    ]);
    let rows = ask_of(&both, "privileged-use", &[]);
    let [row] = &rows[..] else { panic!("{rows:?}") };
    let counts = ["calls", "refused", "failed"].map(|at| row[at].as_u64().unwrap());
    assert_eq!(counts, [2, 1, 1]);
}
