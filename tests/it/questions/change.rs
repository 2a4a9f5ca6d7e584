//! *Changes.*

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::made::{column, made, store_of};
use super::{EVENTS, Row, ask, ask_of, audit_ids, cell, recorded_ids, text};
use crate::both::{Both, recorded};

mod workloads;

pub(super) const TESTED: &[&str] = &[
    "apiservice-changes",
    "changes-outside-gitops",
    "cluster-admin-bindings",
    "crd-changes",
    "dry-runs",
    "namespace-changes",
    "node-changes",
    "rbac-grants",
    "service-exposure",
    "webhook-changes",
    "ephemeral-containers",
    "host-path-mounts",
    "image-changes",
    "privileged-workloads",
    "workload-changes",
];

/// A store of recorded changes of what the large sample lacks.
fn changes() -> Both {
    Both::imported(&[&recorded("changes.jsonl")])
}

static CHANGE_EVENTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    include_str!("../../data/changes.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
});

/// Whether a request that may have changed something ended with this event.
fn wrote(event: &Value) -> bool {
    ["create", "update", "patch", "delete", "deletecollection"].contains(&text(event, "/verb"))
        && ["ResponseComplete", "Panic"].contains(&text(event, "/stage"))
}

fn of(event: &Value, resources: &[&str]) -> bool {
    resources.contains(&text(event, "/objectRef/resource"))
}

/// The audit IDs of those of [`changes`] that match, sorted.
fn change_ids(matches: impl Fn(&Value) -> bool) -> Vec<&'static str> {
    let matching = CHANGE_EVENTS.iter().filter(|event| matches(event));
    let mut ids: Vec<_> = matching.map(|event| text(event, "/auditID")).collect();
    ids.sort_unstable();
    assert!(!ids.is_empty(), "a sample that shows nothing");
    ids
}

fn by_name<'a>(rows: &'a [Row], name: &str) -> &'a Row {
    let found = rows.iter().find(|row| cell(row, "name") == name);
    found.unwrap_or_else(|| panic!("no row of {name}"))
}

#[test]
fn rbac_grants() {
    let rows = ask("rbac-grants", &[]);
    let kinds = [
        "roles",
        "clusterroles",
        "rolebindings",
        "clusterrolebindings",
    ];
    assert_eq!(
        audit_ids(&rows),
        recorded_ids(|event| wrote(event) && of(event, &kinds))
    );
    for row in &rows {
        let event = EVENTS
            .iter()
            .find(|event| wrote(event) && event["auditID"] == row["audit_id"])
            .unwrap();
        let role = &event["requestObject"]["roleRef"];
        if role.is_object() {
            let shown = format!("{}/{}", text(role, "/kind"), text(role, "/name"));
            assert_eq!(cell(row, "role_ref"), shown);
        }
        let rules = event["requestObject"]["rules"].to_string();
        if cell(row, "outcome") == "success" && row["verb"] == "create" {
            let sensitive = row["sensitive"].to_string();
            assert_eq!(
                sensitive.contains("\"*\""),
                rules.contains("\"*\""),
                "{rules}"
            );
            assert_eq!(sensitive.contains("secrets"), rules.contains("\"secrets\""));
        }
    }
    // The thief of a token takes back the first binding that it made for itself.
    let revoked = ask(
        "rbac-grants",
        &["--verb", "delete", "--name", "system:metrics-sync"],
    );
    assert_eq!(revoked.len(), 1);
    assert_eq!(
        cell(&revoked[0], "user"),
        "system:serviceaccount:payments:builder"
    );
    assert_eq!(cell(&revoked[0], "role_ref"), "ClusterRole/cluster-admin");
    assert_eq!(
        column(&revoked, "subjects"),
        [json!(["ServiceAccount:payments/builder"])]
    );
}

