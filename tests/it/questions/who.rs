//! *Who did it*.

mod deleted;
mod seen;

use serde_json::Value;

use super::{EVENTS, Row, ask, ask_of, audit_ids, cell, list, text};
use crate::both::{Both, recorded, unpacked};

pub(super) const TESTED: &[&str] = &[
    "who-deleted",
    "why-deleted",
    "who-created",
    "who-changed",
    "who-scaled",
    "who-execd",
    "who-attached",
    "who-port-forwarded",
    "who-read-logs",
    "who-read-secret",
    "all-by-user",
    "all-by-source-ip",
    "all-by-user-agent",
    "all-by-group",
    "first-last-seen",
    "touched-by",
];

fn stage_is(event: &Value, stages: &[&str]) -> bool {
    stages.contains(&text(event, "/stage"))
}

fn same_call(a: &Value, b: &Value) -> bool {
    let parts = [
        "/auditID",
        "/user/username",
        "/requestURI",
        "/requestReceivedTimestamp",
    ];
    parts.iter().all(|part| text(a, part) == text(b, part))
}

/// The recorded events that match and after which no stage of the same call was recorded.
fn last_stages(matches: impl Fn(&Value) -> bool) -> Vec<&'static Value> {
    let ended = ["ResponseComplete", "Panic"];
    EVENTS
        .iter()
        .filter(|event| matches(event))
        .filter(|event| {
            let later: &[&str] = match text(event, "/stage") {
                "RequestReceived" => &["ResponseStarted", "ResponseComplete", "Panic"],
                "ResponseStarted" => &ended,
                _ => return true,
            };
            let next = |other: &Value| same_call(event, other) && stage_is(other, later);
            !EVENTS.iter().any(next)
        })
        .collect()
}

/// [`last_stages`] without calls of which only the arrival was recorded.
fn answered(matches: impl Fn(&Value) -> bool) -> Vec<&'static Value> {
    last_stages(|event| matches(event) && !stage_is(event, &["RequestReceived"]))
}

