//! What became of a request: one word from stage, code, decision, reason and message together.
//!
//! Status code 403 alone does not tell an authorizer's "no" from an admission plugin's, a proxied
//! backend's or RBAC's escalation guard, and those are different findings. The order of the lines
//! in [`outcome`] matters: what the apiserver itself recorded (the decision) goes before words in
//! a message, because clients choose the names that messages quote.

#[cfg(test)]
mod tests;

macro_rules! outcomes {
    ($($variant:ident $name:literal $doc:literal,)*) => {
        /// The outcome of a request as of one event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Outcome { $(#[doc = $doc] $variant),* }

        impl Outcome {
            /// Every outcome.
            pub const ALL: &'static [Outcome] = &[$(Outcome::$variant),*];

            /// The name in SQL and in outputs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Outcome::$variant => $name),* }
            }

            /// One sentence for people.
            pub const fn doc(self) -> &'static str {
                match self { $(Outcome::$variant => $doc),* }
            }
        }
    };
}

outcomes! {
    Success "success" "answered with 2xx or 3xx",
    DeniedAuthn "denied_authn" "401: the apiserver could not tell who was asking",
    DeniedAuthz "denied_authz" "403: the authorizer forbade the request or the impersonation",
    DeniedAdmission "denied_admission" "refused by an admission plugin, webhook or policy",
    DeniedEscalation "denied_escalation" "403: RBAC's guard against granting what one does not hold",
    DeniedUpstream "denied_upstream" "401 or 403 of a proxied backend, kubelet or aggregated API",
    DeniedOther "denied_other" "403 that the event does not explain",
    EvictionBlocked "eviction_blocked" "429: the eviction would break a disruption budget",
    Throttled "throttled" "429: too many requests",
    NotFound "not_found" "404",
    Conflict "conflict" "409: exists already, or changed meanwhile",
    Invalid "invalid" "422: the object failed validation",
    ClientError "client_error" "any other 4xx",
    ServerError "server_error" "5xx",
    Upgraded "upgraded" "101: exec, attach or port-forward was connected",
    Panic "panic" "the handler panicked, or the proxied answer was aborted",
    Pending "pending" "no response yet",
}

impl Outcome {
    /// The outcome with this name.
    pub fn by_name(name: &str) -> Option<Outcome> {
        Outcome::ALL
            .iter()
            .copied()
            .find(|outcome| outcome.as_str() == name)
    }
}

/// What the outcome is decided on. Absent is `None`, and so is a code of 0.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    pub stage: &'a str,
    pub subresource: Option<&'a str>,
    /// `responseStatus.code`.
    pub code: Option<i64>,
    /// `responseStatus.status` is `Success`.
    pub status_success: bool,
    /// Annotation `authorization.k8s.io/decision`.
    pub decision: Option<&'a str>,
    /// `responseStatus.reason`.
    pub reason: Option<&'a str>,
    /// `responseStatus.message`.
    pub message: Option<&'a str>,
    /// `responseStatus.details` names the cause `DisruptionBudget`.
    pub disruption_budget: bool,
}

/// The table. Paths are those of kubernetes v1.36; `AS/` is `staging/src/k8s.io/apiserver/`.
pub fn outcome(facts: &Facts<'_>) -> Outcome {
    // Stage Panic replaces ResponseComplete (AS/pkg/endpoints/filters/audit.go), code 500.
    if facts.stage == "Panic" {
        return Outcome::Panic;
    }
    let Some(code) = facts
        .code
        .filter(|code| *code > 0)
        .or_else(|| code_of_reason(facts))
    else {
        // RequestReceived has no responseStatus. A later stage without one tells nothing either.
        return Outcome::Pending;
    };
    // A webhook chooses its own code, 400 if it says none, and "denied the request" is put in
    // front of its words (AS/pkg/admission/plugin/webhook/errors/statuserror.go, ToStatusErr).
    if code >= 400 && facts.decision != Some("forbid") && webhook_denied(facts) {
        return Outcome::DeniedAdmission;
    }
    match code {
        // Switching Protocols, at ResponseStarted and ResponseComplete of exec, attach,
        // portforward and upgraded proxy requests.
        101 => Outcome::Upgraded,
        ..400 => Outcome::Success,
        401 => unauthorized(facts),
        403 => forbidden(facts),
        404 => Outcome::NotFound,
        // AlreadyExists and Conflict (resourceVersion, preconditions, field managers).
        409 => Outcome::Conflict,
        // RequestEntityTooLarge, unless a policy chose this code for its "no".
        413 if policy_denied(facts) => Outcome::DeniedAdmission,
        // A ValidatingAdmissionPolicy answers 422 unless it names another reason
        // (AS/pkg/admission/plugin/policy/validating/dispatcher.go).
        422 if policy_denied(facts) => Outcome::DeniedAdmission,
        422 => Outcome::Invalid,
        // pkg/registry/core/pod/storage/eviction.go: TooManyRequests with cause DisruptionBudget;
        // all other 429 are Priority and Fairness or the max-in-flight filter.
        429 if eviction_blocked(facts) => Outcome::EvictionBlocked,
        429 => Outcome::Throttled,
        ..500 => Outcome::ClientError,
        _ => Outcome::ServerError,
    }
}

