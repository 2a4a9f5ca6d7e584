//! Every report of a framework, made of the recorded events; its verdicts, their figures and the
//! rows of its evidence counted again from the raw lines.

mod rows;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::both::{Both, Shared, recorded};
use crate::questions::plain::{
    READS, WRITES, admin_by, class, code, count, ended, group, level, object, resource,
    subresource, succeeded, user, verb,
};
use crate::questions::{EVENTS, text};
use crate::support::local;

/// A store of the recorded events, in many segments.
static STORE: Shared = Shared::new(|| {
    Both::imported_with(
        &[&recorded("recorded.jsonl.zst")],
        &["--segment-events", "500"],
    )
});

/// The end of the hour of the recording that it covers.
const UNTIL: &str = "2026-11-21T03:50:00Z";

const REPORTS: [&str; 7] = [
    "pci-dss",
    "hipaa",
    "soc2",
    "iso-27001",
    "nist-800-53",
    "cis-kubernetes",
    "stig-kubernetes",
];

/// The namespaces that the tests call sensitive.
const SENSITIVE: &str = "payments,prod";

/// A control's verdict with its reason.
#[track_caller]
fn verdict(made: &Value, id: &str) -> (String, String) {
    let controls = made["controls"].as_array().unwrap();
    let control = controls.iter().find(|control| control["id"] == id).unwrap();
    let part = |part: &str| control["verdict"][part].as_str().unwrap().to_owned();
    (part("verdict"), part("why"))
}

#[track_caller]
fn report(both: &Both, name: &str) -> Value {
    // Not all: an empty store has no beginning.
    let mut args = vec![
        name,
        "--since",
        "2026-11-20",
        "--until",
        UNTIL,
        "-o",
        "json",
    ];
    if ["pci-dss", "hipaa"].contains(&name) {
        args.extend(["--sensitive", SENSITIVE]);
    }
    let run = local(both.data(), "report", &args).expect(0);
    serde_json::from_slice(&run.stdout).unwrap()
}

/// A number with commas between thousands.
fn commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn users(matches: impl Fn(&Value) -> bool) -> BTreeSet<&'static str> {
    let matching = EVENTS.iter().filter(|event| matches(event));
    matching.map(user).collect()
}

fn secrets_at(levels: &[&str]) -> u64 {
    count(|event| {
        resource(event) == "secrets" && group(event).is_empty() && levels.contains(&level(event))
    })
}

