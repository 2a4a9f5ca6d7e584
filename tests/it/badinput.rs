//! What is no event: each item has its exact outcome, and its neighbours are stored.

mod bodies;
mod files;
mod kept;
mod shapes;

use crate::both::Both;
use crate::support::event;

/// A recorded-looking event with `text` in front of its last brace.
fn with(text: &str) -> Vec<u8> {
    let event = event(5);
    format!("{},{text}}}", &event[..event.len() - 1]).into_bytes()
}

/// The event with `from` replaced.
fn replaced(from: &str, to: &[u8]) -> Vec<u8> {
    let event = event(5);
    let (before, after) = event.split_once(from).expect(from);
    [before.as_bytes(), to, after.as_bytes()].concat()
}

fn without(field: &str) -> Vec<u8> {
    let mut event: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&event(5)).unwrap();
    event.remove(field).expect(field);
    serde_json::to_vec(&event).unwrap()
}

fn nested(open: &str, inner: &str, close: &str) -> String {
    let levels = 100_000;
    open.repeat(levels) + inner + &close.repeat(levels)
}

enum Becomes {
    /// A stored event for which this holds.
    Event(&'static str),
    /// A quarantined item whose reason holds this.
    Quarantined(&'static str),
}
use Becomes::{Event, Quarantined};

/// Name, exact bytes, and what becomes of them on a line of their own.
fn items() -> Vec<(&'static str, Vec<u8>, Becomes)> {
    let time = "\"stageTimestamp\":\"2026-11-20T00:00:05.000005Z\"";
    let received = "\"requestReceivedTimestamp\":\"2026-11-20T00:00:05.000005Z\"";
    vec![
        (
            "a value missing",
            b"{\"auditID\":\"x\",\"level\":}".to_vec(),
            Quarantined("byte 23"),
        ),
        (
            "a line cut in the middle",
            event(5)[..150].into(),
            Quarantined("unexpected end of JSON at byte 150 (line cut short?)"),
        ),
        (
            "binary",
            [0x81, 0, 0xff, 0xfe, 7, 0x1b].repeat(50),
            Quarantined("not a JSON object"),
        ),
        ("zeros", vec![0; 4096], Quarantined("not a JSON object")),
        (
            "another log",
            b"panic: runtime error".to_vec(),
            Quarantined("not a JSON object"),
        ),
        ("a number", b"42".to_vec(), Quarantined("not a JSON object")),
        (
            "a string",
            b"\"text\"".to_vec(),
            Quarantined("not a JSON object"),
        ),
        (
            "nothing in it",
            b"{}".to_vec(),
            Quarantined("auditID is missing"),
        ),
        (
            "no level",
            without("level"),
            Quarantined("level is missing"),
        ),
        (
            "no auditID",
            without("auditID"),
            Quarantined("auditID is missing"),
        ),
        (
            "no stage",
            without("stage"),
            Quarantined("stage is missing"),
        ),
        (
            "no requestURI",
            without("requestURI"),
            Quarantined("requestURI is missing"),
        ),
        ("no verb", without("verb"), Quarantined("verb is missing")),
        ("no user", without("user"), Quarantined("user is missing")),
        (
            "level a number",
            replaced("\"Metadata\"", b"1"),
            Quarantined("level is no string: 1"),
        ),
        (
            "user a string",
            replaced("\"user\":{", b"\"user\":\"u\",\"x\":{"),
            Quarantined("user is no object"),
        ),
        (
            "addresses a string",
            replaced("[\"10.0.0.5\"]", b"\"x\""),
            Quarantined("sourceIPs is no array"),
        ),
        (
            "code a word",
            replaced("\"code\":201", b"\"code\":\"x\""),
            Quarantined("is no status code"),
        ),
        (
            "a huge code",
            replaced("201", &[b'9'; 400]),
            Quarantined("is no status code: 999"),
        ),
        (
            "another kind",
            replaced("\"Event\"", b"\"Pod\""),
            Quarantined("kind is not Event: Pod"),
        ),
        (
            "another version",
            replaced("k8s.io/v1\"", b"k8s.io/v9\""),
            Quarantined("audit.k8s.io/v9"),
        ),
        (
            "a user in Latin-1",
            replaced("user-5", b"us\xe9r"),
            Quarantined("user.username is no valid UTF-8"),
        ),
        (
            "a control character",
            replaced("user-5", b"us\x01r"),
            Quarantined("control character"),
        ),
        (
            "verb twice",
            with("\"verb\":\"delete\""),
            Quarantined("verb stands twice"),
        ),
        (
            "user name twice",
            replaced("\"username\"", b"\"username\":\"root\",\"username\""),
            Quarantined("user.username stands twice"),
        ),
        (
            "30 February",
            replaced(time, b"\"stageTimestamp\":\"2026-02-30T00:00:00Z\""),
            Quarantined("stageTimestamp is no RFC 3339 time: 2026-02-30"),
        ),
        (
            "a time in words",
            replaced(received, b"\"requestReceivedTimestamp\":\"noon\""),
            Quarantined("requestReceivedTimestamp is no RFC 3339 time: noon"),
        ),
        (
            "only brackets",
            nested("[", "", "]").into(),
            Quarantined("broken JSON at byte 1: '[' stands where a list needs an item"),
        ),
        (
            "only open braces",
            "{\"a\":".repeat(100_000).into(),
            Quarantined("unexpected end of JSON at byte 500000 (line cut short?)"),
        ),
        (
            "an event that looks like a list, without its fields",
            b"{\"items\":[{}],\"auditID\":\"x\"}".to_vec(),
            Quarantined("level is missing"),
        ),
        // What a client wrote into a body, and what else it may choose, is no reason.
        (
            "items before everything else",
            replaced("{\"kind\"", b"{\"items\":[{\"auditID\":\"y\"}],\"kind\""),
            Event("code = 201"),
        ),
        (
            "items and no kind",
            replaced(
                "{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",",
                b"{\"items\":[],",
            ),
            Event("code = 201"),
        ),
        (
            "a deep array body",
            with(&format!("\"requestObject\":{}", nested("[", "", "]"))),
            Event("request_object is null and body_quality like 'nested deeper than%'"),
        ),
        (
            "a deep object body",
            with(&format!(
                "\"responseObject\":{}",
                nested("{\"a\":", "1", "}")
            )),
            Event("response_object is null and body_quality like 'nested deeper than%'"),
        ),
        (
            "a deep unknown field",
            with(&format!("\"x\":{}", nested("[", "", "]"))),
            Event("body_quality is null"),
        ),
        (
            "a body in Latin-1",
            [
                &with("\"requestObject\":{\"a\":\"")
                    [..with("\"requestObject\":{\"a\":\"").len() - 1],
                b"caf\xe9\"}}",
            ]
            .concat(),
            Event("request_object is null and body_quality = 'invalid UTF-8'"),
        ),
        (
            "a key twice in a body",
            with("\"requestObject\":{\"a\":1,\"a\":2}"),
            Event("request_object = '{\"a\":1,\"a\":2}'"),
        ),
        (
            "huge numbers in a body",
            with(&format!(
                "\"requestObject\":{{\"n\":{},\"m\":-1e999999}}",
                "9".repeat(500)
            )),
            Event("length(request_object) > 500"),
        ),
        (
            "a body of another type",
            with("\"requestObject\":[1,\"x\",null]"),
            Event("request_object ->> 1 = 'x'"),
        ),
        (
            "unknown fields",
            with("\"new\":{\"a\":[1]},\"\":0"),
            Event("code = 201"),
        ),
        (
            "an unknown stage",
            replaced("ResponseComplete", b"Later"),
            Event("stage = 'Later'"),
        ),
        (
            "no time",
            replaced(&format!(",{received},{time}"), b""),
            Event("time_quality = 'stored' and time <= stored_time"),
        ),
        (
            "only one time",
            replaced(&format!(",{time}"), b""),
            Event("time_quality = 'received' and time = received_time"),
        ),
        (
            "year 0",
            replaced(time, b"\"stageTimestamp\":\"0000-01-01T00:00:00Z\""),
            Event("time < '0001-01-01'"),
        ),
        (
            "year 9999",
            replaced(time, b"\"stageTimestamp\":\"9999-12-31T23:59:59.999999Z\""),
            Event("time > '9999-12-31T23:59:59Z'"),
        ),
        (
            "nanoseconds",
            replaced("05.000005Z\",\"stage", b"05.123456789Z\",\"stage"),
            Event("received_time = '2026-11-20T00:00:05.123456Z'"),
        ),
        (
            "an auditID of 1 MB",
            replaced(
                "\"auditID\":\"",
                format!("\"auditID\":\"{}", "a".repeat(1 << 20)).as_bytes(),
            ),
            Event("length(audit_id) = 1048612"),
        ),
        (
            "an auditID like a path",
            replaced("\"auditID\":\"", b"\"auditID\":\"../../\\u0000\\u202e"),
            Event("audit_id like '../../%'"),
        ),
        (
            "half a surrogate pair",
            replaced("user-5", b"\\ud800"),
            Event("user = '\u{fffd}'"),
        ),
    ]
}

/// The reason, the bytes and the exact contents of each quarantined item.
#[track_caller]
fn quarantine(both: &Both) -> Vec<(String, Vec<u8>)> {
    let listed = both.ask_quarantine("list", &["-o", "jsonl"]);
    let items = listed.text().lines().map(|line| {
        let item: serde_json::Value = serde_json::from_str(line).unwrap();
        let exported = both
            .ask_quarantine("export", &["--id", &item["id"].to_string()])
            .expect(0);
        let bytes = exported.stdout.strip_suffix(b"\n").unwrap().to_vec();
        assert_eq!(item["bytes"], bytes.len());
        (item["reason"].as_str().unwrap().to_owned(), bytes)
    });
    items.collect()
}

/// Whether a line of the raw answer is exactly this.
fn holds(raw: &[u8], event: &[u8]) -> bool {
    raw.split(|byte| *byte == b'\n').any(|line| line == event)
}

/// Each in a request and a cluster of its own, between two neighbours, and sent again, as after a
/// lost answer.
#[test]
fn an_item_among_lines_in_a_request() {
    let both = Both::empty();
    let mut expected = Vec::new();
    for (number, (name, item, becomes)) in items().into_iter().enumerate() {
        let (one, two) = (event(1), event(2));
        let body = [one.as_bytes(), b"\n", &item, b"\n", two.as_bytes(), b"\n"].concat();
        let (stored, bad) = match becomes {
            Event(_) => (3, 0),
            Quarantined(_) => (2, 1),
        };
        let post = || {
            both.server
                .post(&format!("/webhook/c{number}"), &body)
                .expect(200)
                .text()
        };
        let answer = format!(r#"{{"stored":{stored},"duplicates":0,"quarantined":{bad}}}"#);
        assert_eq!(post(), answer, "{name}");
        let again = post();
        assert!(
            again == r#"{"stored":0,"duplicates":3,"quarantined":0}"#,
            "{name}: {again}"
        );

        let path = format!("/api/v1/events?cluster=c{number}&limit=0&format=raw");
        let raw = both.server.get(&path).expect(200).body;
        assert!(
            holds(&raw, one.as_bytes()) && holds(&raw, two.as_bytes()),
            "{name}: neighbours"
        );
        match becomes {
            Event(condition) => {
                assert!(holds(&raw, &item), "{name}: the exact bytes");
                let sql = format!(
                    "select count(*) from events where cluster = 'c{number}' \
                     and user not in ('user-1', 'user-2') and ({condition})"
                );
                let ask = serde_json::json!({ "sql": sql }).to_string();
                let rows = &both.server.post("/api/v1/sql", ask).expect(200).json()["rows"];
                assert_eq!(*rows, serde_json::json!([[1]]), "{name}: {condition}");
            }
            Quarantined(why) => expected.push((name, why, item)),
        }
    }
    let kept = quarantine(&both);
    assert_eq!(kept.len(), expected.len());
    for ((reason, bytes), (name, why, item)) in kept.iter().zip(&expected) {
        assert!(
            reason.contains(why) && reason.len() <= 400,
            "{name}: {reason}"
        );
        assert!(bytes == item, "{name}: the exact bytes");
    }
    let notes = both.ask("query", &["--limit", "1"]).stderr;
    assert!(
        notes.contains(&format!("{} items in quarantine", expected.len())),
        "{notes}"
    );
}