/// 401. Authentication comes before authorization, so an event with a decision was authenticated
/// here, and the 401 is somebody else's: a policy's or a proxied backend's.
fn unauthorized(facts: &Facts<'_>) -> Outcome {
    match facts.decision {
        Some("allow") if policy_denied(facts) => Outcome::DeniedAdmission,
        Some("allow") => Outcome::DeniedUpstream,
        _ => Outcome::DeniedAuthn,
    }
}

/// 403.
fn forbidden(facts: &Facts<'_>) -> Outcome {
    // AS/pkg/endpoints/filters/authorization.go writes the decision before it answers.
    if facts.decision == Some("forbid") {
        return Outcome::DeniedAuthz;
    }
    // Proxied answers are not decoded, so their status has a code and nothing else; the
    // apiserver's own 403 always carries reason and message (responsewriters.Forbidden).
    let Some(message) = facts.message else {
        return match facts.decision {
            Some("allow") => Outcome::DeniedUpstream,
            _ => Outcome::DeniedOther,
        };
    };
    // Denied impersonation, whatever the client wrote for a resource in its path.
    if facts.decision.is_none() && message.contains("\" cannot impersonate") {
        return Outcome::DeniedAuthz;
    }
    // A kubelet's own authorizer (pkg/kubelet/server/auth_filter.go), passed on by logs and exec.
    if message.contains("Forbidden (user=") && facts.decision == Some("allow") {
        return Outcome::DeniedUpstream;
    }
    let Some(why) = forbidden_why(message) else {
        return match facts.subresource {
            Some("proxy") if facts.decision == Some("allow") => Outcome::DeniedUpstream,
            _ => Outcome::DeniedOther,
        };
    };
    // The words of responsewriters.ForbiddenStatusError: denied impersonation (no decision is
    // recorded yet when AS/pkg/endpoints/filters/impersonation asks), events without annotations
    // (Kubernetes before 1.9), and second questions that a handler asks the authorizer.
    if why.starts_with("User \"") && why.contains("\" cannot ") {
        return Outcome::DeniedAuthz;
    }
    // A PUT or apply that would create asks for "create" once more and answers with the
    // authorizer's reason, which RBAC leaves empty (AS/pkg/endpoints/handlers/update.go).
    if why.is_empty() || why.starts_with("not permitted to do ") {
        return Outcome::DeniedAuthz;
    }
    // pkg/registry/rbac/validation/rule.go ConfirmNoEscalation; the aggregation rule's guard in
    // pkg/registry/rbac/clusterrole/policybased; the wording before 1.12.
    if why.contains("is attempting to grant RBAC permissions not currently held")
        || why.contains("must have cluster-admin privileges to use")
        || why.contains("attempt to grant extra privileges")
    {
        return Outcome::DeniedEscalation;
    }
    // admission.NewForbidden gives "RESOURCE "NAME" is forbidden: WORDS" for every plugin in the
    // tree (PodSecurity, NodeRestriction, ResourceQuota, LimitRanger, NamespaceLifecycle, ...) and
    // for policies; the storage layer's own uses of it are the ones above.
    Outcome::DeniedAdmission
}

/// `admission webhook "NAME" denied the request`, at the start where no client's text can stand.
fn webhook_denied(facts: &Facts<'_>) -> bool {
    let Some(rest) = facts
        .message
        .and_then(|text| text.strip_prefix("admission webhook \""))
    else {
        return false;
    };
    after_quoted(rest).is_some_and(|rest| rest.starts_with(" denied the request"))
}

/// A ValidatingAdmissionPolicy's refusal, whatever code it chose.
fn policy_denied(facts: &Facts<'_>) -> bool {
    facts.message.and_then(forbidden_why).is_some_and(|why| {
        why.starts_with("ValidatingAdmissionPolicy '") && why.contains("denied request")
    })
}

fn eviction_blocked(facts: &Facts<'_>) -> bool {
    facts.subresource == Some("eviction")
        && (facts.disruption_budget
            || facts
                .message
                .is_some_and(|text| text.contains("disruption budget")))
}

/// The part after `is forbidden: ` in apierrors.NewForbidden's message. The object's name before
/// it is quoted by Go's `%q` and stepped over, because a client may have chosen it.
fn forbidden_why(message: &str) -> Option<&str> {
    if let Some(why) = message.strip_prefix("forbidden: ") {
        return Some(why);
    }
    let (_, rest) = message.split_once(' ')?;
    let rest = match rest.strip_prefix('"') {
        Some(quoted) => after_quoted(quoted)?.strip_prefix(' ')?,
        None => rest,
    };
    let why = rest.strip_prefix("is forbidden:")?;
    Some(why.strip_prefix(' ').unwrap_or(why))
}

/// What comes after the closing quote of a Go-quoted string whose opening quote is passed.
fn after_quoted(text: &str) -> Option<&str> {
    super::json::quoted_end(text.as_bytes()).map(|end| &text[end..])
}

/// A status without a code (events of other writers): by its reason, apimachinery's
/// `pkg/apis/meta/v1/types.go`.
fn code_of_reason(facts: &Facts<'_>) -> Option<i64> {
    Some(match facts.reason {
        Some("Unauthorized") => 401,
        Some("Forbidden") => 403,
        Some("NotFound") => 404,
        Some("AlreadyExists" | "Conflict") => 409,
        Some("Invalid") => 422,
        Some("TooManyRequests") => 429,
        Some("InternalError") => 500,
        Some("ServiceUnavailable") => 503,
        Some("Timeout" | "ServerTimeout") => 504,
        Some("BadRequest") => 400,
        _ if facts.status_success => 200,
        _ => return None,
    })
}
