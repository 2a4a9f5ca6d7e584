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
    "rbac-grants"
    "cluster-admin-bindings"
    "webhook-changes"
    "crd-changes"
    "apiservice-changes"
    "namespace-changes"
    "node-changes"
    "workload-changes"
    "image-changes"
    "privileged-workloads"
    "host-path-mounts"
    "ephemeral-containers"
    "changes-outside-gitops"
    "dry-runs"
    "service-exposure"
    "deprecated-api-callers"
    "throttled-requests"
    "slow-requests"
    "noisiest-identities"
    "error-rates"
    "server-errors"
    "watch-churn"
    "open-exec-sessions"
    "panics"
    "busiest-hours"
}
