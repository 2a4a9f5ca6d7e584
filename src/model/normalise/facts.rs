//! What questions need from inside the bodies of writes: images, what a pod may do, which secrets it
//! names and as whom it runs, role bindings, owners, replicas, what opens to the outside. Nothing
//! found here, or not found, makes an event refused.

#[cfg(test)]
mod tests;
mod walk;

use std::borrow::Cow;

use self::walk::{Found, read};
use super::fields::{Fields, ObjectRef};
use super::shape::Wanted;
use crate::limits::{FACT_ELEMENTS_MAX, FACT_LIST_BYTES_MAX, FACT_TEXT_BYTES_MAX};
use crate::model::event::Text;
use crate::model::json::{Broken, Scanner, unescape};

/// Marks what was cut.
const CUT: &str = "...";

/// The facts of an event's bodies.
#[derive(Debug, Default)]
pub(super) struct BodyFacts<'a> {
    pub images: Option<Text<'a>>,
    pub pod_security: Option<Text<'a>>,
    pub pod_secrets: Option<Text<'a>>,
    pub pod_service_account: Option<Text<'a>>,
    pub role_ref: Option<Text<'a>>,
    pub subjects: Option<Text<'a>>,
    pub owner: Option<Text<'a>>,
    pub exposure: Option<&'static str>,
    pub replicas: Replicas,
}

/// Numbers of replicas.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Replicas {
    pub asked: Option<i64>,
    pub answered: Option<i64>,
    pub observed: Option<i64>,
}

/// What kind of object opens something to the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exposing {
    Service,
    Ingress,
}

impl Exposing {
    /// Other groups have resources of the same names.
    fn of(object: &ObjectRef<'_>) -> Option<Exposing> {
        match (object.resource.as_deref()?, &object.api_group) {
            _ if object.subresource.is_some() => None,
            ("services", None) => Some(Exposing::Service),
            ("ingresses", Some(_)) => Some(Exposing::Ingress),
            _ => None,
        }
    }

    /// How; `whole` is whether what a body does not say is not there.
    fn how(self, body: &Found<'_>, whole: bool) -> Option<&'static str> {
        match (self, body.service_type.as_deref()) {
            (Exposing::Service, Some("NodePort")) => Some("NodePort"),
            (Exposing::Service, Some("LoadBalancer")) => Some("LoadBalancer"),
            (Exposing::Service, _) => body.has_external_ips.then_some("external IPs"),
            (Exposing::Ingress, _) => (whole && !body.has_tls).then_some("ingress without TLS"),
        }
    }
}

/// Whether an object says how many replicas there should be.
fn has_replicas(object: &ObjectRef<'_>) -> bool {
    match object.subresource.as_deref() {
        Some(subresource) => subresource == "scale",
        None => matches!(
            object.resource.as_deref(),
            Some("deployments" | "statefulsets" | "replicasets" | "replicationcontrollers")
        ),
    }
}

/// Reads the bodies of a write. What is submitted is in the request; where its body was not recorded
/// or is no JSON object or patch (an apply patch in YAML), the answer shows what it came to.
pub(super) fn of_bodies<'a>(
    raw: &'a [u8],
    verb: &str,
    stage: &str,
    fields: &Fields<'a>,
) -> BodyFacts<'a> {
    let submits = matches!(verb, "create" | "update" | "patch");
    if !submits && verb != "delete" {
        return BodyFacts::default();
    }
    let binds = matches!(
        fields.object.resource.as_deref(),
        Some("rolebindings" | "clusterrolebindings")
    );
    // With the status alone nothing else of the object is taken over.
    let is_status = fields.object.subresource.as_deref() == Some("status");
    let scales = submits && has_replicas(&fields.object);
    let exposing = Exposing::of(&fields.object).filter(|_| submits && stage != "RequestReceived");
    let sent = fields.request_body(raw).filter(|_| submits);
    let mut found = Found::default();
    let mut missing = Wanted {
        owner: true,
        pods: submits && !is_status,
        account: submits && !is_status,
        bindings: binds,
        replicas: scales,
        status: false,
        exposure: exposing.is_some(),
    };
    if let Some(body) = sent
        && matches!(body.first(), Some(b'{' | b'['))
    {
        found = read(body, missing, false);
        missing.pods = false;
        // What the request leaves out of it, the answer has, and what admission made of it.
        missing.account &= !found.images.is_empty();
        missing.owner = found.owner.is_none();
        missing.bindings &= found.role_ref.is_none() || found.subjects.is_empty();
    }
    missing.status = scales;
    let mut answered = Found::default();
    if missing.any()
        && let Some(body) = fields.response_body(raw)
        && body.first() == Some(&b'{')
    {
        answered = read(body, missing, true);
    }
    let exposure = exposing.and_then(|exposing| match sent {
        _ if answered.has_spec => exposing.how(&answered, true),
        Some(_) => exposing.how(&found, verb != "patch"),
        None => Some("unknown"),
    });
    let account = service_account(&found, &answered, verb == "patch");
    let (images, security, secrets) = match missing.pods {
        true => (answered.images, answered.security, answered.secrets),
        false => (found.images, found.security, found.secrets),
    };
    let subjects = match found.subjects.is_empty() {
        true => answered.subjects,
        false => found.subjects,
    };
    let owner = found.owner.or(answered.owner);
    BodyFacts {
        images: list(images),
        pod_security: list(security),
        pod_secrets: list(secrets),
        pod_service_account: account.map(bounded),
        role_ref: found.role_ref.or(answered.role_ref).map(bounded),
        subjects: list(subjects),
        owner: owner.map(|(owner, _)| bounded(owner)),
        exposure,
        replicas: Replicas {
            asked: found.replicas,
            answered: answered.replicas,
            observed: answered.observed,
        },
    }
}

