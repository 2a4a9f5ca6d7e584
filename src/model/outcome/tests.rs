use super::*;

/// Code, subresource, decision, reason, message (`~` for absent), outcome. Messages without a
/// mark are recorded from kube-apiserver 1.36.
const TABLE: &[(i64, &str, &str, &str, &str, Outcome)] = &[
    (200, "~", "allow", "~", "~", Outcome::Success),
    (201, "~", "allow", "~", "~", Outcome::Success),
    (304, "~", "allow", "~", "~", Outcome::Success),
    (
        200,
        "~",
        "allow",
        "~",
        "Connection closed early",
        Outcome::Success,
    ),
    (101, "exec", "allow", "~", "~", Outcome::Upgraded),
    // Authentication.
    (
        401,
        "~",
        "~",
        "Unauthorized",
        "Unauthorized",
        Outcome::DeniedAuthn,
    ),
    (401, "proxy", "allow", "~", "~", Outcome::DeniedUpstream),
    // Authorization.
    (
        403,
        "~",
        "forbid",
        "Forbidden",
        r#"forbidden: User "mallory" cannot get path "/metrics""#,
        Outcome::DeniedAuthz,
    ),
    (
        403,
        "~",
        "forbid",
        "Forbidden",
        r#"admission webhook "x" denied the request: no"#,
        Outcome::DeniedAuthz,
    ),
    (403, "~", "forbid", "~", "~", Outcome::DeniedAuthz),
    (
        403,
        "~",
        "~",
        "Forbidden",
        r#"uids.authentication.k8s.io "77" is forbidden: User "helpdesk" cannot impersonate resource "uids" in API group "authentication.k8s.io" at the cluster scope"#,
        Outcome::DeniedAuthz,
    ),
    (
        403,
        "~",
        "~",
        "Forbidden",
        r#"forbidden: User "mallory" cannot impersonate-on:user-info:options path "/apis/apps/v1""#,
        Outcome::DeniedAuthz,
    ),
    (
        403,
        "~",
        "~",
        "Forbidden",
        r#"secrets is forbidden: User "helpdesk" cannot impersonate-on:user-info:list resource "secrets" in API group "" in the namespace "payments""#,
        Outcome::DeniedAuthz,
    ),
    // Written by hand: a hostile uid to impersonate, a resource with a space.
    (
        403,
        "~",
        "~",
        "Forbidden",
        r#"uids.authentication.k8s.io "a\" is forbidden: exceeded quota" is forbidden: User "m" cannot impersonate resource "uids""#,
        Outcome::DeniedAuthz,
    ),
    (
        403,
        "~",
        "~",
        "Forbidden",
        r#"a b is forbidden: User "m" cannot impersonate resource "users""#,
        Outcome::DeniedAuthz,
    ),
    // After the sources: create on update, with the reason that RBAC leaves empty.
    (
        403,
        "~",
        "allow",
        "Forbidden",
        r#"configmaps "new" is forbidden: "#,
        Outcome::DeniedAuthz,
    ),
    // Admission.
    (
        403,
        "~",
        "allow",
        "Forbidden",
        r#"admission webhook "images.policy.example.com" denied the request: label deny=true is not allowed by policy"#,
        Outcome::DeniedAdmission,
    ),
    (
        403,
        "~",
        "allow",
        "Forbidden",
        r#"pods "evil" is forbidden: violates PodSecurity "restricted:latest": host namespaces (hostPID=true)"#,
        Outcome::DeniedAdmission,
    ),
    (
        403,
        "~",
        "allow",
        "Forbidden",
        r#"configmaps "kube-root-ca.crt" is forbidden: unable to create new content in namespace tmp-1 because it is being terminated"#,
        Outcome::DeniedAdmission,
    ),
    (
        403,
        "~",
        "allow",
        "Forbidden",
        r#"nodes "node-1" is forbidden: node "node-2" is not allowed to modify node "node-1""#,
        Outcome::DeniedAdmission,
    ),
    // After the sources: other plugins, webhooks with their own codes, policies.
    (
        403,
        "~",
        "allow",
        "Forbidden",
        r#"pods "p" is forbidden: exceeded quota: q, requested: pods=1, used: pods=9, limited: pods=9"#,
        Outcome::DeniedAdmission,
    ),
    (
        400,
        "~",
        "allow",
        "BadRequest",
        r#"admission webhook "w.example.com" denied the request without explanation"#,
        Outcome::DeniedAdmission,
    ),
    (
        422,
        "~",
        "allow",
        "Invalid",
        r#"admission webhook "w.example.com" denied the request: no"#,
        Outcome::DeniedAdmission,
    ),
    (
        500,
        "~",
        "allow",
        "~",
        r#"admission webhook "w.example.com" denied the request: no"#,
        Outcome::DeniedAdmission,
    ),
    (
        422,
        "~",
        "allow",
        "Invalid",
        r#"deployments.apps "d" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed expression: false"#,
        Outcome::DeniedAdmission,
    ),
    (
        401,
        "~",
        "allow",
        "Unauthorized",
        r#"deployments.apps "d" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"#,
        Outcome::DeniedAdmission,
    ),
    (
        413,
        "~",
        "allow",
        "RequestEntityTooLarge",
        r#"deployments.apps "d" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"#,
        Outcome::DeniedAdmission,
    ),
    // RBAC's escalation guard, after the sources.
    (
        403,
        "~",
        "allow",
        "Forbidden",
        r#"clusterroles.rbac.authorization.k8s.io "x" is forbidden: user "ci-bot" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:"#,
        Outcome::DeniedEscalation,
    ),
    (
        403,
        "~",
        "allow",
        "Forbidden",
        r#"clusterroles.rbac.authorization.k8s.io "x" is forbidden: must have cluster-admin privileges to use an aggregationRule"#,
        Outcome::DeniedEscalation,
    ),
    // Somebody else's "no", and one that nobody explains.
    (403, "proxy", "allow", "~", "~", Outcome::DeniedUpstream),
    (403, "~", "allow", "~", "~", Outcome::DeniedUpstream),
    (
        403,
        "log",
        "allow",
        "Forbidden",
        "Forbidden (user=kube-apiserver, verb=get, resource=nodes, subresource=proxy)",
        Outcome::DeniedUpstream,
    ),
    (403, "~", "~", "~", "~", Outcome::DeniedOther),
    (403, "~", "allow", "Forbidden", "no", Outcome::DeniedOther),
    // The rest.
    (
        400,
        "~",
        "~",
        "BadRequest",
        r#"invalid timeout specified in the request URL - time: invalid duration "abc""#,
        Outcome::ClientError,
    ),
    (
        400,
        "~",
        "allow",
        "BadRequest",
        r#"strconv.ParseInt: parsing "abc": invalid syntax"#,
        Outcome::ClientError,
    ),
    (
        404,
        "~",
        "allow",
        "NotFound",
        r#"pods "x" not found"#,
        Outcome::NotFound,
    ),
    (404, "~", "allow", "~", "~", Outcome::NotFound),
    (
        405,
        "~",
        "allow",
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
        Outcome::ClientError,
    ),
    (
        409,
        "~",
        "allow",
        "AlreadyExists",
        r#"configmaps "x" already exists"#,
        Outcome::Conflict,
    ),
    (
        409,
        "~",
        "allow",
        "Conflict",
        r#"Apply failed with 1 conflict: conflict with "m" using v1: .data.k"#,
        Outcome::Conflict,
    ),
    (
        413,
        "~",
        "allow",
        "RequestEntityTooLarge",
        "Request entity too large: limit is 3145728",
        Outcome::ClientError,
    ),
    (
        415,
        "~",
        "allow",
        "UnsupportedMediaType",
        "the body of the request was in an unknown format",
        Outcome::ClientError,
    ),
    (
        422,
        "~",
        "allow",
        "Invalid",
        "the server rejected our request due to an error in our request",
        Outcome::Invalid,
    ),
    (
        422,
        "~",
        "allow",
        "Invalid",
        r#"ConfigMap "\" is forbidden: ValidatingAdmissionPolicy 'x' denied request" is invalid: metadata.name"#,
        Outcome::Invalid,
    ),
    (
        429,
        "eviction",
        "allow",
        "TooManyRequests",
        "Cannot evict pod as it would violate the pod's disruption budget.",
        Outcome::EvictionBlocked,
    ),
    (
        429,
        "eviction",
        "allow",
        "TooManyRequests",
        "The server is currently unable to handle the request",
        Outcome::Throttled,
    ),
    (
        429,
        "~",
        "~",
        "TooManyRequests",
        "too many requests, please try again later",
        Outcome::Throttled,
    ),
    (
        500,
        "~",
        "allow",
        "~",
        "context deadline exceeded",
        Outcome::ServerError,
    ),
    (
        500,
        "~",
        "allow",
        "InternalError",
        r#"Internal error occurred: failed calling webhook "w": timeout"#,
        Outcome::ServerError,
    ),
    (
        503,
        "proxy",
        "allow",
        "ServiceUnavailable",
        "error trying to reach service: dial tcp 10.244.1.157:8080: connect: connection refused",
        Outcome::ServerError,
    ),
    (
        504,
        "~",
        "allow",
        "Timeout",
        "Timeout: Too large resource version: 999999999, current: 1352",
        Outcome::ServerError,
    ),
];

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| *text != "~")
}

