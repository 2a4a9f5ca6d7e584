//! *A person*: where they appear, from where they worked, who mentions them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::access::{ALL, call};
use super::made::{made, store_of};
use super::{EVENTS, Row, ask, ask_of, cell, list, text};
use crate::both::unpacked;

pub(super) const TESTED: &[&str] = &[
    "person-calls",
    "person-found",
    "person-origins",
    "person-mentions",
];

const USER: &str = "/user/username";
const AS: &str = "/impersonatedUser/username";

/// How many recorded requests there are for each key, of events with an answer that match.
fn counted<'a, K: Ord>(
    matches: impl Fn(&Value) -> bool,
    key: impl Fn(&'a Value) -> K,
) -> BTreeMap<K, u64> {
    let mut calls: BTreeMap<K, BTreeSet<_>> = BTreeMap::new();
    for event in EVENTS.iter() {
        if event["stage"] != "RequestReceived" && matches(event) {
            calls.entry(key(event)).or_default().insert(call(event));
        }
    }
    let sizes = calls.into_iter();
    sizes
        .map(|(key, calls)| (key, calls.len() as u64))
        .collect()
}

fn about(person: &str) -> Vec<Row> {
    ask("person-found", &["--person", person, "--since", "all"])
}

fn found<'a>(rows: &'a [Row], as_what: &str) -> BTreeMap<(&'a str, &'a str), u64> {
    let rows = rows.iter().filter(|row| row["found_as"] == as_what);
    rows.map(|row| {
        let key = (cell(row, "value"), cell(row, "related"));
        (key, row["requests"].as_u64().unwrap())
    })
    .collect()
}

#[test]
fn person_calls() {
    // Each request that is found counts by the first of these.
    let address = |network: &str, event: &Value| {
        let addresses = event["sourceIPs"].as_array();
        addresses.is_some_and(|known| {
            let mut known = known.iter().filter_map(Value::as_str);
            known.any(|known| known == network)
        })
    };
    let uid = EVENTS
        .iter()
        .find_map(|event| event["user"]["uid"].as_str())
        .unwrap();
    let person = ["carol", "198.51.100.23", uid];
    let found_as = |event: &Value| {
        let known = |at: &str| person.contains(&text(event, at));
        match event {
            _ if known(USER) => Some("acting user"),
            _ if known(AS) => Some("impersonated user"),
            _ if known("/user/uid") => Some("UID"),
            _ if address(person[1], event) => Some("address"),
            _ => None,
        }
    };
    let expected = super::access::calls(|event| {
        event["stage"] != "RequestReceived" && found_as(event).is_some()
    });
    let mut expected: Vec<_> = expected
        .iter()
        .map(|event| (text(event, "/auditID"), found_as(event).unwrap()))
        .collect();
    let list = person.join(",");
    let rows = ask("person-calls", &["--person", &list, "--since", "all"]);
    let times: Vec<_> = rows.iter().map(|row| cell(row, "time")).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "newest first");
    let mut told: Vec<_> = rows
        .iter()
        .map(|row| (cell(row, "audit_id"), cell(row, "found_as")))
        .collect();
    expected.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, expected);
    for kind in ["acting user", "impersonated user", "UID", "address"] {
        assert!(told.iter().any(|(_, as_what)| *as_what == kind), "{kind}");
    }
}

#[test]
fn person_found_as_an_actor() {
    let people = ["helpdesk", "carol"];
    let rows = about("helpdesk, carol");
    let acts = |event: &Value| people.contains(&text(event, USER));
    let own = counted(
        |event| acts(event) && text(event, AS).is_empty(),
        |event| (text(event, USER), ""),
    );
    assert_eq!(found(&rows, "acting user"), own);
    let others = counted(
        |event| acts(event) && !text(event, AS).is_empty(),
        |event| (text(event, USER), text(event, AS)),
    );
    assert!(!others.is_empty());
    assert_eq!(found(&rows, "impersonator"), others);
    let in_their_name = counted(
        |event| people.contains(&text(event, AS)),
        |event| (text(event, AS), text(event, USER)),
    );
    assert_eq!(found(&rows, "impersonated user"), in_their_name);
}

#[test]
fn person_found_by_address_and_uid() {
    let uid = "2d224c33-5f70-4ec0-8382-8ce3d56b17dc";
    let rows = about(&format!("203.0.113.50,2001:db8:12::7,{uid},josé-李"));
    let at = |event: &Value, address: &str| {
        let hops = event["sourceIPs"].as_array().into_iter().flatten();
        hops.into_iter().any(|hop| hop == address)
    };
    let there = counted(
        |event| at(event, "203.0.113.50") || at(event, "2001:db8:12::7"),
        |event| (text(event, "/sourceIPs/0"), text(event, USER)),
    );
    assert!(there.len() > 1, "{there:?}");
    assert_eq!(found(&rows, "address"), there);
    let of_uid = counted(
        |event| text(event, "/user/uid") == uid,
        |event| (text(event, "/user/uid"), text(event, USER)),
    );
    assert!(!of_uid.is_empty());
    assert_eq!(found(&rows, "UID"), of_uid);
    assert_eq!(found(&rows, "acting user").len(), 1);
}

