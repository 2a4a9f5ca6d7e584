//! Calls with bodies: nodes report, pods come and go, deployments and configurations change.

use super::{CONFIGMAPS, DEPLOYMENTS, ENDPOINTSLICES, NODES, PODS, Traffic};
use crate::generate::bodies::{self, Stored};
use crate::generate::call::{Call, End, Level};
use crate::generate::put::{Seconds, put};
use crate::generate::queue::Queue;
use crate::generate::world::{App, World};

impl Traffic {
    pub(super) fn node_status(&mut self, world: &World, queue: &mut Queue, now: i64) {
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
    pub(super) fn send_with(&mut self, queue: &mut Queue, call: &Call<'_>, now: i64) {
        let request = std::mem::take(&mut self.request);
        let response = std::mem::take(&mut self.response);
        self.send(queue, &call.with(&request, &response), now);
        (self.request, self.response) = (request, response);
    }

    pub(super) fn pod_created(&mut self, world: &World, queue: &mut Queue, now: i64) {
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

    pub(super) fn pod_status(&mut self, world: &World, queue: &mut Queue, now: i64) {
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

    pub(super) fn pod_bound(&mut self, world: &World, queue: &mut Queue, now: i64) {
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

    pub(super) fn pod_deleted(&mut self, world: &World, queue: &mut Queue, now: i64) {
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
    pub(super) fn rollout(&mut self, world: &World, queue: &mut Queue, now: i64) {
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
                Seconds(now),
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

    pub(super) fn config(&mut self, world: &World, queue: &mut Queue, now: i64) {
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

    pub(super) fn endpoints(&mut self, world: &World, queue: &mut Queue, now: i64) {
        let app = world.app(&mut self.random);
        let stored = self.stored(now);
        bodies::endpoints(&mut self.request, app, &world.nodes, &stored);
        self.response.extend_from_slice(&self.request);
        let name = format!("{}-x7k2p", app.name);
        let call = Call::new(&world.endpointslice_controller, "update", ENDPOINTSLICES)
            .on(app.namespace, &name);
        self.send_with(queue, &call, now);
    }

    pub(super) fn not_admitted(&mut self, world: &World, app: &App, queue: &mut Queue, now: i64) {
        let actor = self.random.pick(&world.people);
        let name = format!("debug-{}", self.random.suffix(5));
        let (tag, revision) = self.tag();
        bodies::pod(&mut self.request, app, &name, (&tag, &revision), None);
        let mut call = Call::new(actor, "create", PODS).on(app.namespace, &name);
        call.end = End::PodSecurity;
        self.send_with(queue, &call, now);
    }

    /// A JSON patch, which is an array.
    pub(super) fn scale(&mut self, world: &World, queue: &mut Queue, now: i64) {
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
}