/// As which service account pods run: as the answer has it, else as it was asked for. A whole spec
/// that names none has the default; `partial` is whether that of the request may leave out more.
fn service_account<'a>(found: &Found<'a>, answered: &Found<'a>, partial: bool) -> Option<Text<'a>> {
    let named = |body: &Found<'a>| body.account.clone().or_else(|| body.old_account.clone());
    let whole = answered.has_containers || found.has_containers && !partial;
    named(answered)
        .or_else(|| named(found))
        .or_else(|| whole.then_some(Cow::Borrowed("default")))
}

/// The first value of the credential's id among a user's extra attributes.
pub(super) fn credential_id(extra: &str) -> Option<Text<'static>> {
    let mut id = None;
    // The attributes were found to be JSON when they were read.
    let _ = read_credential_id(extra, &mut id);
    id.map(|id| Cow::Owned(bounded(id).into_owned()))
        .filter(|id: &Text<'_>| !id.is_empty())
}

fn read_credential_id<'a>(extra: &'a str, id: &mut Option<Text<'a>>) -> Result<(), Broken> {
    let mut scanner = Scanner::new(extra.as_bytes());
    scanner.enter_object()?;
    let mut first = true;
    while let Some(key) = scanner.next_key(first)? {
        first = false;
        let start = scanner.at();
        scanner.skip()?;
        if unescape(&extra[key.span]) == "authentication.kubernetes.io/credential-id" {
            *id = crate::model::json::texts(&extra[start..scanner.at()])
                .into_iter()
                .next();
        }
    }
    Ok(())
}

/// Cuts a text that is too long.
pub(super) fn bounded(text: Text<'_>) -> Text<'_> {
    if text.len() <= FACT_TEXT_BYTES_MAX {
        return text;
    }
    let mut end = FACT_TEXT_BYTES_MAX - CUT.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(format!("{}{CUT}", &text[..end]))
}

/// Texts as a JSON array, sorted, each once; `None` without any.
fn list(mut texts: Vec<Text<'_>>) -> Option<Text<'static>> {
    if texts.is_empty() {
        return None;
    }
    let mut cut = texts.len() >= FACT_ELEMENTS_MAX;
    for text in &mut texts {
        cut |= text.len() > FACT_TEXT_BYTES_MAX;
        *text = bounded(std::mem::take(text));
    }
    texts.sort_unstable();
    texts.dedup();
    let mut json = String::from("[");
    for text in &texts {
        let element = serde_json::to_string(text).expect("text is always JSON");
        if json.len() + element.len() + 8 > FACT_LIST_BYTES_MAX {
            cut = true;
            break;
        }
        if json.len() > 1 {
            json.push(',');
        }
        json.push_str(&element);
    }
    if cut {
        json.push_str(if json.len() > 1 {
            ",\"...\""
        } else {
            "\"...\""
        });
    }
    json.push(']');
    Some(Cow::Owned(json))
}
