//! Who deleted it, and who made a controller delete it.

use serde_json::Value;

use super::super::{Row, ask, ask_of, audit_ids, cell, recorded_ids, text};
use super::{answered, resource_is, same, stage_is, step, verb_is};
use crate::both::{Both, recorded, unpacked};

fn deletes(event: &Value) -> bool {
    verb_is(event, &["delete", "deletecollection"])
        && text(event, "/objectRef/subresource").is_empty()
        && !text(event, "/objectRef/resource").is_empty()
        || verb_is(event, &["create"]) && resource_is(event, "pods", "eviction")
}

#[test]
fn who_deleted() {
    let rows = ask("who-deleted", &["--resource", "*"]);
    same(&rows, &answered(deletes));
    let rows = ask(
        "who-deleted",
        &["--user", "mallory", "--outcome", "denied_*"],
    );
    let denied = |event: &Value| {
        deletes(event)
            && event["user"]["username"] == "mallory"
            && event["responseStatus"]["code"] == 403
    };
    assert_eq!(audit_ids(&rows), recorded_ids(denied));

    // By name: what named the object, and every collection that it may have been in.
    let flags = [
        "--resource",
        "deployments",
        "-n",
        "prod",
        "--name",
        "checkout",
    ];
    let may_be = |event: &Value| {
        deletes(event)
            && resource_is(event, "deployments", "")
            && text(event, "/objectRef/namespace") == "prod"
            && ["checkout", ""].contains(&text(event, "/objectRef/name"))
    };
    same(&ask("who-deleted", &flags), &answered(may_be));
}

/// An event of a request about an object, at a second of a minute.
fn event(second: u32, verb: &str, stage: &str, code: u32, uri: &str, object: &str) -> String {
    format!(
        r#"{{"level":"Metadata","auditID":"d-{second}","stage":"{stage}","requestURI":"{uri}","verb":"{verb}","user":{{"username":"u{second}"}},"objectRef":{{{object},"apiVersion":"v1"}},"responseStatus":{{"metadata":{{}},"code":{code}}},"requestReceivedTimestamp":"2026-11-20T00:00:{second:02}.000000Z","stageTimestamp":"2026-11-20T00:00:{second:02}.500000Z"}}"#
    )
}

