//! What an attacker does to hide from a report: noise, and requests that are as long as they may be.

use serde_json::{Value, json};

use super::json;
use crate::both::Both;
use crate::support::{event, local};

/// The end of a successful request by mallory.
fn by_mallory(n: u64, verb: &str, change: Value) -> Value {
    let mut made: Value = serde_json::from_str(&event(n)).unwrap();
    made["auditID"] = json!(format!("made-{n}"));
    made["verb"] = json!(verb);
    made["user"] = json!({"username": "mallory"});
    made["responseStatus"] = json!({"metadata": {}, "code": 200});
    for (key, value) in change.as_object().unwrap() {
        made[key] = value.clone();
    }
    made
}

fn store(events: &[Value]) -> Both {
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    Both::with_events(&lines)
}

fn incident(both: &Both, more: &[&str]) -> Value {
    let args = [
        &[
            "incident", "--user", "mallory", "--since", "all", "-o", "json",
        ],
        more,
    ]
    .concat();
    json(&local(both.data(), "report", &args).expect(0).stdout)
}

fn control<'a>(made: &'a Value, id: &str) -> &'a Value {
    let mut controls = made["controls"].as_array().unwrap().iter();
    controls.find(|control| control["id"] == id).unwrap()
}

/// How many rows a control's evidence has, and whether one of them names something.
fn names(made: &Value, id: &str, name: &str) -> bool {
    let rows = control(made, id)["evidence"][0]["rows"].as_array().unwrap();
    rows.iter()
        .flat_map(|row| row.as_array().unwrap())
        .any(|cell| cell.as_str().is_some_and(|cell| cell.contains(name)))
}

#[test]
fn noise_hides_nothing_that_an_incident_armed_or_ran() {
    let token = |n: u64, name: &str| {
        let object = json!({"resource": "serviceaccounts", "subresource": "token",
            "namespace": "default", "name": name, "apiVersion": "v1"});
        by_mallory(n, "create", json!({"objectRef": object}))
    };
    let pod = |n: u64, name: &str, spec: Value| {
        let object =
            json!({"resource": "pods", "namespace": "default", "name": name, "apiVersion": "v1"});
        let body = json!({"kind": "Pod", "apiVersion": "v1", "spec": spec});
        let change = json!({"objectRef": object, "level": "Request", "requestObject": body});
        by_mallory(n, "create", change)
    };
    let calm = json!({"containers": [{"name": "c", "image": "a:1"}]});
    let evil = json!({
        "hostPID": true,
        "containers": [{"name": "c", "image": "a:1"}],
        "volumes": [{"name": "v", "secret": {"secretName": "vault"}}],
    });
    let mut events: Vec<Value> = (0..2050).map(|n| token(n, "noise")).collect();
    events.push(token(2050, "evil"));
    events.extend((2051..4101).map(|n| pod(n, &format!("calm-{n}"), calm.clone())));
    events.push(pod(4101, "wicked", evil));
    events.push(by_mallory(
        4102,
        "list",
        json!({"user": {"username": "system:serviceaccount:default:evil"},
            "objectRef": {"resource": "secrets", "namespace": "prod", "apiVersion": "v1"}}),
    ));
    let made = incident(&store(&events), &["--rows", "1000"]);
    let armed = control(&made, "followed")["verdict"]["why"]
        .as_str()
        .unwrap();
    assert!(
        armed.contains("system:serviceaccount:default:evil"),
        "{armed}"
    );
    assert!(names(&made, "followed", "made-4102"));
    assert_eq!(
        control(&made, "credentials")["evidence"][0]["row_count"],
        2051
    );
    let pods = &control(&made, "pods")["evidence"][0];
    assert_eq!(pods["row_count"], 2001);
    assert!(names(&made, "secrets", "vault"));
    let both = store(&events);
    let wicked = [
        "incident-pods",
        "--user",
        "mallory",
        "--limit",
        "0",
        "-o",
        "csv",
    ];
    let run = local(both.data(), "ask", &wicked).expect(0);
    assert!(run.text().contains(",wicked,"));
}

