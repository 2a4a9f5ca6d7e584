//! The reports about access, an incident and a person, through the real binary, with their figures
//! counted again from the raw lines.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::access::THIEF;
use super::incident::{requests, steps};
use super::made::{made, store_of};
use super::{EVENTS, Row, STORE, text};
use crate::both::Both;
use crate::support::{Run, local};

const THIEF_AT: &[&str] = &["--source-ip", "198.51.100.23"];
const USER: &str = "/user/username";
const AS: &str = "/impersonatedUser/username";

fn report(both: &Both, name: &str, form: &str, flags: &[&str]) -> Run {
    let args = [&[name, "-o", form], flags].concat();
    local(both.data(), "report", &args)
}

/// The report as JSON, over all that the store holds.
#[track_caller]
fn made_of(both: &Both, name: &str, flags: &[&str]) -> Value {
    let flags = [&["--since", "all"], flags].concat();
    let run = report(both, name, "json", &flags).expect(0);
    serde_json::from_slice(&run.stdout).unwrap()
}

fn control<'a>(made: &'a Value, id: &str) -> &'a Value {
    let mut controls = made["controls"].as_array().unwrap().iter();
    controls.find(|control| control["id"] == id).unwrap()
}

/// The rows of a control's evidence, of which none was left out.
#[track_caller]
fn rows(made: &Value, id: &str, number: usize) -> Vec<Row> {
    let evidence = &control(made, id)["evidence"][number];
    let names: Vec<_> = evidence["columns"].as_array().unwrap().iter().collect();
    let shown = evidence["rows"].as_array().unwrap();
    assert_eq!(evidence["row_count"], shown.len(), "{id}");
    let row = |cells: &Value| {
        let cells = cells.as_array().unwrap().iter();
        let named = names.iter().zip(cells);
        let named = named.map(|(column, cell)| {
            let name = column["name"].as_str().or(column.as_str()).unwrap();
            (name.to_owned(), cell.clone())
        });
        named.collect::<Row>()
    };
    shown.iter().map(row).collect()
}

fn texts<'a>(rows: &'a [Row], column: &str) -> Vec<&'a str> {
    rows.iter().map(|row| super::cell(row, column)).collect()
}

fn sum(rows: &[Row], column: &str) -> u64 {
    rows.iter().map(|row| row[column].as_u64().unwrap()).sum()
}

fn answered(event: &Value) -> bool {
    event["stage"] != "RequestReceived"
}

fn ended(event: &Value) -> bool {
    ["ResponseComplete", "Panic"].contains(&text(event, "/stage"))
}

#[test]
fn an_incident_shows_the_recorded_steps_in_order() {
    let store = STORE.get();
    let all = steps("compromised-sa");
    let (last, by_thief) = all.split_last().unwrap();
    let made = made_of(&store, "incident", THIEF_AT);
    assert_eq!(texts(&rows(&made, "timeline", 0), "audit_id"), by_thief);
    assert_eq!(texts(&rows(&made, "followed", 0), "audit_id"), [last]);
    assert_eq!(
        texts(&rows(&made, "traces", 0), "audit_id"),
        all[15..20].iter().collect::<Vec<_>>()
    );
    let there = requests(|event| event["sourceIPs"][0] == "198.51.100.23" && answered(event));
    let objects = rows(&made, "objects", 0);
    assert_eq!(sum(&objects, "requests"), there.len() as u64);
    let refused = there
        .iter()
        .filter(|event| event["responseStatus"]["code"] == 403);
    assert_eq!(sum(&objects, "refused"), refused.count() as u64);
    let granted = rows(&made, "rights", 0);
    let used = EVENTS.iter().filter(|event| {
        let reason = text(event, "/annotations/authorization.k8s.io~1reason");
        let bound = ["system:metrics-sync", "system:sync-agent"];
        ended(event) && bound.iter().any(|name| reason.contains(name))
    });
    assert_eq!(sum(&granted, "calls"), used.count() as u64);
    let minted = rows(&made, "credentials", 0);
    let expected = there.iter().filter(|event| {
        event["annotations"]["authentication.kubernetes.io/issued-credential-id"].is_string()
    });
    assert_eq!(minted.len(), expected.count());
    assert_eq!(rows(&made, "pods", 0).len(), 2);
    let secrets = rows(&made, "secrets", 0);
    let named: BTreeSet<_> = secrets
        .iter()
        .map(|row| (super::cell(row, "namespace"), super::cell(row, "name")))
        .collect();
    assert!(named.contains(&("prod", "db-creds")) && named.contains(&("kube-system", "")));

    // Also for people to read.
    let flags = [&["--since", "all"], THIEF_AT].concat();
    let run = report(&store, "incident", "md", &flags).expect(0);
    let shown = run.text();
    let mut at = 0;
    for id in by_thief {
        let next = shown[at..].find(id.as_str());
        at += next.unwrap_or_else(|| panic!("{id} is not in its place")) + id.len();
    }
    // Without any actor there is nothing to tell of.
    report(&store, "incident", "json", &["--since", "all"]).expect(2);
}

