//! From the exact bytes of one item to a normalised [`Event`], or the reason why not.
//!
//! Rules that are not in the field's own documentation:
//!
//! - Required, because every version of the API always writes them: `level`, `auditID`, `stage`,
//!   `requestURI`, `verb`, `user` (which may be `{}`). `null` elsewhere is the same as absent.
//! - Fields that the API leaves out when empty read as absent when they are empty.
//! - A top-level member, or one inside `user`, `impersonatedUser`, `objectRef` and
//!   `responseStatus` that this program reads, must not stand twice: readers would disagree on
//!   which one counts, and one could hide the other. Members that nobody reads may, and so may
//!   everything inside the bodies. Of annotations with one key the last counts.
//! - Unknown members are kept in the bytes and otherwise ignored.

mod body;
mod facts;
mod fields;
mod reject;
mod shape;
#[cfg(test)]
mod tests;
mod typed;
mod uri;

use memchr::memmem;

use self::fields::{Fields, Status};
use self::typed::Stamp;
use super::event::{Event, Spans, Text, TimeQuality};
use super::outcome::{Facts, outcome};

pub use self::reject::Reject;
pub use self::uri::command;

/// Normalises one item, and gives the identity of its content within `cluster`: 128 bits of the
/// SHA-256 over the cluster's name and the item's bytes minus the top-level `kind` and
/// `apiVersion` and minus whitespace outside strings.
///
/// Understands `audit.k8s.io/v1`, and `v1beta1` and `v1alpha1` as Kubernetes before 1.24 wrote
/// them. Nothing inside `requestObject` or `responseObject` makes it refuse an item.
pub fn normalise<'a>(cluster: &str, raw: &'a [u8]) -> Result<(Event<'a>, [u8; 16]), Reject> {
    let mut fields = fields::read(raw)?;
    let identity = fields.kept.identity(cluster, raw, fields.spaced);
    let audit_id = fields
        .audit_id
        .take()
        .ok_or_else(|| Reject::missing("auditID"))?;
    let level = fields
        .level
        .take()
        .ok_or_else(|| Reject::missing("level"))?;
    let stage = fields
        .stage
        .take()
        .ok_or_else(|| Reject::missing("stage"))?;
    let uri = fields
        .request_uri
        .take()
        .ok_or_else(|| Reject::missing("requestURI"))?;
    let verb = fields.verb.take().ok_or_else(|| Reject::missing("verb"))?;
    if !fields.has_user {
        return Err(Reject::missing("user"));
    }
    split_alpha_group(&mut fields);

    let query = uri::read(&uri);
    let dry_run = changes_nothing_when_dry(&verb, fields.object.subresource.as_deref())
        && (query.dry_run || body_asks_for_dry_run(&verb, raw, &fields));
    let (name, object_uid) = object_of_bodies(raw, &verb, &mut fields);
    let (time, time_quality, time_span) = time_of(&mut fields);
    let outcome = outcome(&Facts {
        stage: &stage,
        subresource: fields.object.subresource.as_deref(),
        code: fields.status.code,
        status_success: fields.status.success,
        decision: fields.decision.as_deref(),
        reason: fields.status.reason.as_deref(),
        message: fields.status.message.as_deref(),
        disruption_budget: names_disruption_budget(raw, &fields.status),
    });
    let facts = facts::of_bodies(raw, &verb, &stage, &fields);
    let credential_id = fields.user.extra.as_deref().and_then(facts::credential_id);
    let received = fields.received.take();
    let event = Event {
        time,
        time_quality,
        received_time: received.as_ref().map(|stamp| stamp.micros),
        audit_id,
        stage,
        level,
        verb,
        user: fields.user.username,
        user_uid: fields.user.uid,
        user_groups: fields.user.groups,
        user_extra: fields.user.extra,
        impersonated_user: fields.impersonated.username,
        impersonated_groups: fields.impersonated.groups,
        source_ips: fields.source_ips,
        user_agent: fields.user_agent,
        request_uri: Some(uri),
        api_group: fields.object.api_group,
        api_version: fields.object.api_version,
        resource: fields.object.resource,
        subresource: fields.object.subresource,
        namespace: fields.object.namespace,
        name,
        object_uid,
        code: fields.status.code,
        reason: fields.status.reason,
        message: fields.status.message,
        outcome,
        decision: fields.decision,
        decision_reason: fields.decision_reason,
        dry_run,
        field_manager: query.field_manager,
        annotations: fields.annotations,
        images: facts.images,
        pod_security: facts.pod_security,
        pod_secrets: facts.pod_secrets,
        pod_service_account: facts.pod_service_account,
        role_ref: facts.role_ref,
        subjects: facts.subjects,
        owner: facts.owner,
        exposure: facts.exposure,
        replicas: facts.replicas.asked,
        replicas_answered: facts.replicas.answered,
        replicas_observed: facts.replicas.observed,
        credential_id,
        issued_credential_id: fields.issued_credential_id.map(facts::bounded),
        deprecated: fields.deprecated,
        body_quality: fields.request_problem.or(fields.response_problem),
        request_object: fields.request_object,
        response_object: fields.response_object,
        truncated: fields.truncated,
        spans: Spans {
            audit_id: fields.audit_id_span,
            received_time: received.and_then(|stamp| stamp.literal),
            time: time_span,
        },
    };
    Ok((event, identity))
}

