//! Changes of pods and of what makes pods.

use super::*;

const WORKLOADS: &[&str] = &[
    "pods",
    "deployments",
    "replicasets",
    "statefulsets",
    "daemonsets",
    "jobs",
    "cronjobs",
    "replicationcontrollers",
    "podtemplates",
];

/// Calls `found` with every container of the pod or pod template that a request submits.
fn containers(event: &Value) -> Vec<&Value> {
    let object = &event["requestObject"];
    let specs = [
        &object["spec"],
        &object["spec"]["template"]["spec"],
        &object["spec"]["jobTemplate"]["spec"]["template"]["spec"],
        &object["template"]["spec"],
    ];
    let lists = ["containers", "initContainers", "ephemeralContainers"];
    specs
        .iter()
        .flat_map(|spec| lists.iter().filter_map(|list| spec[*list].as_array()))
        .flatten()
        .collect()
}

fn owned(event: &Value) -> bool {
    event["requestObject"]["metadata"]["ownerReferences"].is_array()
}

#[test]
fn workload_changes() {
    let rows = ask("workload-changes", &["--by", "*"]);
    let changed = |event: &Value| {
        let subresource = text(event, "/objectRef/subresource");
        let other = [
            "status",
            "binding",
            "exec",
            "attach",
            "portforward",
            "proxy",
            "log",
        ];
        wrote(event) && of(event, WORKLOADS) && !other.contains(&subresource)
    };
    assert_eq!(audit_ids(&rows), recorded_ids(changed));
    let people = ask("workload-changes", &[]);
    assert!(people.len() < rows.len() && !people.is_empty());
    assert!(
        people
            .iter()
            .all(|row| !cell(row, "user").contains(":kube-system:"))
    );
}

/// That the authorizer allowed a request is no success.
#[test]
fn image_changes() {
    let rows = ask("image-changes", &[]);
    let submits = |event: &Value| {
        wrote(event)
            && of(event, WORKLOADS)
            && text(event, "/objectRef/subresource").is_empty()
            && !owned(event)
            && containers(event)
                .iter()
                .any(|container| container["image"].is_string())
    };
    // Every new object is a change, and in the sample few submit the same images again.
    let (shown, submitted) = (audit_ids(&rows), recorded_ids(submits));
    assert!(shown.iter().all(|id| submitted.contains(id)));
    let creations = recorded_ids(|event| {
        submits(event)
            && event["verb"] == "create"
            && text(event, "/objectRef/namespace") == "payments"
    });
    assert!(!creations.is_empty());
    assert!(
        creations.iter().all(|id| shown.contains(id)),
        "{creations:?}"
    );

    let web =
        json!({"resource": "deployments", "apiGroup": "apps", "namespace": "a", "name": "web"});
    let of_images = |images: &[&str]| {
        let containers: Vec<_> = images
            .iter()
            .map(|image| json!({"name": "c", "image": image}))
            .collect();
        json!({"spec": {"template": {"spec": {"containers": containers}}}})
    };
    let refused = json!({"metadata": {}, "code": 403, "reason": "Forbidden"});
    let store = store_of(&[
        made(
            1,
            "create",
            json!({"objectRef": web, "requestObject": of_images(&["web:1", "proxy:1"])}),
        ),
        made(
            2,
            "patch",
            json!({"objectRef": web, "requestObject": of_images(&["web:2"]), "responseStatus": refused}),
        ),
        made(
            3,
            "patch",
            json!({"objectRef": web, "requestObject": of_images(&["web:2"]), "requestURI": "/x?dryRun=All"}),
        ),
        made(
            4,
            "update",
            json!({"objectRef": web, "requestObject": of_images(&["proxy:1", "web:1"])}),
        ),
        made(
            5,
            "patch",
            json!({"objectRef": web, "user": {"username": "mallory"}, "requestObject":
            [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "web:evil"}]}),
        ),
        made(
            6,
            "patch",
            json!({"objectRef": web, "requestObject": {"spec": {"replicas": 3}}}),
        ),
    ]);
    let rows = ask_of(&store, "image-changes", &["--name", "web"]);
    assert_eq!(audit_ids(&rows), ["made-1", "made-2", "made-3", "made-5"]);
    assert_eq!(cell(&rows[0], "user"), "mallory");
    assert_eq!(
        column(&rows, "before"),
        [
            json!(["proxy:1", "web:1"]),
            json!(["proxy:1", "web:1"]),
            json!(["proxy:1", "web:1"]),
            Value::Null
        ]
    );
    let rows = ask_of(
        &store,
        "image-changes",
        &["--image", "*:evil", "--user", "mallory"],
    );
    assert_eq!(audit_ids(&rows), ["made-5"]);
}

#[test]
fn privileged_workloads() {
    let rows = ask(
        "privileged-workloads",
        &["--rights", "privileged", "--controllers"],
    );
    let privileged = |event: &Value| {
        let flag = |container: &&Value| container["securityContext"]["privileged"] == true;
        wrote(event) && containers(event).iter().any(flag)
    };
    assert_eq!(audit_ids(&rows), recorded_ids(privileged));
    assert!(!rows.is_empty());
    let rows = ask("privileged-workloads", &["--rights", "privileged"]);
    assert_eq!(
        audit_ids(&rows),
        recorded_ids(|event| privileged(event) && !owned(event))
    );
    for (kind, name) in [("pods", "dbg-toolbox"), ("daemonsets", "node-metrics")] {
        let found = rows.iter().any(|row| {
            cell(row, "user") == "system:serviceaccount:payments:builder"
                && cell(row, "resource") == kind
                && cell(row, "name") == name
        });
        assert!(found, "{kind} {name}");
    }
}