/// Verdict and reason of every verdict, by what it is about.
fn verdicts() -> BTreeMap<&'static str, (&'static str, String)> {
    let all = commas(EVENTS.len() as u64);
    let mut verdicts = BTreeMap::new();

    let here = |event: &Value| {
        ended(event) && ["payments", "prod"].contains(&text(event, "/objectRef/namespace"))
    };
    let why = format!(
        "{} requests by {} users are recorded in the namespaces {SENSITIVE}, {} reads among them",
        commas(count(here)),
        users(here).len(),
        commas(count(|event| here(event) && READS.contains(&verb(event))))
    );
    verdicts.insert("sensitive", ("met", why));

    // The apiserver's own identity is no administrator.
    let admin = |event: &Value| {
        ended(event) && admin_by(event).is_some() && user(event) != "system:apiserver"
    };
    let why = format!(
        "{} requests with administrator rights by {} actors are recorded, {} reads and {} changes among them",
        commas(count(admin)),
        users(admin).len(),
        commas(count(|event| admin(event) && READS.contains(&verb(event)))),
        commas(count(|event| admin(event) && WRITES.contains(&verb(event))))
    );
    verdicts.insert("admin", ("met", why));

    let path = |event: &Value| {
        text(event, "/requestURI")
            .split('?')
            .next()
            .unwrap()
            .to_owned()
    };
    let logs = count(|event| {
        ended(event)
            && resource(event).is_empty()
            && (path(event) == "/logs" || path(event).starts_with("/logs/"))
    });
    let why = format!(
        "the store does not record who asks it; through Kubernetes, {} requests for the log files of the apiserver are recorded",
        commas(logs)
    );
    verdicts.insert("store access", ("not enough data", why));

    let why = format!(
        "{} failed logins (401) and {} refused requests (403) are recorded",
        commas(count(|event| code(event) == 401 && user(event).is_empty())),
        commas(count(|event| code(event) == 403 && ended(event)))
    );
    verdicts.insert("refused", ("met", why));

    let change = |event: &Value| ended(event) && WRITES.contains(&verb(event));
    let kinds = [
        "roles",
        "clusterroles",
        "rolebindings",
        "clusterrolebindings",
    ];
    let rights = |event: &Value| change(event) && kinds.contains(&resource(event));
    assert_eq!(
        count(|event| rights(event) && level(event) != "RequestResponse"),
        0
    );
    let accounts = |event: &Value| change(event) && resource(event) == "serviceaccounts";
    let why = format!(
        "requests to change roles and bindings: {} (level RequestResponse), {} of them successful; service accounts and their tokens: {}, {} of them successful",
        commas(count(rights)),
        commas(count(|event| rights(event) && succeeded(event))),
        commas(count(accounts)),
        commas(count(|event| accounts(event) && succeeded(event)))
    );
    assert!(count(rights) > count(|event| rights(event) && succeeded(event)));
    verdicts.insert("identity", ("met", why));

    let system = |event: &Value| {
        const KINDS: [&str; 13] = [
            "customresourcedefinitions",
            "apiservices",
            "validatingwebhookconfigurations",
            "mutatingwebhookconfigurations",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
            "nodes",
            "namespaces",
            "clusterroles",
            "clusterrolebindings",
            "persistentvolumes",
            "storageclasses",
            "priorityclasses",
        ];
        ended(event) && KINDS.contains(&resource(event)) && subresource(event).is_empty()
    };
    let created = |event: &Value| system(event) && verb(event) == "create";
    let deleted =
        |event: &Value| system(event) && ["delete", "deletecollection"].contains(&verb(event));
    let both = EVENTS
        .iter()
        .filter(|event| created(event) || deleted(event));
    let kinds: BTreeSet<&str> = both.map(resource).collect();
    let why = format!(
        "requests to create system-level objects of {} kinds: {}, {} of them successful; to delete them: {}, {} of them successful",
        kinds.len(),
        commas(count(created)),
        commas(count(|event| created(event) && succeeded(event))),
        commas(count(deleted)),
        commas(count(|event| deleted(event) && succeeded(event)))
    );
    verdicts.insert("system", ("met", why));

    let why = format!(
        "all {all} events have user (but for requests refused before anybody was known), type{}, time, outcome, address and object",
        match count(|event| text(event, "/verb").is_empty()) {
            0 => String::new(),
            odd => format!(" (but for {odd} by HTTP methods that Kubernetes does not know)"),
        }
    );
    let details = why.clone();
    verdicts.insert("complete", ("met", why));
    for (name, days) in [("year", 365), ("six years", 2190), ("three years", 1095)] {
        let why = format!(
            "the store reaches back 0.0 days, {days} are demanded: it is too young to show it"
        );
        verdicts.insert(name, ("not enough data", why));
    }
    let why = "no event of cluster default came in live, so a clock that is behind would not show; no event is from the future or ended before it began";
    verdicts.insert("clock", ("not enough data", why.to_owned()));
    // The newest times; equal ones are equally fine.
    let mut times: Vec<&str> = EVENTS
        .iter()
        .map(|event| text(event, "/stageTimestamp"))
        .collect();
    times.sort_unstable();
    times.reverse();
    let fine = times[..1000]
        .iter()
        .filter(|time| !time.ends_with("000Z"))
        .count();
    assert!(fine < 1000 && times.iter().all(|time| time.len() == 27));
    let why = format!(
        "all {all} events have a time with its offset from UTC; of the newest 1,000 the times of {fine} are finer than a millisecond"
    );
    verdicts.insert("times", ("met", why));
    // All events lie in the last hour, of which the range holds a part.
    assert!(times.iter().all(|time| time.starts_with("2026-11-21T03:")));
    let seen = "events in every whole hour since the first (0 of 27 hours of the time range)";
    let why = format!(
        "no gap is seen: {seen}; but the apiserver does not record when its audit log begins, stops or pauses, so a stop would show by missing events only"
    );
    verdicts.insert("interruptions", ("not enough data", why));
    let why = format!("{seen}; whether somebody would be told if they stopped cannot be seen");
    verdicts.insert("alarm", ("not enough data", why));

    let nobody = |event: &Value| ended(event) && user(event) == "system:anonymous";
    let got = |event: &Value| nobody(event) && succeeded(event) && !resource(event).is_empty();
    assert_eq!(count(got), 0);
    let why = format!(
        "of {} requests without a credential {} were refused, and none was answered with anything but health and version",
        commas(count(nobody)),
        commas(count(
            |event| nobody(event) && [401, 403].contains(&code(event))
        ))
    );
    verdicts.insert("authenticated", ("met", why.clone()));
    let limited = format!("{why}; whether each right should have been given, no event shows");
    verdicts.insert("access", ("not enough data", limited));

    let shared = |event: &Value| ended(event) && user(event) == "kubernetes-admin";
    assert!(count(shared) > 0);
    let why = format!(
        "{} requests by accounts that come with an installation and name nobody: kubernetes-admin",
        commas(count(shared))
    );
    verdicts.insert("shared", ("not met", why));

    let why = format!(
        "{all} events are in the time range, of each cluster (clusters: 1) some in its last day, so auditing is on and a policy is in force"
    );
    let full =
        format!("{why}; {details}; whether of all kinds that were laid down, no event shows");
    verdicts.insert("recorded in full", ("not enough data", full));
    verdicts.insert("recorded", ("met", why));
    let why = format!(
        "{all} events of these clusters, of any time, were read from files: logs of an apiserver, or what somebody exported"
    );
    verdicts.insert("log file", ("not enough data", why));

    let bodies = |event: &Value| {
        [
            "secrets",
            "configmaps",
            "tokenreviews.authentication.k8s.io",
        ]
        .contains(&object(event).as_str())
            && level(event) != "Metadata"
    };
    let high = EVENTS.iter().filter(|event| bodies(event));
    let high: BTreeSet<String> = high
        .map(|event| format!("{} {}", object(event), class(event)))
        .collect();
    assert_eq!(
        high,
        BTreeSet::from(["configmaps read", "configmaps write"].map(str::to_owned))
    );
    let tokens = |event: &Value| {
        object(event) == "serviceaccounts/token"
            && verb(event) == "create"
            && level(event) != "Metadata"
    };
    let more = match count(tokens) {
        0 => String::new(),
        tokens => format!(
            "; {} events keep bodies of requests for service account tokens, which the benchmark does not name and which may hold them",
            commas(tokens)
        ),
    };
    let why = format!(
        "{} events keep bodies where Metadata is asked for: configmaps read, configmaps write{more}",
        commas(count(bodies))
    );
    verdicts.insert("cis", ("not met", why));

    let why = format!(
        "{} of {all} events are below RequestResponse, {} of them at Metadata",
        commas(count(|event| level(event) != "RequestResponse")),
        commas(count(|event| level(event) == "Metadata"))
    );
    verdicts.insert("stig", ("not met", why));

    assert_eq!(secrets_at(&["Request", "RequestResponse"]), 0);
    let why = format!(
        "all {} events about secrets are at Metadata: as CIS 3.2.2 asks, and not as the STIG (CNTR-K8-000700) does",
        commas(secrets_at(&["Metadata"]))
    );
    verdicts.insert("conflict", ("finding", why));
    verdicts
}

