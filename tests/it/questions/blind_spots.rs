//! What other tools for audit logs are known to get wrong, a test each: first what they look at,
//! and that it misses; then our question, which names the right actor or outcome. The table in
//! docs/COMPARISON.md names these tests.

use serde_json::{Value, json};

use super::made::{column, made, store_of};
use super::{EVENTS, Row, ask, ask_of, audit_ids, cell, list, recorded_ids, text};
use crate::both::{Both, unpacked};
use crate::support::{event, event_list};

fn wrote(event: &Value) -> bool {
    let verbs = ["create", "update", "patch"];
    event["stage"] == "ResponseComplete" && verbs.contains(&text(event, "/verb"))
}

/// An answer of the apiserver that is no success.
fn failure(code: u16, reason: &str, message: &str) -> Value {
    json!({"metadata": {}, "status": "Failure", "code": code, "reason": reason, "message": message})
}

/// Elastic's *Creation of a RoleBinding Referencing a ServiceAccount* asks for
/// `requestObject.spec.serviceAccountName`. A binding has `subjects`, and no `spec`.
#[test]
fn elastic_role_binding_to_a_service_account() {
    let binding = |event: &Value| {
        let kinds = ["rolebindings", "clusterrolebindings"];
        wrote(event) && kinds.contains(&text(event, "/objectRef/resource"))
    };
    let theirs = |event: &Value| !text(event, "/requestObject/spec/serviceAccountName").is_empty();
    assert!(EVENTS.iter().any(binding));
    assert!(!EVENTS.iter().any(|event| binding(event) && theirs(event)));

    let rows = ask(
        "cluster-admin-bindings",
        &["--subject", "ServiceAccount:payments/*"],
    );
    let names = |event: &Value| {
        let subjects = event["requestObject"]["subjects"].as_array();
        wrote(event)
            && subjects.is_some_and(|subjects| {
                subjects.iter().any(|subject| {
                    subject["kind"] == "ServiceAccount" && subject["namespace"] == "payments"
                })
            })
    };
    assert_eq!(audit_ids(&rows), recorded_ids(names));
    assert_eq!(cell(&rows[0], "name"), "system:metrics-sync");
    assert_eq!(
        cell(&rows[0], "user"),
        "system:serviceaccount:payments:builder"
    );
}

/// Elastic's *User Exec into Pod* asks for `level == "Request"`. CIS wants execs at Metadata at
/// least, DISA's STIG everything at RequestResponse: the rule is silent under both.
#[test]
fn elastic_exec_at_the_level_request_only() {
    let exec = |n: u64, level: &str| {
        made(
            n,
            "create",
            json!({
                "level": level,
                "requestURI": "/api/v1/namespaces/prod/pods/web/exec?command=id&container=c",
                "objectRef": {"resource": "pods", "subresource": "exec", "namespace": "prod",
                              "name": "web", "apiVersion": "v1"},
                "responseStatus": {"metadata": {}, "code": 101},
            }),
        )
    };
    let levels = ["Metadata", "Request", "RequestResponse"];
    let events: Vec<_> = levels
        .iter()
        .zip(1..)
        .map(|(level, n)| exec(n, level))
        .collect();
    let theirs = events.iter().filter(|event| event["level"] == "Request");
    assert_eq!(theirs.count(), 1);
    let rows = ask_of(&store_of(&events), "who-execd", &[]);
    assert_eq!(audit_ids(&rows), ["made-1", "made-2", "made-3"]);
    for row in &rows {
        assert_eq!(cell(row, "user"), "alice");
        assert_eq!(row["command"], json!(["id"]));
    }
}

