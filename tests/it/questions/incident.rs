//! *An incident*: its steps, what it exposed and handed out, what followed.

mod related;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::access::credentials::CREDENTIALS;
use super::access::{ALL, THIEF, call};
use super::made::{made, store_of};
use super::{EVENTS, Row, STORE, ask, ask_of, audit_ids, cell, list, text};
use crate::support::cli;

pub(super) const TESTED: &[&str] = &[
    "incident-origins",
    "incident-timeline",
    "incident-objects",
    "incident-secrets",
    "incident-credentials",
    "incident-pods",
    "incident-followed",
    "incident-traces",
];

const THIEF_AT: &[&str] = &["--source-ip", "198.51.100.23", "--since", "all"];
const AGENT: &str = "system:serviceaccount:kube-system:sync-agent";

/// The audit IDs of a recorded story's steps, in order.
pub(super) fn steps(story: &str) -> Vec<String> {
    let text = std::fs::read(crate::both::recorded("storyline.json")).unwrap();
    let stories: Value = serde_json::from_slice(&text).unwrap();
    let mut stories = stories["stories"].as_array().unwrap().iter();
    let story = stories.find(|known| known["id"] == story).unwrap();
    let steps = story["steps"].as_array().unwrap().iter();
    steps
        .map(|step| step["auditID"].as_str().unwrap().to_owned())
        .collect()
}

/// One event per recorded request, its last one, also when it is only the arrival.
pub(super) fn requests(matches: impl Fn(&Value) -> bool) -> Vec<&'static Value> {
    let rank = |event: &Value| match text(event, "/stage") {
        "RequestReceived" => 0,
        "ResponseStarted" => 1,
        _ => 2,
    };
    let mut last: BTreeMap<_, &Value> = BTreeMap::new();
    for event in EVENTS.iter() {
        let known = last.entry(call(event)).or_insert(event);
        if rank(event) >= rank(known) {
            *known = event;
        }
    }
    last.into_values().filter(|event| matches(event)).collect()
}

fn by_or_as(event: &Value, user: &str) -> bool {
    text(event, "/user/username") == user || text(event, "/impersonatedUser/username") == user
}

fn sorted_ids(events: &[&'static Value]) -> Vec<&'static str> {
    let mut ids: Vec<_> = events.iter().map(|event| text(event, "/auditID")).collect();
    ids.sort_unstable();
    ids
}

fn ordered_ids(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| cell(row, "audit_id")).collect()
}

/// Whether `part` stands in `whole` in this order.
fn in_order(part: &[String], whole: &[&str]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|id| whole.any(|known| known == id))
}

#[test]
fn the_timeline_shows_the_recorded_steps_in_order() {
    let steps_taken = steps("compromised-sa");
    let (last, by_thief) = steps_taken.split_last().unwrap();
    let rows = ask("incident-timeline", THIEF_AT);
    assert_eq!(ordered_ids(&rows), by_thief);
    let what: Vec<_> = rows
        .iter()
        .map(|row| (cell(row, "what"), cell(row, "result")))
        .collect();
    for (step, what_and_result) in [
        (1, ("list secrets cluster-wide", "done")),
        (2, ("read secrets prod/db-creds", "done")),
        (4, ("list nodes cluster-wide", "refused: not authorized")),
        (
            5,
            ("list nodes cluster-wide", "refused: may not impersonate"),
        ),
        (
            6,
            (
                "create pods restricted/dbg-toolbox (hostPID, privileged)",
                "refused by admission",
            ),
        ),
        (
            8,
            (
                "run in pod payments/dbg-toolbox: chroot /host cat /etc/kubernetes/admin.conf",
                "connected",
            ),
        ),
        (
            12,
            (
                "mint a token for service account kube-system/sync-agent",
                "done",
            ),
        ),
        (
            13,
            (
                "bind ServiceAccount:kube-system/sync-agent to ClusterRole/cluster-admin by clusterrolebindings system:sync-agent",
                "done",
            ),
        ),
        (15, ("GET /version", "done")),
        (17, ("delete all events in namespace payments", "done")),
    ] {
        assert_eq!(what[step], what_and_result, "step {}", step + 1);
    }
    let notable = ask("incident-timeline", &[THIEF_AT, &["--notable"]].concat());
    let left_out = ["ask what it may do itself", "GET /version"];
    let expected = what.iter().filter(|(what, _)| !left_out.contains(what));
    // Nodes were listed with the stolen rights; reading is not notable.
    let expected = expected.filter(|step| **step != ("list nodes cluster-wide", "done"));
    assert_eq!(notable.len(), expected.count());

    let by_user = ask("incident-timeline", &["--user", THIEF, "--since", "all"]);
    assert!(in_order(by_thief, &ordered_ids(&by_user)));
    assert_eq!(
        audit_ids(&by_user),
        sorted_ids(&requests(|event| by_or_as(event, THIEF)))
    );

    // What came after, by the account that the thief had armed.
    let followed = ask("incident-followed", THIEF_AT);
    assert_eq!(ordered_ids(&followed), [last]);
    assert_eq!(cell(&followed[0], "user"), AGENT);
    assert_eq!(
        list(&followed[0], "armed_by"),
        [
            "created it",
            "minted a token",
            "bound it to ClusterRole/cluster-admin"
        ]
    );
}

