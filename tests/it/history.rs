//! What was there before a write, against a plain loop over the events, and the facts that it comes
//! from, at every age of a store.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::facts::{FACTS, assert_same, by_hash, facts, rows};
use crate::support::{local, temp_dir};

/// A sequence that looks random (SplitMix64) and is always the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn of<T: Clone>(&mut self, any: &[T]) -> T {
        any[self.below(any.len() as u64) as usize].clone()
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

const KINDS: [(&str, &str, &str); 8] = [
    ("deployments", "apps", ""),
    ("deployments", "apps", ""),
    ("deployments", "apps", "scale"),
    ("statefulsets", "apps", ""),
    ("pods", "", ""),
    ("jobs", "batch", ""),
    ("services", "", ""),
    ("ingresses", "networking.k8s.io", ""),
];

/// The spec of an object, or of a part of one.
fn spec(dice: &mut Dice, resource: &str, scales: bool) -> Value {
    let mut spec = json!({});
    let often = |dice: &mut Dice| !dice.one_in(3);
    if scales && often(dice) {
        spec["replicas"] = json!(dice.below(4));
    }
    let images = ["web:1", "web:2", "proxy:1", "proxy:2"];
    let containers = |dice: &mut Dice| -> Vec<Value> {
        let count = dice.below(3);
        let container = |_| json!({"name": "c", "image": dice.of(&images)});
        (0..count).map(container).collect()
    };
    let pod = |dice: &mut Dice| {
        let mut pod = json!({"containers": containers(dice)});
        for key in ["serviceAccountName", "serviceAccount"] {
            if dice.one_in(3) {
                pod[key] = json!(dice.of(&["", "builder", "deployer"]));
            }
        }
        if dice.one_in(3) {
            let secret = dice.of(&["tls", "db"]);
            pod["volumes"] = json!([{"name": "v", "secret": {"secretName": secret}}]);
        }
        pod
    };
    match resource {
        "services" => {
            spec["type"] = json!(dice.of(&["ClusterIP", "NodePort", "LoadBalancer"]));
            if dice.one_in(2) {
                spec["externalIPs"] = dice.of(&[json!([]), json!(["192.0.2.1"])]);
            }
        }
        "ingresses" if dice.one_in(2) => spec["tls"] = dice.of(&[json!([]), json!([{}])]),
        "pods" => spec = pod(dice),
        _ if !scales || often(dice) => {
            spec["template"] = json!({"spec": pod(dice)});
        }
        _ => {}
    }
    spec
}

/// Writes of many objects, in no order of time.
fn writes(seed: u64, count: u64) -> Vec<String> {
    let mut dice = Dice(seed);
    let mut lines = Vec::new();
    for number in 0..count {
        let (resource, group, subresource) = dice.of(&KINDS);
        let scales = matches!(resource, "deployments" | "statefulsets");
        let verb = dice.of(&["create", "update", "patch", "patch"]);
        let level = dice.of(&["Metadata", "Request", "RequestResponse", "RequestResponse"]);
        let (code, reason) =
            dice.of(&[(200, ""), (200, ""), (403, "Forbidden"), (409, "Conflict")]);
        let mut object = json!({
            "resource": resource,
            "namespace": dice.of(&["a", "b"]),
            "name": format!("o-{}", dice.below(40)),
        });
        for (key, value) in [("apiGroup", group), ("subresource", subresource)] {
            if !value.is_empty() {
                object[key] = json!(value);
            }
        }
        let time = format!(
            "2026-11-2{}T{:02}:{:02}:00.000000Z",
            dice.below(4),
            dice.below(24),
            dice.below(60)
        );
        let mut event = json!({
            "level": level,
            "auditID": format!("w-{number}"),
            "stage": dice.of(&["ResponseComplete", "ResponseComplete", "ResponseComplete", "Panic", "RequestReceived"]),
            "requestURI": if dice.one_in(8) { "/x?dryRun=All" } else { "/x" },
            "verb": verb,
            "user": {"username": dice.of(&["alice", "bob", "system:serviceaccount:kube-system:hpa"])},
            "objectRef": object,
            "responseStatus": {"metadata": {}, "code": code},
            "requestReceivedTimestamp": time,
            "stageTimestamp": time,
        });
        if !reason.is_empty() {
            event["responseStatus"]["reason"] = json!(reason);
        }
        let mut whole = json!({"kind": "X", "spec": spec(&mut dice, resource, scales)});
        if dice.one_in(9) {
            whole["metadata"] =
                json!({"ownerReferences": [{"kind": "A", "name": "b", "controller": true}]});
        }
        if level != "Metadata" {
            event["requestObject"] = whole.clone();
            if verb == "patch" && dice.one_in(3) {
                let members = whole["spec"].as_object().unwrap().iter();
                let operation = |(key, value)| json!({"op": "replace", "path": format!("/spec/{key}"), "value": value});
                event["requestObject"] = members.map(operation).collect();
            }
        }
        if level == "RequestResponse" && code == 200 {
            let mut answer = whole;
            if scales {
                let observed = json!({"replicas": dice.below(4)});
                answer["status"] = dice.of(&[json!({}), observed]);
                answer["spec"]["replicas"] = json!(dice.below(4));
            }
            event["responseObject"] = answer;
        } else if level == "RequestResponse" {
            event["responseObject"] = json!({"kind": "Status", "status": "Failure"});
        }
        lines.push(event.to_string());
    }
    lines
}

