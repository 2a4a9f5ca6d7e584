//! The files of `queries/`. Adding one is its file and its line here.

macro_rules! files {
    ($($name:literal)*) => {
        /// Name and text of every shipped question.
        pub(super) const FILES: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../queries/", $name, ".sql"))),)*
        ];
    };
}

files! {
    "who-deleted"
    "why-deleted"
    "who-created"
    "who-changed"
    "who-scaled"
    "who-execd"
    "who-attached"
    "who-port-forwarded"
    "who-read-logs"
    "who-read-secret"
    "all-by-user"
    "all-by-source-ip"
    "all-by-user-agent"
    "all-by-group"
    "first-last-seen"
    "touched-by"
    "secret-reads"
    "failed-logins"
    "forbidden-bursts"
    "anonymous-calls"
    "impersonation"
    "token-requests"
    "credential-use"
    "certificates"
    "calls-by-system-masters"
    "escalation-denied"
    "admission-denied"
    "truncated-events"
    "quarantined-items"
    "duplicate-audit-ids"
    "silent-sources"
    "clock-skew"
    "missing-fields"
    "ingest-summary"
}
