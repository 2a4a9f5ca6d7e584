//! The planted incident: a stolen pipeline token.
//!
//! Someone with the token of the service account `ci:deployer`, from an address outside: three
//! tries with an expired one, a look at what it may do, secrets, a privileged pod, a shell on a
//! node, cluster-admin under an innocent name, a deployment deleted, and the traces removed.

use super::Options;
use super::call::{Call, End, Kind, Level, Stages};
use super::queue::Queue;
use super::random::{Random, Uuid};
use super::world::{Actor, CI, World};

/// Everything that can be found out about the planted incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Whose token was stolen.
    pub actor: String,
    /// The address from outside, which nothing else comes from.
    pub address: &'static str,
    /// Where most of it happened.
    pub namespace: &'static str,
    /// The secret that was read first, which nobody else reads.
    pub secret: &'static str,
    /// The privileged pod.
    pub pod: &'static str,
    /// The binding to cluster-admin.
    pub binding: &'static str,
    /// The deployment that was deleted.
    pub deployment: &'static str,
    /// Text that stands only in the body that made the pod.
    pub needle: &'static str,
    /// What was done, in order of time.
    pub steps: Vec<Step>,
}

/// One API call of the incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it was for, in words.
    pub what: &'static str,
    /// When the call arrived and when it ended, microseconds since 1970.
    pub time: i64,
    pub end: i64,
    pub audit_id: String,
    pub verb: &'static str,
    /// As in audit events, without its group.
    pub resource: &'static str,
    pub subresource: &'static str,
    pub namespace: &'static str,
    pub name: &'static str,
    pub code: u16,
    /// Events it left: one per recorded stage.
    pub events: u64,
}

impl Incident {
    /// The first step that does `verb` to `resource` named `name`.
    pub fn step(&self, verb: &str, resource: &str, name: &str) -> Option<&Step> {
        self.steps
            .iter()
            .find(|step| (step.verb, step.resource, step.name) == (verb, resource, name))
    }
}

/// Events below which no incident is planted, because it would be most of them.
pub const EVENTS_MIN: u64 = 1000;

/// How far into the span it begins, in thousandths.
const BEGINS_PERMILLE: i64 = 950;

const NAMESPACE: &str = "payments";
const SECRET: &str = "card-vault-credentials";
const POD: &str = "node-debugger";
const BINDING: &str = "node-metrics-reader";
const DEPLOYMENT: &str = "fraud-detector";
const ADDRESS: &str = "203.0.113.66";
const NEEDLE: &str = "drop-zone.badcorp.example:8443";

const RULES: Kind = Kind::of("authorization.k8s.io", "selfsubjectrulesreviews");
const SECRETS: Kind = Kind::core("secrets");
const PODS: Kind = Kind::core("pods");
const NODES: Kind = Kind::core("nodes");
const BINDINGS: Kind = Kind::of("rbac.authorization.k8s.io", "clusterrolebindings");
const DEPLOYMENTS: Kind = Kind::of("apps", "deployments");
const EVENTS: Kind = Kind::core("events");

/// Words, seconds after the begin when the whole span is a day, verb, kind, subresource, namespace,
/// name, end.
type Plan = (
    &'static str,
    i64,
    &'static str,
    Kind,
    &'static str,
    &'static str,
    &'static str,
    End,
);