#[test]
fn an_endless_request_does_not_make_an_incident_impossible() {
    let long = "n".repeat(900_000);
    let uri = format!("/api/v1/namespaces/default/pods/{long}");
    let object = json!({"resource": "pods", "namespace": "default", "name": long});
    let status = json!({"metadata": {}, "code": 403, "reason": "Forbidden",
        "message": format!("pods \"{long}\" is forbidden")});
    let both = store(&[
        by_mallory(
            1,
            "get",
            json!({"requestURI": uri, "objectRef": object, "responseStatus": status}),
        ),
        by_mallory(2, "delete", json!({})),
    ]);
    let made = incident(&both, &[]);
    assert_eq!(control(&made, "timeline")["evidence"][0]["row_count"], 2);
    let asked = ["incident-timeline", "--user", "mallory", "-o", "json"];
    let run = local(both.data(), "ask", &asked).expect(0);
    let rows = json(&run.stdout);
    let uri = rows[0]["request_uri"].as_str().unwrap();
    assert!(
        uri.len() < 5000 && uri.ends_with("nnn ..."),
        "{}",
        uri.len()
    );
}

/// A timeline that is cut says so, in a report and on the command line.
#[test]
fn a_timeline_says_that_it_goes_on() {
    let events: Vec<Value> = (0..20_001)
        .map(|n| by_mallory(n, "get", json!({})))
        .collect();
    let both = Both::empty();
    for events in events.chunks(5000) {
        let lines: Vec<String> = events.iter().map(Value::to_string).collect();
        both.server.post("/webhook", lines.join("\n")).expect(200);
    }
    let data = both.data();
    let timeline = |made: &Value| control(made, "timeline")["evidence"][0].clone();
    let piece = timeline(&incident(&both, &[]));
    assert_eq!(
        (&piece["row_count"], &piece["truncated"]),
        (&json!(20_000), &json!(true))
    );
    let asked = [
        "incident-timeline",
        "--user",
        "mallory",
        "--limit",
        "0",
        "-o",
        "csv",
    ];
    let run = local(data, "ask", &asked).expect(0);
    assert_eq!(run.text().lines().count(), 20_001);
    assert!(
        run.stderr
            .contains("the question gives at most 20000: narrow it"),
        "{}",
        run.stderr
    );
    let html = [
        "incident", "--user", "mallory", "--since", "all", "-o", "html",
    ];
    let html = local(data, "report", &html).expect(0);
    assert!(
        html.text()
            .contains("of 20,000 rows; this gives those that were counted: ")
    );
    let until = ["--until", "2026-11-20T05:00:00Z"];
    let piece = timeline(&incident(&both, &until));
    assert_eq!(piece["truncated"], json!(false));
}

#[test]
fn who_is_armed_is_followed_whatever_they_do_then() {
    let binding = json!({"kind": "ClusterRoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1",
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "evil"}]});
    let object = |resource: &str| json!({"resource": resource, "name": "x", "namespace": "n"});
    let evil = json!({"username": "evil"});
    let bound = json!({"apiGroup": "rbac.authorization.k8s.io", "resource": "clusterrolebindings", "name": "x"});
    let token = json!({"resource": "serviceaccounts", "subresource": "token", "namespace": "n", "name": "q"});
    let both = store(&[
        by_mallory(
            1,
            "create",
            json!({"objectRef": bound, "level": "Request", "requestObject": binding}),
        ),
        // As mallory, so that evil stands among those who act in the incident.
        by_mallory(
            2,
            "create",
            json!({"user": evil, "impersonatedUser": {"username": "mallory"}, "objectRef": token}),
        ),
        by_mallory(
            3,
            "get",
            json!({"user": evil, "objectRef": object("secrets")}),
        ),
    ]);
    let made = incident(&both, &[]);
    let armed = control(&made, "followed")["verdict"]["why"]
        .as_str()
        .unwrap();
    assert!(
        armed.starts_with("armed: evil, system:serviceaccount:n:q, "),
        "{armed}"
    );
    assert!(names(&made, "followed", "made-3"));
    assert!(names(&made, "secrets", "evil"));
}