/// Which verdict each control has; those without one can be judged by people only.
const GIVEN: [(&str, &[(&str, &str)]); 7] = [
    (
        "pci-dss",
        &[
            ("10.2.1.1", "sensitive"),
            ("10.2.1.2", "admin"),
            ("10.2.1.3", "store access"),
            ("10.2.1.4", "refused"),
            ("10.2.1.5", "identity"),
            ("10.2.1.6", "interruptions"),
            ("10.2.1.7", "system"),
            ("10.2.2", "complete"),
            ("10.5.1", "year"),
            ("10.6", "clock"),
            ("10.7", "alarm"),
        ],
    ),
    (
        "hipaa",
        &[
            ("164.312(b)", "sensitive"),
            ("164.308(a)(1)(ii)(D)", ""),
            ("164.308(a)(5)(ii)(C)", ""),
            ("164.312(a)(2)(i)", "shared"),
            ("164.312(c)(1)", ""),
            ("164.312(d)", "authenticated"),
            ("164.316(b)(2)(i)", "six years"),
        ],
    ),
    (
        "soc2",
        &[
            ("CC6.1", "access"),
            ("CC6.2", ""),
            ("CC6.3", ""),
            ("CC6.6", ""),
            ("CC7.1", ""),
            ("CC7.2", ""),
            ("CC7.3", ""),
            ("CC7.4", ""),
            ("CC8.1", ""),
            ("CC6.4, CC6.5, CC6.7, CC6.8, CC7.5", ""),
        ],
    ),
    (
        "iso-27001",
        &[
            ("A.8.15 content", "complete"),
            ("A.8.15 administrators", "admin"),
            ("A.8.15 storage", "year"),
            ("A.8.15 protection", "store access"),
            ("A.8.15 analysis", ""),
            ("A.8.16", ""),
            ("A.8.17", "clock"),
        ],
    ),
    (
        "nist-800-53",
        &[
            ("AU-2", ""),
            ("AU-3", "complete"),
            ("AU-4", ""),
            ("AU-5", "alarm"),
            ("AU-6", ""),
            ("AU-7", ""),
            ("AU-8", "times"),
            ("AU-9", "store access"),
            ("AU-10", ""),
            ("AU-11", "three years"),
            ("AU-12", "recorded in full"),
            ("AU-13, AU-14, AU-16", ""),
            ("SC-45", "clock"),
        ],
    ),
    (
        "cis-kubernetes",
        &[
            ("3.2.1", "recorded"),
            ("3.2.2", "cis"),
            ("3.2.2 and STIG", "conflict"),
        ],
    ),
    (
        "stig-kubernetes",
        &[
            ("V-242403", "stig"),
            ("V-242403 and CIS", "conflict"),
            ("V-242403 content", "complete"),
            ("V-242461", "recorded"),
            ("V-242402", "log file"),
            ("V-242462", ""),
            ("V-242463", ""),
            ("V-242464", ""),
            ("V-242465", ""),
        ],
    ),
];

