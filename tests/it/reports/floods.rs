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
    let until = ["--until", "2026-11-20T05:00:00Z"];
    let piece = timeline(&incident(&both, &until));
    assert_eq!(piece["truncated"], json!(false));
}

#[test]
fn what_one_cluster_records_another_need_not() {
    let both = Both::empty();
    let read = |n: u64, namespace: &str| {
        let object = json!({"resource": "pods", "namespace": namespace, "name": "p"});
        by_mallory(n, "get", json!({"objectRef": object})).to_string()
    };
    both.server
        .post("/webhook/a", read(1, "payments"))
        .expect(200);
    both.server.post("/webhook/b", read(2, "other")).expect(200);
    let verdict = |more: &[&str]| {
        let args = [&["pci-dss", "--since", "all", "-o", "json"], more].concat();
        let made = json(&local(both.data(), "report", &args).expect(0).stdout);
        control(&made, "10.2.1.1")["verdict"].clone()
    };
    let of_both = verdict(&[]);
    assert_eq!(of_both["verdict"], "not enough data");
    let why = of_both["why"].as_str().unwrap();
    assert!(why.ends_with("; no read of the clusters: b"), "{why}");
    assert_eq!(verdict(&["--cluster", "a"])["verdict"], "met");
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
            "1 requests as members of system:masters other than the apiserver itself, 1 of"
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