#[test]
fn a_subject_access_report_counts_what_is_kept_about_a_person() {
    let store = STORE.get();
    let person = ["--person", "mallory,203.0.113.50"];
    let made = made_of(&store, "subject-access", &person);
    let hers = requests(|event| text(event, USER) == "mallory" || text(event, AS) == "mallory");
    let found = rows(&made, "15-found", 0);
    let acted: Vec<_> = found
        .into_iter()
        .filter(|row| row["found_as"] == "acting user")
        .collect();
    let seen = hers.iter().filter(|event| answered(event)).count() as u64;
    assert_eq!(sum(&acted, "requests"), seen);
    assert_eq!(sum(&rows(&made, "15-origins", 0), "requests"), seen);
    let activity = &control(&made, "15-activity")["evidence"];
    assert_eq!(activity[1]["row_count"], seen);
    let lines = crate::both::unpacked("recorded.jsonl.zst");
    let lines = lines.split(|&byte| byte == b'\n');
    let mentions = lines.zip(EVENTS.iter()).filter(|(line, event)| {
        let line = String::from_utf8_lossy(line);
        text(event, USER) != "mallory" && line.contains("mallory")
    });
    let others = rows(&made, "15-mentions", 0);
    let hers: Vec<_> = others
        .into_iter()
        .filter(|row| row["identifier"] == "mallory")
        .collect();
    assert_eq!(sum(&hers, "events"), mentions.count() as u64);
    assert!(control(&made, "16 and 17")["verdict"].is_null());

    let quick = [&person[..], &["--indexed-only"]].concat();
    let made = made_of(&store, "subject-access", &quick);
    assert!(rows(&made, "15-mentions", 0).is_empty());
    let refused = report(&store, "subject-access", "json", &[]).expect(2);
    assert!(refused.stderr.contains("--person"), "{}", refused.stderr);
}

/// Figures in sentences are of requests that ended, and say so; tables count what goes on, too.
#[test]
fn sentences_say_that_they_count_what_ended() {
    let address = json!({"sourceIPs": ["203.0.113.9"], "user": {"username": "mallory"}});
    let at = |n: u64, stage: &str, verb: &str, change: Value| {
        let mut event = made(n, verb, address.clone());
        event["stage"] = json!(stage);
        for (key, value) in change.as_object().unwrap() {
            event[key] = value.clone();
        }
        event
    };
    let nobody = json!({"user": null, "responseStatus": {"metadata": {}, "code": 401}});
    let store = store_of(&[
        at(1, "ResponseComplete", "get", json!({})),
        at(2, "ResponseComplete", "delete", json!({})),
        at(3, "ResponseStarted", "watch", json!({})),
        // Who is not let in has an answer that only begins.
        at(4, "ResponseStarted", "get", nobody),
    ]);
    let why = |made: &Value, id: &str| control(made, id)["verdict"]["why"].clone();
    let person = made_of(
        &store,
        "subject-access",
        &["--person", "mallory,203.0.113.9"],
    );
    let told = why(&person, "15-found");
    let told = told.as_str().unwrap();
    assert!(
        told.starts_with("requests that ended: 2 by users of these names in the"),
        "{told}"
    );
    assert!(
        told.ends_with(", 0 in such a name; 3 from these addresses, users: 1"),
        "{told}"
    );
    let found = rows(&person, "15-found", 0);
    let as_whom = |what: &str| {
        let rows = found.iter().filter(|row| row["found_as"] == what).cloned();
        sum(&rows.collect::<Vec<_>>(), "requests")
    };
    assert_eq!((as_whom("acting user"), as_whom("address")), (3, 4));

    let incident = made_of(&store, "incident", &["--user", "mallory"]);
    assert_eq!(
        why(&incident, "origins"),
        "requests that ended: 2; by mallory"
    );
    assert_eq!(sum(&rows(&incident, "origins", 0), "requests"), 3);
    let told = why(&incident, "timeline");
    let told = told.as_str().unwrap();
    let ended =
        ", of requests that ended: reads: 1; requests to change something: 1, successful: 1;";
    assert!(told.contains(ended), "{told}");
    assert_eq!(rows(&incident, "timeline", 0).len(), 3);
}

