//! One API call and its audit events, as kube-apiserver's log backend writes them: field order of
//! `audit.k8s.io/v1` (staging/src/k8s.io/apiserver/pkg/apis/audit/v1/types.go), `&` as `\u0026`.

use super::put::{Micros, put};
use super::random::Uuid;
use super::world::Actor;

/// A kind of object; the core group is empty.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) resource: &'static str,
}

impl Kind {
    pub(super) const fn core(resource: &'static str) -> Kind {
        Kind::of("", resource)
    }

    pub(super) const fn of(group: &'static str, resource: &'static str) -> Kind {
        Kind {
            group,
            version: "v1",
            resource,
        }
    }
}

/// How much of a call the policy records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum Level {
    Metadata,
    Request,
    RequestResponse,
}

/// Which stages a call leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stages {
    /// The policy omits `RequestReceived`, as is usual for the noise of machines.
    Complete,
    /// `RequestReceived` and `ResponseComplete`.
    Both,
    /// `ResponseStarted` at once and `ResponseComplete` at the end.
    Watch,
    /// All three of an upgraded or streaming connection.
    LongRunning,
    /// Authentication failed: `ResponseStarted` alone, without a user.
    Unauthenticated,
}

/// How the call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Code(u16),
    /// 403 of the authorizer.
    Forbidden,
    /// 403 of Pod Security admission.
    PodSecurity,
    NotFound,
    Conflict,
    Unauthorized,
}

impl End {
    pub(super) fn code(self) -> u16 {
        match self {
            End::Code(code) => code,
            End::Forbidden | End::PodSecurity => 403,
            End::NotFound => 404,
            End::Conflict => 409,
            End::Unauthorized => 401,
        }
    }
}

/// One API call. Texts are JSON-escaped already; empty is absent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) actor: &'a Actor,
    /// The effective user's JSON, when the call is impersonated.
    pub(super) impersonated: &'a str,
    /// One address in JSON list form; empty takes the actor's own.
    pub(super) addresses: &'a str,
    pub(super) agent: &'a str,
    pub(super) level: Level,
    pub(super) stages: Stages,
    pub(super) verb: &'a str,
    /// An empty resource makes the call a non-resource one, to `path`.
    pub(super) kind: Kind,
    pub(super) path: &'a str,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) subresource: &'a str,
    /// With its `?`.
    pub(super) query: &'a str,
    pub(super) uid: Option<Uuid>,
    pub(super) end: End,
    /// Why the call was allowed; empty takes the actor's own.
    pub(super) allowed_by: &'a str,
    pub(super) request: &'a [u8],
    pub(super) response: &'a [u8],
}

impl<'a> Call<'a> {
    /// A successful call without bodies, recorded at `Metadata`, one stage.
    pub(super) fn new(actor: &'a Actor, verb: &'a str, kind: Kind) -> Call<'a> {
        Call {
            actor,
            impersonated: "",
            addresses: "",
            agent: "",
            level: Level::Metadata,
            stages: Stages::Complete,
            verb,
            kind,
            path: "",
            namespace: "",
            name: "",
            subresource: "",
            query: "",
            uid: None,
            end: End::Code(200),
            allowed_by: "",
            request: b"",
            response: b"",
        }
    }

    pub(super) fn on(self, namespace: &'a str, name: &'a str) -> Call<'a> {
        Call {
            namespace,
            name,
            ..self
        }
    }

    /// Recorded with bodies, both stages.
    pub(super) fn with(self, request: &'a [u8], response: &'a [u8]) -> Call<'a> {
        Call {
            request,
            response,
            level: Level::RequestResponse,
            stages: Stages::Both,
            ..self
        }
    }

    fn creates(&self) -> bool {
        self.verb == "create" && self.subresource.is_empty()
    }
}

/// The stage of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Received,
    Started,
    Complete,
}

