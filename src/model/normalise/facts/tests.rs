mod access;
mod bodies;
mod hostile;

use std::sync::LazyLock;

use crate::model::event::Event;
use crate::model::normalise::normalise;

/// Recorded events whose bodies hold facts, and many others.
static RECORDED: LazyLock<String> = LazyLock::new(|| {
    let more = &include_bytes!("../../../../tests/data/recorded.jsonl.zst")[..];
    let more = String::from_utf8(zstd::stream::decode_all(more).unwrap()).unwrap();
    include_str!("../../../../tests/data/facts.jsonl").to_owned() + &more
});

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
            concat!("[\"docker", ".io/evil/miner:1\"]"),
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
        let found = [event.role_ref, event.subjects].map(Option::unwrap_or_default);
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