#[test]
fn the_timeline_of_an_object_and_of_an_address() {
    let rows = ask(
        "incident-timeline",
        &[
            "--resource",
            "deployments.apps",
            "-n",
            "prod",
            "--since",
            "all",
        ],
    );
    assert!(in_order(&steps("prod-deletion"), &ordered_ids(&rows)));
    let tried = steps("prod-deletion");
    let tried = rows.iter().find(|row| row["audit_id"] == tried[1]);
    assert_eq!(cell(tried.unwrap(), "result"), "dry run: nothing changed");

    let rows = ask(
        "incident-timeline",
        &["--source-ip", "198.51.100.99", "--since", "all"],
    );
    assert_eq!(ordered_ids(&rows), steps("bruteforce"));
    assert_eq!(cell(&rows[0], "result"), "refused: not authenticated");

    let store = STORE.get();
    let data = store.data().to_str().unwrap();
    let bare = cli(&["ask", "incident-timeline", "--data", data]).expect(2);
    let told = "incident-timeline makes no sense without one of --user, --source-ip, --resource, \
                --namespace, --name, --audit-id; give at least one";
    assert!(bare.stderr.contains(told), "{}", bare.stderr);
    let as_carol = requests(|event| by_or_as(event, "carol"));
    let rows = ask("incident-timeline", &["--user", "carol", "--since", "all"]);
    assert_eq!(audit_ids(&rows), sorted_ids(&as_carol));
    assert!(rows.iter().any(|row| cell(row, "user") == "helpdesk"));
    let times: Vec<_> = rows.iter().map(|row| cell(row, "time")).collect();
    assert!(times.is_sorted());
}

#[test]
fn a_request_is_one_step_whatever_stages_were_recorded() {
    let exec = |n: u64, stage: &str| {
        json!({"stage": stage, "auditID": "session", "requestURI": "/exec?command=id",
            "requestReceivedTimestamp": "2026-11-20T00:00:01.000000Z",
            "objectRef": {"resource": "pods", "subresource": "exec", "namespace": "ns", "name": "p"},
            "responseStatus": {"metadata": {}, "code": 101}, "stageTimestamp":
                format!("2026-11-20T00:00:{n:02}.000000Z")})
    };
    let arrived = json!({"stage": "RequestReceived", "responseStatus": null,
        "auditID": "arrived", "objectRef": {"resource": "pods", "namespace": "ns"}});
    let both = store_of(&[
        made(1, "create", exec(1, "RequestReceived")),
        made(2, "create", exec(2, "ResponseStarted")),
        made(30, "create", exec(30, "ResponseComplete")),
        made(10, "list", arrived),
    ]);
    let rows = ask_of(&both, "incident-timeline", &["--user", "alice"]);
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            [
                cell(row, "audit_id"),
                cell(row, "what"),
                cell(row, "result"),
            ]
        })
        .collect();
    // By when they came, not by when they ended.
    assert_eq!(
        shown,
        [
            ["session", "run in pod ns/p: id", "connected"],
            ["arrived", "list pods in namespace ns", "no answer recorded"],
        ]
    );
}