#[test]
fn the_table_holds() {
    for &(code, subresource, decision, reason, message, expected) in TABLE {
        let facts = Facts {
            stage: "ResponseComplete",
            subresource: some(subresource),
            code: Some(code),
            decision: some(decision),
            reason: some(reason),
            message: some(message),
            ..Facts::default()
        };
        assert_eq!(outcome(&facts), expected, "{facts:?}");
    }
}

#[test]
fn stages_without_a_code() {
    let none = Facts {
        stage: "RequestReceived",
        ..Facts::default()
    };
    assert_eq!(outcome(&none), Outcome::Pending);
    assert_eq!(
        outcome(&Facts {
            code: Some(0),
            ..none
        }),
        Outcome::Pending
    );
    assert_eq!(
        outcome(&Facts {
            code: Some(500),
            stage: "Panic",
            ..none
        }),
        Outcome::Panic
    );
    let complete = Facts {
        stage: "ResponseComplete",
        ..none
    };
    assert_eq!(
        outcome(&Facts {
            reason: Some("NotFound"),
            ..complete
        }),
        Outcome::NotFound
    );
    assert_eq!(
        outcome(&Facts {
            status_success: true,
            ..complete
        }),
        Outcome::Success
    );
    let evict = Facts {
        code: Some(429),
        subresource: Some("eviction"),
        ..complete
    };
    assert_eq!(
        outcome(&Facts {
            disruption_budget: true,
            ..evict
        }),
        Outcome::EvictionBlocked
    );
}

#[test]
fn names_are_distinct_and_found_again() {
    for outcome in Outcome::ALL {
        assert_eq!(Outcome::by_name(outcome.as_str()), Some(*outcome));
    }
    assert_eq!(Outcome::ALL.len(), 17);
}
