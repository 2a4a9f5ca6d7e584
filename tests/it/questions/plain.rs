//! Plain counting over the raw lines of the recording.

use serde_json::Value;

use super::{EVENTS, Row, text};

pub(crate) const WRITES: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];
pub(crate) const READS: [&str; 3] = ["get", "list", "watch"];
pub(crate) const SESSIONS: [&str; 4] = ["exec", "attach", "portforward", "proxy"];

/// How many recorded events match.
pub(crate) fn count(matches: impl Fn(&Value) -> bool) -> u64 {
    EVENTS.iter().filter(|event| matches(event)).count() as u64
}

/// A number of a row.
#[track_caller]
pub(crate) fn number(row: &Row, column: &str) -> u64 {
    row[column]
        .as_u64()
        .unwrap_or_else(|| panic!("{column} of {row:?}"))
}

pub(crate) fn user(event: &Value) -> &str {
    text(event, "/user/username")
}

pub(crate) fn verb(event: &Value) -> &str {
    text(event, "/verb")
}

pub(crate) fn level(event: &Value) -> &str {
    text(event, "/level")
}

pub(crate) fn stage(event: &Value) -> &str {
    text(event, "/stage")
}

pub(crate) fn resource(event: &Value) -> &str {
    text(event, "/objectRef/resource")
}

pub(crate) fn subresource(event: &Value) -> &str {
    text(event, "/objectRef/subresource")
}

pub(crate) fn group(event: &Value) -> &str {
    text(event, "/objectRef/apiGroup")
}

/// The status code; 0 when there is none.
pub(crate) fn code(event: &Value) -> u64 {
    event["responseStatus"]["code"].as_u64().unwrap_or(0)
}

/// Whether it is the end of a request.
pub(crate) fn ended(event: &Value) -> bool {
    ["ResponseComplete", "Panic"].contains(&stage(event))
}

/// Whether the request was answered with success or connected.
pub(crate) fn succeeded(event: &Value) -> bool {
    code(event) == 101 || (200..400).contains(&code(event))
}

/// Whether it was made with the rights of an administrator, and by which of two ways.
pub(crate) fn admin_by(event: &Value) -> Option<&'static str> {
    let whose = match text(event, "/impersonatedUser/username") {
        "" => "user",
        _ => "impersonatedUser",
    };
    let groups = event[whose]["groups"].as_array();
    if groups.is_some_and(|groups| groups.iter().any(|group| group == "system:masters")) {
        return Some("system:masters");
    }
    let reason = text(event, "/annotations/authorization.k8s.io~1reason");
    reason
        .contains(r#"ClusterRole "cluster-admin" to "#)
        .then_some("cluster-admin")
}

/// The kind of object as reports call it.
pub(crate) fn object(event: &Value) -> String {
    let part = |text: &str, sign: &str| match text {
        "" => String::new(),
        text => format!("{sign}{text}"),
    };
    match resource(event) {
        "" => "non-resource paths".to_owned(),
        resource => {
            let group = part(group(event), ".");
            format!("{resource}{group}{}", part(subresource(event), "/"))
        }
    }
}

/// The class of its verb as reports call it.
pub(crate) fn class(event: &Value) -> &'static str {
    match verb(event) {
        _ if SESSIONS.contains(&subresource(event)) => "connect",
        "get" | "list" | "watch" | "head" => "read",
        verb if WRITES.contains(&verb) => "write",
        _ => "other",
    }
}