#[test]
fn person_found_as_name_subject_and_owner() {
    let over = |object: Value, body: Value| {
        json!({"objectRef": object, "requestObject": body,
        "user": {"username": "admin", "groups": ["team", "eve"]}})
    };
    let binding = json!({"resource": "rolebindings", "apiGroup": "rbac.authorization.k8s.io",
        "namespace": "ns", "name": "b"});
    let subjects = json!({"kind": "RoleBinding", "roleRef": {"kind": "Role", "name": "r"},
        "subjects": [{"kind": "User", "name": "eve"}, {"kind": "Group", "name": "ops"}]});
    let owned = json!({"metadata": {"name": "x", "ownerReferences":
        [{"kind": "User", "name": "eve", "controller": true, "uid": "u", "apiVersion": "v1"}]}});
    let both = store_of(&[
        made(1, "create", over(binding, subjects)),
        made(
            2,
            "get",
            over(json!({"resource": "users", "name": "eve"}), Value::Null),
        ),
        made(
            3,
            "create",
            over(
                json!({"resource": "configmaps", "namespace": "eve", "name": "x"}),
                owned,
            ),
        ),
        made(4, "get", json!({"user": {"username": "eve!x,y"}})),
    ]);
    let rows = ask_of(&both, "person-found", &["--person", "eve"]);
    let shown: BTreeSet<_> = rows
        .iter()
        .map(|row| {
            let texts = ["found_as", "value", "related"].map(|column| cell(row, column));
            format!("{} {}", texts.join(" "), row["requests"])
        })
        .collect();
    assert_eq!(
        shown,
        BTreeSet::from([
            "group one of [\"team\",\"eve\"] admin 3".to_owned(),
            "binding subject one of [\"Group:ops\",\"User:eve\"] Role/r 1".to_owned(),
            "object name eve users 1".to_owned(),
            "namespace eve configmaps 1".to_owned(),
            "owner User/eve configmaps 1".to_owned(),
        ])
    );
    // A comma in a name, and a name like an address that is none.
    let rows = ask_of(&both, "person-found", &["--person", r"eve!x\,y,v1.2.3.x"]);
    assert_eq!(rows.len(), 1);
    assert_eq!(cell(&rows[0], "value"), "eve!x,y");
}

#[test]
fn person_origins() {
    let rows = ask("person-origins", &["--person", "carol", "--since", "all"]);
    let key = |row: &Row| {
        ["user", "as_user", "client_ip", "user_agent"].map(|column| cell(row, column).to_owned())
    };
    let mut given: BTreeMap<_, u64> = BTreeMap::new();
    for row in &rows {
        *given.entry(key(row)).or_default() += row["requests"].as_u64().unwrap();
    }
    let expected = counted(
        |event| text(event, USER) == "carol" || text(event, AS) == "carol",
        |event| [USER, AS, "/sourceIPs/0", "/userAgent"].map(|at| text(event, at).to_owned()),
    );
    assert!(expected.len() > 1);
    assert_eq!(given, expected);
}

#[test]
fn person_origins_of_an_address() {
    let address = "203.0.113.50";
    let rows = ask(
        "person-origins",
        &[&["--person", address][..], ALL].concat(),
    );
    let mut given: BTreeMap<_, u64> = BTreeMap::new();
    for row in &rows {
        let key = ["user", "user_agent"].map(|column| cell(row, column));
        *given.entry(key).or_default() += row["requests"].as_u64().unwrap();
    }
    let hops = |event: &Value| event["sourceIPs"].as_array().cloned().unwrap_or_default();
    let expected = counted(
        |event| hops(event).iter().any(|hop| hop == address),
        |event| [USER, "/userAgent"].map(|at| text(event, at)),
    );
    assert!(!expected.is_empty());
    assert_eq!(given, expected);
}

#[test]
fn person_mentions() {
    for person in ["mallory", "203.0.113.50"] {
        let rows = ask("person-mentions", &["--person", person, "--since", "all"]);
        let mut expected: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        let lines = unpacked("recorded.jsonl.zst");
        let lines = lines.split(|&byte| byte == b'\n');
        for (line, event) in lines.zip(EVENTS.iter()) {
            let line = String::from_utf8_lossy(line);
            if line.contains(person) && text(event, USER) != person && text(event, AS) != person {
                let key = (text(event, "/verb"), text(event, "/objectRef/resource"));
                *expected.entry(key).or_default() += 1;
            }
        }
        assert!(!expected.is_empty(), "{person}");
        let mut given: BTreeMap<_, u64> = BTreeMap::new();
        for row in &rows {
            assert!(!list(row, "fields").is_empty(), "{row:?}");
            let key = (cell(row, "verb"), cell(row, "resource"));
            *given.entry(key).or_default() += row["events"].as_u64().unwrap();
        }
        assert_eq!(given, expected, "{person}");
    }
    let skipped = ["--person", "mallory", "--indexed-only"];
    assert!(ask("person-mentions", &[&skipped[..], ALL].concat()).is_empty());
}

