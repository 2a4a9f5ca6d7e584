//! What goes on in the cluster all day: which calls there are, and how often.

use super::bodies::{self, Stored};
use super::call::{Call, End, Kind, Level, Stages};
use super::put::put;
use super::queue::Queue;
use super::random::Random;
use super::world::{Actor, App, NAMESPACES, World};

const PODS: Kind = Kind::core("pods");
const CONFIGMAPS: Kind = Kind::core("configmaps");
const SECRETS: Kind = Kind::core("secrets");
const NODES: Kind = Kind::core("nodes");
const EVENTS: Kind = Kind::core("events");
const LEASES: Kind = Kind::of("coordination.k8s.io", "leases");
const DEPLOYMENTS: Kind = Kind::of("apps", "deployments");
const REPLICASETS: Kind = Kind::of("apps", "replicasets");
const ENDPOINTSLICES: Kind = Kind::of("discovery.k8s.io", "endpointslices");
const ACCESS_REVIEWS: Kind = Kind::of("authorization.k8s.io", "subjectaccessreviews");
const TOKEN_REVIEWS: Kind = Kind::of("authentication.k8s.io", "tokenreviews");
const NONE: Kind = Kind::core("");

/// What machines read.
const READ: &[Kind] = &[
    PODS,
    CONFIGMAPS,
    Kind::core("services"),
    NODES,
    ENDPOINTSLICES,
    DEPLOYMENTS,
    REPLICASETS,
    Kind::core("serviceaccounts"),
    Kind::of("batch", "jobs"),
    Kind::of("networking.k8s.io", "ingresses"),
    Kind::of("cert-manager.io", "certificates"),
    Kind::of("apps", "statefulsets"),
    Kind::core("persistentvolumeclaims"),
    Kind::of("policy", "poddisruptionbudgets"),
    Kind::core("namespaces"),
];

const LEADERS: &[&str] = &[
    "kube-controller-manager",
    "cert-manager-controller",
    "keda-operator",
];

/// The background of a cluster's day. It keeps its buffers from call to call.
pub(super) struct Traffic {
    random: Random,
    version: u64,
    watch_max: i64,
    request: Vec<u8>,
    response: Vec<u8>,
}

impl Traffic {
    /// `watch_max` is the longest that a watch stays open, in microseconds.
    pub(super) fn new(seed: u64, watch_max: i64) -> Traffic {
        Traffic {
            random: Random::new(seed, 2),
            version: 48_000_000,
            watch_max,
            request: Vec::new(),
            response: Vec::new(),
        }
    }

    /// One call that arrives at `now`.
    pub(super) fn call(&mut self, world: &World, queue: &mut Queue, now: i64) {
        self.version += 1 + self.random.below(6) as u64;
        self.request.clear();
        self.response.clear();
        match self.random.below(1000) {
            0..140 => self.node_lease(world, queue, now),
            140..165 => self.leader_lease(world, queue, now),
            165..420 => self.machine_get(world, queue, now),
            420..500 => self.machine_list(world, queue, now),
            500..560 => self.watch(world, queue, now),
            560..610 => self.node_status(world, queue, now),
            610..680 => self.pod_created(world, queue, now),
            680..730 => self.pod_status(world, queue, now),
            730..750 => self.pod_bound(world, queue, now),
            750..770 => self.pod_deleted(world, queue, now),
            770..810 => self.rollout(world, queue, now),
            810..840 => self.config(world, queue, now),
            840..860 => self.endpoints(world, queue, now),
            860..880 => self.event(world, queue, now),
            880..905 => self.secret(world, queue, now),
            905..935 => self.person(world, queue, now),
            935..960 => self.review(world, queue, now),
            960..975 => self.probe(world, queue, now),
            975..985 => self.refused(world, queue, now),
            985..991 => self.scale(world, queue, now),
            991..995 => self.unauthenticated(world, queue, now),
            995..997 => self.helpdesk(world, queue, now),
            _ => self.exec(world, queue, now),
        }
    }

    fn send(&mut self, queue: &mut Queue, call: &Call<'_>, now: i64) {
        // Mostly some milliseconds, sometimes much more.
        let took = 700 + self.random.skewed(9000) as i64 + self.random.skewed(900) as i64 * 9;
        let id = self.random.uuid();
        queue.call(call, id, now, took);
    }