const PLAN: &[Plan] = &[
    (
        "tries an expired token",
        0,
        "list",
        PODS,
        "",
        NAMESPACE,
        "",
        End::Unauthorized,
    ),
    (
        "tries it again",
        4,
        "list",
        PODS,
        "",
        NAMESPACE,
        "",
        End::Unauthorized,
    ),
    (
        "and again",
        11,
        "list",
        PODS,
        "",
        NAMESPACE,
        "",
        End::Unauthorized,
    ),
    (
        "asks what the new token may do",
        240,
        "create",
        RULES,
        "",
        "",
        "",
        End::Code(201),
    ),
    (
        "lists the secrets of all namespaces",
        251,
        "list",
        SECRETS,
        "",
        "",
        "",
        End::Forbidden,
    ),
    (
        "lists the secrets of payments",
        263,
        "list",
        SECRETS,
        "",
        NAMESPACE,
        "",
        End::Code(200),
    ),
    (
        "reads a secret",
        276,
        "get",
        SECRETS,
        "",
        NAMESPACE,
        SECRET,
        End::Code(200),
    ),
    (
        "reads another",
        280,
        "get",
        SECRETS,
        "",
        NAMESPACE,
        "payments-gateway-credentials",
        End::Code(200),
    ),
    (
        "lists nodes",
        301,
        "list",
        NODES,
        "",
        "",
        "",
        End::Forbidden,
    ),
    (
        "tries a privileged pod where it is refused",
        344,
        "create",
        PODS,
        "",
        "identity",
        POD,
        End::PodSecurity,
    ),
    (
        "creates a privileged pod",
        379,
        "create",
        PODS,
        "",
        NAMESPACE,
        POD,
        End::Code(201),
    ),
    (
        "opens a shell in it and reads the node's admin.conf",
        421,
        "get",
        PODS,
        "exec",
        NAMESPACE,
        POD,
        End::Code(101),
    ),
    (
        "binds itself to cluster-admin under an innocent name",
        498,
        "create",
        BINDINGS,
        "",
        "",
        BINDING,
        End::Code(201),
    ),
    (
        "lists nodes, now allowed",
        520,
        "list",
        NODES,
        "",
        "",
        "",
        End::Code(200),
    ),
    (
        "reads a secret elsewhere",
        561,
        "get",
        SECRETS,
        "",
        "identity",
        "oidc-signing-key",
        End::Code(200),
    ),
    (
        "deletes a deployment",
        702,
        "delete",
        DEPLOYMENTS,
        "",
        NAMESPACE,
        DEPLOYMENT,
        End::Code(200),
    ),
    (
        "deletes the namespace's events",
        733,
        "deletecollection",
        EVENTS,
        "",
        NAMESPACE,
        "",
        End::Code(200),
    ),
    (
        "deletes the pod",
        741,
        "delete",
        PODS,
        "",
        NAMESPACE,
        POD,
        End::Code(200),
    ),
];

const DAY: i64 = 86_400_000_000;
const SECOND: i64 = 1_000_000;

/// What is planted for these options; `None` with fewer than [`EVENTS_MIN`] events.
pub fn incident(options: &Options) -> Option<Incident> {
    if options.events < EVENTS_MIN {
        return None;
    }
    let span = options.span_us();
    let random = &mut Random::new(options.seed, 3);
    let begin = options.start + (i128::from(span) * i128::from(BEGINS_PERMILLE) / 1000) as i64;
    let steps = PLAN.iter().map(|plan| {
        let &(what, offset, verb, kind, subresource, namespace, name, end) = plan;
        // In a short span the story goes faster.
        let offset = i128::from(offset * SECOND) * i128::from(span.min(DAY)) / i128::from(DAY);
        let time = begin + offset as i64 + random.below(900) as i64;
        let took = 2000 + random.below(9000) as i64;
        let stages = stages(end);
        Step {
            what,
            time,
            end: time + took,
            audit_id: random.uuid().as_str().to_owned(),
            verb,
            resource: kind.resource,
            subresource,
            namespace,
            name,
            code: end.code(),
            events: match stages {
                Stages::Unauthenticated => 1,
                Stages::LongRunning => 3,
                _ => 2,
            },
        }
    });
    Some(Incident {
        actor: format!("system:serviceaccount:{}:{}", CI.0, CI.1),
        address: ADDRESS,
        namespace: NAMESPACE,
        secret: SECRET,
        pod: POD,
        binding: BINDING,
        deployment: DEPLOYMENT,
        needle: NEEDLE,
        steps: steps.collect(),
    })
}

fn stages(end: End) -> Stages {
    match end {
        End::Unauthorized => Stages::Unauthenticated,
        End::Code(101) => Stages::LongRunning,
        _ => Stages::Both,
    }
}

