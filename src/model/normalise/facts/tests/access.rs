//! What pods may read, and as whom.

use super::{read, write};

/// Secrets that a write names and the service account that its pods run as.
fn pod_access(verb: &str, resource: &str, bodies: [Option<&str>; 2]) -> [String; 2] {
    let raw = write(verb, resource, bodies[0], bodies[1]);
    let event = read(&raw);
    [event.pod_secrets, event.pod_service_account].map(|fact| fact.unwrap_or_default().into_owned())
}

#[test]
fn secrets_are_found_wherever_a_pod_names_them() {
    let volume = |volume: &str| format!(r#""volumes":[{{"name":"v",{volume}}}]"#);
    let env = |kind: &str, env: &str| format!(r#""{kind}":[{{"image":"i",{env}}}]"#);
    let mut places = vec![
        r#""imagePullSecrets":[{},{"name":"s"}]"#.to_owned(),
        volume(r#""secret":{"secretName":"s","items":[{"key":"name","path":"x"}]}"#),
        volume(r#""azureFile":{"secretName":"s","shareName":"x"}"#),
        volume(r#""csi":{"driver":"x","nodePublishSecretRef":{"name":"s"}}"#),
        volume(
            r#""projected":{"sources":[{"configMap":{"name":"x"}},{"secret":{"name":"s"}},{"serviceAccountToken":{"path":"x"}}]}"#,
        ),
    ];
    for kind in [
        "cephfs",
        "cinder",
        "flexVolume",
        "iscsi",
        "rbd",
        "scaleIO",
        "storageos",
    ] {
        places.push(volume(&format!(
            r#""{kind}":{{"secretRef":{{"name":"s"}}}}"#
        )));
    }
    for kind in ["containers", "initContainers", "ephemeralContainers"] {
        places.push(env(
            kind,
            r#""env":[{"name":"x","value":"x"},{"name":"s","valueFrom":{"configMapKeyRef":{"name":"x"}}},{"valueFrom":{"secretKeyRef":{"name":"s","key":"x"}}}]"#,
        ));
        places.push(env(
            kind,
            r#""envFrom":[{"configMapRef":{"name":"x"}},{"prefix":"x","secretRef":{"name":"s"}}]"#,
        ));
    }
    for place in places {
        for (resource, body) in [
            ("pods", format!(r#"{{"spec":{{{place}}}}}"#)),
            (
                "jobs",
                format!(r#"{{"spec":{{"template":{{"spec":{{{place}}}}}}}}}"#),
            ),
            (
                "cronjobs",
                format!(
                    r#"{{"spec":{{"jobTemplate":{{"spec":{{"template":{{"spec":{{{place}}}}}}}}}}}}}"#
                ),
            ),
            (
                "jobs",
                format!(r#"[{{"op":"add","path":"/spec/template/spec","value":{{{place}}}}}]"#),
            ),
        ] {
            let [secrets, _] = pod_access("patch", resource, [Some(&body), None]);
            assert_eq!(secrets, r#"["s"]"#, "{body}");
            let [elsewhere, _] = pod_access("patch", "jobs/status", [Some(&body), None]);
            assert_eq!(elsewhere, "", "{body}");
        }
    }
    let patch = r#"[{"op":"replace","path":"/spec/imagePullSecrets/0/name","value":"b"},{"op":"add","path":"/spec/volumes/-","value":{"secret":{"secretName":"a"}}},{"op":"remove","path":"/spec/volumes/0","value":{"secret":{"secretName":"c"}}}]"#;
    let [secrets, _] = pod_access("patch", "pods", [Some(patch), None]);
    assert_eq!(secrets, r#"["a","b"]"#);
    // Not all that is called so is a secret, and an answer is looked into if nothing was sent.
    let none = r#"{"spec":{"volumes":[{"configMap":{"secretName":"x"},"secretName":"x"}],"secretRef":{"name":"x"},"containers":[{"env":[{"secretKeyRef":{"name":"x"}}]}]}}"#;
    assert_eq!(pod_access("create", "pods", [Some(none), None])[0], "");
    let some = r#"{"spec":{"volumes":[{"secret":{"secretName":"s"}}]}}"#;
    assert_eq!(
        pod_access("create", "pods", [None, Some(some)])[0],
        r#"["s"]"#
    );
    assert_eq!(
        pod_access("create", "pods", [Some(none), Some(some)])[0],
        ""
    );
    assert_eq!(pod_access("get", "pods", [None, Some(some)])[0], "");
}

#[test]
fn pods_run_as_the_account_that_is_answered_or_named_or_the_default() {
    let pod =
        |account: &str| format!(r#"{{"spec":{{"containers":[{{"image":"i"}}],{account}"x":0}}}}"#);
    let named = |name: &str| pod(&format!(r#""serviceAccountName":"{name}","#));
    let [a, b, plain] = [named("a"), named("b"), pod("")];
    let old = pod(r#""serviceAccount":"old","#);
    let both = pod(r#""serviceAccount":"old","serviceAccountName":"a","#);
    let empty = pod(r#""serviceAccount":"old","serviceAccountName":"","#);
    let template =
        r#"{"spec":{"replicas":1,"template":{"spec":{"serviceAccountName":"t","containers":[]}}}}"#;
    let patch = r#"{"spec":{"containers":[{"image":"j"}]}}"#;
    let replicas = r#"{"spec":{"replicas":2}}"#;
    let rename =
        r#"[{"op":"replace","path":"/spec/template/spec/serviceAccountName","value":"r"}]"#;
    let metadata = r#"{"kind":"PartialObjectMetadata","metadata":{}}"#;
    for (verb, request, response, account) in [
        ("create", Some(&*a), None, "a"),
        ("create", Some(&a), Some(&*b), "b"),
        ("create", Some(&plain), Some(&b), "b"),
        ("create", Some(&plain), Some(&plain), "default"),
        ("create", Some(&plain), None, "default"),
        (
            "update",
            Some(&plain),
            Some(r#"{"kind":"Status"}"#),
            "default",
        ),
        ("create", Some(&old), None, "old"),
        ("create", Some(&both), None, "a"),
        ("create", Some(&empty), None, "old"),
        ("update", Some(template), None, "t"),
        ("create", None, Some(&a), "a"),
        ("create", None, Some(&plain), "default"),
        // What a patch leaves out is not known without an answer.
        ("patch", Some(patch), None, ""),
        ("patch", Some(patch), Some(metadata), ""),
        ("patch", Some(patch), Some(&plain), "default"),
        ("patch", Some(patch), Some(&a), "a"),
        ("patch", Some(rename), None, "r"),
        // One that is not about pods says nothing of them, and what has none is given none.
        ("patch", Some(replicas), Some(template), ""),
        ("create", Some(replicas), Some(replicas), ""),
        ("delete", None, Some(&a), ""),
    ] {
        let [_, found] = pod_access(verb, "deployments", [request, response]);
        assert_eq!(found, account, "{verb} {request:?} {response:?}");
    }
}