/// What an item holds beside its fields, where it stands.
#[derive(Debug)]
pub struct Inside<'a> {
    pub request_object: Option<std::ops::Range<usize>>,
    pub response_object: Option<std::ops::Range<usize>>,
    pub annotations: Option<Text<'a>>,
    pub user_extra: Option<Text<'a>>,
    /// A body was found that cannot be read as JSON.
    pub bad_body: bool,
}

/// Reads no more than [`Inside`] of an item that [`normalise`] understands; `None` for another.
pub fn inside(raw: &[u8]) -> Option<Inside<'_>> {
    let fields = fields::read(raw).ok()?;
    Some(Inside {
        bad_body: fields.request_problem.or(fields.response_problem).is_some(),
        request_object: fields.request_object,
        response_object: fields.response_object,
        annotations: fields.annotations,
        user_extra: fields.user.extra,
    })
}

/// `v1alpha1` has no `objectRef.apiGroup`: its `apiVersion` holds `group/version`.
fn split_alpha_group(fields: &mut Fields<'_>) {
    let object = &mut fields.object;
    if object.api_group.is_none()
        && let Some((group, version)) = object
            .api_version
            .as_deref()
            .and_then(|text| text.split_once('/'))
    {
        let (group, version) = (group.to_owned(), version.to_owned());
        object.api_group = Some(Text::Owned(group)).filter(|text| !text.is_empty());
        object.api_version = Some(Text::Owned(version)).filter(|text| !text.is_empty());
    }
}

/// The event's time: `stageTimestamp`; else `timestamp` (v1alpha1, v1beta1); else when the request
/// was received; else `metadata.creationTimestamp` (v1alpha1), which is about that time too.
fn time_of(fields: &mut Fields<'_>) -> (Option<i64>, TimeQuality, Option<std::ops::Range<usize>>) {
    let whole = |stamp: Stamp, quality| (Some(stamp.micros), quality, stamp.literal);
    if let Some(stamp) = fields.staged.take().or_else(|| fields.timestamp.take()) {
        return whole(stamp, TimeQuality::Stage);
    }
    if let Some(stamp) = &fields.received {
        return (Some(stamp.micros), TimeQuality::Received, None);
    }
    match fields.created.take() {
        Some(stamp) => whole(stamp, TimeQuality::Received),
        None => (None, TimeQuality::Stored, None),
    }
}

/// Whether the server honours `dryRun` for such a request. Reads change nothing anyway, and exec,
/// attach, port-forward, proxy and token requests ignore the parameter: with it in the URI they
/// still take effect, and must not pass as harmless.
fn changes_nothing_when_dry(verb: &str, subresource: Option<&str>) -> bool {
    matches!(
        verb,
        "create" | "update" | "patch" | "delete" | "deletecollection"
    ) && !matches!(
        subresource,
        Some("exec" | "attach" | "portforward" | "proxy" | "token")
    )
}

/// `DeleteOptions` hold `"dryRun":["All"]`.
fn body_asks_for_dry_run(verb: &str, raw: &[u8], fields: &Fields<'_>) -> bool {
    matches!(verb, "delete" | "deletecollection")
        && fields.request_body(raw).is_some_and(body::asks_for_dry_run)
}

/// Name and UID of the object, from the bodies where `objectRef` lacks them.
///
/// The name: only of creations, whose URL has none; with `generateName` it is only in the answer.
/// The UID: only from a body that is the object itself, by its name; the request's own `uid` is a
/// claim, which the server checks for updates and patches but replaces on creation.
fn object_of_bodies<'a>(
    raw: &'a [u8],
    verb: &str,
    fields: &mut Fields<'a>,
) -> (Option<Text<'a>>, Option<Text<'a>>) {
    let mut name = fields.object.name.take();
    let mut uid = fields.object.uid.take();
    let names_itself = verb == "create" && fields.object.subresource.is_none();
    let is_object = fields.object.resource.is_some()
        && matches!(verb, "create" | "get" | "update" | "patch" | "delete")
        && matches!(
            fields.object.subresource.as_deref(),
            None | Some(
                "status" | "scale" | "finalize" | "approval" | "resize" | "ephemeralcontainers"
            )
        );
    if !is_object || (uid.is_some() && (name.is_some() || !names_itself)) {
        return (name, uid);
    }
    if let Some(answer) = fields.response_body(raw).and_then(body::identity_of)
        && !answer.is_status
    {
        if names_itself && name.is_none() {
            name = answer.name.clone();
        }
        if uid.is_none() && answer.name.is_some() && answer.name == name {
            uid = answer.uid;
        }
    }
    let checks_uid = matches!(verb, "update" | "patch");
    let wanted = (names_itself && name.is_none()) || (checks_uid && uid.is_none());
    if wanted && let Some(sent) = fields.request_body(raw).and_then(body::identity_of) {
        if checks_uid && uid.is_none() && (sent.name.is_none() || sent.name == name) {
            uid = sent.uid;
        }
        if names_itself && name.is_none() {
            name = sent.name;
        }
    }
    // A delete that is answered with a Status names in its details what was deleted.
    if verb == "delete" && uid.is_none() && fields.status.success {
        uid = fields
            .status
            .details
            .clone()
            .and_then(|span| body::details_of(&raw[span]))
            .filter(|details| details.name.is_some() && details.name == name)
            .and_then(|details| details.uid);
    }
    (name, uid)
}

fn names_disruption_budget(raw: &[u8], status: &Status<'_>) -> bool {
    status.code == Some(429)
        && status
            .details
            .clone()
            .is_some_and(|span| memmem::find(&raw[span], b"\"DisruptionBudget\"").is_some())
}
