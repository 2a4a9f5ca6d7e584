//! Members that stand twice, texts that are too long, and bodies at random.

use proptest::prelude::*;
use serde_json::Value;

use super::{pods, read, some, write};
use crate::limits::{FACT_LIST_BYTES_MAX, FACT_TEXT_BYTES_MAX};
use crate::model::normalise::normalise;

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
        "env",
        "valueFrom",
        "secretKeyRef",
        "secret",
        "secretName",
        "cephfs",
        "rbd",
        "secretRef",
        "imagePullSecrets",
        "serviceAccount",
        "serviceAccountName",
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
        for list in [&event.images, &event.pod_security, &event.pod_secrets, &event.subjects].into_iter().flatten() {
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
            prop_assert_eq!(&twice.pod_secrets, &once.pod_secrets);
            prop_assert_eq!(&twice.pod_service_account, &once.pod_service_account);
            prop_assert_eq!(&twice.owner, &once.owner);
            prop_assert_eq!(&twice.role_ref, &once.role_ref);
            prop_assert_eq!(&twice.subjects, &once.subjects);
        }
    }
}