/// Puts the events of step `at` into the queue.
pub(super) fn play(incident: &Incident, at: usize, world: &World, queue: &mut Queue) {
    let step = &incident.steps[at];
    let (.., kind, _, _, _, end) = PLAN[at];
    let mut id = [0; 36];
    id.copy_from_slice(step.audit_id.as_bytes());
    let mut call = call(&world.ci, step, kind, end);
    let (request, response) = bodies(step, end);
    if !request.is_empty() {
        call = call.with(request.as_bytes(), response.as_bytes());
    }
    if step.subresource == "exec" {
        call.level = Level::Request;
    }
    queue.call(&call, Uuid(id), step.time, step.end - step.time);
}

fn call<'a>(actor: &'a Actor, step: &'a Step, kind: Kind, end: End) -> Call<'a> {
    let bound = matches!(
        (step.resource, step.namespace),
        ("nodes", _) | ("secrets", "identity")
    );
    Call {
        addresses: r#"["203.0.113.66"]"#,
        agent: match end {
            End::Unauthorized => "python-requests/2.32.5",
            _ => "kubectl/v1.31.0 (linux/amd64) kubernetes/9edcffc",
        },
        stages: stages(end),
        subresource: step.subresource,
        end,
        query: match (step.verb, step.subresource) {
            (_, "exec") => {
                r"?command=chroot\u0026command=%2Fhost\u0026command=cat\u0026command=%2Fetc%2Fkubernetes%2Fadmin.conf\u0026container=main\u0026stdout=true"
            }
            ("list", _) => "?limit=500",
            _ => "",
        },
        allowed_by: match bound && end == End::Code(200) {
            true => {
                r#"RBAC: allowed by ClusterRoleBinding \"node-metrics-reader\" of ClusterRole \"cluster-admin\" to ServiceAccount \"deployer/ci\""#
            }
            false => "",
        },
        ..Call::new(actor, step.verb, kind).on(step.namespace, step.name)
    }
}

/// Request and response bodies; empty where the policy keeps none.
fn bodies(step: &Step, end: End) -> (String, String) {
    let id = &step.audit_id;
    match (step.verb, step.resource) {
        ("create", "pods") => {
            let pod = |server: &str| {
                format!(
                    r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{POD}","namespace":"{}"{server},"labels":{{"app":"{POD}"}}}},"spec":{{"volumes":[{{"name":"host","hostPath":{{"path":"/","type":""}}}}],"containers":[{{"name":"main","image":"alpine:3","command":["sh","-c","sleep 86400"]@ENV@,"volumeMounts":[{{"name":"host","mountPath":"/host"}}],"securityContext":{{"privileged":true}}}}],"hostNetwork":true,"hostPID":true,"tolerations":[{{"operator":"Exists"}}]}}}}"#,
                    step.namespace
                )
            };
            // The needle is in one body only: the answer of the server leaves it out here.
            let env = match end {
                End::Code(_) => format!(r#","env":[{{"name":"UPSTREAM","value":"{NEEDLE}"}}]"#),
                _ => String::new(),
            };
            let server = format!(r#","uid":"{id}","resourceVersion":"48999999""#);
            (
                pod("").replace("@ENV@", &env),
                pod(&server).replace("@ENV@", ""),
            )
        }
        ("create", "clusterrolebindings") => {
            let binding = format!(
                r#"{{"kind":"ClusterRoleBinding","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{{"name":"{BINDING}"}},"subjects":[{{"kind":"ServiceAccount","name":"{}","namespace":"{}"}}],"roleRef":{{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"}}}}"#,
                CI.1, CI.0
            );
            (binding.clone(), binding)
        }
        ("delete", resource) => (
            r#"{"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0}"#.to_owned(),
            format!(
                r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Success","details":{{"name":"{}","kind":"{resource}","uid":"{id}"}}}}"#,
                step.name
            ),
        ),
        _ => (String::new(), String::new()),
    }
}