fn ids(events: &[&'static Value]) -> Vec<&'static str> {
    let mut ids: Vec<_> = events.iter().map(|event| text(event, "/auditID")).collect();
    ids.sort_unstable();
    ids
}

fn verb_is(event: &Value, verbs: &[&str]) -> bool {
    verbs.contains(&text(event, "/verb"))
}

fn resource_is(event: &Value, resource: &str, subresource: &str) -> bool {
    text(event, "/objectRef/resource") == resource
        && text(event, "/objectRef/subresource") == subresource
}

fn has_group(user: &Value, group: &str) -> bool {
    user["groups"]
        .as_array()
        .is_some_and(|groups| groups.iter().any(|known| known == group))
}

#[track_caller]
fn newest_first(rows: &[Row], column: &str) {
    let ordered = rows
        .windows(2)
        .all(|pair| cell(&pair[0], column) >= cell(&pair[1], column));
    assert!(ordered, "not newest first by {column}");
}

/// The rows' audit IDs are those of the events, the latest row is first.
#[track_caller]
fn same(rows: &[Row], events: &[&'static Value]) {
    assert!(!events.is_empty(), "nothing recorded");
    assert_eq!(audit_ids(rows), ids(events));
    if rows[0].contains_key("time") {
        newest_first(rows, "time");
    }
}

/// The storyline's actor and audit ID of a step.
fn step(what: &str) -> (String, String) {
    let told: Value =
        serde_json::from_slice(&std::fs::read(recorded("storyline.json")).unwrap()).unwrap();
    let stories = told["stories"].as_array().unwrap();
    let mut steps = stories.iter().flat_map(|s| s["steps"].as_array().unwrap());
    let step = steps.find(|step| text(step, "/what") == what).expect(what);
    (
        text(step, "/user").to_owned(),
        text(step, "/auditID").to_owned(),
    )
}

/// Asks; the answer has the step of the storyline, and its actor did it.
#[track_caller]
fn names_actor(what: &str, name: &str, flags: &[&str]) -> Row {
    let (user, id) = step(what);
    let rows = ask(name, flags);
    let row = rows.iter().find(|row| cell(row, "audit_id") == id);
    let row = row.unwrap_or_else(|| panic!("{name} {flags:?} misses {what}"));
    assert_eq!(cell(row, "user"), user, "{what}");
    row.clone()
}

#[test]
fn each_question_names_the_actor_of_the_storyline() {
    let prod = [
        "--resource",
        "deployments",
        "-n",
        "prod",
        "--name",
        "checkout",
    ];
    names_actor("bob deploys checkout", "who-created", &prod);
    names_actor("bob recreates it", "who-created", &prod);
    let by_label = "ci-bot deletes by label: the real deletion; objectRef has no name";
    let row = names_actor(by_label, "who-deleted", &prod);
    assert_eq!(cell(&row, "target"), "collection");
    assert!(cell(&row, "request_uri").contains("labelSelector=release"));
    let row = names_actor("mallory tries to delete it (denied)", "who-deleted", &prod);
    assert_eq!(cell(&row, "outcome"), "denied_authz");
    let row = names_actor(
        "ci-bot dry-runs a delete (nothing happens)",
        "who-deleted",
        &prod,
    );
    assert_eq!(row["dry_run"], 1);
    names_actor(by_label, "why-deleted", &prod);

    let secret = ["-n", "prod", "--name", "db-creds"];
    let row = names_actor("reads prod db credentials", "who-read-secret", &secret);
    assert_eq!(cell(&row, "scope"), "secret");
    let all = "lists secrets of all namespaces";
    let row = names_actor(all, "who-read-secret", &secret);
    assert_eq!(cell(&row, "scope"), "all namespaces");
    let reused = "reads kube-system secrets REUSING the same Audit-ID, to be dropped by stores \
                  that de-duplicate on (auditID, stage)";
    names_actor(reused, "who-read-secret", &["-n", "kube-system"]);
    let later = "days-later stand-in: backdoor account reads secrets from another address";
    names_actor(later, "who-read-secret", &[]);
    names_actor(later, "all-by-source-ip", &["--source-ip", "203.0.113.200"]);

    let exec = "execs into it, reading the node's admin.conf";
    let row = names_actor(exec, "who-execd", &["-n", "payments"]);
    let argv = ["chroot", "/host", "cat", "/etc/kubernetes/admin.conf"];
    assert_eq!(row["command"], serde_json::json!(argv));
    assert_eq!(cell(&row, "container"), "sh");

    let thief = ["--user", "system:serviceaccount:payments:builder"];
    for what in [
        "asks what it may do",
        "tries to list nodes (denied)",
        "creates a privileged hostPath pod",
        "mints a long token for it",
        "deletes all events of the namespace",
        reused,
    ] {
        names_actor(what, "all-by-user", &thief);
    }
    let rows = ask(
        "touched-by",
        &[thief.as_slice(), &["--resource", "nodes", "--since", "all"]].concat(),
    );
    let listed = rows.iter().find(|row| row["verb"] == "list").unwrap();
    let outcomes = list(listed, "outcomes");
    assert!(outcomes.contains(&"denied_authz".to_owned()));
    assert!(outcomes.contains(&"success".to_owned()));
}

#[test]
fn who_created() {
    let made = |event: &Value| {
        text(event, "/objectRef/subresource").is_empty()
            && (verb_is(event, &["create"])
                || verb_is(event, &["update", "patch"]) && event["responseStatus"]["code"] == 201)
            && !text(event, "/objectRef/resource").is_empty()
    };
    let rows = ask("who-created", &["--resource", "*"]);
    same(&rows, &answered(made));
    let applied = rows.iter().filter(|row| row["verb"] == "patch").count();
    assert!(applied > 0, "no apply that made an object");

    // With generateName the name is in the answer only.
    let pod = Both::imported(&[&recorded("deletions.jsonl.zst")]);
    let rows = ask_of(
        &pod,
        "who-created",
        &["--name", "checkout-78777854cc-f5q4b"],
    );
    assert_eq!(
        cell(&rows[0], "user"),
        "system:serviceaccount:kube-system:replicaset-controller"
    );
}

#[test]
fn who_changed() {
    let written = |event: &Value, subresource: &str| {
        verb_is(event, &["update", "patch"]) && text(event, "/objectRef/subresource") == subresource
    };
    let rows = ask("who-changed", &[]);
    same(&rows, &answered(|event| written(event, "")));
    let rows = ask("who-changed", &["--subresource", "status"]);
    same(&rows, &answered(|event| written(event, "status")));
    let rows = ask(
        "who-changed",
        &["--user", "alice*", "--outcome", "!success"],
    );
    let refused = |event: &Value| {
        written(event, "")
            && text(event, "/user/username").starts_with("alice")
            && event["responseStatus"]["code"].as_u64() >= Some(400)
    };
    same(&rows, &answered(refused));
}

#[test]
fn sessions_are_one_row_each_whichever_stages_were_recorded() {
    for (name, subresource) in [
        ("who-execd", "exec"),
        ("who-attached", "attach"),
        ("who-port-forwarded", "portforward"),
        ("who-read-logs", "log"),
    ] {
        let calls = last_stages(|event| resource_is(event, "pods", subresource));
        let rows = ask(name, &[]);
        same(&rows, &calls);
        for row in &rows {
            let mut call = calls
                .iter()
                .filter(|event| text(event, "/auditID") == cell(row, "audit_id"))
                .filter(|event| text(event, "/requestReceivedTimestamp") == cell(row, "started"));
            let call = call.next().expect("a call that started then");
            let ended = stage_is(call, &["ResponseComplete", "Panic"]);
            let end = if ended {
                text(call, "/stageTimestamp")
            } else {
                ""
            };
            assert_eq!(cell(row, "ended"), end);
            let connected = stage_is(call, &["ResponseStarted"])
                && call["responseStatus"]["code"].as_u64() < Some(400);
            assert_eq!(row["open"], i32::from(connected));
            assert_eq!(row["user"], call["user"]["username"]);
        }
    }
    let open = ask("who-attached", &[]);
    assert!(open.iter().any(|row| row["open"] == 1), "no open session");
}

#[test]
fn who_read_secret() {
    let read = |event: &Value| {
        resource_is(event, "secrets", "") && verb_is(event, &["get", "list", "watch"])
    };
    same(&ask("who-read-secret", &[]), &answered(read));

    // One secret: what asked for it, for its namespace, or for all namespaces.
    let rows = ask("who-read-secret", &["-n", "payments", "--name", "db-creds"]);
    let may_show = |event: &Value| {
        let (namespace, name) = (
            text(event, "/objectRef/namespace"),
            text(event, "/objectRef/name"),
        );
        read(event)
            && ["payments", ""].contains(&namespace)
            && (name == "db-creds" || name.is_empty() && !verb_is(event, &["get"]))
    };
    same(&rows, &answered(may_show));
    for row in &rows {
        let scope = match (cell(row, "name"), cell(row, "namespace")) {
            ("", "") => "all namespaces",
            ("", _) => "namespace",
            _ => "secret",
        };
        assert_eq!(cell(row, "scope"), scope);
    }

    let rows = ask("who-read-secret", &["-n", "!*"]);
    same(
        &rows,
        &answered(|event| read(event) && text(event, "/objectRef/namespace").is_empty()),
    );
}

#[test]
fn all_by_whom_gives_each_request_once() {
    let user = |event: &Value, name: &str| {
        text(event, "/user/username") == name || text(event, "/impersonatedUser/username") == name
    };
    for name in [
        "helpdesk",
        "carol",
        "mallory",
        "system:serviceaccount:payments:app",
    ] {
        let rows = ask("all-by-user", &["--user", name]);
        same(&rows, &answered(|event| user(event, name)));
    }
    // Both at once is one row.
    let rows = ask("all-by-user", &["--user", "helpdesk,carol"]);
    let either = |event: &Value| user(event, "helpdesk") || user(event, "carol");
    same(&rows, &answered(either));
    // Who did something is left out by name, in whose name it was done is not.
    let rows = ask("all-by-user", &["--user", "!system:*"]);
    same(
        &rows,
        &answered(|event| !text(event, "/user/username").starts_with("system:")),
    );

    for address in ["203.0.113.50", "127.0.0.1", "5.6.7.8"] {
        let rows = ask("all-by-source-ip", &["--source-ip", address]);
        let from = |event: &Value| {
            let all = event["sourceIPs"].as_array();
            all.is_some_and(|all| all.iter().any(|known| known == address))
        };
        same(&rows, &answered(from));
    }
    let rows = ask("all-by-user-agent", &["--user-agent", "curl/*"]);
    let curl = |event: &Value| text(event, "/userAgent").starts_with("curl/");
    same(&rows, &answered(curl));

    for group in [
        "system:masters",
        "dev-team",
        "system:serviceaccounts:payments",
    ] {
        let rows = ask("all-by-group", &["--group", group]);
        let member = |event: &Value| {
            has_group(&event["user"], group) || has_group(&event["impersonatedUser"], group)
        };
        same(&rows, &answered(member));
    }
}

#[test]
fn unanswered_adds_calls_of_which_only_the_arrival_was_recorded() {
    let by = |event: &Value| text(event, "/user/username") == "mallory";
    let (all, answered) = (last_stages(by), answered(by));
    let arrival = |id: u32, verb: &str| {
        format!(
            r#"{{"level":"Metadata","auditID":"a-{id}","stage":"RequestReceived","requestURI":"/api/v1/namespaces/n/secrets/s","verb":"{verb}","user":{{"username":"eve"}},"objectRef":{{"resource":"secrets","namespace":"n","name":"s","apiVersion":"v1"}},"requestReceivedTimestamp":"2026-11-20T00:00:0{id}.000000Z","stageTimestamp":"2026-11-20T00:00:0{id}.000000Z"}}"#
        )
    };
    let rows = ask("all-by-user", &["--user", "mallory", "--unanswered"]);
    assert_eq!(audit_ids(&rows), ids(&all));
    assert!(all.len() >= answered.len());

    let both = Both::with_events(&[arrival(1, "get"), arrival(2, "delete"), arrival(3, "patch")]);
    for (name, flags) in [
        ("who-read-secret", vec![]),
        ("who-deleted", vec![]),
        ("who-changed", vec![]),
        ("all-by-user", vec!["--user", "eve"]),
    ] {
        assert_eq!(ask_of(&both, name, &flags).len(), 0, "{name}");
        let rows = ask_of(&both, name, &[flags, vec!["--unanswered"]].concat());
        assert!(!rows.is_empty(), "{name}");
        assert!(rows.iter().all(|row| cell(row, "outcome") == "pending"));
    }
}

#[test]
fn who_scaled_says_from_what_to_what() {
    let scale = |event: &Value| {
        text(event, "/objectRef/subresource") == "scale" && verb_is(event, &["update", "patch"])
    };
    let rows = ask("who-scaled", &["--since", "all"]);
    let by_subresource = rows.iter().filter(|row| row["subresource"] == "scale");
    let by_subresource: Vec<Row> = by_subresource.cloned().collect();
    same(&by_subresource, &answered(scale));
    for row in &by_subresource {
        let id = cell(row, "audit_id");
        let event = EVENTS
            .iter()
            .find(|event| event["auditID"] == id && stage_is(event, &["ResponseComplete"]))
            .unwrap();
        assert_eq!(
            row["to_replicas"],
            event["requestObject"]["spec"]["replicas"]
        );
    }

    let chain = Both::imported(&[&recorded("deletions.jsonl.zst")]);
    let rows = ask_of(
        &chain,
        "who-scaled",
        &[
            "--since", "all", "-n", "dev", "--name", "web-1", "--user", "alice*",
        ],
    );
    // Setting an image and restarting are changes of the deployment that scale nothing.
    assert_eq!(rows.len(), 1, "{rows:?}");
    let scaled = unpacked("deletions.jsonl.zst");
    let scaled = scaled
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice::<Value>(line).unwrap())
        .find(scale)
        .unwrap();
    assert_eq!(
        rows[0]["to_replicas"],
        scaled["requestObject"]["spec"]["replicas"]
    );
    assert_eq!(cell(&rows[0], "audit_id"), text(&scaled, "/auditID"));
}

#[test]
fn who_scaled_sees_replicas_in_updates_and_in_patches_of_both_shapes() {
    let write = |second: u32, verb: &str, code: u32, body: &str, answer: &str| {
        format!(
            r#"{{"level":"RequestResponse","auditID":"s-{second}","stage":"ResponseComplete","requestURI":"/apis/apps/v1/namespaces/n/deployments/web","verb":"{verb}","user":{{"username":"u{second}"}},"objectRef":{{"resource":"deployments","namespace":"n","name":"web","apiGroup":"apps","apiVersion":"v1"}},"responseStatus":{{"metadata":{{}},"code":{code}}},"requestObject":{body},"responseObject":{answer},"requestReceivedTimestamp":"2026-11-20T00:00:0{second}.000000Z","stageTimestamp":"2026-11-20T00:00:0{second}.000000Z"}}"#
        )
    };
    let answer = |spec: u32, status: u32| {
        format!(r#"{{"spec":{{"replicas":{spec}}},"status":{{"replicas":{status}}}}}"#)
    };
    let refused = r#"{"kind":"Status","status":"Failure","code":403}"#;
    let both = Both::with_events(&[
        write(
            1,
            "create",
            201,
            r#"{"spec":{"replicas":2}}"#,
            &answer(2, 0),
        ),
        write(
            2,
            "update",
            200,
            r#"{"spec":{"replicas":2,"paused":true}}"#,
            &answer(2, 1),
        ),
        write(
            3,
            "update",
            200,
            r#"{"spec":{"replicas":5}}"#,
            &answer(5, 2),
        ),
        write(
            4,
            "patch",
            200,
            r#"{"metadata":{"labels":{"a":"b"}}}"#,
            &answer(5, 3),
        ),
        write(
            5,
            "patch",
            200,
            r#"[{"op":"add","path":"/metadata/labels/a","value":"7"},{"op":"replace","path":"/spec/replicas","value":0}]"#,
            &answer(0, 5),
        ),
        write(6, "patch", 403, r#"{"spec":{"replicas":9}}"#, refused),
    ]);
    let rows = ask_of(&both, "who-scaled", &["--since", "all"]);
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            let number = |column: &str| row[column].as_i64().unwrap();
            let what = (number("from_replicas"), number("to_replicas"));
            (cell(row, "user"), what, cell(row, "outcome") == "success")
        })
        .collect();
    assert_eq!(
        told,
        [
            ("u6", (0, 9), false),
            ("u5", (5, 0), true),
            ("u3", (2, 5), true)
        ]
    );
    let rows = ask_of(&both, "who-scaled", &["--since", "all", "--user", "u5"]);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["from_replicas"], 5);
}
