//! What belongs to *an incident* without naming what was asked for: collections, what armed
//! accounts read, where requests came from; and what only looks as if it did.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::super::made::{made, store_of};
use super::super::{ask, ask_of, cell, list, text};
use super::{AGENT, THIEF, THIEF_AT, by_or_as, ordered_ids, requests, sorted_ids, steps};

#[test]
fn only_what_the_same_user_created_counts_as_its_trace() {
    let pod = |name: &str, user: &str, uri: &str, code: u16| {
        json!({"objectRef": {"resource": "pods", "namespace": "ns", "name": name},
            "user": {"username": user}, "requestURI": uri,
            "responseStatus": {"metadata": {}, "code": code}})
    };
    let dry = "/api/v1/namespaces/ns/pods?dryRun=All";
    let both = store_of(&[
        made(1, "delete", pod("p", "alice", "/p", 200)),
        made(2, "create", pod("p", "alice", "/p", 201)),
        made(3, "delete", pod("p", "alice", dry, 200)),
        made(4, "delete", pod("p", "alice", "/p", 403)),
        made(5, "delete", pod("p", "alice", "/p", 200)),
        made(6, "create", pod("tried", "alice", dry, 201)),
        made(7, "delete", pod("tried", "alice", "/p", 200)),
        made(8, "create", pod("bobs", "bob", "/p", 201)),
        made(9, "delete", pod("bobs", "alice", "/p", 200)),
        made(10, "delete", pod("bobs", "mallory", "/p", 403)),
    ]);
    let expected = [
        ("made-4", "tried to delete what it had created"),
        ("made-5", "deleted what it had created"),
    ];
    for flags in [["--user", "alice"], ["-n", "ns"]] {
        let rows = ask_of(&both, "incident-traces", &flags);
        let given: Vec<_> = rows
            .iter()
            .map(|row| (cell(row, "audit_id"), cell(row, "why")))
            .collect();
        assert_eq!(given, expected, "{flags:?}");
    }

    let deployments = ["--resource", "deployments", "-n", "prod", "--since", "all"];
    let accused = ask("incident-traces", &deployments);
    assert!(accused.is_empty(), "{accused:?}");
}

#[test]
fn a_named_object_has_the_collections_that_may_have_held_it() {
    const DEPLOYMENT: &[&str] = &["--resource", "deployments", "-n", "prod"];
    let flags = [DEPLOYMENT, &["--name", "checkout", "--since", "all"]].concat();
    let collections = requests(|event| {
        text(event, "/verb") == "deletecollection"
            && text(event, "/objectRef/resource") == "deployments"
            && text(event, "/objectRef/namespace") == "prod"
    });
    assert!(!collections.is_empty());
    let rows = ask("incident-timeline", &flags);
    let marked: Vec<_> = rows
        .iter()
        .filter(|row| cell(row, "what").ends_with(", which may include checkout"))
        .collect();
    let ids: BTreeSet<_> = marked.iter().map(|row| cell(row, "audit_id")).collect();
    assert_eq!(ids, sorted_ids(&collections).into_iter().collect());
    assert_eq!(
        cell(marked[0], "what"),
        "delete all deployments in namespace prod, which may include checkout"
    );
    let objects = ask("incident-objects", &flags);
    let whole = objects.iter().find(|row| row["name"].is_null()).unwrap();
    assert_eq!(list(whole, "verbs"), ["deletecollection"]);
    assert_eq!(whole["requests"].as_u64(), Some(collections.len() as u64));

    // Only in the namespace, of the resource and by the user that were asked for.
    let scoped = |resource: &str, namespace: &str| {
        let mut object = json!({"resource": resource, "apiVersion": "v1"});
        if !namespace.is_empty() {
            object["namespace"] = json!(namespace);
        }
        json!({"objectRef": object})
    };
    let mut impersonating = scoped("secrets", "ns");
    impersonating["user"] = json!({"username": "bob"});
    impersonating["impersonatedUser"] = json!({"username": "alice"});
    let mut others = scoped("secrets", "ns");
    others["user"] = json!({"username": "bob"});
    let both = store_of(&[
        made(1, "list", scoped("secrets", "")),
        made(2, "watch", scoped("secrets", "ns")),
        made(3, "list", scoped("secrets", "elsewhere")),
        made(4, "list", scoped("pods", "ns")),
        made(5, "deletecollection", scoped("secrets", "ns")),
        made(6, "deletecollection", scoped("secrets", "elsewhere")),
        made(7, "list", impersonating),
        made(8, "list", others),
    ]);
    let asked = ["--resource", "secrets", "-n", "ns", "--name", "s"];
    let all = ["made-1", "made-2", "made-5", "made-7", "made-8"];
    assert_eq!(
        ordered_ids(&ask_of(&both, "incident-timeline", &asked)),
        all
    );
    let alice = [&asked[..], &["--user", "alice"]].concat();
    assert_eq!(
        ordered_ids(&ask_of(&both, "incident-timeline", &alice)),
        all[..4]
    );
    let rows = ask_of(&both, "incident-objects", &alice);
    let requests = rows.iter().map(|row| row["requests"].as_u64().unwrap());
    assert_eq!(requests.sum::<u64>(), 4, "{rows:?}");
    // A name with ! holds what has none, once.
    let not = ["--resource", "secrets", "-n", "ns", "--name", "!other"];
    let rows = ask_of(&both, "incident-timeline", &not);
    assert_eq!(ordered_ids(&rows), all[1..]);
}