/// Appends the event of one stage and a newline. Times are microseconds.
pub(super) fn write(
    out: &mut Vec<u8>,
    call: &Call<'_>,
    stage: Stage,
    audit_id: Uuid,
    received: i64,
    time: i64,
) {
    let Kind {
        group,
        version,
        resource,
    } = call.kind;
    put!(
        out,
        r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":""#,
        match call.level {
            Level::Metadata => "Metadata",
            Level::Request => "Request",
            Level::RequestResponse => "RequestResponse",
        },
        r#"","auditID":""#,
        audit_id,
        match stage {
            Stage::Received => r#"","stage":"RequestReceived","requestURI":""#,
            Stage::Started => r#"","stage":"ResponseStarted","requestURI":""#,
            Stage::Complete => r#"","stage":"ResponseComplete","requestURI":""#,
        },
    );
    write_uri(out, call);
    put!(out, r#"","verb":""#, call.verb, r#"","user":"#);
    if call.stages == Stages::Unauthenticated {
        put!(out, "{}");
    } else {
        put!(out, call.actor.user);
    }
    if !call.impersonated.is_empty() {
        put!(out, r#","impersonatedUser":"#, call.impersonated);
    }
    fn or<'t>(given: &'t str, own: &'t str) -> &'t str {
        if given.is_empty() { own } else { given }
    }
    put!(
        out,
        r#","sourceIPs":"#,
        or(
            call.addresses,
            &call.actor.addresses[audit_id.index(call.actor.addresses.len())]
        ),
        r#","userAgent":""#,
        or(call.agent, &call.actor.agent),
        "\"",
    );
    if !resource.is_empty() {
        put!(out, r#","objectRef":{"resource":""#, resource);
        if !call.namespace.is_empty() {
            put!(out, r#"","namespace":""#, call.namespace);
        }
        // The name of a created object comes from the body, which is not read yet at first.
        if !call.name.is_empty() && (!call.creates() || stage != Stage::Received) {
            put!(out, r#"","name":""#, call.name);
        }
        if let Some(uid) = call.uid.filter(|_| stage != Stage::Received) {
            put!(out, r#"","uid":""#, uid);
        }
        if !group.is_empty() {
            put!(out, r#"","apiGroup":""#, group);
        }
        put!(out, r#"","apiVersion":""#, version);
        if !call.subresource.is_empty() {
            put!(out, r#"","subresource":""#, call.subresource);
        }
        put!(out, "\"}");
    }
    if stage != Stage::Received {
        put!(out, r#","responseStatus":{"metadata":{}"#);
        write_status(out, call);
        let failed = call.end.code() >= 400;
        if call.level >= Level::Request && !call.request.is_empty() {
            put!(out, r#","requestObject":"#, call.request);
        }
        if call.level == Level::RequestResponse && stage == Stage::Complete {
            if failed {
                put!(
                    out,
                    r#","responseObject":{"kind":"Status","apiVersion":"v1","metadata":{}"#
                );
                write_status(out, call);
            } else if !call.response.is_empty() {
                put!(out, r#","responseObject":"#, call.response);
            }
        }
    }
    put!(
        out,
        r#","requestReceivedTimestamp":""#,
        Micros(received),
        r#"","stageTimestamp":""#,
        Micros(time),
        "\"",
    );
    if stage != Stage::Received && call.stages != Stages::Unauthenticated {
        write_annotations(out, call);
    }
    put!(out, "}\n");
}

fn write_uri(out: &mut Vec<u8>, call: &Call<'_>) {
    let Kind {
        group,
        version,
        resource,
    } = call.kind;
    if resource.is_empty() {
        put!(out, call.path);
    } else {
        if group.is_empty() {
            put!(out, "/api/", version);
        } else {
            put!(out, "/apis/", group, "/", version);
        }
        if !call.namespace.is_empty() {
            put!(out, "/namespaces/", call.namespace);
        }
        put!(out, "/", resource);
        if !call.name.is_empty() && !call.creates() {
            put!(out, "/", call.name);
        }
        if !call.subresource.is_empty() {
            put!(out, "/", call.subresource);
        }
    }
    put!(out, call.query);
}

/// The rest of a `Status`, from behind its `metadata`, with the closing brace.
fn write_status(out: &mut Vec<u8>, call: &Call<'_>) {
    let code = u64::from(call.end.code());
    if let End::Code(_) = call.end {
        put!(out, r#","code":"#, code, "}");
        return;
    }
    let Kind {
        group, resource, ..
    } = call.kind;
    put!(out, r#","status":"Failure","message":""#);
    if call.end != End::Unauthorized {
        match call.end {
            End::Conflict => put!(out, "Operation cannot be fulfilled on ", resource),
            _ => put!(out, resource),
        }
        if !group.is_empty() {
            put!(out, ".", group);
        }
        if !call.name.is_empty() {
            put!(out, r#" \""#, call.name, r#"\""#);
        }
    }
    let reason = match call.end {
        End::Forbidden => {
            put!(
                out,
                r#" is forbidden: User \""#,
                call.actor.name,
                r#"\" cannot "#,
                call.verb,
                r#" resource \""#,
                resource,
                r#"\" in API group \""#,
                group,
            );
            if call.namespace.is_empty() {
                put!(out, r#"\" at the cluster scope"#);
            } else {
                put!(out, r#"\" in the namespace \""#, call.namespace, r#"\""#);
            }
            "Forbidden"
        }
        End::PodSecurity => {
            put!(out, r" is forbidden: violates PodSecurity ", VIOLATION);
            "Forbidden"
        }
        End::NotFound => {
            put!(out, " not found");
            "NotFound"
        }
        End::Conflict => {
            put!(
                out,
                ": the object has been modified; please apply your changes to the latest version \
                 and try again"
            );
            "Conflict"
        }
        End::Unauthorized | End::Code(_) => {
            put!(out, "Unauthorized");
            "Unauthorized"
        }
    };
    put!(out, r#"","reason":""#, reason, "\"");
    if call.end != End::Unauthorized {
        put!(out, r#","details":{"#);
        if !call.name.is_empty() {
            put!(out, r#""name":""#, call.name, "\",");
        }
        if !group.is_empty() {
            put!(out, r#""group":""#, group, "\",");
        }
        put!(out, r#""kind":""#, resource, "\"}");
    }
    put!(out, r#","code":"#, code, "}");
}

const VIOLATION: &str = r#"\"restricted:latest\": privileged (container \"main\" must not set securityContext.privileged=true), restricted volume types (volume \"host\" uses restricted volume type \"hostPath\")"#;

fn write_annotations(out: &mut Vec<u8>, call: &Call<'_>) {
    if call.end == End::Forbidden {
        put!(
            out,
            r#","annotations":{"authorization.k8s.io/decision":"forbid","authorization.k8s.io/reason":""}"#
        );
        return;
    }
    let reason = match call.allowed_by {
        "" => call.actor.allowed_by.as_str(),
        given => given,
    };
    put!(
        out,
        r#","annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":""#,
        reason,
    );
    if call.end == End::PodSecurity {
        put!(
            out,
            r#"","pod-security.kubernetes.io/enforce-policy":"restricted:latest"}"#
        );
    } else {
        put!(out, "\"}");
    }
}
