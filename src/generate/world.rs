//! The cluster in which the events happen: who acts, and on what.

use super::bodies;
use super::put::put;
use super::random::{Random, Uuid};

/// Someone who calls the API. Texts are JSON-escaped.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    pub(super) name: String,
    /// The `user` object.
    pub(super) user: Vec<u8>,
    /// `sourceIPs` lists, one of which a call has.
    pub(super) addresses: Vec<String>,
    pub(super) agent: String,
    /// `authorization.k8s.io/reason` of what it may do.
    pub(super) allowed_by: String,
}

/// A deployment with its pods and configuration.
#[derive(Debug)]
pub(super) struct App {
    pub(super) namespace: &'static str,
    pub(super) name: String,
    pub(super) image: String,
    /// `pod-template-hash` of its replica set.
    pub(super) hash: String,
    pub(super) uid: Uuid,
    pub(super) set_uid: Uuid,
    pub(super) pods: Vec<Pod>,
    /// Names of its configuration and its secret.
    pub(super) config: String,
    pub(super) secret: String,
    /// The data of its configuration, which is most of that object.
    pub(super) settings: Vec<u8>,
}

/// A pod of an app.
#[derive(Debug, Clone)]
pub(super) struct Pod {
    pub(super) name: String,
    pub(super) uid: Uuid,
    /// Index of its node.
    pub(super) node: usize,
}

/// A node and its kubelet.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) uid: Uuid,
    pub(super) kubelet: Actor,
}

pub(super) struct World {
    pub(super) apps: Vec<App>,
    pub(super) nodes: Vec<Node>,
    pub(super) deployment_controller: Actor,
    pub(super) replicaset_controller: Actor,
    pub(super) garbage_collector: Actor,
    pub(super) endpointslice_controller: Actor,
    pub(super) autoscaler: Actor,
    pub(super) manager: Actor,
    pub(super) scheduler: Actor,
    pub(super) apiserver: Actor,
    pub(super) operators: Vec<Actor>,
    pub(super) gitops: Actor,
    /// The pipeline whose token is stolen in the incident.
    pub(super) ci: Actor,
    pub(super) people: Vec<Actor>,
    pub(super) helpdesk: Actor,
    pub(super) anonymous: Actor,
}

pub(super) const NAMESPACES: &[&str] = &[
    "payments",
    "checkout",
    "catalog",
    "search",
    "identity",
    "billing",
    "shipping",
    "media",
    "recommend",
    "analytics",
    "web",
    "mobile",
    "staging",
    "preview",
    "monitoring",
    "platform",
];

/// The pipeline's service account.
pub(super) const CI: (&str, &str) = ("ci", "deployer");

const ROLES: &[&str] = &[
    "api",
    "worker",
    "gateway",
    "cache",
    "indexer",
    "scheduler",
    "frontend",
    "exporter",
    "consumer",
    "router",
    "sync",
    "mailer",
];

const PEOPLE: &[&str] = &[
    "alice", "bastian", "chiara", "dmitri", "elena", "farid", "grace", "hiro", "ines", "jonas",
    "katya", "liam", "maren", "noor", "oskar", "priya", "quentin", "rosa", "sven", "tomas",
];

const KUBECTL: &str = "kubectl/v1.36.2 (darwin/arm64) kubernetes/8e16b12";

