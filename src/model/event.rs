//! A normalised audit event: borrowed from its bytes wherever they hold the value as is.

use std::borrow::Cow;
use std::ops::Range;

use super::outcome::Outcome;

/// Text borrowed from the event's bytes, or owned where it had to be unescaped or built.
pub type Text<'a> = Cow<'a, str>;

/// Which time stands behind [`Event::time`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeQuality {
    /// `stageTimestamp`, as it should be (v1alpha1 and v1beta1: `timestamp` stands in).
    #[default]
    Stage,
    /// `requestReceivedTimestamp`, because there was no stage timestamp.
    Received,
    /// Neither: the store's own commit time is used and `Event::time` is `None`.
    Stored,
}

/// One audit event. `None` is absent. JSON fields hold JSON text as recorded.
#[derive(Debug, Clone)]
pub struct Event<'a> {
    /// Microseconds since 1970, UTC; `None` when the event carries no time at all.
    pub time: Option<i64>,
    pub time_quality: TimeQuality,
    pub received_time: Option<i64>,
    pub audit_id: Text<'a>,
    pub stage: Text<'a>,
    pub level: Text<'a>,
    pub verb: Text<'a>,
    pub user: Option<Text<'a>>,
    pub user_uid: Option<Text<'a>>,
    pub user_groups: Option<Text<'a>>,
    pub user_extra: Option<Text<'a>>,
    pub impersonated_user: Option<Text<'a>>,
    pub impersonated_groups: Option<Text<'a>>,
    pub source_ips: Option<Text<'a>>,
    pub user_agent: Option<Text<'a>>,
    pub request_uri: Option<Text<'a>>,
    pub api_group: Option<Text<'a>>,
    pub api_version: Option<Text<'a>>,
    pub resource: Option<Text<'a>>,
    pub subresource: Option<Text<'a>>,
    pub namespace: Option<Text<'a>>,
    pub name: Option<Text<'a>>,
    pub object_uid: Option<Text<'a>>,
    pub code: Option<i64>,
    pub reason: Option<Text<'a>>,
    pub message: Option<Text<'a>>,
    pub outcome: Outcome,
    pub decision: Option<Text<'a>>,
    pub decision_reason: Option<Text<'a>>,
    pub dry_run: bool,
    pub field_manager: Option<Text<'a>>,
    pub annotations: Option<Text<'a>>,
    /// Container images, a JSON array.
    pub images: Option<Text<'a>>,
    /// What a pod may do beyond its sandbox, a JSON array.
    pub pod_security: Option<Text<'a>>,
    /// Secrets that pods name, a JSON array.
    pub pod_secrets: Option<Text<'a>>,
    /// Name of the service account that pods run as.
    pub pod_service_account: Option<Text<'a>>,
    /// `Kind/name` of a role binding's role.
    pub role_ref: Option<Text<'a>>,
    /// Subjects of a role binding, a JSON array.
    pub subjects: Option<Text<'a>>,
    /// `Kind/name` of the controlling owner.
    pub owner: Option<Text<'a>>,
    /// What a service or ingress opens to the outside.
    pub exposure: Option<&'static str>,
    /// Replicas as asked for, as answered, and as they ran.
    pub replicas: Option<i64>,
    pub replicas_answered: Option<i64>,
    pub replicas_observed: Option<i64>,
    pub credential_id: Option<Text<'a>>,
    pub issued_credential_id: Option<Text<'a>>,
    pub deprecated: bool,
    /// Where the request body stands in the bytes.
    pub request_object: Option<Range<usize>>,
    /// Where the response body stands in the bytes.
    pub response_object: Option<Range<usize>>,
    /// Why a body cannot be read as JSON.
    pub body_quality: Option<&'static str>,
    pub truncated: bool,
    /// Where the literals stand that the row holds too (between the quotes), so that storage may
    /// leave them out of the bytes.
    pub spans: Spans,
}

/// Byte ranges of three top-level string literals, without their quotes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spans {
    pub audit_id: Option<Range<usize>>,
    pub received_time: Option<Range<usize>>,
    pub time: Option<Range<usize>>,
}
