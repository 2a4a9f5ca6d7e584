//! Events made up for what was not recorded.

use serde_json::{Value, json};

use super::Row;
use crate::both::Both;
use crate::support::event;

/// The end of a successful request by alice on `objectRef`, of whose members `change` takes the
/// place; `n` is its second of the day and makes up its audit ID, `made-N`.
pub(super) fn made(n: u64, verb: &str, change: Value) -> Value {
    let mut made: Value = serde_json::from_str(&event(n)).unwrap();
    let base = json!({
        "auditID": format!("made-{n}"),
        "level": "RequestResponse",
        "verb": verb,
        "requestURI": "/apis/made",
        "user": {"username": "alice"},
        "responseStatus": {"metadata": {}, "code": 200},
        "annotations": {"authorization.k8s.io/decision": "allow"},
    });
    for members in [base, change] {
        let Value::Object(members) = members else {
            panic!("{members}")
        };
        for (key, value) in members {
            made[key] = value;
        }
    }
    made
}

/// A store of such events.
pub(super) fn store_of(events: &[Value]) -> Both {
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    Both::with_events(&lines)
}

/// A column of rows as JSON, which those cells hold that are no NULL.
pub(super) fn column(rows: &[Row], name: &str) -> Vec<Value> {
    let cell = |row: &Row| match &row[name] {
        Value::String(text) if text.starts_with(['[', '{']) => serde_json::from_str(text).unwrap(),
        other => other.clone(),
    };
    rows.iter().map(cell).collect()
}
