//! The closed sets of names in a filter, and resources as kubectl spells them.

/// Stages of `audit.k8s.io/v1`.
pub const STAGES: &[&str] = &[
    "RequestReceived",
    "ResponseStarted",
    "ResponseComplete",
    "Panic",
];

/// Levels of `audit.k8s.io/v1`.
pub const LEVELS: &[&str] = &["None", "Metadata", "Request", "RequestResponse"];

/// Outcomes.
pub const OUTCOMES: &[&str] = &[
    "success",
    "denied_authn",
    "denied_authz",
    "denied_admission",
    "denied_escalation",
    "denied_upstream",
    "denied_other",
    "eviction_blocked",
    "throttled",
    "not_found",
    "conflict",
    "invalid",
    "client_error",
    "server_error",
    "upgraded",
    "panic",
    "pending",
];

/// The resource's plural name in lower case, and the API group if one was given.
pub fn parse_resource(text: &str) -> (String, Option<String>) {
    let lower = text.to_lowercase();
    let (name, group) = match lower.split_once('.') {
        Some((name, group)) => (name, Some(group.to_owned())),
        None => (lower.as_str(), None),
    };
    let plural = match name {
        "deploy" | "deployment" => "deployments",
        "po" | "pod" => "pods",
        "secret" => "secrets",
        other => other,
    };
    (plural.to_owned(), group)
}