#[test]
fn verdicts_and_their_figures_are_those_of_the_raw_lines() {
    let verdicts = verdicts();
    let mut used = BTreeSet::new();
    for (name, controls) in GIVEN {
        let made = report(&STORE.get(), name);
        assert_eq!(made["coverage"]["events"], EVENTS.len());
        let given: Vec<_> = made["controls"]
            .as_array()
            .unwrap()
            .iter()
            .map(|control| {
                let verdict = &control["verdict"];
                let part = |part: &str| verdict[part].as_str().unwrap_or("").to_owned();
                (
                    control["id"].as_str().unwrap().to_owned(),
                    part("verdict"),
                    part("why"),
                )
            })
            .collect();
        let expected: Vec<_> = controls
            .iter()
            .map(|(id, about)| {
                used.insert(*about);
                let none = ("", String::new());
                let (verdict, why) = verdicts.get(about).unwrap_or(&none);
                ((*id).to_owned(), (*verdict).to_owned(), why.clone())
            })
            .collect();
        assert_eq!(given, expected, "{name}");
    }
    used.remove("");
    assert_eq!(used, verdicts.keys().copied().collect());
}

#[test]
fn evidence_has_the_rows_of_the_raw_lines() {
    for name in REPORTS {
        let both = STORE.get();
        let made = report(&both, name);
        for control in made["controls"].as_array().unwrap() {
            for piece in control["evidence"].as_array().unwrap() {
                let expected = rows::expected(&both, piece, UNTIL);
                let at = format!("{name}, {}", piece["anchor"]);
                assert_eq!(piece["row_count"], expected, "{at}: {}", piece["query"]);
                assert_ne!(control["cannot_prove"], "", "{at}");
            }
        }
    }
}