#[test]
fn incident_objects() {
    let rows = ask("incident-objects", &["--user", "mallory", "--since", "all"]);
    let mut given: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    for row in &rows {
        let sums = given.entry(cell(row, "resource")).or_default();
        for (sum, column) in sums.iter_mut().zip(["requests", "refused", "changed"]) {
            *sum += row[column].as_u64().unwrap();
        }
    }
    let mut expected: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    for event in requests(|event| by_or_as(event, "mallory")) {
        if event["stage"] == "RequestReceived" {
            continue;
        }
        let sums = expected
            .entry(text(event, "/objectRef/resource"))
            .or_default();
        let code = event["responseStatus"]["code"].as_u64().unwrap();
        let reads = ["get", "list", "watch"].contains(&text(event, "/verb"));
        let review = text(event, "/objectRef/resource").ends_with("reviews");
        sums[0] += 1;
        sums[1] += u64::from(matches!(code, 401 | 403));
        sums[2] += u64::from(code < 300 && !reads && !review);
    }
    assert!(expected.len() > 5, "{expected:?}");
    assert_eq!(given, expected);

    let rows = ask("incident-objects", THIEF_AT);
    let changed: BTreeSet<_> = rows
        .iter()
        .filter(|row| row["changed"].as_u64() > Some(0))
        .map(|row| [cell(row, "resource"), cell(row, "name")])
        .collect();
    assert!(changed.contains(&["clusterrolebindings", "system:metrics-sync"]));
    assert!(changed.contains(&["daemonsets", "node-metrics"]));
    assert!(changed.contains(&["events", ""]));
    assert_eq!(changed.len(), 6, "{changed:?}");
}

