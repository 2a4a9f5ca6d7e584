use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::limits::REASON_BYTES_MAX;
use crate::model::json::{INVALID_UTF8, NOT_JSON, TOO_DEEP};
use crate::model::outcome::Outcome;
use crate::model::time;

const SAMPLE: &str = include_str!("../../../tests/data/sample.jsonl");

/// A small event that is complete.
fn event() -> Value {
    json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse",
        "auditID": "a1", "stage": "ResponseComplete", "requestURI": "/api/v1/namespaces/n/pods",
        "verb": "create",
        "user": {"username": "u", "groups": ["g"]},
        "sourceIPs": ["10.0.0.1"],
        "objectRef": {"resource": "pods", "namespace": "n", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 201},
        "requestReceivedTimestamp": "2026-11-21T03:40:53.734113Z",
        "stageTimestamp": "2026-11-21T03:40:53.834113Z",
    })
}

/// The event with `pointer` set to `value`.
fn with(pointer: &str, value: Value) -> Vec<u8> {
    let mut event = event();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    event.pointer_mut(parent).expect("a parent")[key] = value;
    serde_json::to_vec(&event).expect("an event")
}

fn rejected(raw: &[u8]) -> String {
    let Reject(reason) = normalise("c", raw).expect_err("a rejection");
    assert!(
        reason.len() <= REASON_BYTES_MAX && !reason.chars().any(char::is_control),
        "{reason}"
    );
    reason
}

fn read(raw: &[u8]) -> Event<'_> {
    normalise("c", raw).expect("an event").0
}

#[test]
fn recorded_events_are_read_as_serde_json_reads_them() {
    let text = |value: &Value| {
        value
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let micros = |value: &Value| time::parse_rfc3339(value.as_str()?.as_bytes());
    for line in SAMPLE.lines() {
        let tree: Value = serde_json::from_str(line).expect("recorded JSON");
        let event = read(line.as_bytes());
        let owned = |field: &Option<Text<'_>>| field.as_deref().map(str::to_owned);
        let parsed = |field: &Option<Text<'_>>| -> Value {
            field.as_deref().map_or(Value::Null, |json| {
                serde_json::from_str(json).expect("JSON")
            })
        };
        assert_eq!(event.audit_id, tree["auditID"].as_str().expect("a string"));
        assert_eq!(event.stage, tree["stage"].as_str().expect("a string"));
        assert_eq!(event.level, tree["level"].as_str().expect("a string"));
        assert_eq!(event.verb, tree["verb"].as_str().expect("a string"));
        assert_eq!(event.request_uri.as_deref(), tree["requestURI"].as_str());
        assert_eq!(owned(&event.user), text(&tree["user"]["username"]));
        assert_eq!(owned(&event.user_uid), text(&tree["user"]["uid"]));
        assert_eq!(parsed(&event.user_groups), tree["user"]["groups"]);
        assert_eq!(parsed(&event.user_extra), tree["user"]["extra"]);
        assert_eq!(
            owned(&event.impersonated_user),
            text(&tree["impersonatedUser"]["username"])
        );
        assert_eq!(
            parsed(&event.impersonated_groups),
            tree["impersonatedUser"]["groups"]
        );
        assert_eq!(parsed(&event.source_ips), tree["sourceIPs"]);
        assert_eq!(owned(&event.user_agent), text(&tree["userAgent"]));
        assert_eq!(
            owned(&event.api_group),
            text(&tree["objectRef"]["apiGroup"])
        );
        assert_eq!(
            owned(&event.api_version),
            text(&tree["objectRef"]["apiVersion"])
        );
        assert_eq!(owned(&event.resource), text(&tree["objectRef"]["resource"]));
        assert_eq!(
            owned(&event.subresource),
            text(&tree["objectRef"]["subresource"])
        );
        assert_eq!(
            owned(&event.namespace),
            text(&tree["objectRef"]["namespace"])
        );
        assert_eq!(event.code, tree["responseStatus"]["code"].as_i64());
        assert_eq!(
            owned(&event.reason),
            text(&tree["responseStatus"]["reason"])
        );
        assert_eq!(
            owned(&event.message),
            text(&tree["responseStatus"]["message"])
        );
        assert_eq!(parsed(&event.annotations), tree["annotations"]);
        let annotation = |key: &str| tree["annotations"][key].as_str().map(str::to_owned);
        assert_eq!(
            owned(&event.decision),
            annotation("authorization.k8s.io/decision")
        );
        assert_eq!(
            owned(&event.decision_reason),
            annotation("authorization.k8s.io/reason")
        );
        assert_eq!(event.time, micros(&tree["stageTimestamp"]));
        assert_eq!(
            event.received_time,
            micros(&tree["requestReceivedTimestamp"])
        );
        for (span, key) in [
            (&event.request_object, "requestObject"),
            (&event.response_object, "responseObject"),
        ] {
            let body = span.clone().map_or("null", |span| &line[span]);
            assert_eq!(
                serde_json::from_str::<Value>(body).expect("JSON"),
                tree[key]
            );
        }
        assert_eq!(event.body_quality, None);
        if let Some(name) = text(&tree["objectRef"]["name"]) {
            assert_eq!(event.name.as_deref(), Some(name.as_str()));
        }
        spans_hold_what_the_row_holds(line.as_bytes(), &event);
    }
}