/// Whose pods the controllers make is who submitted the template.
#[test]
fn a_privileged_template_names_the_human_in_every_kind_and_shape() {
    let pod = json!({"containers": [{"name": "c", "image": "x:1", "securityContext": {"privileged": true}}]});
    let template = json!({"spec": {"template": {"spec": pod}}});
    let mut events = Vec::new();
    for (n, kind) in WORKLOADS.iter().enumerate() {
        let object = match *kind {
            "pods" => json!({"spec": pod}),
            "cronjobs" => json!({"spec": {"jobTemplate": template}}),
            "podtemplates" => json!({"template": {"spec": pod}}),
            _ => template.clone(),
        };
        let target = json!({"resource": kind, "namespace": "a", "name": "w"});
        events.push(made(
            n as u64 + 1,
            "create",
            json!({"objectRef": target, "requestObject": object}),
        ));
    }
    let web =
        json!({"resource": "deployments", "apiGroup": "apps", "namespace": "a", "name": "patched"});
    let security = "/spec/template/spec/containers/0/securityContext";
    events.extend([
        made(20, "patch", json!({"objectRef": web, "requestObject": [{"op": "add", "path": security, "value": {"capabilities": {"add": ["SYS_ADMIN"]}}}]})),
        made(21, "patch", json!({"objectRef": web, "requestObject": {"spec": {"template": {"spec": {"hostNetwork": true, "hostPID": true, "hostIPC": true}}}}})),
    ]);
    let controller = |n, name: &str, kind: &str, owner: &str| {
        let owner = json!([{"kind": owner, "name": "w", "controller": true}]);
        made(
            n,
            "create",
            json!({
                "user": {"username": format!("system:serviceaccount:kube-system:{name}")},
                "objectRef": {"resource": kind, "namespace": "a", "name": "w-1"},
                "requestObject": {"metadata": {"ownerReferences": owner}, "spec": {"template": {"spec": pod}, "containers": pod["containers"]}},
            }),
        )
    };
    events.extend([
        controller(30, "deployment-controller", "replicasets", "Deployment"),
        controller(31, "replicaset-controller", "pods", "ReplicaSet"),
    ]);
    let store = store_of(&events);

    let rows = ask_of(&store, "privileged-workloads", &[]);
    assert_eq!(rows.len(), WORKLOADS.len() + 2);
    assert!(rows.iter().all(|row| cell(row, "user") == "alice"));
    let kinds: BTreeSet<_> = rows.iter().map(|row| cell(row, "resource")).collect();
    assert_eq!(kinds.len(), WORKLOADS.len());
    let rights = column(&rows, "pod_security");
    assert_eq!(rights[0], json!(["hostIPC", "hostNetwork", "hostPID"]));
    assert_eq!(rights[1], json!(["capability:SYS_ADMIN"]));

    let rows = ask_of(&store, "privileged-workloads", &["--controllers"]);
    let owners: Vec<_> = rows.iter().map(|row| cell(row, "owner")).collect();
    assert_eq!(owners[..3], ["ReplicaSet/w", "Deployment/w", ""]);
    let rows = ask_of(
        &store,
        "privileged-workloads",
        &["--rights", "capability:SYS_*"],
    );
    assert_eq!(audit_ids(&rows), ["made-20"]);
}

#[test]
fn host_path_mounts() {
    let rows = ask("host-path-mounts", &["--controllers"]);
    let volumes = |event: &'static Value| -> Vec<&'static str> {
        let object = &event["requestObject"];
        let specs = [&object["spec"], &object["spec"]["template"]["spec"]];
        let volumes = specs
            .into_iter()
            .filter_map(|spec| spec["volumes"].as_array());
        let paths = volumes
            .flatten()
            .map(|volume| text(volume, "/hostPath/path"));
        paths.filter(|path| !path.is_empty()).collect()
    };
    let mounting: Vec<&'static Value> = EVENTS
        .iter()
        .filter(|event| wrote(event) && !volumes(event).is_empty())
        .collect();
    let mut ids: Vec<_> = mounting
        .iter()
        .map(|event| text(event, "/auditID"))
        .collect();
    ids.sort_unstable();
    assert!(!ids.is_empty());
    assert_eq!(audit_ids(&rows), ids);
    for (row, paths) in rows.iter().zip(column(&rows, "paths")) {
        let event = mounting
            .iter()
            .find(|event| event["auditID"] == row["audit_id"])
            .unwrap();
        assert_eq!(paths, json!(volumes(event)));
    }
    let thief = ask(
        "host-path-mounts",
        &[
            "--path",
            "/",
            "--name",
            "dbg-toolbox",
            "--outcome",
            "success",
        ],
    );
    assert_eq!(
        cell(&thief[0], "user"),
        "system:serviceaccount:payments:builder"
    );
    assert!(ask("host-path-mounts", &["--path", "/nowhere*"]).is_empty());
}

#[test]
fn ephemeral_containers() {
    let rows = ask("ephemeral-containers", &[]);
    let debugs = |event: &Value| {
        wrote(event) && text(event, "/objectRef/subresource") == "ephemeralcontainers"
    };
    assert_eq!(audit_ids(&rows), recorded_ids(debugs));
    for (row, images) in rows.iter().zip(column(&rows, "images")) {
        let event = EVENTS
            .iter()
            .find(|event| debugs(event) && event["auditID"] == row["audit_id"])
            .unwrap();
        let asked: Vec<_> = containers(event)
            .iter()
            .map(|container| container["image"].clone())
            .collect();
        assert_eq!(images, json!(asked));
    }
}
