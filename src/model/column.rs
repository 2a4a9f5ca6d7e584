//! The columns of `events`: names, types and order are a contract with users' saved queries.

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 64-bit integer.
    Int,
    /// 0 or 1.
    Bool,
    /// Instant, microseconds; reads as ISO-8601 UTC with six digits.
    Time,
    /// Text.
    Text,
    /// JSON text.
    Json,
    /// Bytes.
    Bytes,
}

macro_rules! columns {
    ($($variant:ident $name:literal $kind:ident $doc:literal,)*) => {
        /// A column of `events`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Column { $(#[doc = $doc] $variant),* }

        impl Column {
            /// Every column, in the order of the table.
            pub const ALL: &'static [Column] = &[$(Column::$variant),*];

            /// The name in SQL, in JSON and as a CSV header.
            pub const fn name(self) -> &'static str {
                match self { $(Column::$variant => $name),* }
            }

            /// What it holds.
            pub const fn kind(self) -> Kind {
                match self { $(Column::$variant => Kind::$kind),* }
            }

            /// One sentence for people.
            pub const fn doc(self) -> &'static str {
                match self { $(Column::$variant => $doc),* }
            }
        }
    };
}

columns! {
    Id "id" Int "arrival sequence of the event in this store, never reused",
    Time "time" Time "when the stage was reached (stageTimestamp)",
    ReceivedTime "received_time" Time "when the apiserver received the request",
    StoredTime "stored_time" Time "when this store committed the event",
    TimeQuality "time_quality" Text "NULL, or which time stands in for a missing stageTimestamp: received or stored",
    Cluster "cluster" Text "where the event came from, as the receiver decided",
    Source "source" Text "how it came in: webhook, file, ...",
    AuditId "audit_id" Text "the request's audit ID; clients may choose it",
    Stage "stage" Text "RequestReceived, ResponseStarted, ResponseComplete or Panic",
    Level "level" Text "Metadata, Request or RequestResponse",
    Verb "verb" Text "Kubernetes verb, or the lower-case HTTP method of a non-resource request",
    User "user" Text "the authenticated user, before impersonation",
    UserUid "user_uid" Text "the authenticated user's UID",
    UserGroups "user_groups" Json "the authenticated user's groups, a JSON array",
    UserExtra "user_extra" Json "the authenticated user's extra attributes, a JSON object",
    ImpersonatedUser "impersonated_user" Text "the user that was impersonated, if allowed",
    ImpersonatedGroups "impersonated_groups" Json "the groups of the impersonated user, a JSON array",
    EffectiveUser "effective_user" Text "the impersonated user, or else the user",
    SourceIp "source_ip" Text "the address that no client can forge: read from the right over the trusted proxies",
    ClientIp "client_ip" Text "the first recorded address, as claimed by the client",
    SourceIps "source_ips" Json "all recorded addresses, a JSON array",
    UserAgent "user_agent" Text "the client's user agent, as claimed",
    RequestUri "request_uri" Text "path and query as sent",
    Path "path" Text "the request URI without its query",
    ApiGroup "api_group" Text "API group; NULL for the core group and for non-resource requests",
    ApiVersion "api_version" Text "API version",
    Resource "resource" Text "resource, plural, lower case",
    Subresource "subresource" Text "subresource such as exec, status, scale",
    Namespace "namespace" Text "namespace of the object",
    Name "name" Text "name of the object; for POST and generateName read from the bodies",
    ObjectUid "object_uid" Text "UID of the object",
    Code "code" Int "HTTP status code of the response",
    Reason "reason" Text "reason of a failure, from the response status",
    Message "message" Text "message of a failure, from the response status",
    Outcome "outcome" Text "what became of the request: success, denied_authz, not_found, ...",
    Decision "decision" Text "authorization decision: allow or forbid",
    DecisionReason "decision_reason" Text "why, in the authorizer's words",
    DryRun "dry_run" Bool "1 when the request changed nothing because of dryRun=All",
    FieldManager "field_manager" Text "fieldManager of the request's query",
    LatencyUs "latency_us" Int "microseconds from request received to this stage",
    Annotations "annotations" Json "the event's annotations, a JSON object",
    Images "images" Json "container images that the request submits in a pod or pod template, a sorted JSON array",
    PodSecurity "pod_security" Json "what the submitted pod or pod template may do beyond its sandbox: privileged, hostNetwork, hostPath:/, capability:SYS_ADMIN, ...; a sorted JSON array",
    PodSecrets "pod_secrets" Json "secrets of its namespace that the submitted pod or pod template names: in volumes, environments and imagePullSecrets; a sorted JSON array",
    PodServiceAccount "pod_service_account" Text "service account that the pods of the write run as, by name: as the answer has it, else as submitted; NULL when a patch without recorded answer names none",
    RoleRef "role_ref" Text "role of a role binding, as ClusterRole/cluster-admin",
    Subjects "subjects" Json "subjects of a role binding, as User:alice, Group:system:masters, ServiceAccount:ns/name; a sorted JSON array",
    Owner "owner" Text "controlling owner of the object, as ReplicaSet/web-7d4f9, from the bodies of writes",
    Exposure "exposure" Text "what the written service or ingress opens to the outside: NodePort, LoadBalancer, external IPs, ingress without TLS; unknown when no body is recorded",
    Replicas "replicas" Int "replicas that the request asks for, of a workload or a scale subresource",
    ReplicasAnswered "replicas_answered" Int "replicas asked for as the answer has them",
    ReplicasObserved "replicas_observed" Int "replicas that there were when the request was answered, by the status in the answer",
    CredentialId "credential_id" Text "id of the credential that the request was made with, as JTI=...",
    IssuedCredentialId "issued_credential_id" Text "id of the credential that the request was given, as JTI=...",
    Command "command" Json "command of an exec with its arguments, a JSON array",
    Deprecated "deprecated" Bool "1 when the API that was used is deprecated",
    RawBytes "raw_bytes" Int "length of raw in bytes",
    RequestObject "request_object" Json "the request body, if recorded",
    ResponseObject "response_object" Json "the response body, if recorded",
    BodyQuality "body_quality" Text "NULL, or why a body cannot be read as JSON",
    Truncated "truncated" Bool "1 when the apiserver cut the bodies off",
    Raw "raw" Bytes "the exact bytes of the event as received",
    Sha256 "sha256" Text "SHA-256 of raw, hexadecimal, computed when asked",
}