/// The reports of a store that keeps everything of secrets: the two frameworks change places.
#[test]
fn the_graders_follow_another_policy() {
    let made = |n: u64, level: &str| {
        let mut event: Value = serde_json::from_str(&crate::support::event(n)).unwrap();
        event["level"] = json!(level);
        event["verb"] = json!("get");
        event["objectRef"] = json!({"resource": "secrets", "namespace": "a", "name": "b"});
        event.to_string()
    };
    let verdicts = |events: &[String], name: &str| -> Vec<(String, String)> {
        let report = report(&Both::with_events(events), name);
        let controls = report["controls"].as_array().unwrap();
        controls
            .iter()
            .map(|control| {
                let part = |part: &str| control["verdict"][part].as_str().unwrap_or("").to_owned();
                (part("verdict"), part("why"))
            })
            .collect()
    };
    let full = [made(1, "RequestResponse"), made(2, "RequestResponse")];
    let cis = verdicts(&full, "cis-kubernetes");
    assert_eq!(cis[1].0, "not met");
    assert_eq!(
        cis[1].1,
        "2 events keep bodies where Metadata is asked for: secrets read"
    );
    assert_eq!(cis[2].0, "finding");
    assert!(
        cis[2].1.ends_with("and not as CIS 3.2.2 does"),
        "{}",
        cis[2].1
    );
    let stig = verdicts(&full, "stig-kubernetes");
    assert_eq!(
        (&stig[0].0[..], &stig[1].0[..]),
        ("not enough data", "finding")
    );
    assert!(
        stig[0].1.ends_with(
            "of one cluster or more none is of: changes, deletions, requests for no resource, the stage RequestReceived"
        ),
        "{}",
        stig[0].1
    );
    let everything = [
        ("get", "ResponseComplete", Some("secrets")),
        ("create", "ResponseComplete", Some("pods")),
        ("delete", "ResponseComplete", Some("pods")),
        ("delete", "RequestReceived", Some("pods")),
        ("get", "ResponseComplete", None),
    ];
    let everything = (1..).zip(everything).map(|(n, (verb, stage, resource))| {
        let mut event: Value = serde_json::from_str(&made(n, "RequestResponse")).unwrap();
        (event["verb"], event["stage"]) = (json!(verb), json!(stage));
        event["objectRef"] = resource.map_or(Value::Null, |resource| json!({"resource": resource}));
        event.to_string()
    });
    let stig = verdicts(&everything.collect::<Vec<_>>(), "stig-kubernetes");
    assert_eq!(stig[0].0, "met", "{}", stig[0].1);
    let mixed = [made(1, "Metadata"), made(2, "RequestResponse")];
    for name in ["cis-kubernetes", "stig-kubernetes"] {
        let conflict = &verdicts(&mixed, name)[if name == "cis-kubernetes" { 2 } else { 1 }];
        assert_eq!(conflict.0, "finding");
        assert!(
            conflict
                .1
                .contains("2 events about secrets 1 are at Metadata"),
            "{}",
            conflict.1
        );
    }
    // Nothing but reads of secrets without bodies: nothing speaks against it, and much is not seen.
    let cis = verdicts(&[made(1, "Metadata")], "cis-kubernetes");
    assert_eq!(cis[1].0, "not enough data");
    assert!(
        cis[1].1.starts_with("no request was recorded for "),
        "{}",
        cis[1].1
    );
    assert!(!cis[1].1.contains("secrets read"), "{}", cis[1].1);

    // Of nothing at all nothing is met.
    for name in REPORTS {
        for (verdict, why) in verdicts(&[], name) {
            assert!(
                ["", "not enough data", "finding"].contains(&&verdict[..]),
                "{name}: {verdict}: {why}"
            );
        }
    }
}