    fn stored(&mut self, now: i64) -> Stored {
        Stored {
            uid: self.random.uuid(),
            version: self.version,
            time: now,
        }
    }

    fn tag(&mut self) -> (String, String) {
        let tag = format!("v1.{}.{}", self.random.below(40), self.random.below(20));
        (tag, self.random.hex(40))
    }

    fn node_lease(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let node = self.random.pick(&world.nodes);
        let mut call = Call::new(&node.kubelet, "update", LEASES).on("kube-node-lease", &node.name);
        call.query = "?timeout=10s";
        call.uid = Some(node.uid);
        if self.random.chance(2) {
            call.end = End::Conflict;
        }
        self.send(queue, &call, now);
    }

    fn leader_lease(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let name = *self.random.pick(LEADERS);
        let call = Call::new(&world.manager, "update", LEASES).on("kube-system", name);
        self.send(queue, &call, now);
    }

    fn machine<'w>(&mut self, world: &'w World) -> &'w Actor {
        match self.random.below(10) {
            0..3 => &self.random.pick(&world.nodes).kubelet,
            3 => &world.deployment_controller,
            4 => &world.replicaset_controller,
            5 => &world.garbage_collector,
            6 => &world.gitops,
            _ => self.random.pick(&world.operators),
        }
    }

    fn machine_get(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let actor = self.machine(world);
        let kind = READ[self.random.skewed(READ.len())];
        let app = world.app(&mut self.random);
        let node = self.random.pick(&world.nodes);
        let (namespace, name) = match kind.resource {
            "pods" => (app.namespace, self.random.pick(&app.pods).name.as_str()),
            "configmaps" => (app.namespace, app.config.as_str()),
            "nodes" => ("", node.name.as_str()),
            "namespaces" => ("", app.namespace),
            _ => (app.namespace, app.name.as_str()),
        };
        let mut call = Call::new(actor, "get", kind).on(namespace, name);
        if self.random.chance(300) {
            call.query = r"?resourceVersion=0\u0026timeout=10s";
        }
        if self.random.chance(20) {
            call.end = End::NotFound;
        }
        self.send(queue, &call, now);
    }

    fn machine_list(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let actor = self.machine(world);
        let kind = READ[self.random.skewed(READ.len())];
        let mut call = Call::new(actor, "list", kind);
        if self.random.chance(400) && !matches!(kind.resource, "nodes" | "namespaces") {
            call.namespace = *self.random.pick(NAMESPACES);
        }
        let query = format!(
            r"?limit=500\u0026resourceVersion={}\u0026resourceVersionMatch=NotOlderThan",
            self.version
        );
        call.query = &query;
        self.send(queue, &call, now);
    }

    fn watch(&mut self, world: &World, queue: &mut Queue, now: i64) {
        if !queue.may_open() {
            return self.machine_list(world, queue, now);
        }
        let mut call = Call::new(self.machine(world), "watch", *self.random.pick(READ));
        call.stages = Stages::Watch;
        let seconds = 300 + self.random.below(300);
        let query = format!(
            r"?allowWatchBookmarks=true\u0026resourceVersion={}\u0026timeoutSeconds={seconds}\u0026watch=true",
            self.version
        );
        call.query = &query;
        let took =
            (seconds as i64 * 1_000_000).min(self.watch_max) + self.random.below(4000) as i64;
        queue.call(&call, self.random.uuid(), now, took);
    }

    fn node_status(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let node = self.random.pick(&world.nodes);
        let memory = 31_000_000 + self.random.below(99_999) as u64;
        bodies::node_status(&mut self.request, node, now, memory);
        let request = std::mem::take(&mut self.request);
        let mut call = Call::new(&node.kubelet, "patch", NODES).on("", &node.name);
        call.subresource = "status";
        call.level = Level::Request;
        call.query = "?timeout=10s";
        call.request = &request;
        self.send(queue, &call, now);
        self.request = request;
    }

    /// Sends a call with both bodies, which the buffers hold.
    fn send_with(&mut self, queue: &mut Queue, call: &Call<'_>, now: i64) {
        let request = std::mem::take(&mut self.request);
        let response = std::mem::take(&mut self.response);
        self.send(queue, &call.with(&request, &response), now);
        (self.request, self.response) = (request, response);
    }

    fn pod_created(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let app = world.app(&mut self.random);
        let (tag, revision) = self.tag();
        let name = format!("{}-{}-{}", app.name, app.hash, self.random.suffix(5));
        let stored = self.stored(now);
        let image = (tag.as_str(), revision.as_str());
        bodies::pod(&mut self.request, app, "", image, None);
        bodies::pod(&mut self.response, app, &name, image, Some(&stored));
        // `generateName`: the name is only in the response.
        let mut call =
            Call::new(&world.replicaset_controller, "create", PODS).on(app.namespace, "");
        call.end = End::Code(201);
        self.send_with(queue, &call, now);
    }

    fn pod_status(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let app = world.app(&mut self.random);
        let pod = self.random.pick(&app.pods);
        let node = &world.nodes[pod.node];
        let ip = self.random.below(60_000) as u64;
        bodies::pod_status(&mut self.request, pod.uid, node, now, ip);
        let (tag, revision) = self.tag();
        let stored = Stored {
            uid: pod.uid,
            ..self.stored(now)
        };
        let image = (tag.as_str(), revision.as_str());
        bodies::pod(&mut self.response, app, &pod.name, image, Some(&stored));
        let mut call = Call::new(&node.kubelet, "patch", PODS).on(app.namespace, &pod.name);
        call.subresource = "status";
        if self.random.chance(8) {
            call.end = End::NotFound;
        }
        self.send_with(queue, &call, now);
    }

    fn pod_bound(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let app = world.app(&mut self.random);
        let pod = self.random.pick(&app.pods);
        put!(
            &mut self.request,
            r#"{"kind":"Binding","apiVersion":"v1","metadata":{"name":""#,
            pod.name,
            r#"","namespace":""#,
            app.namespace,
            r#"","uid":""#,
            pod.uid,
            r#""},"target":{"kind":"Node","name":""#,
            world.nodes[pod.node].name,
            "\"}}",
        );
        put!(
            &mut self.response,
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","code":201}"#
        );
        let mut call = Call::new(&world.scheduler, "create", PODS).on(app.namespace, &pod.name);
        call.subresource = "binding";
        call.uid = Some(pod.uid);
        call.end = End::Code(201);
        self.send_with(queue, &call, now);
    }

    fn pod_deleted(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let app = world.app(&mut self.random);
        let pod = self.random.pick(&app.pods);
        put!(
            &mut self.request,
            r#"{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":""#,
            pod.uid,
            r#""},"propagationPolicy":"Background"}"#,
        );
        let (tag, revision) = self.tag();
        let stored = self.stored(now);
        let image = (tag.as_str(), revision.as_str());
        bodies::pod(&mut self.response, app, &pod.name, image, Some(&stored));
        let actor = match self.random.chance(500) {
            true => &world.garbage_collector,
            false => &world.replicaset_controller,
        };
        let call = Call::new(actor, "delete", PODS).on(app.namespace, &pod.name);
        self.send_with(queue, &call, now);
    }

    /// A new version of an app, by the pipeline, GitOps or by hand.
    fn rollout(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let app = world.app(&mut self.random);
        let (tag, revision) = self.tag();
        let image = (tag.as_str(), revision.as_str());
        let stored = Stored {
            uid: app.uid,
            ..self.stored(now)
        };
        let (actor, verb, manager, query) = match self.random.below(10) {
            0..4 => (
                &world.deployment_controller,
                "update",
                "kube-controller-manager",
                "",
            ),
            4..7 => (
                &world.gitops,
                "patch",
                "argocd-controller",
                r"?fieldManager=argocd-controller\u0026force=true",
            ),
            7..9 => (&world.ci, "patch", "helm", "?fieldManager=helm"),
            _ => (
                self.random.pick(&world.people),
                "patch",
                "kubectl-client-side-apply",
                match self.random.chance(250) {
                    true => r"?dryRun=All\u0026fieldManager=kubectl-client-side-apply",
                    false => r"?fieldManager=kubectl-client-side-apply",
                },
            ),
        };
        let generation = 2 + self.random.below(400) as u64;
        if verb == "update" {
            bodies::deployment(
                &mut self.request,
                app,
                image,
                manager,
                generation,
                Some(&stored),
            );
        } else if actor.name == world.gitops.name {
            bodies::deployment(&mut self.request, app, image, manager, generation, None);
        } else {
            put!(
                &mut self.request,
                r#"{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":""#,
                super::put::Seconds(now),
                r#""}},"spec":{"$setElementOrder/containers":[{"name":"main"}],"containers":[{"name":"main","image":""#,
                app.image,
                ":",
                tag,
                r#"","env":[{"name":"CONFIG_REVISION","value":""#,
                revision,
                r#""}]}]}}}}"#,
            );
        }
        bodies::deployment(
            &mut self.response,
            app,
            image,
            manager,
            generation,
            Some(&stored),
        );
        let mut call = Call::new(actor, verb, DEPLOYMENTS).on(app.namespace, &app.name);
        call.query = query;
        if verb == "update" {
            call.subresource = "status";
            call.uid = Some(app.uid);
            if self.random.chance(60) {
                call.end = End::Conflict;
            }
        }
        self.send_with(queue, &call, now);
    }

    fn config(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let app = world.app(&mut self.random);
        let revision = self.random.hex(40);
        let stored = self.stored(now);
        let actor = match self.random.chance(600) {
            true => &world.gitops,
            false => &world.ci,
        };
        bodies::config(&mut self.request, app, &revision, "helm", None);
        bodies::config(&mut self.response, app, &revision, "helm", Some(&stored));
        let mut call = Call::new(actor, "update", CONFIGMAPS).on(app.namespace, &app.config);
        if self.random.chance(15) {
            call.end = End::Conflict;
        }
        self.send_with(queue, &call, now);
    }

    fn endpoints(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let app = world.app(&mut self.random);
        let stored = self.stored(now);
        bodies::endpoints(&mut self.request, app, &world.nodes, &stored);
        self.response.extend_from_slice(&self.request);
        let name = format!("{}-x7k2p", app.name);
        let call = Call::new(&world.endpointslice_controller, "update", ENDPOINTSLICES)
            .on(app.namespace, &name);
        self.send_with(queue, &call, now);
    }

    fn event(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let app = world.app(&mut self.random);
        let pod = self.random.pick(&app.pods);
        let name = format!("{}.{}", pod.name, self.random.hex(16));
        let mut call =
            Call::new(&world.nodes[pod.node].kubelet, "create", EVENTS).on(app.namespace, &name);
        call.end = End::Code(201);
        self.send(queue, &call, now);
    }

    /// Secrets are recorded without their content.
    fn secret(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let app = world.app(&mut self.random);
        let actor = match self.random.below(10) {
            0 => self.random.pick(&world.people),
            1..5 => &self.random.pick(&world.nodes).kubelet,
            5..7 => &world.ci,
            _ => &world.operators[1],
        };
        let verb = match self.random.below(10) {
            0 => "update",
            _ => "get",
        };
        let mut call = Call::new(actor, verb, SECRETS).on(app.namespace, &app.secret);
        call.stages = Stages::Both;
        self.send(queue, &call, now);
    }

    fn person(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let actor = &world.people[self.random.skewed(world.people.len())];
        let app = world.app(&mut self.random);
        let pod = self.random.pick(&app.pods).name.as_str();
        let mut call = match self.random.below(6) {
            0 => Call::new(actor, "list", PODS).on(app.namespace, ""),
            1 => Call::new(actor, "get", DEPLOYMENTS).on(app.namespace, &app.name),
            2 => Call::new(actor, "get", PODS).on(app.namespace, pod),
            3 => Call::new(actor, "list", EVENTS).on(app.namespace, ""),
            4 => {
                let mut call = Call::new(actor, "get", PODS).on(app.namespace, pod);
                call.subresource = "log";
                call.query = r"?container=main\u0026tailLines=200";
                call.stages = Stages::LongRunning;
                return self.send(queue, &call, now);
            }
            _ => Call::new(actor, "get", CONFIGMAPS).on(app.namespace, &app.config),
        };
        call.stages = Stages::Both;
        if self.random.chance(60) {
            call.end = End::NotFound;
        }
        self.send(queue, &call, now);
    }

    fn review(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let node = self.random.pick(&world.nodes);
        let kind = match self.random.chance(500) {
            true => ACCESS_REVIEWS,
            false => TOKEN_REVIEWS,
        };
        let mut call = Call::new(&node.kubelet, "create", kind);
        call.end = End::Code(201);
        self.send(queue, &call, now);
    }

    fn probe(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let mut call = Call::new(&world.apiserver, "get", NONE);
        if self.random.chance(300) {
            call.actor = &world.operators[2];
        }
        call.path =
            *self
                .random
                .pick(&["/healthz", "/readyz", "/livez", "/metrics", "/openapi/v3"]);
        self.send(queue, &call, now);
    }

    /// What is asked for and not allowed.
    fn refused(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let app = world.app(&mut self.random);
        let end = End::Forbidden;
        let mut call = match self.random.below(10) {
            0..4 => {
                let actor = &world.people[self.random.skewed(world.people.len())];
                Call::new(actor, "list", SECRETS).on(app.namespace, "")
            }
            4..7 => {
                let actor = &world.operators[self.random.skewed(world.operators.len())];
                Call::new(actor, "list", Kind::of("batch", "cronjobs"))
            }
            7..9 => Call::new(&world.anonymous, "list", PODS).on("kube-system", ""),
            _ => return self.not_admitted(world, app, queue, now),
        };
        call.end = end;
        call.stages = Stages::Both;
        self.send(queue, &call, now);
    }

    fn not_admitted(&mut self, world: &World, app: &App, queue: &mut Queue, now: i64) {
        let actor = self.random.pick(&world.people);
        let name = format!("debug-{}", self.random.suffix(5));
        let (tag, revision) = self.tag();
        bodies::pod(&mut self.request, app, &name, (&tag, &revision), None);
        let mut call = Call::new(actor, "create", PODS).on(app.namespace, &name);
        call.end = End::PodSecurity;
        self.send_with(queue, &call, now);
    }

    /// A JSON patch, which is an array.
    fn scale(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let app = world.app(&mut self.random);
        let replicas = 2 + self.random.below(12) as u64;
        put!(
            &mut self.request,
            r#"[{"op":"test","path":"/metadata/resourceVersion","value":""#,
            self.version,
            r#""},{"op":"replace","path":"/spec/replicas","value":"#,
            replicas,
            "}]",
        );
        put!(
            &mut self.response,
            r#"{"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":""#,
            app.name,
            r#"","namespace":""#,
            app.namespace,
            r#"","uid":""#,
            app.uid,
            r#"","resourceVersion":""#,
            self.version,
            r#""},"spec":{"replicas":"#,
            replicas,
            r#"},"status":{"replicas":"#,
            app.pods.len() as u64,
            r#","selector":"app="#,
            app.name,
            "\"}}",
        );
        let mut call =
            Call::new(&world.autoscaler, "patch", DEPLOYMENTS).on(app.namespace, &app.name);
        call.subresource = "scale";
        self.send_with(queue, &call, now);
    }

    fn unauthenticated(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let mut call = Call::new(&world.anonymous, "get", NONE);
        call.path = *self
            .random
            .pick(&["/api", "/version", "/apis", "/api/v1/namespaces"]);
        call.stages = Stages::Unauthenticated;
        call.end = End::Unauthorized;
        self.send(queue, &call, now);
    }

    fn helpdesk(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let person = self.random.pick(&world.people);
        let user = format!(
            r#"{{"username":"{}","groups":["developers","system:authenticated"]}}"#,
            person.name
        );
        let app = world.app(&mut self.random);
        let mut call = Call::new(&world.helpdesk, "list", PODS).on(app.namespace, "");
        call.impersonated = &user;
        call.allowed_by = &person.allowed_by;
        call.stages = Stages::Both;
        self.send(queue, &call, now);
    }

    /// A shell over a websocket: verb `get`, code 101, the command only in the URI.
    fn exec(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let actor = &world.people[self.random.skewed(world.people.len())];
        let app = world.app(&mut self.random);
        let pod = self.random.pick(&app.pods);
        let mut call = Call::new(actor, "get", PODS).on(app.namespace, &pod.name);
        call.subresource = "exec";
        call.query =
            r"?command=sh\u0026container=main\u0026stdin=true\u0026stdout=true\u0026tty=true";
        call.level = Level::Request;
        call.end = End::Code(101);
        call.stages = match queue.may_open() {
            true => Stages::LongRunning,
            false => Stages::Both,
        };
        let took = (self.random.below(300) as i64 * 1_000_000).min(self.watch_max) + 5000;
        queue.call(&call, self.random.uuid(), now, took);
    }
}