impl Column {
    /// Whether it holds a JSON array of strings, of which a filter matches any.
    pub const fn is_list(self) -> bool {
        matches!(
            self,
            Column::UserGroups
                | Column::ImpersonatedGroups
                | Column::SourceIps
                | Column::Images
                | Column::PodSecurity
                | Column::PodSecrets
                | Column::Subjects
                | Column::Command
        )
    }

    /// Whether `event_counts` tells events apart by it: one value per event that is kept in a
    /// column.
    pub const fn is_grouping(self) -> bool {
        matches!(
            self,
            Column::TimeQuality
                | Column::Cluster
                | Column::Source
                | Column::Stage
                | Column::Level
                | Column::Verb
                | Column::User
                | Column::UserUid
                | Column::ImpersonatedUser
                | Column::EffectiveUser
                | Column::SourceIp
                | Column::ClientIp
                | Column::UserAgent
                | Column::Path
                | Column::ApiGroup
                | Column::ApiVersion
                | Column::Resource
                | Column::Subresource
                | Column::Namespace
                | Column::Name
                | Column::Code
                | Column::Reason
                | Column::Message
                | Column::Outcome
                | Column::Decision
                | Column::DecisionReason
                | Column::DryRun
                | Column::FieldManager
                | Column::PodServiceAccount
                | Column::RoleRef
                | Column::Owner
                | Column::Exposure
                | Column::Replicas
                | Column::ReplicasAnswered
                | Column::ReplicasObserved
                | Column::CredentialId
                | Column::IssuedCredentialId
                | Column::Deprecated
                | Column::BodyQuality
                | Column::Truncated
        )
    }

    /// Whether `event_counts` takes conditions on it though it does not tell events apart by it.
    pub const fn is_counting_condition(self) -> bool {
        self.is_list()
            || matches!(
                self,
                Column::Time
                    | Column::ReceivedTime
                    | Column::StoredTime
                    | Column::AuditId
                    | Column::RequestUri
                    | Column::LatencyUs
                    | Column::Raw
            )
    }

    /// The column with this name.
    pub fn by_name(name: &str) -> Option<Column> {
        Column::ALL
            .iter()
            .copied()
            .find(|column| column.name() == name)
    }
}