#[test]
fn an_access_review_counts_uses() {
    let store = STORE.get();
    let made = made_of(&store, "access-review", &[]);
    let allowed = EVENTS.iter().filter(|event| {
        ended(event) && text(event, "/annotations/authorization.k8s.io~1decision") == "allow"
    });
    assert_eq!(
        sum(&rows(&made, "used", 0), "calls"),
        allowed.count() as u64
    );

    let is_master = |groups: &Value| {
        let groups = groups.as_array();
        groups.is_some_and(|groups| groups.contains(&json!("system:masters")))
    };
    let lent = |event: &&Value| {
        is_master(&event["impersonatedUser"]["groups"]) && !is_master(&event["user"]["groups"])
    };
    let masters = |event: &&Value| {
        let own = is_master(&event["user"]["groups"]) && text(event, USER) != "system:apiserver";
        (own || lent(event)) && ended(event)
    };
    let calls = EVENTS.iter().filter(masters);
    let (all, lent) = (calls.clone().count(), calls.filter(lent).count());
    let verdict = &control(&made, "masters")["verdict"];
    assert_eq!(verdict["verdict"], "not met");
    let why = format!(
        "{all} requests as members of system:masters other than the apiserver itself, {lent} of them by impersonation, "
    );
    assert!(
        verdict["why"].as_str().unwrap().starts_with(&why),
        "{verdict}"
    );

    let asked = EVENTS
        .iter()
        .filter(|event| text(event, USER) == "system:anonymous" && ended(event));
    let asked: Vec<_> = asked.collect();
    let harmless = ["/healthz", "/livez", "/readyz", "/version"];
    let answered = |event: &&&Value| {
        let path = text(event, "/requestURI").split('?').next().unwrap();
        event["responseStatus"]["code"].as_u64() < Some(400)
            && (event["objectRef"].is_object() || !harmless.contains(&path))
    };
    assert_eq!(asked.iter().filter(answered).count(), 0);
    let refused = asked
        .iter()
        .filter(|event| event["responseStatus"]["code"] == 403);
    let verdict = &control(&made, "anonymous")["verdict"];
    assert_eq!(verdict["verdict"], "met");
    let why = format!(
        "of {} requests of system:anonymous 0 were answered with objects of the API, 0 with paths beside health and version, and {} were refused; ",
        asked.len(),
        refused.count()
    );
    assert!(
        verdict["why"].as_str().unwrap().starts_with(&why),
        "{verdict}"
    );

    let accounts = rows(&made, "service-accounts", 0);
    let users: BTreeSet<_> = EVENTS.iter().map(|event| text(event, USER)).collect();
    let accounts: BTreeSet<_> = accounts
        .iter()
        .filter(|row| !row["last_hour"].is_null())
        .map(|row| super::cell(row, "user"))
        .collect();
    let expected = users
        .into_iter()
        .filter(|user| user.starts_with("system:serviceaccount:"));
    assert_eq!(accounts, expected.collect());
}

#[test]
fn an_access_review_judges_idleness_only_when_it_can() {
    let at = |user: &str, time: &str| {
        json!({"user": {"username": user}, "requestReceivedTimestamp": time,
            "stageTimestamp": time})
    };
    let both = store_of(&[
        made(1, "get", at("old", "2020-01-01T01:30:00.000000Z")),
        made(2, "get", at("busy", "2020-01-02T11:30:00.000000Z")),
    ]);
    for (idle, verdict, why) in [
        (
            "20h",
            "not met",
            "1 of 2 identities were not used since 2020-01-01 16:00:00 UTC",
        ),
        ("34h", "met", "0 of 2"),
        (
            "90d",
            "not enough data",
            "0 of 2 identities were not used since 2019-10-04 12:00:00 UTC; no event is that old",
        ),
    ] {
        let until = ["--until", "2020-01-02T12:00:00Z", "--idle", idle];
        let made = made_of(&both, "access-review", &until);
        let given = &control(&made, "idle")["verdict"];
        assert_eq!(given["verdict"], verdict, "{idle}: {given}");
        assert!(given["why"].as_str().unwrap().starts_with(why), "{given}");
    }
}

#[test]
fn a_review_of_privileges_counts_their_uses() {
    let store = STORE.get();
    let made = made_of(&store, "privileged-access", &[]);
    let overview = rows(&made, "overview", 0);
    let mut given: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &overview {
        let counts = ["calls", "refused", "failed"].map(|at| row[at].as_u64().unwrap());
        *given.entry(super::cell(row, "privilege")).or_default() += counts.iter().sum::<u64>();
    }
    let at = |resource: &str, subresource: &str| {
        let there = |event: &Value| {
            answered(event)
                && text(event, "/objectRef/resource") == resource
                && text(event, "/objectRef/subresource") == subresource
        };
        requests(there).len() as u64
    };
    assert_eq!(given["exec"], at("pods", "exec"));
    assert_eq!(given["attach"], at("pods", "attach"));
    assert_eq!(given["token request"], at("serviceaccounts", "token"));
    let became = requests(|event| {
        event["impersonatedUser"].is_object()
            || text(event, "/responseStatus/message").contains("\" cannot impersonate")
    });
    assert_eq!(given["impersonation"], became.len() as u64);
    let read = |event: &Value| {
        answered(event)
            && text(event, "/objectRef/resource") == "secrets"
            && ["get", "list", "watch"].contains(&text(event, "/verb"))
    };
    assert_eq!(given["secret read"], requests(read).len() as u64);
    let by_people = requests(|event| read(event) && !text(event, USER).starts_with("system:"));
    let evidence = &control(&made, "secrets")["evidence"][1];
    assert_eq!(evidence["row_count"], by_people.len());
    let admins = rows(&made, "cluster-admin", 0);
    assert!(texts(&admins, "user").contains(&THIEF));
}
