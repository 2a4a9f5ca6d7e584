//! The closed sets of names in a filter.

/// Stages of `audit.k8s.io/v1`.
pub(super) const STAGES: &[&str] = &[
    "RequestReceived",
    "ResponseStarted",
    "ResponseComplete",
    "Panic",
];

/// Levels of `audit.k8s.io/v1`.
pub(super) const LEVELS: &[&str] = &["None", "Metadata", "Request", "RequestResponse"];