#[test]
fn rules_of_roles_are_judged_as_far_as_they_are_recorded() {
    let role = json!({"resource": "roles", "apiGroup": "rbac.authorization.k8s.io", "namespace": "a", "name": "r"});
    let rules = |verbs: &[&str]| {
        json!({"kind": "Role", "metadata": {"name": "escalate"},
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": verbs}]})
    };
    let store = store_of(&[
        made(
            1,
            "create",
            json!({"objectRef": role, "requestObject": rules(&["get"]), "responseObject": rules(&["get"])}),
        ),
        made(
            2,
            "patch",
            json!({"objectRef": role, "level": "Request", "requestObject":
            [{"op": "add", "path": "/rules/0/verbs/-", "value": "*"}, "odd", {"op": "test", "path": "/metadata/name", "value": "r"}]}),
        ),
        made(
            3,
            "patch",
            json!({"objectRef": role, "requestObject": [{"op": "add", "path": "/metadata/labels/a", "value": "b"}],
            "responseObject": rules(&["get", "escalate", "bind"])}),
        ),
        made(4, "update", json!({"objectRef": role, "level": "Metadata"})),
        made(
            5,
            "create",
            json!({"objectRef": role, "requestObject": {"rules": ["odd", {"verbs": "*"}]},
            "responseStatus": {"metadata": {}, "code": 400, "status": "Failure"}, "responseObject": {"kind": "Status"}}),
        ),
    ]);
    let rows = ask_of(&store, "rbac-grants", &[]);
    let none = Value::Null;
    let judged = column(&rows, "sensitive");
    assert_eq!(
        judged,
        [
            none.clone(),
            none.clone(),
            json!(["escalate", "bind"]),
            json!(["*"]),
            none
        ]
    );
}

#[test]
fn cluster_admin_bindings() {
    let rows = ask("cluster-admin-bindings", &[]);
    let binds = |event: &Value| {
        wrote(event) && text(event, "/requestObject/roleRef/name") == "cluster-admin"
    };
    assert_eq!(audit_ids(&rows), recorded_ids(binds));
    for name in ["system:metrics-sync", "system:sync-agent"] {
        let row = by_name(&rows, name);
        assert_eq!(cell(row, "user"), "system:serviceaccount:payments:builder");
        assert_eq!(cell(row, "outcome"), "success");
    }
}

#[test]
fn webhook_changes() {
    let rows = ask_of(&changes(), "webhook-changes", &[]);
    let admission = |event: &Value| {
        wrote(event) && text(event, "/objectRef/apiGroup") == "admissionregistration.k8s.io"
    };
    assert_eq!(audit_ids(&rows), change_ids(admission));
    let row = by_name(&rows, "image-policy");
    let event = CHANGE_EVENTS
        .iter()
        .find(|event| event["auditID"] == row["audit_id"])
        .unwrap();
    let webhook = &event["requestObject"]["webhooks"][0];
    assert_eq!(
        column(std::slice::from_ref(row), "targets"),
        [json!([{"url": webhook["clientConfig"]["url"]}])]
    );
    assert_eq!(row["failure_policy"], webhook["failurePolicy"]);
    assert_eq!(
        cell(by_name(&rows, "replica-limit"), "user"),
        "kubernetes-admin"
    );
    let bindings = ask_of(
        &changes(),
        "webhook-changes",
        &["--resource", "validatingadmissionpolicybindings"],
    );
    assert_eq!(cell(&bindings[0], "actions"), "Audit,Warn");
}

#[test]
fn crd_changes() {
    let rows = ask_of(&changes(), "crd-changes", &[]);
    let defines = |event: &Value| {
        wrote(event)
            && of(event, &["customresourcedefinitions"])
            && text(event, "/objectRef/subresource").is_empty()
    };
    assert_eq!(audit_ids(&rows), change_ids(defines));
    assert_eq!(cell(&rows[0], "kind"), "Widget");
    assert_eq!(column(&rows, "versions"), [json!(["v1", "v1beta1"])]);
}

#[test]
fn apiservice_changes() {
    let rows = ask("apiservice-changes", &[]);
    assert_eq!(
        audit_ids(&rows),
        recorded_ids(|event| wrote(event) && of(event, &["apiservices"]))
    );
    let object = json!({"resource": "apiservices", "apiGroup": "apiregistration.k8s.io", "name": "v1.evil.io"});
    let spec = json!({"spec": {"insecureSkipTLSVerify": true, "service": {"namespace": "a", "name": "b"}}});
    let store = store_of(&[
        made(
            1,
            "create",
            json!({"objectRef": object, "requestObject": spec}),
        ),
        made(
            2,
            "patch",
            json!({"objectRef": object, "level": "Request", "requestObject": {"spec": {"groupPriorityMinimum": 1}}}),
        ),
        made(
            3,
            "delete",
            json!({"objectRef": object, "level": "Metadata"}),
        ),
    ]);
    let rows = ask_of(&store, "apiservice-changes", &[]);
    assert_eq!(
        column(&rows, "insecure"),
        [Value::Null, Value::Null, json!(1)]
    );
    assert_eq!(cell(&rows[2], "service"), "a/b");
}

#[test]
fn namespace_changes() {
    let rows = ask("namespace-changes", &[]);
    let changed = |event: &Value| {
        wrote(event)
            && of(event, &["namespaces"])
            && text(event, "/objectRef/subresource") != "status"
    };
    assert_eq!(audit_ids(&rows), recorded_ids(changed));
    let object = json!({"resource": "namespaces", "namespace": "a", "name": "a"});
    let key = "pod-security.kubernetes.io/enforce";
    let store = store_of(&[
        made(
            1,
            "patch",
            json!({"objectRef": object, "requestObject": {"metadata": {"labels": {key: "privileged", "team": "x"}}}}),
        ),
        made(
            2,
            "patch",
            json!({"objectRef": object, "requestObject":
            [{"op": "replace", "path": "/metadata/labels/pod-security.kubernetes.io~1enforce", "value": "baseline"}, 7]}),
        ),
        made(
            3,
            "patch",
            json!({"objectRef": object, "requestObject": {"metadata": {"labels": {key: null}}}}),
        ),
        made(
            4,
            "update",
            json!({"objectRef": {"resource": "namespaces", "name": "a", "subresource": "status"}}),
        ),
        made(
            5,
            "update",
            json!({"objectRef": {"resource": "namespaces", "name": "a", "subresource": "finalize"}}),
        ),
    ]);
    let rows = ask_of(&store, "namespace-changes", &[]);
    assert_eq!(
        column(&rows, "pod_security_labels"),
        [
            Value::Null,
            json!({key: null}),
            json!({key: "baseline"}),
            json!({key: "privileged"})
        ]
    );
}

#[test]
fn node_changes() {
    let rows = ask_of(&changes(), "node-changes", &[]);
    let changed = |event: &Value| {
        wrote(event) && of(event, &["nodes"]) && text(event, "/objectRef/subresource").is_empty()
    };
    assert_eq!(audit_ids(&rows), change_ids(changed));
    let cordons: Vec<&Row> = rows
        .iter()
        .filter(|row| cell(row, "touches").contains("cordon"))
        .collect();
    assert_eq!(cordons.len(), 1);
    assert_eq!(cell(cordons[0], "user"), "bob");
    let taints: BTreeSet<_> = rows
        .iter()
        .filter(|row| cell(row, "touches") == "taints")
        .map(|row| (cell(row, "user"), cell(row, "outcome")))
        .collect();
    assert!(
        taints.contains(&("system:node:node-2", "denied_admission")),
        "{taints:?}"
    );

    let node = json!({"resource": "nodes", "name": "n"});
    let step =
        |op: &str, value: bool| json!([{"op": op, "path": "/spec/unschedulable", "value": value}]);
    let store = store_of(&[
        made(
            1,
            "patch",
            json!({"objectRef": node, "requestObject": step("add", true)}),
        ),
        made(
            2,
            "patch",
            json!({"objectRef": node, "requestObject": step("remove", true)}),
        ),
        made(
            3,
            "patch",
            json!({"objectRef": node, "requestObject": {"spec": {"unschedulable": null}, "metadata": {"labels": {"a": "b"}, "$retainKeys": []}}}),
        ),
        made(4, "patch", json!({"objectRef": node, "level": "Metadata"})),
    ]);
    let rows = ask_of(&store, "node-changes", &[]);
    assert_eq!(
        column(&rows, "touches"),
        [
            Value::Null,
            json!("uncordon,labels"),
            json!("uncordon"),
            json!("cordon")
        ]
    );
}

#[test]
fn changes_outside_gitops() {
    let rows = ask("changes-outside-gitops", &[]);
    let by_hand = |event: &Value| {
        let (user, agent) = (text(event, "/user/username"), text(event, "/userAgent"));
        let system = [
            "system:serviceaccount:",
            "system:node:",
            "system:bootstrap:",
            "system:kube-",
            "kube-",
        ];
        let asks = [
            "tokenreviews",
            "subjectaccessreviews",
            "localsubjectaccessreviews",
        ];
        let resource = text(event, "/objectRef/resource");
        let uri = text(event, "/requestURI");
        wrote(event)
            && user != "system:apiserver"
            && !system.iter().any(|prefix| user.starts_with(prefix))
            && ![
                "argocd",
                "flux",
                "helm-controller",
                "kustomize-controller",
                "source-controller",
                "fleet",
            ]
            .iter()
            .any(|tool| agent.starts_with(tool) || uri.contains(&format!("fieldManager={tool}")))
            && !asks.contains(&resource)
            && !resource.starts_with("selfsubject")
            && !["exec", "attach", "portforward", "proxy", "log", "token"]
                .contains(&text(event, "/objectRef/subresource"))
            && !uri.contains("dryRun=All")
    };
    assert_eq!(audit_ids(&rows), recorded_ids(by_hand));
    assert!(rows.len() > 100, "{}", rows.len());

    let all = ask(
        "changes-outside-gitops",
        &["--managers", "*,!*", "--name", "none-has-this-name"],
    );
    assert!(all.is_empty());
    let pod = json!({"resource": "configmaps", "namespace": "a", "name": "c"});
    let store = store_of(&[
        made(
            1,
            "update",
            json!({"objectRef": pod, "requestURI": "/x?fieldManager=argocd-controller"}),
        ),
        made(
            2,
            "update",
            json!({"objectRef": pod, "userAgent": "flux/2.0"}),
        ),
        made(
            3,
            "update",
            json!({"objectRef": pod, "user": {"username": "system:serviceaccount:a:b"}}),
        ),
        made(
            4,
            "update",
            json!({"objectRef": pod, "userAgent": "our-deployer/1"}),
        ),
        made(5, "update", json!({"objectRef": pod})),
    ]);
    let ids = |flags: &[&str]| -> Vec<String> {
        let rows = ask_of(&store, "changes-outside-gitops", flags);
        audit_ids(&rows).into_iter().map(str::to_owned).collect()
    };
    assert_eq!(ids(&[]), ["made-4", "made-5"]);
    assert_eq!(ids(&["--agents", "!our-deployer*"]), ["made-2", "made-5"]);
    assert_eq!(ids(&["--people", "*"]), ["made-3", "made-4", "made-5"]);
}

#[test]
fn dry_runs_are_set_apart() {
    let rows = ask("dry-runs", &[]);
    let dry = |event: &Value| wrote(event) && text(event, "/requestURI").contains("dryRun=All");
    assert_eq!(audit_ids(&rows), recorded_ids(dry));
    // The storyline: ci-bot tries the deletion before it deletes by label.
    assert!(rows.iter().any(|row| cell(row, "user") == "ci-bot"
        && cell(row, "verb") == "delete"
        && cell(row, "name") == "checkout"));
}

#[test]
fn service_exposure() {
    let service = json!({"resource": "services", "namespace": "a", "name": "s"});
    let ingress = json!({"resource": "ingresses", "apiGroup": "networking.k8s.io", "namespace": "a", "name": "i"});
    let typed =
        |kind: &str| json!({"kind": "Service", "spec": {"type": kind, "ports": [{"port": 80}]}});
    let rules = json!([{"host": "shop.example"}]);
    let store = store_of(&[
        made(
            1,
            "create",
            json!({"objectRef": service, "requestObject": typed("NodePort")}),
        ),
        made(
            2,
            "create",
            json!({"objectRef": service, "requestObject": typed("ClusterIP")}),
        ),
        made(
            3,
            "patch",
            json!({"objectRef": service, "requestObject": [{"op": "replace", "path": "/spec/type", "value": "x"}], "responseObject": typed("LoadBalancer")}),
        ),
        made(
            4,
            "update",
            json!({"objectRef": service, "level": "Metadata"}),
        ),
        made(
            5,
            "create",
            json!({"objectRef": ingress, "requestObject": {"spec": {"rules": rules}}}),
        ),
        made(
            6,
            "create",
            json!({"objectRef": ingress, "requestObject": {"spec": {"rules": rules, "tls": [{"hosts": ["shop.example"]}]}}}),
        ),
        // What a patch does not name may be there.
        made(
            7,
            "patch",
            json!({"objectRef": ingress, "level": "Request", "requestObject": {"spec": {"rules": rules}}}),
        ),
        made(
            8,
            "update",
            json!({"objectRef": service, "requestObject": {"spec": {"type": "ClusterIP", "externalIPs": ["192.0.2.1"]}},
            "responseStatus": {"metadata": {}, "code": 403, "reason": "Forbidden"}, "responseObject": {"kind": "Status"}}),
        ),
    ]);
    let rows = ask_of(&store, "service-exposure", &["--since", "all"]);
    let shown: Vec<_> = rows
        .iter()
        .map(|row| (cell(row, "audit_id"), cell(row, "exposure")))
        .collect();
    assert_eq!(
        shown,
        [
            ("made-8", "external IPs"),
            ("made-5", "ingress without TLS"),
            ("made-4", "unknown"),
            ("made-3", "LoadBalancer"),
            ("made-1", "NodePort"),
        ]
    );
    assert_ne!(cell(&rows[0], "outcome"), "success");
    assert_eq!(column(&rows, "hosts")[1], json!(["shop.example"]));
}