#[test]
fn person_mentions_in_every_field() {
    let both = store_of(&[
        made(1, "get", json!({"requestURI": "/q?user=eve"})),
        made(
            2,
            "create",
            json!({"requestObject": {"spec": {"for": "eve"}}}),
        ),
        made(
            3,
            "create",
            json!({"responseObject": {"status": {"by": "eve"}}}),
        ),
        made(4, "get", json!({"annotations": {"x/y": "asked by eve"}})),
        made(5, "get", json!({"userAgent": "eve's tool"})),
        made(
            6,
            "get",
            json!({"user": {"username": "alice", "extra": {"mail": ["eve@x"]}}}),
        ),
        made(7, "get", json!({"user": {"username": "eve"}})),
        made(8, "get", json!({"impersonatedUser": {"username": "eve"}})),
        made(
            9,
            "get",
            json!({"impersonatedUser": {"username": "bob", "extra": {"for": ["eve"]}}}),
        ),
    ]);
    let rows = ask_of(&both, "person-mentions", &["--person", "eve,nobody"]);
    let fields: BTreeSet<_> = rows
        .iter()
        .map(|row| (list(row, "fields").join(" "), cell(row, "identifier")))
        .collect();
    let expected = [
        "uri",
        "request body",
        "response body",
        "annotations",
        "user agent",
        "user attributes",
        // Found by its bytes, in no field that has a column.
        "",
    ];
    let expected = expected.map(|fields| (fields.to_owned(), "eve"));
    assert_eq!(fields, BTreeSet::from(expected));
}

/// The apiserver holds profiles of itself for long calls: both their stages are recorded.
#[test]
fn a_profile_counts_once() {
    let stage = |n: u64, id: &str, stage: &str, code: u64| {
        let profile = json!({"auditID": id, "stage": stage, "requestURI": "/debug/pprof/heap?debug=1",
            "user": {"username": "prof"}, "objectRef": null, "sourceIPs": ["203.0.113.9"],
            "requestReceivedTimestamp": "2026-11-20T00:00:01.000000Z",
            "responseStatus": {"metadata": {}, "code": code}});
        made(n, "get", profile)
    };
    let both = store_of(&[
        stage(1, "allowed", "ResponseStarted", 200),
        stage(2, "allowed", "ResponseComplete", 200),
        stage(3, "refused", "ResponseStarted", 403),
        stage(4, "refused", "ResponseComplete", 403),
        made(
            5,
            "get",
            json!({"user": {"username": "prof"}, "requestURI": "/healthz", "objectRef": null,
                "sourceIPs": ["203.0.113.9"]}),
        ),
    ]);
    let sum = |question: &str, flag: &str, column: &str| -> u64 {
        let rows = ask_of(&both, question, &[flag, "prof", "--since", "all"]);
        rows.iter().map(|row| row[column].as_u64().unwrap()).sum()
    };
    for (question, flag) in [
        ("person-found", "--person"),
        ("person-origins", "--person"),
        ("incident-origins", "--user"),
        ("incident-objects", "--user"),
    ] {
        assert_eq!(sum(question, flag, "requests"), 3, "{question}");
    }
    assert_eq!(sum("incident-origins", "--user", "refused"), 1);
}

/// What is said of users that are left out is about who asked: nobody was impersonated by most.
#[test]
fn an_incident_of_all_but_some_users_leaves_these_out() {
    let both = store_of(&[
        made(
            1,
            "get",
            json!({"user": {"username": "system:kube-scheduler"}}),
        ),
        made(2, "get", json!({"user": {"username": "alice"}})),
        made(
            3,
            "get",
            json!({"user": {"username": "bob"}, "impersonatedUser": {"username": "alice"}}),
        ),
    ]);
    for question in ["incident-timeline", "incident-origins"] {
        let users = |user: &str| -> Vec<String> {
            let rows = ask_of(&both, question, &["--user", user, "--since", "all"]);
            let mut users: Vec<_> = rows
                .iter()
                .map(|row| cell(row, "user").to_owned())
                .collect();
            users.sort();
            users
        };
        assert_eq!(users("!system:*"), ["alice", "bob"], "{question}");
        assert_eq!(users("alice"), ["alice", "bob"], "{question}");
    }
}