#[test]
fn incident_secrets() {
    let rows = ask("incident-secrets", THIEF_AT);
    let given: BTreeMap<_, _> = rows
        .iter()
        .map(|row| {
            let secret = (cell(row, "namespace"), cell(row, "name"));
            (secret, list(row, "ways"))
        })
        .collect();
    // Names that other events of secrets had told when the thief listed all namespaces.
    let done = |event: &Value| {
        text(event, "/objectRef/resource") == "secrets"
            && event["stage"] == "ResponseComplete"
            && event["responseStatus"]["code"].as_u64() < Some(300)
            && !text(event, "/requestURI").contains("dryRun")
    };
    let listed = EVENTS.iter().filter(|event| {
        // The thief's list and that of the account which the thief had armed.
        let uri = text(event, "/requestURI");
        done(event)
            && (text(event, "/user/username") == THIEF && uri == "/api/v1/secrets?limit=500"
                || text(event, "/user/username") == AGENT)
    });
    let listed: Vec<_> = listed.map(|event| text(event, "/stageTimestamp")).collect();
    assert_eq!(listed.len(), 2);
    let mut expected: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for listed in listed {
        let mut last = BTreeMap::new();
        for event in EVENTS.iter().filter(|event| done(event)) {
            let secret = (
                text(event, "/objectRef/namespace"),
                text(event, "/objectRef/name"),
            );
            if !secret.1.is_empty() && text(event, "/stageTimestamp") <= listed {
                last.insert(secret, text(event, "/verb"));
            }
        }
        for (secret, verb) in last {
            if verb != "delete" {
                expected.entry(secret).or_default().insert("list");
            }
        }
    }
    for namespace in ["prod", "payments"] {
        let ways = expected.entry((namespace, "db-creds")).or_default();
        ways.insert("get");
    }
    // Nothing had named a secret of this namespace.
    expected.insert(("kube-system", ""), BTreeSet::from(["list"]));
    let given: BTreeMap<_, BTreeSet<&str>> = given
        .iter()
        .map(|(secret, ways)| (*secret, ways.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(given, expected);
}

#[test]
fn incident_secrets_of_answers_and_mounts() {
    let at = |resource: &str, name: &str| {
        let mut object = json!({"resource": resource, "namespace": "ns", "apiVersion": "v1"});
        if !name.is_empty() {
            object["name"] = json!(name);
        }
        object
    };
    let pod = json!({"kind": "Pod", "metadata": {"name": "p"}, "spec": {
        "volumes": [
            {"name": "v", "secret": {"secretName": "volume"}},
            {"name": "w", "projected": {"sources": [{"secret": {"name": "projected"}}]}},
            {"name": "x", "configMap": {"name": "no-secret"}}],
        "imagePullSecrets": [{"name": "pull"}],
        "containers": [{"name": "c", "image": "i",
            "env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "key", "key": "k"}}}],
            "envFrom": [{"secretRef": {"name": "whole"}}]}]}});
    let both = store_of(&[
        made(
            1,
            "list",
            json!({"objectRef": at("secrets", ""), "responseObject": {"items": [
            {"metadata": {"name": "shown", "namespace": "ns"}}]}}),
        ),
        made(
            2,
            "create",
            json!({"objectRef": at("pods", "p"), "requestObject": pod}),
        ),
        made(3, "patch", json!({"objectRef": at("secrets", "changed")})),
        made(
            4,
            "get",
            json!({"objectRef": at("secrets", "refused"),
            "responseStatus": {"metadata": {}, "code": 403}}),
        ),
        made(
            5,
            "create",
            json!({"objectRef": at("secrets", "dry"),
            "requestURI": "/api/v1/namespaces/ns/secrets?dryRun=All"}),
        ),
        made(
            6,
            "get",
            json!({"objectRef": {"resource": "secrets", "namespace": "ns",
            "name": "other-api", "apiGroup": "vault.example.com"}}),
        ),
    ]);
    let rows = ask_of(&both, "incident-secrets", &["--user", "alice"]);
    let given: BTreeSet<_> = rows
        .iter()
        .map(|row| {
            format!(
                "{} {} {}",
                cell(row, "name"),
                row["ways"],
                row["known_from"]
            )
        })
        .collect();
    let mounted = ["volume", "projected", "pull", "key", "whole"];
    let mut expected: BTreeSet<_> = mounted
        .map(|name| format!("{name} [\"mounted\"] [\"request\"]"))
        .into();
    expected.insert("shown [\"list\"] [\"response\"]".to_owned());
    expected.insert("changed [\"written\"] [\"request\"]".to_owned());
    assert_eq!(given, expected);
}

#[test]
fn incident_credentials() {
    let rows = ask("incident-credentials", THIEF_AT);
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(cell(row, "kind"), "token");
    assert_eq!(cell(row, "credential_of"), AGENT);
    assert_eq!(
        cell(row, "issued_credential_id"),
        "JTI=7f710e91-7c1e-4d90-a967-5d3ff8f221b7"
    );
    assert_eq!(row["calls"], 0);

    let rows = ask_of(
        &CREDENTIALS.get(),
        "incident-credentials",
        &["--user", "kubernetes-admin"],
    );
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            [
                cell(row, "credential_of"),
                cell(row, "used_as"),
                cell(row, "used_from"),
            ]
        })
        .collect();
    assert_eq!(
        shown,
        [
            [THIEF, THIEF, "198.51.100.23"],
            [AGENT, AGENT, "203.0.113.200"],
        ]
    );
    let used = ask_of(&CREDENTIALS.get(), "credential-use", ALL);
    for row in &rows {
        let id = cell(row, "issued_credential_id");
        let other = used
            .iter()
            .find(|other| cell(other, "issued_credential_id") == id);
        for column in ["calls", "denied", "elsewhere", "first_used", "last_used"] {
            assert_eq!(row[column], other.unwrap()[column], "{id} {column}");
        }
    }
    let certificates = ask_of(
        &CREDENTIALS.get(),
        "incident-credentials",
        &["--resource", "csr"],
    );
    let kinds: Vec<_> = certificates.iter().map(|row| cell(row, "kind")).collect();
    assert_eq!(kinds, ["certificate request", "certificate approval"]);
}

#[test]
fn incident_credentials_in_secrets() {
    let secret = |name: &str, level: &str, kind: &str| {
        json!({"level": level, "requestObject": {"kind": "Secret", "type": kind},
            "objectRef": {"resource": "secrets", "namespace": "ns", "name": name}})
    };
    let token = "kubernetes.io/service-account-token";
    let both = store_of(&[
        made(1, "create", secret("token", "Request", token)),
        made(2, "create", secret("opaque", "Request", "Opaque")),
        made(3, "update", secret("unknown", "Metadata", "")),
    ]);
    let rows = ask_of(&both, "incident-credentials", &["--user", "alice"]);
    let shown: Vec<_> = rows
        .iter()
        .map(|row| [cell(row, "kind"), cell(row, "credential_of")])
        .collect();
    assert_eq!(shown, [["token secret", "ns/token"]]);
    assert!(rows[0]["calls"].is_null());
}

