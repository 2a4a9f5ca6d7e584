//! What is counted per identity.

use std::collections::{BTreeMap, BTreeSet};

use super::super::plain::succeeded;
use super::super::{EVENTS, ask, cell, list, text};
use super::{answered, newest_first, stage_is};

#[test]
fn first_last_seen() {
    let mut seen: BTreeMap<(&str, &str), (u64, &str, &str)> = BTreeMap::new();
    for event in EVENTS.iter() {
        let addresses: BTreeSet<&str> = event["sourceIPs"]
            .as_array()
            .map(|all| all.iter().filter_map(|address| address.as_str()).collect())
            .unwrap_or_default();
        let mut identities = vec![
            ("user", text(event, "/user/username")),
            ("user_agent", text(event, "/userAgent")),
        ];
        identities.extend(addresses.into_iter().map(|address| ("source_ip", address)));
        let at = text(event, "/stageTimestamp");
        for identity in identities {
            if identity.1.is_empty() {
                continue;
            }
            let entry = seen.entry(identity).or_insert((0, at, at));
            *entry = (entry.0 + 1, entry.1.min(at), entry.2.max(at));
        }
    }
    let rows = ask("first-last-seen", &[]);
    newest_first(&rows, "last_seen");
    let told: BTreeMap<(&str, &str), (u64, &str, &str)> = rows
        .iter()
        .map(|row| {
            let times = (cell(row, "first_seen"), cell(row, "last_seen"));
            (
                (cell(row, "kind"), cell(row, "identity")),
                (row["events"].as_u64().unwrap(), times.0, times.1),
            )
        })
        .collect();
    assert_eq!(told.len(), rows.len());
    assert_eq!(told, seen);

    let rows = ask(
        "first-last-seen",
        &["--identity", "system:serviceaccount:*", "--kind", "user"],
    );
    let accounts = seen.keys().filter(|(kind, identity)| {
        *kind == "user" && identity.starts_with("system:serviceaccount:")
    });
    assert_eq!(rows.len(), accounts.count());
    let addresses = ask("first-last-seen", &["--identity", "203.0.113.*"]);
    assert!(addresses.iter().all(|row| row["kind"] == "source_ip"));
    assert!(!addresses.is_empty());
}

#[test]
fn touched_by() {
    let mut panicked = 0;
    // Who did something is left out by name, in whose name it was done is not.
    for user in [
        "mallory",
        "carol",
        "system:anonymous",
        "monitoring",
        "!system:*",
    ] {
        let own = |event: &serde_json::Value| {
            let name = text(event, "/user/username");
            if user == "!system:*" {
                return !name.starts_with("system:");
            }
            name == user || text(event, "/impersonatedUser/username") == user
        };
        type Object = [String; 5];
        let mut touched: BTreeMap<Object, (u64, u64, &str, &str)> = BTreeMap::new();
        for event in answered(own) {
            let part = |pointer: &str| text(event, pointer).to_owned();
            let mut name = part("/objectRef/name");
            let resource = part("/objectRef/resource");
            if resource.is_empty() {
                let uri = text(event, "/requestURI");
                name = uri.split('?').next().unwrap().to_owned();
            } else if name.is_empty() && text(event, "/verb") == "create" {
                // The name of a new object is in a body.
                let bodies = [
                    "/requestObject/metadata/name",
                    "/responseObject/metadata/name",
                ];
                let mut named = bodies.into_iter().map(part);
                name = named.find(|name| !name.is_empty()).unwrap_or_default();
            }
            let object = [
                part("/verb"),
                resource,
                part("/objectRef/subresource"),
                part("/objectRef/namespace"),
                name,
            ];
            // A call that goes on was answered when it started.
            let started = EVENTS.iter().filter(|other| {
                stage_is(other, &["ResponseStarted"]) && other["auditID"] == event["auditID"]
            });
            let at = text(event, "/stageTimestamp");
            let first = started.map(|other| text(other, "/stageTimestamp"));
            let first = first.min().unwrap_or(at).min(at);
            // What panicked later did not go well, however it was answered at first.
            let well = u64::from(succeeded(event) && !stage_is(event, &["Panic"]));
            panicked += u64::from(stage_is(event, &["Panic"]) && first < at);
            let entry = touched.entry(object).or_insert((0, 0, first, at));
            *entry = (
                entry.0 + 1,
                entry.1 + well,
                entry.2.min(first),
                entry.3.max(at),
            );
        }
        let rows = ask("touched-by", &["--user", user, "--since", "all"]);
        newest_first(&rows, "last_time");
        let told: BTreeMap<Object, (u64, u64, &str, &str)> = rows
            .iter()
            .map(|row| {
                let part = |column| cell(row, column).to_owned();
                let count = |column: &str| row[column].as_u64().unwrap();
                let (first, last) = (cell(row, "first_time"), cell(row, "last_time"));
                (
                    ["verb", "resource", "subresource", "namespace", "name"].map(part),
                    (count("requests"), count("succeeded"), first, last),
                )
            })
            .collect();
        assert_eq!(told, touched, "{user}");
        assert_eq!(told.len(), rows.len());
    }
    assert!(panicked > 0, "nothing panicked after it was answered");
    let rows = ask("touched-by", &["--user", "carol", "--since", "all"]);
    let by_others = |row: &super::Row| list(row, "users").contains(&"helpdesk".to_owned());
    assert!(rows.iter().any(by_others), "nobody impersonated carol");
}