/// Ways for the pod n/web-7d4f9-abc12 to go, recorded without bodies.
fn ways() -> Vec<String> {
    let end = "ResponseComplete";
    let pod = r#""resource":"pods","namespace":"n","name":"web-7d4f9-abc12""#;
    let path = "/api/v1/namespaces/n/pods/web-7d4f9-abc12";
    vec![
        event(1, "delete", end, 200, path, pod),
        event(
            2,
            "deletecollection",
            end,
            200,
            "/api/v1/namespaces/n/pods",
            r#""resource":"pods","namespace":"n""#,
        ),
        event(
            3,
            "deletecollection",
            end,
            200,
            "/api/v1/namespaces/m/pods",
            r#""resource":"pods","namespace":"m""#,
        ),
        event(
            4,
            "delete",
            end,
            200,
            "/api/v1/namespaces/n",
            r#""resource":"namespaces","namespace":"n","name":"n""#,
        ),
        event(
            5,
            "delete",
            end,
            200,
            "/api/v1/namespaces/m",
            r#""resource":"namespaces","namespace":"m","name":"m""#,
        ),
        event(
            6,
            "create",
            end,
            201,
            &format!("{path}/eviction"),
            &format!(r#"{pod},"subresource":"eviction""#),
        ),
        event(
            7,
            "delete",
            end,
            200,
            &format!("{path}/proxy/x"),
            &format!(r#"{pod},"subresource":"proxy""#),
        ),
        event(8, "delete", "ResponseStarted", 401, path, pod),
        event(
            9,
            "delete",
            end,
            200,
            "/apis/apps/v1/namespaces/n/replicasets/web-7d4f9",
            r#""resource":"replicasets","namespace":"n","name":"web-7d4f9""#,
        ),
        event(
            10,
            "delete",
            end,
            200,
            "/apis/apps/v1/namespaces/n/deployments/web",
            r#""resource":"deployments","namespace":"n","name":"web""#,
        ),
        event(
            11,
            "delete",
            end,
            200,
            "/api/v1/namespaces/n/configmaps/web",
            r#""resource":"configmaps","namespace":"n","name":"web""#,
        ),
        event(
            12,
            "deletecollection",
            end,
            200,
            "/apis/apps/v1/namespaces/n/deployments",
            r#""resource":"deployments","namespace":"n""#,
        ),
    ]
}

#[test]
fn who_deleted_marks_collections_and_namespaces_and_knows_what_is_no_deletion() {
    let both = Both::with_events(&ways());
    let told = |flags: &[&str]| -> Vec<String> {
        let rows = ask_of(&both, "who-deleted", flags);
        let short = |row: &Row| format!("{} {}", cell(row, "user"), cell(row, "target"));
        rows.iter().map(short).collect()
    };
    let pod = ["--resource", "pods", "-n", "n", "--name", "web-7d4f9-abc12"];
    assert_eq!(
        told(&pod),
        [
            "u8 object",
            "u6 eviction",
            "u4 namespace",
            "u2 collection",
            "u1 object"
        ]
    );
    // Each once, also when the filters let the namespace and the collections in themselves.
    assert_eq!(
        told(&["-n", "n"]),
        [
            "u12 collection",
            "u11 object",
            "u10 object",
            "u9 object",
            "u8 object",
            "u6 eviction",
            "u4 namespace",
            "u2 collection",
            "u1 object"
        ]
    );
    assert_eq!(
        told(&["--resource", "pods", "--name", "!x", "-n", "m"]),
        ["u5 namespace", "u3 collection"]
    );
    assert_eq!(
        told(&["--resource", "namespaces", "-n", "n", "--name", "n"]),
        ["u4 namespace"]
    );
}

/// The user, what they did and how it is known, newest first.
fn causes(both: &Both, flags: &[&str]) -> Vec<[String; 3]> {
    let rows = ask_of(both, "why-deleted", flags);
    rows.iter()
        .map(|row| ["user", "what", "known_by"].map(|column| cell(row, column).to_owned()))
        .collect()
}

#[test]
fn why_deleted_goes_from_the_garbage_collector_to_the_label_that_ci_bot_deleted_by() {
    let both = Both::imported(&[&recorded("deletions.jsonl.zst")]);
    let flags = [
        "--resource",
        "pods",
        "-n",
        "prod",
        "--name",
        "checkout-78777854cc-f5q4b",
    ];
    let collector = "system:serviceaccount:kube-system:generic-garbage-collector";
    let collection = "deleted a collection that its owner may have been in";
    assert_eq!(
        causes(&both, &flags),
        [
            ["system:node:node-3", "deleted it", "name"],
            ["system:node:node-3", "deleted it", "name"],
            [collector, "deleted it", "name"],
            [collector, "deleted its owner", "owner reference"],
            ["ci-bot", collection, "owner reference"],
            ["mallory", "deleted its owner", "owner reference"],
            ["ci-bot", "deleted its owner", "owner reference"],
        ]
    );
    let rows = ask_of(&both, "why-deleted", &flags);
    let people: Vec<&Row> = rows.iter().filter(|row| row["controller"] == 0).collect();
    let (user, id) = step("ci-bot deletes by label: the real deletion; objectRef has no name");
    assert_eq!(cell(people[0], "user"), user);
    assert_eq!(cell(people[0], "audit_id"), id);
    assert_eq!(cell(people[1], "outcome"), "denied_authz");
    assert_eq!(people[2]["dry_run"], 1);

    // The causes lie before the deletion, by no more than asked.
    let close = [&flags[..], &["--within", "200ms"]].concat();
    assert_eq!(ask_of(&both, "why-deleted", &close).len(), 5);
}

#[test]
fn why_deleted_sees_who_scaled_down_and_who_evicted() {
    let both = Both::imported(&[&recorded("deletions.jsonl.zst")]);
    let flags = ["-n", "dev", "--name", "web-1-846cdb6d84-7phjn"];
    let told = causes(&both, &flags);
    let by_alice: Vec<_> = told
        .iter()
        .filter(|row| row[0].starts_with("alice"))
        .collect();
    assert_eq!(by_alice.len(), 1, "{told:?}");
    assert_eq!(by_alice[0][1], "changed its owner");

    let flags = ["-n", "prod", "--name", "checkout-78777854cc-lmkpz"];
    let told = causes(&both, &flags);
    assert!(
        told.contains(&["bob", "evicted it", "name"].map(str::to_owned)),
        "{told:?}"
    );
}

#[test]
fn why_deleted_guesses_owners_from_names_where_bodies_were_not_recorded() {
    let without_bodies = unpacked("deletions.jsonl.zst")
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut event: Value = serde_json::from_slice(line).unwrap();
            let members = event.as_object_mut().unwrap();
            members.remove("requestObject");
            members.remove("responseObject");
            members.insert("level".into(), "Metadata".into());
            assert!(stage_is(&event, &["ResponseComplete"]));
            event.to_string()
        })
        .collect::<Vec<_>>();
    let both = Both::with_events(&without_bodies);
    let flags = [
        "--resource",
        "pods",
        "-n",
        "prod",
        "--name",
        "checkout-78777854cc-f5q4b",
    ];
    let told = causes(&both, &flags);
    let collection = "deleted a collection that its owner may have been in";
    let guessed = ["ci-bot", collection, "guess from the name"].map(str::to_owned);
    assert!(told.contains(&guessed), "{told:?}");

    let both = Both::with_events(&ways());
    // A pod that nothing but its own requests names; it went at second 1, or what came later.
    let flags = ["--resource", "pods", "-n", "n", "--name", "web-7d4f9-abc12"];
    let rows = ask_of(&both, "why-deleted", &flags);
    assert_eq!(audit_ids(&rows), ["d-1", "d-6", "d-8"]);
    let later = [&flags[..], &["--since", "2026-11-20T00:00:02Z"]].concat();
    assert_eq!(
        audit_ids(&ask_of(&both, "why-deleted", &later)),
        ["d-10", "d-12", "d-2", "d-4", "d-6", "d-8", "d-9"]
    );
}