/// However many secrets somebody makes up: those that were there before are named first.
#[test]
fn decoys_do_not_hide_what_a_list_exposed() {
    let secret = |n: u64, verb: &str, name: &str| {
        let object = json!({"resource": "secrets", "namespace": "default", "name": name, "apiVersion": "v1"});
        by_mallory(
            n,
            verb,
            json!({"objectRef": object, "user": {"username": "somebody"}}),
        )
    };
    let mut events = vec![secret(0, "get", "password")];
    events.extend((1..1101).map(|n| secret(n, "create", &format!("a-{n:04}"))));
    let object = json!({"resource": "secrets", "apiVersion": "v1"});
    events.push(by_mallory(1200, "list", json!({"objectRef": object})));
    let both = store(&events);
    let asked = [
        "incident-secrets",
        "--user",
        "mallory",
        "--limit",
        "0",
        "-o",
        "csv",
    ];
    let run = local(both.data(), "ask", &asked).expect(0);
    assert_eq!(run.text().lines().count(), 1001);
    assert!(run.text().contains(",password,"), "the oldest is gone");
}

#[test]
fn what_one_cluster_records_another_need_not() {
    let both = Both::empty();
    let read = |n: u64, namespace: &str| {
        let object = json!({"resource": "pods", "namespace": namespace, "name": "p"});
        by_mallory(n, "get", json!({"objectRef": object})).to_string()
    };
    for (cluster, event) in [
        ("a", read(1, "payments")),
        ("b", read(2, "other")),
        ("c", read(0, "payments")),
    ] {
        both.server
            .post(&format!("/webhook/{cluster}"), event)
            .expect(200);
    }
    let verdict = |since: &str, more: &[&str]| {
        let args = [&["pci-dss", "--since", since, "-o", "json"], more].concat();
        let made = json(&local(both.data(), "report", &args).expect(0).stdout);
        let verdict = &control(&made, "10.2.1.1")["verdict"];
        let part = |part: &str| verdict[part].as_str().unwrap().to_owned();
        (part("verdict"), part("why"))
    };
    let (word, why) = verdict("all", &[]);
    assert_eq!(word, "not enough data");
    assert!(why.ends_with("; no read of the clusters: b"), "{why}");
    // One that is silent in the time range is demanded to be heard, too.
    let (word, why) = verdict("2026-11-20T00:00:01Z", &[]);
    assert_eq!(word, "not enough data");
    assert!(why.ends_with("; no read of the clusters: b, c"), "{why}");
    assert_eq!(verdict("all", &["--cluster", "a"]).0, "met");
}

#[test]
fn members_and_strangers_are_counted_however_they_come() {
    let lent = json!({"impersonatedUser": {"username": "root", "groups": ["system:masters"]}});
    let stranger = |n: u64, uri: &str, stage: &str, object: Value| {
        by_mallory(
            n,
            "get",
            json!({"user": {"username": "system:anonymous"}, "requestURI": uri, "stage": stage,
                "objectRef": object}),
        )
    };
    let both = store(&[
        by_mallory(1, "get", lent),
        stranger(2, "/healthz", "ResponseComplete", Value::Null),
        stranger(3, "/metrics", "ResponseComplete", Value::Null),
        stranger(
            4,
            "/api/v1/secrets?watch=1",
            "ResponseStarted",
            json!({"resource": "secrets"}),
        ),
        by_mallory(
            5,
            "watch",
            json!({"user": {"username": "root", "groups": ["system:masters"]},
                "stage": "ResponseStarted"}),
        ),
    ]);
    let args = ["access-review", "--since", "all", "-o", "json"];
    let made = json(&local(both.data(), "report", &args).expect(0).stdout);
    let verdict = |id: &str| {
        let verdict = &control(&made, id)["verdict"];
        (
            verdict["verdict"].clone(),
            verdict["why"].as_str().unwrap().to_owned(),
        )
    };
    let (word, why) = verdict("masters");
    assert_eq!(word, "not met");
    assert!(
        why.starts_with(
            "2 requests as members of system:masters other than the apiserver itself, 1 of"
        ),
        "{why}"
    );
    let (word, why) = verdict("anonymous");
    assert_eq!(word, "not met");
    assert!(
        why.starts_with("of 3 requests of system:anonymous 1 were answered with objects of the API, 1 with paths"),
        "{why}"
    );
}
