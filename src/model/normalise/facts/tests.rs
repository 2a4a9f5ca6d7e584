use proptest::prelude::*;
use serde_json::Value;

use crate::limits::{FACT_LIST_BYTES_MAX, FACT_TEXT_BYTES_MAX};
use crate::model::event::Event;
use crate::model::normalise::normalise;

const RECORDED: &str = include_str!("../../../../tests/data/facts.jsonl");

fn read(raw: &[u8]) -> Event<'_> {
    normalise("c", raw).expect("an event").0
}

/// A finished write of `resource` with these bodies as text.
fn write(verb: &str, resource: &str, request: Option<&str>, response: Option<&str>) -> Vec<u8> {
    let body = |name: &str, body: Option<&str>| {
        body.map_or_else(String::new, |body| format!(r#","{name}":{body}"#))
    };
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    format!(
        r#"{{"level":"RequestResponse","auditID":"a","stage":"ResponseComplete","requestURI":"/","verb":"{verb}","user":{{}},"objectRef":{{"resource":"{resource}","subresource":"{subresource}"}}{}{}}}"#,
        body("requestObject", request),
        body("responseObject", response),
    )
    .into_bytes()
}

/// Images and security markers of a written body.
fn pods(verb: &str, resource: &str, request: &str) -> [Option<String>; 2] {
    let raw = write(verb, resource, Some(request), None);
    let event = read(&raw);
    [event.images, event.pod_security].map(|list| list.map(Into::into))
}

fn some(images: &str, security: &str) -> [Option<String>; 2] {
    [images, security].map(|list| (!list.is_empty()).then(|| list.to_owned()))
}

/// The recorded event of an audit ID, its last stage.
fn recorded(audit_id: &str) -> Event<'static> {
    let line = RECORDED.lines().rfind(|line| line.contains(audit_id));
    read(line.expect("a recorded event").as_bytes())
}

#[test]
fn recorded_workloads_give_images_privileges_and_owner() {
    for (audit_id, images, security, owner) in [
        // kubectl create deployment, and what the controllers made of it.
        ("3a66a6ac", r#"["nginx:1.27"]"#, "", ""),
        ("3d846190", r#"["nginx:1.27"]"#, "", "Deployment/web-1"),
        (
            "e907db93",
            r#"["nginx:1.27"]"#,
            "",
            "ReplicaSet/web-1-846cdb6d84",
        ),
        ("fecc77f1", r#"["nginx:1.27"]"#, "", "Deployment/web-1"),
        // kubectl set image, a strategic merge patch.
        ("244e0553", r#"["nginx:1.28"]"#, "", ""),
        // kubectl debug: the patch names the new container only, the owner is in the answer.
        (
            "1e3d9216",
            r#"["busybox"]"#,
            r#"["capability:SYS_PTRACE"]"#,
            "ReplicaSet/web-1-74c65bd4b5",
        ),
        ("473f5d6c", r#"["busybox:1.36"]"#, "", ""),
        ("23307750", r#"["busybox:1.36"]"#, "", "CronJob/nightly-1"),
        (
            "053c3c2f",
            r#"["busybox:1.36"]"#,
            r#"["hostPID","hostPath:/","privileged"]"#,
            "",
        ),
        (
            "3fcd0361",
            r#"["busybox"]"#,
            r#"["hostNetwork","privileged"]"#,
            "",
        ),
        (
            "036826ca",
            r#"["docker.io/evil/miner:1"]"#,
            r#"["hostPID","privileged"]"#,
            "",
        ),
        ("14e89263", "", "", "Service/web-1"),
        // Deletes submit nothing; what was deleted is in the answer.
        ("ba040d0b", "", "", "ReplicaSet/web-1-846cdb6d84"),
        ("dcf7d1bc", "", "", "Deployment/d-geptq"),
    ] {
        let event = recorded(audit_id);
        let found = [event.images, event.pod_security, event.owner];
        let found = found.map(|fact| fact.unwrap_or_default().into_owned());
        assert_eq!(found, [images, security, owner], "{audit_id}");
    }
}

#[test]
fn recorded_bindings_give_role_and_subjects() {
    for (audit_id, role_ref, subjects) in [
        (
            "468991c0",
            "ClusterRole/cluster-admin",
            r#"["Group:system:masters"]"#,
        ),
        (
            "dfb24d39",
            "Role/extension-apiserver-authentication-reader",
            r#"["User:system:kube-controller-manager","User:system:kube-scheduler"]"#,
        ),
        // Answered with a status.
        ("a1642bb6", "", ""),
    ] {
        let event = recorded(audit_id);
        let found = [event.role_ref, event.subjects].map(|fact| fact.unwrap_or_default());
        assert_eq!(found, [role_ref, subjects], "{audit_id}");
    }
}

#[test]
fn recorded_credentials_and_deprecations_are_read() {
    let minted = recorded("eeeaa276");
    assert_eq!(
        minted.issued_credential_id.as_deref(),
        Some("JTI=67017ad8-e875-4d2e-abfc-059255a7b6d0")
    );
    let x509 = "X509SHA256=115295649c3cd423315a76b0af44fe1890d93b2a29ca5192b11bafe122fa517c";
    assert_eq!(minted.credential_id.as_deref(), Some(x509));
    let used = recorded("11521c7b").credential_id;
    assert_eq!(
        used.as_deref(),
        Some("JTI=62c1f20c-1e31-44f0-9584-3e0a1f6797f9")
    );
    assert_eq!(recorded("468991c0").credential_id, None);
    for (audit_id, deprecated) in [("11521c7b", true), ("ee446b4e", true), ("468991c0", false)] {
        assert_eq!(recorded(audit_id).deprecated, deprecated, "{audit_id}");
    }
}

#[test]
fn the_first_value_of_the_last_credential_id_counts() {
    let key = "authentication.kubernetes.io/credential-id";
    for (extra, expected) in [
        (format!(r#"{{"{key}":["JTI=a","JTI=b"]}}"#), Some("JTI=a")),
        (
            format!(r#"{{"{key}":["a"],"x":["y"],"{key}":["b"]}}"#),
            Some("b"),
        ),
        (format!(r#"{{"{key}":[]}}"#), None),
        (format!(r#"{{"{key}":[""]}}"#), None),
        (format!(r#"{{"{key}":null}}"#), None),
        (
            r#"{"authentication.kubernetes.io\u002fcredential-id":["é"]}"#.to_owned(),
            Some("é"),
        ),
        ("{}".to_owned(), None),
    ] {
        assert_eq!(super::credential_id(&extra).as_deref(), expected, "{extra}");
    }
}

#[test]
fn a_pod_spec_is_found_wherever_a_workload_holds_one() {
    let spec = r#"{"initContainers":[{"image":"b"}],"containers":[{"image":"a"},{"image":"b"}],"ephemeralContainers":[{"image":"c"}]}"#;
    let images = r#"["a","b","c"]"#;
    for (resource, body) in [
        ("pods", format!(r#"{{"spec":{spec}}}"#)),
        (
            "rollouts",
            format!(r#"{{"spec":{{"template":{{"spec":{spec}}}}}}}"#),
        ),
        (
            "cronjobs",
            format!(r#"{{"spec":{{"jobTemplate":{{"spec":{{"template":{{"spec":{spec}}}}}}}}}}}"#),
        ),
        (
            "podtemplates",
            format!(r#"{{"template":{{"spec":{spec}}}}}"#),
        ),
        (
            "pods",
            format!(" {{ \"kind\" : \"Pod\" , \"spec\" :\n{spec} }}"),
        ),
        ("pods", format!(r#"{{"\u0073pec":{spec}}}"#)),
    ] {
        for verb in ["create", "update", "patch"] {
            assert_eq!(
                pods(verb, resource, &body),
                some(images, ""),
                "{verb} {body}"
            );
        }
        assert_eq!(pods("delete", resource, &body), some("", ""));
        assert_eq!(pods("get", resource, &body), some("", ""));
        assert_eq!(
            pods("update", &format!("{resource}/status"), &body),
            some("", "")
        );
    }
    for elsewhere in [
        r#"{"status":{"containers":[{"image":"a"}]}}"#,
        r#"{"spec":{"x":{"containers":[{"image":"a"}]}}}"#,
        r#"{"spec":{"containers":{"image":"a"}}}"#,
        r#"{"spec":{"containers":[{"image":7},{"image":""},{"image":null},"a",[{"image":"a"}]]}}"#,
        r#"{"spec":[{"containers":[{"image":"a"}]}]}"#,
    ] {
        assert_eq!(
            pods("create", "pods", elsewhere),
            some("", ""),
            "{elsewhere}"
        );
    }
}

#[test]
fn every_privilege_has_its_marker() {
    for (spec, security) in [
        (
            r#"{"hostNetwork":true,"hostPID":true,"hostIPC":true}"#,
            r#"["hostIPC","hostNetwork","hostPID"]"#,
        ),
        (
            r#"{"hostNetwork":false,"hostPID":"true","hostIPC":null}"#,
            "",
        ),
        (
            r#"{"securityContext":{"runAsUser":0}}"#,
            r#"["runAsUser:0"]"#,
        ),
        (r#"{"securityContext":{"runAsUser":1000}}"#, ""),
        (
            r#"{"volumes":[{"hostPath":{"path":"/var/run/docker.sock","type":"Socket"}},{"emptyDir":{}},{"hostPath":{"path":"/"}},{"hostPath":null}]}"#,
            r#"["hostPath:/","hostPath:/var/run/docker.sock"]"#,
        ),
        (
            r#"{"containers":[{"securityContext":{"privileged":true,"allowPrivilegeEscalation":true,"procMount":"Unmasked","runAsUser":0}}]}"#,
            r#"["allowPrivilegeEscalation","privileged","procMount:Unmasked","runAsUser:0"]"#,
        ),
        (
            r#"{"containers":[{"securityContext":{"privileged":false,"allowPrivilegeEscalation":false,"procMount":"Default"}}]}"#,
            "",
        ),
        (
            r#"{"initContainers":[{"securityContext":{"capabilities":{"add":["SYS_ADMIN","NET_RAW"],"drop":["ALL"]}}}]}"#,
            r#"["capability:NET_RAW","capability:SYS_ADMIN"]"#,
        ),
        (
            r#"{"ephemeralContainers":[{"ports":[{"containerPort":80},{"hostPort":8080},{"hostPort":0}]}]}"#,
            r#"["hostPort:8080"]"#,
        ),
    ] {
        let pod = format!(r#"{{"spec":{spec}}}"#);
        assert_eq!(pods("create", "pods", &pod), some("", security), "{spec}");
        let template = format!(r#"{{"spec":{{"template":{{"spec":{spec}}}}}}}"#);
        assert_eq!(
            pods("patch", "deployments", &template),
            some("", security),
            "{spec}"
        );
    }
}

#[test]
fn operations_of_a_json_patch_are_read_by_their_path() {
    for (operations, images, security) in [
        (
            r#"{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"a"}"#,
            r#"["a"]"#,
            "",
        ),
        (
            r#"{"value":"a","path":"/spec/containers/0/image","op":"add"}"#,
            r#"["a"]"#,
            "",
        ),
        (
            r#"{"op":"replace","path":"/spec/x/image","value":"a"}"#,
            r#"["a"]"#,
            "",
        ),
        (
            r#"{"op":"add","path":"/spec/template/spec/containers/-","value":{"image":"a","securityContext":{"privileged":true}}}"#,
            r#"["a"]"#,
            r#"["privileged"]"#,
        ),
        (
            r#"{"op":"add","path":"/spec/containers","value":[{"image":"a"},{"image":"b"}]}"#,
            r#"["a","b"]"#,
            "",
        ),
        (
            r#"{"op":"replace","path":"/spec/template","value":{"spec":{"hostPID":true}}}"#,
            "",
            r#"["hostPID"]"#,
        ),
        (
            r#"{"op":"replace","path":"/spec","value":{"template":{"spec":{"containers":[{"image":"a"}]}}}}"#,
            r#"["a"]"#,
            "",
        ),
        (
            r#"{"op":"replace","path":"","value":{"spec":{"containers":[{"image":"a"}]}}}"#,
            r#"["a"]"#,
            "",
        ),
        (
            r#"{"op":"add","path":"/spec/hostNetwork","value":true}"#,
            "",
            r#"["hostNetwork"]"#,
        ),
        (
            r#"{"op":"add","path":"/spec/template/spec/containers/1/securityContext/capabilities/add/0","value":"SYS_ADMIN"}"#,
            "",
            r#"["capability:SYS_ADMIN"]"#,
        ),
        (
            r#"{"op":"add","path":"/spec/volumes/-","value":{"hostPath":{"path":"/etc"}}}"#,
            "",
            r#"["hostPath:/etc"]"#,
        ),
        (
            r#"{"op":"remove","path":"/spec/containers/0/image","value":"a"}"#,
            "",
            "",
        ),
        (
            r#"{"op":"test","path":"/spec/hostPID","value":true}"#,
            "",
            "",
        ),
        (
            r#"{"op":"add","path":"/metadata/labels/image~1x","value":"a"}"#,
            "",
            "",
        ),
        (
            r#"{"op":"add","path":"/spec/containers/0/image"},{"op":1},7,[],{"op":"add","path":"/spec/hostIPC","value":true}"#,
            "",
            r#"["hostIPC"]"#,
        ),
    ] {
        assert_eq!(
            pods("patch", "deployments", &format!("[{operations}]")),
            some(images, security),
            "{operations}"
        );
    }
    let patch = r#"[{"op":"add","path":"/subjects/-","value":{"kind":"User","name":"eve"}}]"#;
    let binding = r#"{"roleRef":{"kind":"ClusterRole","name":"admin"},"subjects":[{"kind":"User","name":"a"},{"kind":"User","name":"eve"}]}"#;
    let raw = write("patch", "rolebindings", Some(patch), Some(binding));
    let event = read(&raw);
    assert_eq!(event.subjects.as_deref(), Some(r#"["User:eve"]"#));
    assert_eq!(event.role_ref.as_deref(), Some("ClusterRole/admin"));
}

#[test]
fn of_members_of_one_name_the_last_counts() {
    for (spec, images, security) in [
        (
            r#"{"spec":{"containers":[{"image":"a","securityContext":{"privileged":true}}]},"spec":{"containers":[{"image":"b"}]}}"#,
            r#"["b"]"#,
            "",
        ),
        (r#"{"spec":{"hostPID":true,"hostPID":false}}"#, "", ""),
        (
            r#"{"spec":{"hostPID":false,"hostPID":true}}"#,
            "",
            r#"["hostPID"]"#,
        ),
        (
            r#"{"spec":{"containers":[{"image":"a","image":"b"}],"hostIPC":true}}"#,
            r#"["b"]"#,
            r#"["hostIPC"]"#,
        ),
        (
            r#"{"spec":{"containers":[{"image":"a"}],"containers":null}}"#,
            "",
            "",
        ),
        (
            r#"{"spec":{"containers":[{"image":"a"}]},"sp\u0065c":{}}"#,
            "",
            "",
        ),
        (
            r#"{"spec":{"initContainers":[{"image":"a"}],"containers":[{"image":"b"}]}}"#,
            r#"["a","b"]"#,
            "",
        ),
        (
            r#"[{"op":"test","op":"add","path":"/x","path":"/spec/hostPID","value":false,"value":true}]"#,
            "",
            r#"["hostPID"]"#,
        ),
    ] {
        assert_eq!(
            pods("patch", "pods", spec),
            some(images, security),
            "{spec}"
        );
    }
}

#[test]
fn the_answer_stands_in_where_the_request_cannot_be_read() {
    let pod = r#"{"metadata":{"ownerReferences":[{"kind":"Job","name":"j"}]},"spec":{"hostPID":true,"containers":[{"image":"a"}]}}"#;
    let facts = |verb, request, response| {
        let raw = write(verb, "pods", request, response);
        let event = read(&raw);
        [event.images, event.pod_security, event.owner]
            .map(|fact| fact.unwrap_or_default().into_owned())
    };
    let all = [r#"["a"]"#, r#"["hostPID"]"#, "Job/j"];
    let owner = ["", "", "Job/j"];
    for verb in ["create", "update", "patch"] {
        assert_eq!(facts(verb, None, Some(pod)), all);
        // An apply patch in YAML, whichever way it was brought into the event.
        assert_eq!(
            facts(verb, Some(r#""spec:\n  hostIPC: true""#), Some(pod)),
            all
        );
        assert_eq!(facts(verb, Some("kind: Pod"), Some(pod)), all);
        // A request that can be read and says nothing of containers submits none.
        assert_eq!(
            facts(verb, Some(r#"{"metadata":{"labels":{}}}"#), Some(pod)),
            owner
        );
        assert_eq!(facts(verb, Some("[]"), Some(pod)), owner);
    }
    assert_eq!(facts("delete", None, Some(pod)), owner);
    assert_eq!(facts("delete", Some(pod), None), ["", "", ""]);
    assert_eq!(facts("get", None, Some(pod)), ["", "", ""]);
    assert_eq!(facts("deletecollection", None, Some(pod)), ["", "", ""]);
}

#[test]
fn the_controlling_owner_comes_before_the_first() {
    for (references, owner) in [
        (
            r#"[{"kind":"A","name":"a"},{"kind":"B","name":"b","controller":true}]"#,
            Some("B/b"),
        ),
        (
            r#"[{"kind":"A","name":"a"},{"kind":"B","name":"b","controller":false}]"#,
            Some("A/a"),
        ),
        (
            r#"[{"kind":"A","name":"a","controller":true},{"kind":"B","name":"b","controller":true}]"#,
            Some("A/a"),
        ),
        (r#"[{"kind":"A"},7,{"name":"b"}]"#, Some("/b")),
        ("[]", None),
        ("{}", None),
    ] {
        let body = format!(r#"{{"metadata":{{"ownerReferences":{references}}}}}"#);
        let raw = write("update", "leases", Some(&body), None);
        assert_eq!(read(&raw).owner.as_deref(), owner, "{references}");
    }
}

#[test]
fn subjects_are_named_by_kind() {
    let binding = r#"{"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"},"subjects":[{"kind":"ServiceAccount","name":"ci","namespace":"build"},{"kind":"User","name":"eve","namespace":"x"},{"kind":"Group","name":"system:masters"},{"kind":"ServiceAccount","name":"odd"},{"kind":"User"}]}"#;
    let raw = write("create", "clusterrolebindings", Some(binding), None);
    let event = read(&raw);
    assert_eq!(event.role_ref.as_deref(), Some("ClusterRole/view"));
    assert_eq!(
        event.subjects.as_deref(),
        Some(
            r#"["Group:system:masters","ServiceAccount:build/ci","ServiceAccount:odd","User:eve"]"#
        )
    );
    let raw = write("create", "widgets", Some(binding), None);
    let event = read(&raw);
    assert_eq!((event.role_ref, event.subjects), (None, None));
}

#[test]
fn what_is_too_long_is_cut_and_marked() {
    let long = "ä".repeat(FACT_TEXT_BYTES_MAX);
    let body = format!(r#"{{"spec":{{"containers":[{{"image":"{long}"}},{{"image":"z"}}]}}}}"#);
    let [images, _] = pods("create", "pods", &body);
    let images: Vec<String> = serde_json::from_str(&images.unwrap()).unwrap();
    assert_eq!(images[0], "z");
    assert!(images[1].len() <= FACT_TEXT_BYTES_MAX && images[1].ends_with("ä..."));
    assert_eq!(images[2..], ["..."]);

    let containers: Vec<String> = (0..20_000)
        .map(|n| format!(r#"{{"image":"{n:020}"}}"#))
        .collect();
    let body = format!(r#"{{"spec":{{"containers":[{}]}}}}"#, containers.join(","));
    let [images, _] = pods("create", "pods", &body);
    let images = images.unwrap();
    assert!(images.len() <= FACT_LIST_BYTES_MAX);
    let images: Vec<String> = serde_json::from_str(&images).unwrap();
    assert_eq!(images.last().unwrap(), "...");
    assert!(images.len() > 1000);

    let body = format!(r#"{{"roleRef":{{"kind":"Role","name":"{long}"}}}}"#);
    let raw = write("create", "rolebindings", Some(&body), None);
    let role = read(&raw).role_ref.unwrap().into_owned();
    assert!(
        role.starts_with("Role/ä") && role.ends_with("...") && role.len() <= FACT_TEXT_BYTES_MAX
    );
}

/// JSON of the shapes that are looked for, with anything in their places and members twice.
fn shaped() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("true".to_owned()),
        Just("0".to_owned()),
        Just("-1e999".to_owned()),
        Just("null".to_owned()),
        Just("\"\\ud800\"".to_owned()),
        "\"[a-z/]{0,4}\"",
        crate::model::json::tests::value().prop_map(|value| value.to_string()),
    ];
    let key = prop::sample::select(vec![
        "spec",
        "template",
        "jobTemplate",
        "metadata",
        "ownerReferences",
        "kind",
        "name",
        "controller",
        "containers",
        "initContainers",
        "ephemeralContainers",
        "image",
        "volumes",
        "hostPath",
        "path",
        "securityContext",
        "capabilities",
        "add",
        "privileged",
        "runAsUser",
        "ports",
        "hostPort",
        "hostPID",
        "roleRef",
        "subjects",
        "op",
        "value",
        "\\u0073pec",
    ]);
    leaf.prop_recursive(8, 60, 5, move |inner| {
        let member = (key.clone(), inner.clone())
            .prop_map(|(key, value)| format!("\"{key}\":{value}"));
        prop_oneof![
            3 => prop::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(","))),
            1 => prop::collection::vec(inner, 0..4).prop_map(|elements| format!("[{}]", elements.join(","))),
        ]
    })
}

proptest! {
    #[test]
    fn no_body_makes_it_panic_or_refuse(
        request in prop::option::of(shaped()), response in prop::option::of(shaped()),
        verb in prop::sample::select(vec!["create", "update", "patch", "delete", "get"]),
        resource in prop::sample::select(vec!["pods", "rolebindings", "pods/status"]),
    ) {
        let raw = write(verb, resource, request.as_deref(), response.as_deref());
        let (event, _) = normalise("c", &raw).expect("an event");
        for list in [&event.images, &event.pod_security, &event.subjects].into_iter().flatten() {
            let elements: Vec<String> = serde_json::from_str(list).expect("an array of strings");
            prop_assert!(!elements.is_empty() && elements.is_sorted());
        }
    }

    #[test]
    fn duplicates_count_as_in_a_map(body in shaped()) {
        // A map keeps the last of equal keys, as Go's decoder does.
        let value: Result<Value, _> = serde_json::from_str(&body);
        prop_assume!(value.is_ok());
        let once = value.expect("just looked").to_string();
        for resource in ["pods", "rolebindings"] {
            let (twice, once) = (write("patch", resource, Some(&body), None), write("patch", resource, Some(&once), None));
            let (twice, once) = (read(&twice), read(&once));
            prop_assert_eq!(&twice.images, &once.images);
            prop_assert_eq!(&twice.pod_security, &once.pod_security);
            prop_assert_eq!(&twice.owner, &once.owner);
            prop_assert_eq!(&twice.role_ref, &once.role_ref);
            prop_assert_eq!(&twice.subjects, &once.subjects);
        }
    }
}