impl World {
    /// The world of a seed.
    pub(super) fn new(seed: u64) -> World {
        let random = &mut Random::new(seed, 1);
        let nodes: Vec<Node> = (0..60).map(|at| node(random, at)).collect();
        let apps = (0..240).map(|at| app(random, at, nodes.len())).collect();
        let controller = |random: &mut Random, name: &str| {
            let mut actor = service_account(random, "kube-system", name, "10.20.0.2");
            actor.agent = format!(
                "kube-controller-manager/v1.36.2 (linux/amd64) kubernetes/8e16b12/\
                 system:serviceaccount:kube-system:{name}"
            );
            actor.allowed_by =
                allowed_by(&format!("system:controller:{name}"), name, "kube-system");
            actor
        };
        let operators = [
            (
                "cert-manager",
                "cert-manager",
                "cert-manager-controller/v1.19.1",
            ),
            (
                "external-secrets",
                "external-secrets",
                "external-secrets/v1.0.0",
            ),
            ("monitoring", "prometheus", "Prometheus/3.7.3"),
            (
                "monitoring",
                "kube-state-metrics",
                "kube-state-metrics/v2.17.0",
            ),
            ("kube-system", "cilium-operator", "cilium-operator/1.18.3"),
            ("kube-system", "coredns", "coredns/1.13.1"),
            (
                "ingress",
                "ingress-controller",
                "ingress-controller/v1.14.0",
            ),
            ("kyverno", "kyverno-reports", "kyverno/v1.16.0"),
            ("velero", "velero", "velero-server/v1.17.0"),
            ("keda", "keda-operator", "keda/v2.18.1"),
        ];
        World {
            deployment_controller: controller(random, "deployment-controller"),
            replicaset_controller: controller(random, "replicaset-controller"),
            garbage_collector: controller(random, "generic-garbage-collector"),
            endpointslice_controller: controller(random, "endpointslice-controller"),
            autoscaler: controller(random, "horizontal-pod-autoscaler"),
            manager: component("system:kube-controller-manager", "kube-controller-manager"),
            scheduler: component("system:kube-scheduler", "kube-scheduler"),
            apiserver: Actor {
                user: br#"{"username":"system:apiserver","uid":"c81e728d-9d4c-4f63-ae06-7f89cc14862c","groups":["system:authenticated","system:masters"]}"#.to_vec(),
                allowed_by: String::new(),
                ..component("system:apiserver", "kube-apiserver")
            },
            operators: operators
                .iter()
                .enumerate()
                .map(|(at, (namespace, name, agent))| {
                    let address = format!("10.244.{}.{}", at + 3, 20 + at * 7);
                    let mut actor = service_account(random, namespace, name, &address);
                    actor.agent = format!("{agent} (linux/amd64) kubernetes/$Format");
                    actor
                })
                .collect(),
            gitops: {
                let mut actor =
                    service_account(random, "argocd", "argocd-application-controller", "10.244.2.9");
                actor.agent = "argocd-application-controller/v3.2.0 (linux/amd64) kubernetes/$Format".into();
                actor
            },
            ci: {
                let mut actor = service_account(random, CI.0, CI.1, "10.244.7.21");
                actor.addresses.push(r#"["10.244.9.40"]"#.to_owned());
                actor.agent = "Helm/3.19.0".to_owned();
                actor
            },
            people: PEOPLE
                .iter()
                .enumerate()
                .map(|(at, name)| person(name, at))
                .collect(),
            helpdesk: Actor {
                allowed_by: allowed_by_group("helpdesk-impersonator", "helpdesk"),
                ..person("helpdesk", 40)
            },
            anonymous: Actor {
                name: "system:anonymous".to_owned(),
                user: br#"{"username":"system:anonymous","groups":["system:unauthenticated"]}"#.to_vec(),
                addresses: vec![r#"["198.51.100.7"]"#.into(), r#"["198.51.100.88"]"#.into()],
                agent: "Mozilla/5.0 zgrab/0.x".to_owned(),
                allowed_by: String::new(),
            },
            nodes,
            apps,
        }
    }

    /// An app, the first ones more often.
    pub(super) fn app(&self, random: &mut Random) -> &App {
        &self.apps[random.skewed(self.apps.len())]
    }
}

fn node(random: &mut Random, at: usize) -> Node {
    let zone = ["a", "b", "c"][at % 3];
    let name = format!("worker-{zone}-{:02}", at / 3 + 1);
    let address = format!("10.20.{}.{}", at % 3 + 1, at / 3 + 11);
    let mut user = Vec::new();
    put!(
        &mut user,
        r#"{"username":"system:node:"#,
        name,
        r#"","groups":["system:nodes","system:authenticated"],"extra":{"authentication.kubernetes.io/credential-id":["X509SHA256="#,
        random.hex(64),
        r#""]}}"#,
    );
    Node {
        kubelet: Actor {
            name: format!("system:node:{name}"),
            user,
            addresses: vec![format!("[\"{address}\"]")],
            agent: "kubelet/v1.36.2 (linux/amd64) kubernetes/8e16b12".to_owned(),
            allowed_by: String::new(),
        },
        uid: random.uuid(),
        name,
        address,
    }
}

fn app(random: &mut Random, at: usize, nodes: usize) -> App {
    let namespace = NAMESPACES[at % NAMESPACES.len()];
    let role = ROLES[at / NAMESPACES.len() % ROLES.len()];
    let name = match at / (NAMESPACES.len() * ROLES.len()) {
        0 => format!("{namespace}-{role}"),
        again => format!("{namespace}-{role}-v{}", again + 1),
    };
    let hash = random.suffix(10);
    let replicas = random.below(5) + 2;
    let pods = (0..replicas)
        .map(|_| Pod {
            name: format!("{name}-{hash}-{}", random.suffix(5)),
            uid: random.uuid(),
            node: random.below(nodes),
        })
        .collect();
    App {
        namespace,
        image: format!("registry.corp.example/{namespace}/{role}"),
        hash,
        uid: random.uuid(),
        set_uid: random.uuid(),
        pods,
        config: format!("{name}-config"),
        secret: format!("{name}-credentials"),
        settings: bodies::settings(random, &name),
        name,
    }
}

/// The actor behind a service account's token.
fn service_account(random: &mut Random, namespace: &str, name: &str, address: &str) -> Actor {
    let mut user = Vec::new();
    put!(
        &mut user,
        r#"{"username":"system:serviceaccount:"#,
        namespace,
        ":",
        name,
        r#"","uid":""#,
        random.uuid(),
        r#"","groups":["system:serviceaccounts","system:serviceaccounts:"#,
        namespace,
        r#"","system:authenticated"],"extra":{"authentication.kubernetes.io/credential-id":["JTI="#,
        random.uuid(),
        r#""],"authentication.kubernetes.io/pod-name":[""#,
        name,
        "-",
        random.suffix(5),
        r#""],"authentication.kubernetes.io/pod-uid":[""#,
        random.uuid(),
        r#""]}}"#,
    );
    Actor {
        name: format!("system:serviceaccount:{namespace}:{name}"),
        user,
        addresses: vec![format!("[\"{address}\"]")],
        agent: String::new(),
        allowed_by: allowed_by(name, name, namespace),
    }
}

fn component(name: &str, program: &str) -> Actor {
    Actor {
        name: name.to_owned(),
        user: format!(r#"{{"username":"{name}","groups":["system:authenticated"]}}"#).into_bytes(),
        addresses: vec![r#"["10.20.0.2"]"#.to_owned()],
        agent: format!("{program}/v1.36.2 (linux/amd64) kubernetes/8e16b12/leader-election"),
        allowed_by: format!(
            r#"RBAC: allowed by ClusterRoleBinding \"{name}\" of ClusterRole \"{name}\" to User \"{name}\""#
        ),
    }
}

fn person(name: &str, at: usize) -> Actor {
    let group = ["developers", "sre", "data"][at % 3];
    Actor {
        name: format!("{name}@corp.example"),
        user: format!(
            r#"{{"username":"{name}@corp.example","groups":["{group}","system:authenticated"],"extra":{{"authentication.kubernetes.io/credential-id":["X509SHA256={at:064x}"]}}}}"#
        )
        .into_bytes(),
        addresses: vec![
            format!("[\"10.8.0.{}\"]", at + 10),
            format!("[\"192.0.2.{}\",\"10.8.1.1\"]", at + 30),
        ],
        agent: KUBECTL.to_owned(),
        allowed_by: allowed_by_group(&format!("{group}-edit"), group),
    }
}

fn allowed_by(role: &str, name: &str, namespace: &str) -> String {
    format!(
        r#"RBAC: allowed by ClusterRoleBinding \"{role}\" of ClusterRole \"{role}\" to ServiceAccount \"{name}/{namespace}\""#
    )
}

fn allowed_by_group(role: &str, group: &str) -> String {
    format!(
        r#"RBAC: allowed by ClusterRoleBinding \"{role}\" of ClusterRole \"edit\" to Group \"{group}\""#
    )
}