fn select(data: &Path, statement: &str) -> Vec<Value> {
    let run = local(data, "sql", &[statement, "--limit", "0", "-o", "jsonl"]);
    assert!(
        matches!(run.code, Some(0 | 1)),
        "{statement}: {}",
        run.stderr
    );
    run.text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn is(value: &Value, any: &[&str]) -> bool {
    value.as_str().is_some_and(|text| any.contains(&text))
}

/// Whether a history has a row for an event.
fn belongs(table: &str, event: &Value) -> bool {
    let writes = is(&event["verb"], &["create", "update", "patch"]);
    let finished = is(&event["stage"], &["ResponseComplete", "Panic"]);
    let own = event["subresource"].is_null();
    let user = event["user"].as_str().unwrap_or_default();
    writes
        && finished
        && match table {
            "image_history" => {
                own && event["owner"].is_null()
                    && !event["images"].is_null()
                    && is(
                        &event["resource"],
                        &["deployments", "statefulsets", "pods", "jobs"],
                    )
            }
            _ if own => {
                event["level"] != "Metadata"
                    && !user.starts_with("system:serviceaccount:kube-system:")
                    && is(&event["resource"], &["deployments", "statefulsets"])
            }
            _ => event["subresource"] == "scale" && event["verb"] != "create",
        }
}

/// By id: what was there before and whether the write asks for something else.
fn history(table: &str, events: &[Value]) -> BTreeMap<i64, (Value, bool)> {
    let mut latest: HashMap<String, Value> = HashMap::new();
    let mut pasts = BTreeMap::new();
    for event in events.iter().filter(|event| belongs(table, event)) {
        let object = ["resource", "namespace", "name"].map(|column| event[column].to_string());
        let object = object.join(" ");
        let success = event["outcome"] == "success";
        let (asked, left) = match table {
            "image_history" => (&event["images"], &event["images"]),
            _ => (&event["replicas"], &event["replicas_answered"]),
        };
        let mut before = latest.get(&object).cloned().unwrap_or(Value::Null);
        if table == "scale_history" && before.is_null() && success {
            before = event["replicas_observed"].clone();
        }
        let changed = match (&before, asked) {
            (Value::Array(before), Value::Array(asked)) => {
                asked.iter().any(|image| !before.contains(image))
            }
            (before, asked) => !asked.is_null() && before != asked,
        };
        if success && event["dry_run"] != 1 && !left.is_null() {
            latest.insert(object, left.clone());
        }
        pasts.insert(event["id"].as_i64().unwrap(), (before, changed));
    }
    pasts
}

/// Compares the histories with a loop, over all time and over a part, with conditions on the object,
/// which narrow what is looked at, and with others, which must not change what was there before.
fn check(data: &Path, age: &str) {
    let range = "time >= '2026-11-21T06:00:00Z' and time < '2026-11-23'";
    for table in ["image_history", "scale_history"] {
        for within in ["time >= '2026-01-01'", range] {
            let events = select(
                data,
                &format!(
                    "select id, verb, stage, level, subresource, resource, namespace, name, user, outcome, dry_run, owner, images, replicas, replicas_answered, replicas_observed from events where {within} order by time, id"
                ),
            );
            let expected = history(table, &events);
            for (condition, keeps) in [
                ("true", (|_| true) as fn(&Value) -> bool),
                ("user = 'alice'", |event| event["user"] == "alice"),
                ("name match 'o-1,o-2*' and namespace = 'a'", |event| {
                    let name = event["name"].as_str().unwrap();
                    (name == "o-1" || name.starts_with("o-2")) && event["namespace"] == "a"
                }),
                (
                    "resource match 'deploy' and outcome <> 'success'",
                    |event| event["resource"] == "deployments" && event["outcome"] != "success",
                ),
            ] {
                let wanted: Vec<_> = events
                    .iter()
                    .rev()
                    .filter(|event| belongs(table, event) && keeps(event))
                    .map(|event| {
                        let (before, changed) = &expected[&event["id"].as_i64().unwrap()];
                        json!({"id": event["id"], "before": before, "changed": i32::from(*changed)})
                    })
                    .collect();
                let statement = format!(
                    "select id, before, changed from {table} where {condition} and {within} order by time desc, id desc"
                );
                assert!(wanted.len() > 3, "{statement}");
                assert_eq!(select(data, &statement), wanted, "{age}: {statement}");
                let first = select(data, &format!("{statement} limit 2"));
                assert_eq!(first, wanted[..2], "{age}: {statement}");
            }
        }
    }
}

#[test]
fn histories_and_facts_are_those_of_a_loop_at_every_age_of_a_store() {
    let lines = writes(7, 1600);
    let expected = by_hash(lines.iter().map(|line| facts(line)));
    for column in FACTS.split(',') {
        let known = expected.values().any(|row| !row[column].is_null());
        let elsewhere = ["pod_security", "role_ref", "subjects", "credential_id"];
        let elsewhere =
            elsewhere.contains(&column) || is(&json!(column), &["issued_credential_id", "command"]);
        assert!(known || elsewhere, "{column} is always absent");
    }
    let scratch = temp_dir();
    let file = scratch.path().join("writes.jsonl");
    fs::write(&file, lines.join("\n")).unwrap();
    let file = file.to_str().unwrap();
    let check = |data: &Path, age: &str| {
        let columns = ["--limit", "0", "-o", "jsonl", "--columns", FACTS];
        assert_same(&rows(&local(data, "query", &columns).expect(0)), &expected);
        check(data, age);
    };
    let store = temp_dir();
    local(store.path(), "import", &[file]).expect(0);
    check(store.path(), "active");
    let store = temp_dir();
    local(store.path(), "import", &["--segment-events", "300", file]).expect(0);
    check(store.path(), "sealed in part");
    local(store.path(), "seal", &[]).expect(0);
    check(store.path(), "merged");
}