/// Elastic's pipeline sets `event.outcome` to success whenever the authorizer allowed the request,
/// whatever became of it then, and drops the metadata of bodies.
#[test]
fn elastic_success_is_what_the_authorizer_allowed() {
    let pod = json!({"resource": "pods", "namespace": "a", "name": "p"});
    let failed = |n, code: u16, reason: &str, message: &str| {
        let status = failure(code, reason, message);
        made(
            n,
            "create",
            json!({"objectRef": pod, "responseStatus": status}),
        )
    };
    let labelled = json!({"metadata": {"uid": "u-1", "labels": {"team": "red"}}});
    let events = [
        made(
            1,
            "create",
            json!({"objectRef": pod, "requestObject": labelled, "responseObject": labelled}),
        ),
        failed(
            2,
            403,
            "Forbidden",
            "pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\": privileged",
        ),
        failed(3, 409, "AlreadyExists", "pods \"p\" already exists"),
        failed(
            4,
            500,
            "InternalError",
            "Internal error occurred: failed calling webhook",
        ),
    ];
    let theirs =
        |event: &&Value| text(event, "/annotations/authorization.k8s.io~1decision") == "allow";
    assert_eq!(events.iter().filter(theirs).count(), 4);

    let store = store_of(&events);
    let rows = ask_of(&store, "workload-changes", &[]);
    let outcomes: Vec<_> = rows.iter().map(|row| cell(row, "outcome")).collect();
    assert_eq!(
        outcomes,
        ["server_error", "conflict", "denied_admission", "success"]
    );
    let rows = ask_of(&store, "workload-changes", &["--outcome", "success"]);
    assert_eq!(audit_ids(&rows), ["made-1"]);
    let kept = "select request_object ->> '$.metadata.labels.team' || ' ' || (response_object ->> '$.metadata.uid') from events \
                where outcome = 'success'";
    assert_eq!(store.rows(kept), ["red u-1"]);

    // The storyline's privileged pod in the restricted namespace.
    let rows = ask(
        "privileged-workloads",
        &["--name", "dbg-toolbox", "--namespace", "restricted"],
    );
    let outcomes: Vec<_> = rows.iter().map(|row| cell(row, "outcome")).collect();
    assert_eq!(outcomes, ["denied_admission"]);
}

