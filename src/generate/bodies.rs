//! Request and response bodies: objects in the field order and rough size of the real ones.

use super::put::{Seconds, put};
use super::random::{Random, Uuid};
use super::world::{App, Node};

/// What a server adds to a stored object.
pub(super) struct Stored {
    pub(super) uid: Uuid,
    pub(super) version: u64,
    /// Time of the write, microseconds.
    pub(super) time: i64,
}

/// The data of a configuration: some 20 to 40 settings.
pub(super) fn settings(random: &mut Random, app: &str) -> Vec<u8> {
    const KEYS: &[&str] = &[
        "server.port",
        "server.max-connections",
        "cache.ttl",
        "cache.size",
        "queue.url",
        "queue.prefetch",
        "db.host",
        "db.pool.max",
        "db.pool.idle",
        "feature.new-checkout",
        "feature.dark-mode",
        "log.level",
        "log.format",
        "trace.endpoint",
        "trace.sample-rate",
        "retry.max",
        "retry.backoff",
        "http.timeout",
        "region",
        "currency",
    ];
    let mut out = Vec::new();
    put!(&mut out, r##"{"application.properties":"# "##, app, r"\n");
    for _ in 0..20 + random.below(20) {
        let key = *random.pick(KEYS);
        let digits = 6 + random.below(24);
        put!(&mut out, app, ".", key, "=", random.hex(digits), r"\n");
    }
    put!(&mut out, r#"","revision":""#);
    out
}

fn metadata_end(out: &mut Vec<u8>, stored: Option<&Stored>, generation: u64) {
    if let Some(Stored { uid, version, time }) = stored {
        put!(
            out,
            r#","uid":""#,
            uid,
            r#"","resourceVersion":""#,
            version,
            r#"","generation":"#,
            generation,
            r#","creationTimestamp":""#,
            Seconds(time - time.rem_euclid(86_400_000_000)),
            "\"",
        );
    }
}

fn managed(out: &mut Vec<u8>, manager: &str, stored: &Stored, fields: &str) {
    put!(
        out,
        r#","managedFields":[{"manager":""#,
        manager,
        r#"","operation":"Update","apiVersion":"v1","time":""#,
        Seconds(stored.time),
        r#"","fieldsType":"FieldsV1","fieldsV1":"#,
        fields,
        "}]",
    );
}

const POD_FIELDS: &str = r#"{"f:metadata":{"f:annotations":{".":{},"f:kubectl.kubernetes.io/restartedAt":{}},"f:generateName":{},"f:labels":{".":{},"f:app":{},"f:pod-template-hash":{},"f:team":{}},"f:ownerReferences":{".":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:env":{".":{},"k:{\"name\":\"CONFIG_REVISION\"}":{".":{},"f:name":{},"f:value":{}}},"f:envFrom":{},"f:image":{},"f:imagePullPolicy":{},"f:livenessProbe":{".":{},"f:httpGet":{".":{},"f:path":{},"f:port":{}}},"f:name":{},"f:ports":{},"f:resources":{".":{},"f:limits":{".":{},"f:memory":{}},"f:requests":{".":{},"f:cpu":{},"f:memory":{}}},"f:securityContext":{}}},"f:dnsPolicy":{},"f:enableServiceLinks":{},"f:restartPolicy":{},"f:schedulerName":{},"f:securityContext":{},"f:serviceAccountName":{},"f:terminationGracePeriodSeconds":{}}}"#;

fn pod_spec(out: &mut Vec<u8>, app: &App, tag: &str, revision: &str, node: Option<&Node>) {
    put!(
        out,
        r#""spec":{"volumes":[{"name":"tmp","emptyDir":{"sizeLimit":"256Mi"}},{"name":"config","configMap":{"name":""#,
        app.config,
        r#"","defaultMode":420}}],"containers":[{"name":"main","image":""#,
        app.image,
        ":",
        tag,
        r#"","ports":[{"name":"http","containerPort":8080,"protocol":"TCP"}],"envFrom":[{"secretRef":{"name":""#,
        app.secret,
        r#""}}],"env":[{"name":"CONFIG_REVISION","value":""#,
        revision,
        r#""},{"name":"POD_NAME","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"}}}],"resources":{"limits":{"memory":"512Mi"},"requests":{"cpu":"100m","memory":"256Mi"}},"volumeMounts":[{"name":"tmp","mountPath":"/tmp"},{"name":"config","readOnly":true,"mountPath":"/etc/app"}],"livenessProbe":{"httpGet":{"path":"/healthz","port":"http","scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent","securityContext":{"capabilities":{"drop":["ALL"]},"runAsNonRoot":true,"allowPrivilegeEscalation":false}}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":""#,
        app.name,
        r#"","securityContext":{"seccompProfile":{"type":"RuntimeDefault"}},"schedulerName":"default-scheduler""#,
    );
    if let Some(node) = node {
        put!(out, r#","nodeName":""#, node.name, "\"");
    }
    put!(out, r#","enableServiceLinks":true}"#);
}

/// A pod as its replica set makes it; `name` is empty in the request.
pub(super) fn pod(
    out: &mut Vec<u8>,
    app: &App,
    name: &str,
    (tag, revision): (&str, &str),
    stored: Option<&Stored>,
) {
    put!(out, r#"{"kind":"Pod","apiVersion":"v1","metadata":{"#);
    if !name.is_empty() {
        put!(out, r#""name":""#, name, "\",");
    }
    put!(out, r#""generateName":""#, app.name, "-", app.hash, "-\"");
    if stored.is_some() {
        put!(out, r#","namespace":""#, app.namespace, "\"");
    }
    metadata_end(out, stored, 1);
    put!(
        out,
        r#","labels":{"app":""#,
        app.name,
        r#"","pod-template-hash":""#,
        app.hash,
        r#"","team":""#,
        app.namespace,
        r#""},"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":""#,
        app.name,
        "-",
        app.hash,
        r#"","uid":""#,
        app.set_uid,
        r#"","controller":true,"blockOwnerDeletion":true}]"#,
    );
    if let Some(stored) = stored {
        managed(out, "kube-controller-manager", stored, POD_FIELDS);
    }
    put!(out, "},");
    pod_spec(out, app, tag, revision, None);
    match stored {
        Some(_) => put!(
            out,
            r#","status":{"phase":"Pending","qosClass":"Burstable"}}"#
        ),
        None => put!(out, r#","status":{}}"#),
    }
}

/// The patch of a pod's status by its kubelet.
pub(super) fn pod_status(out: &mut Vec<u8>, uid: Uuid, node: &Node, time: i64, ip: u64) {
    put!(
        out,
        r#"{"metadata":{"uid":""#,
        uid,
        r#""},"status":{"$setElementOrder/conditions":[{"type":"PodReadyToStartContainers"},{"type":"Initialized"},{"type":"Ready"},{"type":"ContainersReady"},{"type":"PodScheduled"}],"conditions":[{"lastTransitionTime":""#,
        Seconds(time),
        r#"","message":null,"reason":null,"status":"True","type":"Ready"},{"lastTransitionTime":""#,
        Seconds(time),
        r#"","message":null,"reason":null,"status":"True","type":"ContainersReady"}],"containerStatuses":[{"containerID":"containerd://"#,
        node.uid,
        "-",
        ip,
        r#"","name":"main","ready":true,"restartCount":0,"started":true,"state":{"running":{"startedAt":""#,
        Seconds(time - 2_000_000),
        r#""}}}],"hostIP":""#,
        node.address,
        r#"","phase":"Running","podIP":"10.244."#,
        ip / 250 % 250,
        ".",
        ip % 250,
        r#""}}"#,
    );
}

const DEPLOYMENT_FIELDS: &str = r#"{"f:metadata":{"f:labels":{".":{},"f:app":{},"f:team":{}}},"f:spec":{"f:progressDeadlineSeconds":{},"f:replicas":{},"f:revisionHistoryLimit":{},"f:selector":{},"f:strategy":{"f:rollingUpdate":{".":{},"f:maxSurge":{},"f:maxUnavailable":{}},"f:type":{}},"f:template":{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:env":{},"f:image":{},"f:name":{},"f:ports":{},"f:resources":{}}}}}}}"#;

/// A deployment.
pub(super) fn deployment(
    out: &mut Vec<u8>,
    app: &App,
    (tag, revision): (&str, &str),
    manager: &str,
    generation: u64,
    stored: Option<&Stored>,
) {
    put!(
        out,
        r#"{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":""#,
        app.name,
        r#"","namespace":""#,
        app.namespace,
        "\"",
    );
    metadata_end(out, stored, generation);
    put!(
        out,
        r#","labels":{"app":""#,
        app.name,
        r#"","team":""#,
        app.namespace,
        r#""},"annotations":{"deployment.kubernetes.io/revision":""#,
        generation,
        "\"}",
    );
    if let Some(stored) = stored {
        managed(out, manager, stored, DEPLOYMENT_FIELDS);
    }
    put!(
        out,
        r#"},"spec":{"replicas":"#,
        app.pods.len() as u64,
        r#","selector":{"matchLabels":{"app":""#,
        app.name,
        r#""}},"template":{"metadata":{"labels":{"app":""#,
        app.name,
        r#"","team":""#,
        app.namespace,
        "\"}},",
    );
    pod_spec(out, app, tag, revision, None);
    put!(
        out,
        r#"},"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":"25%"}},"revisionHistoryLimit":10,"progressDeadlineSeconds":600}"#
    );
    if stored.is_some() {
        let replicas = app.pods.len() as u64;
        put!(
            out,
            r#","status":{"observedGeneration":"#,
            generation - 1,
            r#","replicas":"#,
            replicas,
            r#","updatedReplicas":"#,
            replicas,
            r#","readyReplicas":"#,
            replicas,
            r#","conditions":[{"type":"Available","status":"True","reason":"MinimumReplicasAvailable","message":"Deployment has minimum availability."}]}"#,
        );
    }
    put!(out, "}");
}

/// A configuration.
pub(super) fn config(
    out: &mut Vec<u8>,
    app: &App,
    revision: &str,
    manager: &str,
    stored: Option<&Stored>,
) {
    put!(
        out,
        r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":""#,
        app.config,
        r#"","namespace":""#,
        app.namespace,
        "\"",
    );
    if let Some(stored) = stored {
        metadata_end(out, Some(stored), 1);
        managed(
            out,
            manager,
            stored,
            r#"{"f:data":{".":{},"f:application.properties":{},"f:revision":{}}}"#,
        );
    }
    put!(out, r#"},"data":"#, &app.settings[..], revision, "\"}}");
}

/// The patch of a node's status by its kubelet.
pub(super) fn node_status(out: &mut Vec<u8>, node: &Node, time: i64, memory: u64) {
    put!(
        out,
        r#"{"status":{"$setElementOrder/conditions":[{"type":"MemoryPressure"},{"type":"DiskPressure"},{"type":"PIDPressure"},{"type":"Ready"}],"allocatable":{"memory":""#,
        memory,
        r#"Ki"},"conditions":["#,
    );
    for (at, (kind, reason, message)) in [
        (
            "MemoryPressure",
            "KubeletHasSufficientMemory",
            "kubelet has sufficient memory available",
        ),
        (
            "DiskPressure",
            "KubeletHasNoDiskPressure",
            "kubelet has no disk pressure",
        ),
        (
            "PIDPressure",
            "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
        ),
        ("Ready", "KubeletReady", "kubelet is posting ready status"),
    ]
    .into_iter()
    .enumerate()
    {
        if at > 0 {
            put!(out, ",");
        }
        put!(
            out,
            r#"{"lastHeartbeatTime":""#,
            Seconds(time),
            r#"","message":""#,
            message,
            r#"","reason":""#,
            reason,
            r#"","type":""#,
            kind,
            "\"}",
        );
    }
    put!(
        out,
        r#"],"nodeInfo":{"machineID":""#,
        node.uid,
        r#"","kubeletVersion":"v1.36.2"}}}"#
    );
}

/// An endpoint slice with every pod of an app.
pub(super) fn endpoints(out: &mut Vec<u8>, app: &App, nodes: &[Node], stored: &Stored) {
    put!(
        out,
        r#"{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":""#,
        app.name,
        r#"-x7k2p","generateName":""#,
        app.name,
        r#"-","namespace":""#,
        app.namespace,
        "\"",
    );
    metadata_end(out, Some(stored), 7);
    put!(out, r#"},"addressType":"IPv4","endpoints":["#);
    for (at, pod) in app.pods.iter().enumerate() {
        if at > 0 {
            put!(out, ",");
        }
        put!(
            out,
            r#"{"addresses":["10.244."#,
            pod.node as u64,
            ".",
            (at as u64) + 10,
            r#""],"conditions":{"ready":true,"serving":true,"terminating":false},"targetRef":{"kind":"Pod","namespace":""#,
            app.namespace,
            r#"","name":""#,
            pod.name,
            r#"","uid":""#,
            pod.uid,
            r#""},"nodeName":""#,
            nodes[pod.node].name,
            "\"}",
        );
    }
    put!(
        out,
        r#"],"ports":[{"name":"http","port":8080,"protocol":"TCP"}]}"#
    );
}