fn spans_hold_what_the_row_holds(raw: &[u8], event: &Event<'_>) {
    if let Some(span) = event.spans.audit_id.clone() {
        assert_eq!(&raw[span.clone()], event.audit_id.as_bytes());
        assert_eq!((raw[span.start - 1], raw[span.end]), (b'"', b'"'));
    }
    let times = [
        (&event.spans.time, event.time),
        (&event.spans.received_time, event.received_time),
    ];
    for (span, micros) in times {
        if let Some(span) = span.clone() {
            assert_eq!(
                &raw[span],
                time::to_text(micros.expect("a time")).as_bytes()
            );
        }
    }
}

#[test]
fn a_log_line_and_the_webhooks_item_are_the_same_content() {
    for line in SAMPLE.lines() {
        let stamp = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","#;
        let bare = format!("{{{}", line.strip_prefix(stamp).expect("a log line"));
        let identity = |text: &str| normalise("c", text.as_bytes()).expect("an event").1;
        assert_eq!(identity(line), identity(&bare));
        let without_brace = bare.strip_suffix('}').expect("an object");
        let moved = format!(r#"{without_brace},"apiVersion":"audit.k8s.io/v1","kind":"Event"}}"#);
        assert_eq!(identity(line), identity(&moved));
        let pretty = line.replacen(r#","level":"#, "\t,\r\n \"level\" : ", 1);
        assert_eq!(identity(line), identity(&format!(" {pretty} \n")));
        assert_ne!(
            identity(line),
            normalise("d", line.as_bytes()).expect("an event").1
        );
        assert_ne!(
            identity(line),
            identity(&line.replacen("Timestamp\":\"2026", "Timestamp\":\"2027", 1))
        );
    }
}

#[test]
fn the_identity_is_a_sha256_of_what_the_design_says() {
    use sha2::{Digest, Sha256};
    let raw = br#" {"kind":"Event" , "level" : "a b","auditID":"x","apiVersion":"audit.k8s.io/v1","stage":"s","requestURI":"","verb":"","user":{}} "#;
    let content =
        br#"{"level":"a b","auditID":"x","stage":"s","requestURI":"","verb":"","user":{}}"#;
    let mut hasher = Sha256::new();
    hasher.update(7_u64.to_le_bytes());
    hasher.update(b"default");
    hasher.update(content);
    let identity = normalise("default", raw).expect("an event").1;
    assert_eq!(identity, hasher.finalize()[..16]);
}

#[test]
fn names_of_created_objects_come_from_the_bodies() {
    let mut made = event();
    made["requestObject"] = json!({"metadata": {"generateName": "p-"}});
    made["responseObject"] = json!({"kind": "Pod", "metadata": {"name": "p-x", "uid": "u-1"}});
    let raw = made.to_string();
    assert_eq!(read(raw.as_bytes()).name.as_deref(), Some("p-x"));
    assert_eq!(read(raw.as_bytes()).object_uid.as_deref(), Some("u-1"));
    // Without an answer the request's name stands; its UID is only a claim.
    made["requestObject"] = json!({"metadata": {"name": "p-y", "uid": "claimed"}});
    made["responseObject"] = json!({"kind": "Status", "metadata": {"name": "no", "uid": "no"}});
    let raw = made.to_string();
    assert_eq!(read(raw.as_bytes()).name.as_deref(), Some("p-y"));
    assert_eq!(read(raw.as_bytes()).object_uid, None);
    // A subresource's body is another object, and a deletecollection has no name.
    for (verb, subresource) in [("create", Some("token")), ("deletecollection", None)] {
        let mut other = made.clone();
        other["verb"] = verb.into();
        other["objectRef"]["subresource"] = subresource.into();
        other["responseObject"] = json!({"kind": "X", "metadata": {"name": "n", "uid": "u"}});
        let raw = other.to_string();
        assert_eq!(
            (read(raw.as_bytes()).name, read(raw.as_bytes()).object_uid),
            (None, None)
        );
    }
}

#[test]
fn uids_come_from_bodies_that_are_the_object() {
    let mut got = event();
    got["verb"] = "get".into();
    got["objectRef"]["name"] = "p".into();
    for (name, uid) in [("p", Some("u-1")), ("q", None)] {
        got["responseObject"] = json!({"metadata": {"uid": "u-1", "name": name}, "kind": "Pod"});
        assert_eq!(read(got.to_string().as_bytes()).object_uid.as_deref(), uid);
    }
    got["verb"] = "delete".into();
    got["responseObject"] = Value::Null;
    got["responseStatus"] =
        json!({"status": "Success", "code": 200, "details": {"name": "p", "uid": "u-2"}});
    assert_eq!(
        read(got.to_string().as_bytes()).object_uid.as_deref(),
        Some("u-2")
    );
    got["objectRef"]["uid"] = "u-3".into();
    assert_eq!(
        read(got.to_string().as_bytes()).object_uid.as_deref(),
        Some("u-3")
    );
}

#[test]
fn a_dry_run_is_one_only_where_the_server_honours_it() {
    for (verb, subresource, uri, body, expected) in [
        ("create", None, "/x?dryRun=All", Value::Null, true),
        ("patch", Some("scale"), "/x?dryRun=All", Value::Null, true),
        ("delete", None, "/x", json!({"dryRun": ["All"]}), true),
        (
            "deletecollection",
            None,
            "/x",
            json!({"kind": "DeleteOptions", "dryRun": ["All"]}),
            true,
        ),
        ("delete", None, "/x", json!({"dryRun": []}), false),
        ("create", None, "/x", json!({"dryRun": ["All"]}), false),
        (
            "create",
            Some("exec"),
            "/x?command=sh&dryRun=All",
            Value::Null,
            false,
        ),
        (
            "get",
            Some("exec"),
            "/x?command=sh&dryRun=All",
            Value::Null,
            false,
        ),
        ("create", Some("token"), "/x?dryRun=All", Value::Null, false),
    ] {
        let mut event = event();
        event["verb"] = verb.into();
        event["objectRef"]["subresource"] = subresource.into();
        event["requestURI"] = uri.into();
        event["requestObject"] = body;
        assert_eq!(
            read(event.to_string().as_bytes()).dry_run,
            expected,
            "{event}"
        );
    }
}

#[test]
fn a_missing_time_has_a_stand_in_and_a_mark() {
    let (staged, received) = (1_795_232_453_834_113, 1_795_232_453_734_113);
    let mut event = event();
    let marks = |event: &Value| {
        let raw = event.to_string();
        let event = read(raw.as_bytes());
        spans_hold_what_the_row_holds(raw.as_bytes(), &event);
        (event.time, event.time_quality, event.spans.time.is_some())
    };
    assert_eq!(marks(&event), (Some(staged), TimeQuality::Stage, true));
    event["stageTimestamp"] = "2026-11-21T04:40:53.834113+01:00".into();
    assert_eq!(marks(&event), (Some(staged), TimeQuality::Stage, false));
    event["stageTimestamp"] = "0001-01-01T00:00:00Z".into();
    assert_eq!(
        marks(&event),
        (Some(received), TimeQuality::Received, false)
    );
    event["timestamp"] = "2026-11-21T03:40:53Z".into();
    assert_eq!(
        marks(&event),
        (Some(1_795_232_453_000_000), TimeQuality::Stage, false)
    );
    event["timestamp"] = Value::Null;
    event["requestReceivedTimestamp"] = Value::Null;
    assert_eq!(marks(&event), (None, TimeQuality::Stored, false));
    event["metadata"] = json!({"creationTimestamp": "2026-11-21T03:40:53Z"});
    assert_eq!(
        marks(&event),
        (Some(1_795_232_453_000_000), TimeQuality::Received, false)
    );
}

#[test]
fn older_versions_are_read() {
    let raw = br#"{"kind":"Event","apiVersion":"audit.k8s.io/v1alpha1","metadata":{"creationTimestamp":"2017-09-06T12:00:01Z"},"level":"Metadata","timestamp":"2017-09-06T12:00:00Z","auditID":"a","stage":"ResponseComplete","requestURI":"/x","verb":"get","user":{"username":"u"},"objectRef":{"resource":"deployments","namespace":"n","name":"d","apiVersion":"apps/v1beta1"},"responseStatus":{"metadata":{},"code":200}}"#;
    let event = read(raw);
    assert_eq!(event.time, time::parse_rfc3339(b"2017-09-06T12:00:00Z"));
    assert_eq!(event.api_group.as_deref(), Some("apps"));
    assert_eq!(event.api_version.as_deref(), Some("v1beta1"));
    assert_eq!(event.received_time, None);
}

#[test]
fn what_is_no_event_is_refused_with_the_reason() {
    for key in ["level", "auditID", "stage", "requestURI", "verb", "user"] {
        let mut event = event();
        event.as_object_mut().expect("an object").remove(key);
        assert_eq!(
            rejected(event.to_string().as_bytes()),
            format!("{key} is missing")
        );
        let reason = rejected(&with(&format!("/{key}"), json!(5)));
        assert!(
            reason.starts_with(key) && reason.ends_with(": 5"),
            "{reason}"
        );
    }
    for (pointer, value, expected) in [
        ("/kind", json!("EventList"), "kind is not Event: EventList"),
        (
            "/apiVersion",
            json!("v1"),
            "apiVersion is no known audit.k8s.io version: v1",
        ),
        ("/stage", json!(""), "stage is empty"),
        ("/user", json!("root"), "user is no object: \"root\""),
        (
            "/user/groups",
            json!("g"),
            "user.groups is no array of strings: \"g\"",
        ),
        ("/user/groups", json!([1]), "user.groups is no string: 1"),
        ("/user/extra", json!([]), "user.extra is no object: []"),
        (
            "/sourceIPs",
            json!({}),
            "sourceIPs is no array of strings: {}",
        ),
        ("/userAgent", json!([]), "userAgent is no string: []"),
        ("/objectRef", json!([]), "objectRef is no object: []"),
        (
            "/objectRef/name",
            json!(1e300),
            "objectRef.name is no string: 1e+300",
        ),
        (
            "/responseStatus/code",
            json!("200"),
            "responseStatus.code is no status code: \"200\"",
        ),
        (
            "/responseStatus/code",
            json!(1e300),
            "responseStatus.code is no status code: 1e+300",
        ),
        (
            "/annotations",
            json!({"a": 1}),
            "annotations is no string: 1",
        ),
        (
            "/stageTimestamp",
            json!(17),
            "stageTimestamp is no string: 17",
        ),
        (
            "/stageTimestamp",
            json!("2026-02-30T00:00:00Z"),
            "stageTimestamp is no RFC 3339 time: 2026-02-30T00:00:00Z",
        ),
        (
            "/stageTimestamp",
            json!("\u{1b}[31m"),
            "stageTimestamp is no RFC 3339 time: \\u{1b}[31m",
        ),
    ] {
        assert_eq!(rejected(&with(pointer, value)), expected);
    }
    let long = rejected(&with("/kind", json!("ü".repeat(100_000))));
    assert!(
        long.ends_with("ü...") || long.ends_with("\u{fffd}..."),
        "{long}"
    );
    for (raw, expected) in [
        (&b""[..], "empty"),
        (b" \n", "empty"),
        (b"[]", "the item is no JSON object: []"),
        (
            b"\x00\xff\x01",
            "the item is no JSON object: \\0\u{fffd}\\u{1}",
        ),
        (
            b"{\"level\":\"Metadata\"",
            "unexpected end of JSON at byte 19",
        ),
        (
            b"{\"level\":\"Metadata\",}",
            "not valid JSON at byte 20: expected a key",
        ),
        (
            b"{} {}",
            "not valid JSON at byte 3: trailing characters after the object",
        ),
        (b"{\"x\":tru}", "not valid JSON at byte 5: expected a value"),
        (b"{\"level\":\"\xff\"}", "level is no valid UTF-8: \u{fffd}"),
    ] {
        assert_eq!(rejected(raw), expected);
    }
}

#[test]
fn a_member_that_counts_must_not_stand_twice() {
    let line = event().to_string();
    for (from, to) in [
        (r#""auditID":"#, r#""auditID":"x","auditID":"#),
        (r#""auditID":"#, r#""audit\u0049D":"x","auditID":"#),
        (r#""kind":"#, r#""kind":"Event","kind":"#),
        (r#""username":"#, r#""username":"alice","username":"#),
        (r#""code":"#, r#""code":200,"code":"#),
        (
            r#""level":"#,
            r#""requestObject":{},"requestObject":{},"level":"#,
        ),
    ] {
        let twice = line.replacen(from, to, 1);
        assert!(
            rejected(twice.as_bytes()).contains("stands twice"),
            "{twice}"
        );
    }
    let harmless = line.replacen(r#""auditID":"#, r#""x":1,"x":2,"auditID":"#, 1);
    assert_eq!(read(harmless.as_bytes()).audit_id, "a1");
    let annotations = r#""annotations":{"authorization.k8s.io/decision":"forbid","authorization.k8s.io/decision":"allow"},"level":"#;
    let last = line.replacen(r#""level":"#, annotations, 1);
    assert_eq!(read(last.as_bytes()).decision.as_deref(), Some("allow"));
}

#[test]
fn nothing_inside_a_body_costs_the_event() {
    let deep = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    for (body, quality) in [
        (b"{\"a\":1,\"a\":2}".to_vec(), None),
        (b"[{\"op\":\"add\"}]".to_vec(), None),
        (b"\"kind: Pod\"".to_vec(), None),
        (b"1e999999".to_vec(), None),
        (b"{\"a\":\"\xff\xfe\"}".to_vec(), Some(INVALID_UTF8)),
        (b"{\"a\":\"\\x\"}".to_vec(), Some(NOT_JSON)),
        (b"{a:1,b}".to_vec(), Some(NOT_JSON)),
        (b"NaN".to_vec(), Some(NOT_JSON)),
        (deep(1000), None),
        (deep(1001), Some(TOO_DEEP)),
        (deep(100_000), Some(TOO_DEEP)),
    ] {
        for key in ["requestObject", "responseObject"] {
            let line = event().to_string();
            let start = line.len() - 1;
            let head = format!("{},\"{key}\":", &line[..start]);
            let raw = [head.as_bytes(), &body, b",\"userAgent\":\"after\"}"].concat();
            let event = read(&raw);
            assert_eq!(event.body_quality, quality);
            assert_eq!(event.user_agent.as_deref(), Some("after"));
            let span = if key == "requestObject" {
                event.request_object
            } else {
                event.response_object
            };
            assert_eq!(&raw[span.expect("a body")], body);
        }
    }
    assert_eq!(
        read(&with("/requestObject", Value::Null)).request_object,
        None
    );
}

#[test]
fn absent_and_empty_are_told_apart_where_they_differ() {
    let raw = br#"{"level":"Metadata","auditID":"","stage":"ResponseStarted","requestURI":"","verb":"","user":{},"objectRef":null,"annotations":{"authorization.k8s.io/reason":"","audit.k8s.io/truncated":"true"}}"#;
    let event = read(raw);
    assert_eq!((&*event.audit_id, &*event.verb), ("", ""));
    assert_eq!(
        (&event.user, &event.user_agent, &event.resource),
        (&None, &None, &None)
    );
    assert_eq!(event.decision_reason.as_deref(), Some(""));
    assert!(event.truncated);
    assert_eq!(event.outcome, Outcome::Pending);
    assert_eq!(event.time_quality, TimeQuality::Stored);
}

#[test]
fn a_hostile_audit_id_is_kept() {
    let long = "x".repeat(1_000_000);
    let raw = with("/auditID", json!(long));
    assert_eq!(read(&raw).audit_id, long);
    assert_eq!(
        read(&raw).spans.audit_id.map(|span| span.len()),
        Some(1_000_000)
    );
    let raw = with("/auditID", json!("a \"b\" \\"));
    assert_eq!(read(&raw).audit_id, "a \"b\" \\");
    assert_eq!(read(&raw).spans.audit_id, None);
}

proptest! {
    #[test]
    fn whitespace_and_stamps_do_not_change_the_identity(
        body in crate::model::json::tests::value(), extra in crate::model::json::tests::value(),
        at in 0..13_usize,
    ) {
        let mut event = event();
        event["requestObject"] = body;
        event["unknown"] = extra;
        let compact = serde_json::to_vec(&event).expect("an event");
        let members = event.as_object_mut().expect("an object");
        members.shift_remove("kind");
        let version = members.shift_remove("apiVersion").expect("a version");
        members.shift_insert(at, "apiVersion".to_owned(), version);
        let pretty = serde_json::to_vec_pretty(&event).expect("an event");
        let (one, identity) = normalise("c", &compact).expect("an event");
        prop_assert_eq!(one.body_quality, None);
        prop_assert_eq!(normalise("c", &pretty).expect("an event").1, identity);
    }

    #[test]
    fn no_bytes_make_it_panic(
        line in prop::sample::select(SAMPLE.lines().collect::<Vec<_>>()),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..6),
        garbage in any::<Vec<u8>>(),
    ) {
        let mut raw = line.as_bytes().to_vec();
        for (index, byte, how) in damage {
            let at = index.index(raw.len());
            match how {
                0 => raw[at] = byte,
                1 => raw.insert(at, byte),
                2 => { raw.remove(at); }
                _ => raw[at] = b"{}[],:\"\\ 0"[byte as usize % 10],
            }
        }
        for raw in [raw, garbage] {
            match normalise("c", &raw) {
                Ok((event, _)) => spans_hold_what_the_row_holds(&raw, &event),
                Err(Reject(reason)) => prop_assert!(reason.len() <= REASON_BYTES_MAX),
            }
        }
    }
}