#[test]
fn incident_pods() {
    let rows = ask("incident-pods", THIEF_AT);
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            [
                cell(row, "namespace"),
                cell(row, "name"),
                cell(row, "removed_by"),
            ]
        })
        .collect();
    assert_eq!(
        shown,
        [
            ["payments", "dbg-toolbox", THIEF],
            ["kube-system", "node-metrics", ""],
        ]
    );
    assert_eq!(rows[0]["sessions"], 1);
    assert!(rows[1]["sessions"].is_null());
    assert!(list(&rows[0], "pod_security").contains(&"hostPath:/".to_owned()));

    let pod = |name: &str, account: Value| {
        json!({"objectRef": {"resource": "pods", "namespace": "ns", "name": name},
            "requestObject": {"kind": "Pod", "spec": {"serviceAccountName": account,
                "containers": [{"name": "c", "image": "i"}]}}})
    };
    let robot = json!({"user": {"username": "system:serviceaccount:ns:robot"}});
    let gone = json!({"objectRef": {"resource": "pods", "namespace": "ns", "name": "b"},
        "user": {"username": "bob"}});
    let both = store_of(&[
        made(1, "get", robot.clone()),
        made(2, "create", pod("a", json!("robot"))),
        made(3, "get", robot.clone()),
        made(4, "list", robot),
        made(5, "create", pod("b", Value::Null)),
        made(6, "patch", pod("b", Value::Null)),
        made(7, "delete", gone),
    ]);
    let rows = ask_of(&both, "incident-pods", &["--user", "alice"]);
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            let texts = ["name", "service_account", "removed_by"].map(|column| cell(row, column));
            (texts, row["account_calls"].as_u64(), list(row, "verbs"))
        })
        .collect();
    let verbs = |verbs: &[&str]| verbs.iter().map(|verb| (*verb).to_owned()).collect();
    let default = "system:serviceaccount:ns:default";
    assert_eq!(
        shown,
        [
            (
                ["a", "system:serviceaccount:ns:robot", ""],
                Some(2),
                verbs(&["create"])
            ),
            (["b", default, "bob"], Some(0), verbs(&["create", "patch"])),
        ]
    );
}

#[test]
fn what_armed_identities_did() {
    let bind = |subject: Value| {
        json!({"objectRef": {"resource": "rolebindings", "apiGroup": "rbac.authorization.k8s.io",
                "namespace": "ns", "name": "b"},
            "requestObject": {"kind": "RoleBinding", "subjects": [subject],
                "roleRef": {"kind": "Role", "name": "r"}}})
    };
    let by = |user: &str| json!({"user": {"username": user}});
    let both = store_of(&[
        made(1, "get", by("mallory")),
        made(
            2,
            "create",
            bind(json!({"kind": "User", "name": "mallory"})),
        ),
        made(3, "create", bind(json!({"kind": "User", "name": "alice"}))),
        made(4, "create", bind(json!({"kind": "Group", "name": "crowd"}))),
        made(5, "list", by("mallory")),
        made(6, "get", by("crowd")),
        made(7, "get", by("alice")),
    ]);
    let rows = ask_of(&both, "incident-followed", &["--user", "alice"]);
    // Neither what came before, nor the incident's own requests, nor a user named as the group.
    assert_eq!(ordered_ids(&rows), ["made-5"]);
    assert_eq!(list(&rows[0], "armed_by"), ["bound it to Role/r"]);
}

#[test]
fn incident_traces() {
    let steps = steps("compromised-sa");
    let rows = ask("incident-traces", THIEF_AT);
    assert_eq!(ordered_ids(&rows), steps[15..20]);
    let why: Vec<_> = rows.iter().map(|row| cell(row, "why")).collect();
    assert_eq!(
        why,
        [
            "reused an audit ID",
            "reused an audit ID",
            "deleted records",
            "deleted what it had created",
            "deleted what it had created",
        ]
    );
}