/// Sigma's rules ask for `responseStatus.code: ALLOW` (it is a number), a top-level `apiGroup`,
/// `hostPath` and `capabilities` (they are inside other objects).
#[test]
fn sigma_fields_that_do_not_exist() {
    let theirs = |event: &Value| {
        event["responseStatus"]["code"] == "ALLOW"
            || ["apiGroup", "hostPath", "capabilities"]
                .iter()
                .any(|name| event.get(name).is_some())
    };
    assert!(!EVENTS.iter().any(theirs));

    let bursts = ask(
        "forbidden-bursts",
        &["--at-least", "8", "--window", "5s", "--since", "all"],
    );
    let story = |row: &&Row| list(row, "client_ips") == ["198.51.100.99"];
    let burst = bursts
        .iter()
        .find(story)
        .expect("the burst of the storyline");
    assert_eq!(list(burst, "outcomes"), ["denied_authn"]);

    let webhooks = |event: &Value| {
        wrote(event) && text(event, "/objectRef/apiGroup") == "admissionregistration.k8s.io"
    };
    let rows = ask(
        "all-by-user",
        &[
            "--user",
            "*",
            "--resource",
            "*.admissionregistration.k8s.io",
            "--verb",
            "create,update,patch",
        ],
    );
    assert_eq!(audit_ids(&rows), recorded_ids(webhooks));

    let template = json!({"spec": {"template": {"spec": {
        "volumes": [{"name": "v", "hostPath": {"path": "/etc"}}],
        "containers": [{"name": "c", "image": "x:1",
                        "securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}}],
    }}}});
    let web =
        json!({"resource": "deployments", "apiGroup": "apps", "namespace": "a", "name": "web"});
    let store = store_of(&[made(
        1,
        "create",
        json!({"objectRef": web, "requestObject": template}),
    )]);
    for (question, flags) in [
        ("host-path-mounts", ["--path", "/etc*"]),
        (
            "privileged-workloads",
            ["--rights", "capability:SYS_PTRACE"],
        ),
    ] {
        let rows = ask_of(&store, question, &flags);
        assert_eq!(column(&rows, "user"), ["alice"], "{question}");
    }
}

/// Falco's converter for GKE writes the code 200 or 201, "inferred", into every event and its own
/// time of receipt: a refused read can never be seen as one.
#[test]
fn falco_gke_invents_status_and_time() {
    let secret =
        json!({"resource": "secrets", "namespace": "prod", "name": "db", "apiVersion": "v1"});
    let refused = failure(403, "Forbidden", "secrets \"db\" is forbidden");
    let mut silent = made(2, "get", json!({"objectRef": secret}));
    let members = silent.as_object_mut().unwrap();
    members.remove("responseStatus");
    members.remove("stageTimestamp");
    let events = [
        made(
            1,
            "get",
            json!({"objectRef": secret, "responseStatus": refused,
                   "annotations": {"authorization.k8s.io/decision": "forbid"}}),
        ),
        silent,
    ];
    let store = store_of(&events);
    let rows = ask_of(&store, "who-read-secret", &["--name", "db"]);
    let found = |id: &str| rows.iter().find(|row| cell(row, "audit_id") == id).unwrap();
    assert_eq!(cell(found("made-1"), "outcome"), "denied_authz");
    assert_eq!(cell(found("made-1"), "user"), "alice");
    assert_ne!(
        cell(found("made-2"), "outcome"),
        "success",
        "nothing says so"
    );
    assert_eq!(
        store.rows("select audit_id, code is null, time_quality from events order by audit_id"),
        ["made-1|0|", "made-2|1|received"]
    );
}

/// Falco's source for EKS skips lines that end in `[Truncated...]`, so the largest objects are
/// unseen. What an apiserver cuts off itself is marked in the event.
#[test]
fn falco_eks_skips_what_was_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.log");
    let whole = event(2);
    let cut = format!("{}[Truncated...]", &whole[..whole.len() - 40]);
    std::fs::write(&file, [event(1), cut.clone(), event(3)].join("\n")).unwrap();
    let store = Both::imported(&[&file]);
    assert_eq!(store.number("select count(*) from events"), 2);
    let rows = ask_of(&store, "quarantined-items", &[]);
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(row["bytes"], cut.len());
    let id = row["id"].to_string();
    let kept = store.ask_quarantine("export", &["--id", &id]).expect(0);
    assert!(kept.text().starts_with(&cut), "its bytes are kept");

    let store = Both::empty();
    let body = unpacked("webhook/truncated.json.zst");
    store.server.post("/webhook", &body).expect(200);
    let rows = ask_of(&store, "truncated-events", &[]);
    assert!(!rows.is_empty());
    assert!(rows.iter().all(|row| !cell(row, "user").is_empty()));
}

/// Falco's webhook answers 200 before it reads the batch, and 400 to all of it when an event is
/// larger than 256 KiB.
#[test]
fn falco_webhook_answers_before_it_reads() {
    let large = made(
        1,
        "create",
        json!({"objectRef": {"resource": "configmaps", "namespace": "a", "name": "large"},
               "requestObject": {"data": {"x": "y".repeat(600 << 10)}}}),
    );
    let pod = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "x"}});
    let items = [event(1), large.to_string(), pod.to_string(), event(2)];
    let store = Both::empty();
    let answer = store
        .server
        .post("/webhook", event_list(&items))
        .expect(200);
    assert_eq!(
        answer.json(),
        json!({"stored": 3, "duplicates": 0, "quarantined": 1})
    );
    let rows = ask_of(&store, "who-created", &["--name", "large"]);
    assert_eq!(column(&rows, "user"), ["alice"]);
    assert_eq!(ask_of(&store, "quarantined-items", &[]).len(), 1);

    // A body that breaks off was not stored, and so is not acknowledged.
    let mut client = store.server.connect();
    let head = "POST /webhook HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5000\r\n\r\n";
    client
        .send(format!("{head}{}", event(3)).as_bytes())
        .unwrap();
    client.finish_sending().unwrap();
    assert!(
        client
            .read_response()
            .is_ok_and(|answer| answer.status == 400)
    );
    assert_eq!(store.number("select count(*) from events"), 3);
}