/// The state of other controls that a small store can show.
#[test]
fn what_is_missing_or_removed_is_not_met() {
    let event = |n: u64, change: Value| {
        let mut event: Value = serde_json::from_str(&crate::support::event(n)).unwrap();
        for (key, value) in change.as_object().unwrap() {
            event[key] = value.clone();
        }
        event.to_string()
    };
    let binding = json!({"apiGroup": "rbac.authorization.k8s.io", "resource": "rolebindings",
        "namespace": "a", "name": "b"});
    let both = Both::with_events(&[
        event(1, json!({"sourceIPs": [], "verb": "get"})),
        event(
            2,
            json!({"verb": "create", "level": "Metadata", "objectRef": binding}),
        ),
        event(
            3,
            json!({"requestReceivedTimestamp": "2026-11-20T00:00:09.000000Z"}),
        ),
        event(
            4,
            json!({"user": {"username": "system:anonymous"}, "verb": "get",
            "responseStatus": {"metadata": {}, "code": 200}}),
        ),
    ]);
    both.server
        .post("/api/v1/prune", r#"{"before":"2026-11-20T00:00:01.500Z"}"#)
        .expect(200);
    both.server
        .post(
            "/webhook",
            event(1, json!({"sourceIPs": [], "verb": "get"})),
        )
        .expect(200);
    let made = report(&both, "pci-dss");
    let not_met = |why: &str| ("not met".to_owned(), why.to_owned());
    assert_eq!(
        verdict(&made, "10.2.2"),
        not_met("of 4 events some lack details: address in 1")
    );
    assert_eq!(
        verdict(&made, "10.2.1.5"),
        not_met(
            "of 1 requests to change roles and bindings, 0 of them successful, 1 are recorded without bodies (Metadata): who was given which right is not in them"
        )
    );
    assert_eq!(
        verdict(&made, "10.6"),
        not_met("events that ended before they began: 1")
    );
    assert_eq!(
        verdict(&made, "10.5.1"),
        not_met("retention removed events up to 2026-11-20, although 365 days are demanded")
    );
    let (interruptions, why) = verdict(&made, "10.2.1.6");
    assert_eq!(interruptions, "not met");
    assert!(why.contains("in stretches: 1; "), "{why}");
    assert_eq!(
        verdict(&report(&both, "hipaa"), "164.312(d)"),
        not_met(
            "requests without a credential that were answered with objects of the API: 1; with paths beside health and version: 0"
        )
    );
}

/// That nothing came in for longer than a day shows that auditing was on, and no more.
#[test]
fn a_policy_that_fell_silent_is_not_in_force() {
    let store = STORE.get();
    let told = |until: &str| {
        let args = [
            "nist-800-53",
            "-o",
            "json",
            "--since",
            "2026-11-01",
            "--until",
            until,
        ];
        let run = local(store.data(), "report", &args).expect(0);
        let made: Value = serde_json::from_slice(&run.stdout).unwrap();
        verdict(&made, "AU-12")
    };
    let (soon, _) = told("2026-11-22T03:00Z");
    assert_ne!(soon, "not met");
    let (late, why) = told("2026-11-25T05:00Z");
    assert_eq!(late, "not enough data");
    assert!(why.contains("auditing was on"), "{why}");
}

/// A period before the first event, and a demand of no days, are told apart from an empty store.
#[test]
fn retention_says_why_it_cannot_tell() {
    let store = STORE.get();
    let why = |args: &[&str]| {
        let args = [&["pci-dss", "-o", "json"], args].concat();
        let run = local(store.data(), "report", &args).expect(0);
        verdict(&serde_json::from_slice(&run.stdout).unwrap(), "10.5.1").1
    };
    assert_eq!(
        why(&["--since", "2020-01-01", "--until", "2020-01-02"]),
        "the store holds no event from before the end of the time range"
    );
    assert_eq!(
        why(&["--since", "all", "--days", "0"]),
        "no day is demanded; give --days 1 or more"
    );
}
