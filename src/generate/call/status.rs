//! How a call ended, in the words of kube-apiserver.

use super::{Call, End, Kind};
use crate::generate::put::put;

/// The rest of a `Status`, from behind its `metadata`, with the closing brace.
pub(super) fn write(out: &mut Vec<u8>, call: &Call<'_>) {
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