/// Rules of Falco, Elastic and Sigma look at `pods` only. The pods of a privileged Deployment are
/// made by its controller, and that is whom they name.
#[test]
fn pod_rules_name_the_controller() {
    let privileged = json!({"containers": [{"name": "c", "image": "x:1",
                                            "securityContext": {"privileged": true}}]});
    let controller = |n, name: &str, kind: &str, owner: &str, spec: &Value| {
        let owner = json!([{"kind": owner, "name": "web", "controller": true}]);
        made(
            n,
            "create",
            json!({
                "user": {"username": format!("system:serviceaccount:kube-system:{name}")},
                "objectRef": {"resource": kind, "namespace": "a", "name": "web-1"},
                "requestObject": {"metadata": {"ownerReferences": owner}, "spec": spec},
            }),
        )
    };
    let template = json!({"template": {"spec": privileged}});
    let web =
        json!({"resource": "deployments", "apiGroup": "apps", "namespace": "a", "name": "web"});
    let events = [
        made(
            1,
            "create",
            json!({"objectRef": web, "requestObject": {"spec": template}}),
        ),
        controller(
            2,
            "deployment-controller",
            "replicasets",
            "Deployment",
            &template,
        ),
        controller(
            3,
            "replicaset-controller",
            "pods",
            "ReplicaSet",
            &privileged,
        ),
    ];
    let theirs = |event: &&Value| text(event, "/objectRef/resource") == "pods";
    let theirs: Vec<_> = events.iter().filter(theirs).collect();
    assert_eq!(
        text(theirs[0], "/user/username"),
        "system:serviceaccount:kube-system:replicaset-controller"
    );
    assert_eq!(theirs.len(), 1);

    let store = store_of(&events);
    let rows = ask_of(&store, "privileged-workloads", &[]);
    assert_eq!(column(&rows, "user"), ["alice"]);
    assert_eq!(column(&rows, "resource"), ["deployments"]);
    let rows = ask_of(&store, "privileged-workloads", &["--controllers"]);
    let owners: Vec<_> = rows.iter().map(|row| cell(row, "owner")).collect();
    assert_eq!(owners, ["ReplicaSet/web", "Deployment/web", ""]);
}

/// activity sends every stage under the audit ID as the message's ID, the queue drops what comes
/// under it again, and only `ResponseComplete` is kept then: of an exec nothing remains. The ID is
/// the client's to choose, so that a second request can hide behind a first.
#[test]
fn activity_drops_stages_of_one_audit_id() {
    let exec = |n: u64, stage: &str, pod: &str, code: Option<u16>| {
        let mut event = made(
            n,
            "create",
            json!({
                "auditID": "chosen", "stage": stage,
                "requestURI": format!("/api/v1/namespaces/prod/pods/{pod}/exec?command=id"),
                "objectRef": {"resource": "pods", "subresource": "exec", "namespace": "prod",
                              "name": pod, "apiVersion": "v1"},
                "requestReceivedTimestamp": "2026-11-20T00:00:01.000000Z",
            }),
        );
        match code {
            Some(code) => event["responseStatus"] = json!({"metadata": {}, "code": code}),
            None => drop(event.as_object_mut().unwrap().remove("responseStatus")),
        }
        event
    };
    let events = [
        exec(1, "RequestReceived", "web", None),
        exec(2, "ResponseStarted", "web", Some(101)),
        exec(3, "ResponseComplete", "web", Some(101)),
        exec(4, "ResponseComplete", "db", Some(101)),
    ];
    // First of its ID, and complete.
    assert_ne!(events[0]["stage"], "ResponseComplete");
    let store = store_of(&events);
    let again: Vec<String> = events.iter().map(Value::to_string).collect();
    let answer = store.server.post("/webhook", again.join("\n")).expect(200);
    assert_eq!(answer.json()["duplicates"], 4, "sent again, stored once");
    let rows = ask_of(&store, "who-execd", &[]);
    let mut pods: Vec<_> = rows.iter().map(|row| cell(row, "name")).collect();
    pods.sort_unstable();
    assert_eq!(pods, ["db", "web"]);
    assert!(rows.iter().all(|row| cell(row, "user") == "alice"));
    assert_eq!(store.count(&["--audit-id", "chosen"]), 4);
    let rows = ask_of(&store, "duplicate-audit-ids", &["--since", "all"]);
    assert_eq!(rows[0]["requests"], 2);
}

