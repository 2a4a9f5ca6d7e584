//! What bodies of each kind give.

use super::{pods, read, some, write};

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
fn replicas_are_read_from_objects_and_from_patches_of_every_shape() {
    let answer = r#"{"spec":{"replicas":3},"status":{"replicas":2}}"#;
    for (resource, request, response, replicas) in [
        (
            "deployments",
            r#"{"spec":{"replicas":3}}"#,
            answer,
            [Some(3), Some(3), Some(2)],
        ),
        (
            "x/scale",
            r#"{"spec":{"replicas":0}}"#,
            r#"{"spec":{},"status":{}}"#,
            [Some(0), None, Some(0)],
        ),
        (
            "statefulsets",
            r#"[{"op":"test","path":"/spec/replicas","value":1},{"op":"replace","path":"/spec/replicas","value":5}]"#,
            answer,
            [Some(5), Some(3), Some(2)],
        ),
        (
            "replicasets",
            r#"[{"op":"add","path":"/spec","value":{"replicas":4,"paused":true}}]"#,
            "null",
            [Some(4), None, None],
        ),
        // Of members of one name the last counts, and what stands elsewhere does not.
        (
            "deployments",
            r#"{"spec":{"replicas":1,"template":{"replicas":7},"replicas":2},"replicas":9}"#,
            r#"{"kind":"Status","status":"Failure","spec":null}"#,
            [Some(2), None, Some(0)],
        ),
        (
            "deployments",
            r#"{"spec":{"replicas":"3"}}"#,
            r#"{"status":{"replicas":null}}"#,
            [None, None, Some(0)],
        ),
        ("deployments/status", answer, answer, [None; 3]),
        ("pods", answer, answer, [None; 3]),
    ] {
        let raw = write("patch", resource, Some(request), Some(response));
        let event = read(&raw);
        let found = [
            event.replicas,
            event.replicas_answered,
            event.replicas_observed,
        ];
        assert_eq!(found, replicas, "{resource} {request}");
    }
    let raw = write("get", "deployments", None, Some(answer));
    assert_eq!(read(&raw).replicas_answered, None);
}

#[test]
fn what_a_service_opens_is_read_from_the_answer_or_else_from_what_was_sent() {
    let of = |kind: &str| format!(r#"{{"spec":{{"type":"{kind}"}}}}"#);
    let refused = r#"{"kind":"Status","code":403}"#;
    for (request, response, exposure) in [
        (Some(of("NodePort")), None, Some("NodePort")),
        (
            Some(of("ClusterIP")),
            Some(of("LoadBalancer")),
            Some("LoadBalancer"),
        ),
        (Some(of("NodePort")), Some(of("ClusterIP")), None),
        (
            Some(of("NodePort")),
            Some(refused.to_owned()),
            Some("NodePort"),
        ),
        (
            Some(r#"{"spec":{"externalIPs":["192.0.2.1"]}}"#.to_owned()),
            None,
            Some("external IPs"),
        ),
        (
            Some(r#"{"spec":{"externalIPs":[]}}"#.to_owned()),
            None,
            None,
        ),
        (
            Some(r#"[{"op":"add","path":"/spec/externalIPs/-","value":"192.0.2.1"}]"#.to_owned()),
            None,
            Some("external IPs"),
        ),
        (None, Some(refused.to_owned()), Some("unknown")),
        (None, None, Some("unknown")),
    ] {
        let raw = write("patch", "services", request.as_deref(), response.as_deref());
        assert_eq!(read(&raw).exposure, exposure, "{request:?} {response:?}");
    }
    for elsewhere in ["services/status", "pods"] {
        let raw = write("patch", elsewhere, Some(&of("NodePort")), None);
        assert_eq!(read(&raw).exposure, None, "{elsewhere}");
    }
}