#[test]
fn a_named_secret_has_the_lists_that_exposed_it() {
    let builders = steps("compromised-sa");
    let flags = ["--resource", "secrets", "-n", "prod", "--name", "db-creds"];
    let flags = [&flags[..], &["--since", "all"]].concat();
    let timeline = ask("incident-timeline", &flags);
    let listed = timeline.iter().find(|row| row["audit_id"] == builders[1]);
    assert_eq!(
        cell(listed.unwrap(), "what"),
        "list secrets cluster-wide, which may include db-creds"
    );
    let by_thief = [&flags[..], &["--source-ip", "198.51.100.23"]].concat();
    let rows = ask("incident-secrets", &by_thief);
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(cell(row, "name"), "db-creds");
    assert_eq!(row["requests"], 2);
    assert_eq!(cell(row, "a_request"), builders[1]);
    let ways: BTreeSet<_> = list(row, "ways").into_iter().collect();
    assert_eq!(ways, BTreeSet::from(["get".to_owned(), "list".to_owned()]));
}

#[test]
fn secrets_that_armed_accounts_read_are_exposed() {
    let rows = ask("incident-secrets", THIEF_AT);
    let by_armed = rows
        .iter()
        .filter(|row| list(row, "armed_users") == [AGENT]);
    // All but the namespace that only the thief had listed, and of which no secret is known.
    assert_eq!(by_armed.count(), rows.len() - 1);

    let at = |resource: &str, name: &str, user: &str| {
        json!({"objectRef": {"resource": resource, "namespace": "ns", "name": name},
            "user": {"username": user}})
    };
    let robot = "system:serviceaccount:ns:robot";
    let both = store_of(&[
        made(1, "get", at("secrets", "before", robot)),
        made(2, "create", at("serviceaccounts", "robot", "alice")),
        made(3, "get", at("secrets", "after", robot)),
        made(4, "get", at("secrets", "bobs", "bob")),
        made(5, "get", at("secrets", "own", "alice")),
    ]);
    let rows = ask_of(&both, "incident-secrets", &["--user", "alice"]);
    let given: Vec<_> = rows
        .iter()
        .map(|row| (cell(row, "name"), list(row, "armed_users")))
        .collect();
    assert_eq!(
        given,
        [("after", vec![robot.to_owned()]), ("own", Vec::new())]
    );
    // The filter is the binding's or account's, not the secret's.
    let account = ["--resource", "serviceaccounts", "--name", "robot"];
    let rows = ask_of(&both, "incident-secrets", &account);
    assert_eq!(cell(&rows[0], "name"), "after");
}

#[test]
fn incident_origins() {
    let rows = ask("incident-origins", &["--user", THIEF, "--since", "all"]);
    let mut expected: BTreeMap<[&str; 2], u64> = BTreeMap::new();
    for event in requests(|event| by_or_as(event, THIEF) && event["stage"] != "RequestReceived") {
        let from = [text(event, "/sourceIPs/0"), text(event, "/userAgent")];
        *expected.entry(from).or_default() += 1;
    }
    let mut given: BTreeMap<[&str; 2], u64> = BTreeMap::new();
    for row in &rows {
        let from = [cell(row, "client_ip"), cell(row, "user_agent")];
        *given.entry(from).or_default() += row["requests"].as_u64().unwrap();
    }
    assert!(expected.len() > 1, "{expected:?}");
    assert_eq!(given, expected);
}