/// activity strips private addresses from what it stores: an attacker inside loses theirs.
#[test]
fn activity_drops_private_addresses() {
    let from = |n: u64, addresses: &[&str]| made(n, "get", json!({"sourceIPs": addresses}));
    let events = [
        from(1, &["10.0.0.9"]),
        from(2, &["172.16.5.5"]),
        from(3, &["203.0.113.7", "192.168.1.4"]),
        from(4, &["203.0.113.7"]),
    ];
    let store = store_of(&events);
    for (network, expected) in [
        ("10.0.0.0/8", ["made-1"]),
        ("172.16.0.0/12", ["made-2"]),
        ("192.168.1.4", ["made-3"]),
    ] {
        let rows = ask_of(&store, "all-by-source-ip", &["--source-ip", network]);
        assert_eq!(audit_ids(&rows), expected, "{network}");
        assert_eq!(cell(&rows[0], "user"), "alice");
    }
}

/// kubernetes#126466: with `APIServingWithRoutine` an apiserver writes two `ResponseStarted` for a
/// watch. Who counts events counts such a watch twice.
#[test]
fn apiserver_writes_response_started_twice() {
    let watch = |n: u64, id: &str, stage: &str| {
        made(
            n,
            "watch",
            json!({
                "auditID": id, "stage": stage, "level": "Metadata",
                "requestURI": format!("/api/v1/namespaces/prod/secrets?watch={id}"),
                "user": {"username": "alice", "groups": ["dev"]},
                "impersonatedUser": {"username": "carol"},
                "sourceIPs": ["10.0.0.9"], "userAgent": "kubectl/v1",
                "objectRef": {"resource": "secrets", "namespace": "prod", "apiVersion": "v1"},
                "requestReceivedTimestamp": "2026-11-20T00:00:01.000000Z",
            }),
        )
    };
    let mut closed = watch(9, "over", "ResponseComplete");
    closed["responseStatus"]["message"] = json!("Connection closed early");
    let events = [
        watch(2, "over", "ResponseStarted"),
        watch(2, "open", "ResponseStarted"),
        watch(3, "over", "ResponseStarted"),
        watch(3, "open", "ResponseStarted"),
        closed,
    ];
    let store = store_of(&events);
    for (question, flags) in [
        ("who-read-secret", vec![]),
        ("secret-reads", vec![]),
        ("impersonation", vec![]),
        ("all-by-user", vec!["--user", "alice"]),
        ("all-by-user", vec!["--user", "carol"]),
        ("all-by-group", vec!["--group", "dev"]),
        ("all-by-user-agent", vec!["--user-agent", "kubectl/*"]),
        // Addresses of a network of one's own are addresses.
        ("all-by-source-ip", vec!["--source-ip", "10.0.0.0/8"]),
    ] {
        let rows = ask_of(&store, question, &flags);
        assert_eq!(audit_ids(&rows), ["open", "over"], "{question} {flags:?}");
        for row in &rows {
            let at = match cell(row, "audit_id") {
                "over" => "2026-11-20T00:00:09.000009Z",
                _ => "2026-11-20T00:00:03.000003Z",
            };
            assert_eq!(cell(row, "time"), at, "{question}: the last that is known");
        }
    }
    for (question, flags) in [
        ("touched-by", ["--user", "alice"]),
        ("incident-objects", ["--user", "alice"]),
        ("incident-origins", ["--user", "alice"]),
        ("person-found", ["--person", "alice"]),
        ("person-found", ["--person", "carol"]),
        ("person-origins", ["--person", "alice"]),
        ("person-origins", ["--person", "carol"]),
    ] {
        let rows = ask_of(
            &store,
            question,
            &[&flags[..], &["--since", "all"]].concat(),
        );
        assert_eq!(rows.len(), 1, "{question} {flags:?}");
        assert_eq!(rows[0]["requests"], json!(2), "{question} {flags:?}");
        let times = ["first_time", "last_time"].map(|column| cell(&rows[0], column));
        assert_eq!(
            times,
            ["2026-11-20T00:00:02.000002Z", "2026-11-20T00:00:09.000009Z"],
            "{question} {flags:?}"
        );
    }
}
