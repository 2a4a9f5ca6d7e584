//! Tokens and certificates: who asked for them, and where they were used.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::{EVENTS, ask, ask_of, audit_ids, cell, list, recorded_ids, text};
use super::{ALL, THIEF, call, made, newest_first};
use crate::both::{Both, Shared, recorded, unpacked};

/// Tokens and a certificate from their request to their use.
pub(in crate::questions) static CREDENTIALS: Shared =
    Shared::new(|| Both::imported(&[&recorded("access.jsonl.zst")]));

#[test]
fn token_requests() {
    let requested = |event: &Value| {
        event["verb"] == "create"
            && text(event, "/objectRef/resource") == "serviceaccounts"
            && text(event, "/objectRef/subresource") == "token"
            && event["stage"] == "ResponseComplete"
    };
    let rows = ask("token-requests", ALL);
    assert_eq!(audit_ids(&rows), recorded_ids(requested));
    newest_first(&rows);
    let issued: BTreeSet<_> = rows
        .iter()
        .map(|row| cell(row, "issued_credential_id"))
        .collect();
    let pointer = "/annotations/authentication.kubernetes.io~1issued-credential-id";
    let recorded = EVENTS.iter().filter(|event| requested(event));
    assert_eq!(issued, recorded.map(|event| text(event, pointer)).collect());

    let stolen = ask("token-requests", &["--user", THIEF, "--outcome", "success"]);
    let [row] = &stolen[..] else {
        panic!("{stolen:?}")
    };
    assert_eq!(
        row["service_account"],
        "system:serviceaccount:kube-system:sync-agent"
    );
    assert_eq!(
        row["issued_credential_id"],
        "JTI=7f710e91-7c1e-4d90-a967-5d3ff8f221b7"
    );
    assert_eq!(
        row["credential_id"],
        "JTI=83aea96d-d877-41aa-8cc5-3efe3036b1e8"
    );
    assert_eq!(row["client_ip"], "198.51.100.23");
}

#[test]
fn credential_use() {
    let events: Vec<Value> = unpacked("access.jsonl.zst")
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let id = "JTI=83aea96d-d877-41aa-8cc5-3efe3036b1e8";
    let pointer = "/user/extra/authentication.kubernetes.io~1credential-id/0";
    let used = events.iter().filter(|event| text(event, pointer) == id);
    let calls: BTreeSet<_> = used.clone().map(call).collect();
    let denied = used
        .clone()
        .filter(|event| event["responseStatus"]["code"] == 403);

    let rows = ask_of(
        &CREDENTIALS.get(),
        "credential-use",
        &["--credential", id, "--since", "all"],
    );
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(row["minted_by"], "kubernetes-admin");
    assert_eq!(row["service_account"], THIEF);
    assert_eq!(row["used_as"], THIEF);
    assert_eq!(row["used_from"], "198.51.100.23");
    assert_eq!(row["elsewhere"], 1);
    assert_eq!(row["calls"], calls.len());
    assert_eq!(row["denied"], denied.count());
    let times = used.map(|event| text(event, "/stageTimestamp"));
    assert_eq!(row["first_used"], times.clone().min().unwrap());
    assert_eq!(row["last_used"], times.max().unwrap());
    assert_eq!(list(row, "user_agents"), ["curl/8.5.0"]);

    // Both tokens, and the one that the thief minted with the first and nobody used.
    let rows = ask_of(&CREDENTIALS.get(), "credential-use", ALL);
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                cell(row, "service_account"),
                cell(row, "minted_by"),
                cell(row, "used_from"),
            )
        })
        .collect();
    let agent = "system:serviceaccount:kube-system:sync-agent";
    assert_eq!(
        shown,
        [
            (agent, "kubernetes-admin", "203.0.113.200"),
            (agent, THIEF, ""),
            (THIEF, "kubernetes-admin", "198.51.100.23"),
        ]
    );
    assert!(rows[1]["elsewhere"].is_null() && rows[1]["calls"] == 0);
}

#[test]
fn certificates() {
    let rows = ask_of(&CREDENTIALS.get(), "certificates", ALL);
    let shown: Vec<_> = rows
        .iter()
        .map(|row| ["action", "name", "user", "requested_by"].map(|column| cell(row, column)))
        .collect();
    let controller = "system:serviceaccount:kube-system:certificate-controller";
    assert_eq!(
        shown,
        [
            ["issued", "newdev-1", controller, "bob"],
            ["approved", "newdev-1", "bob", "bob"],
            ["requested", "newdev-1", "bob", "bob"],
        ]
    );
    assert!(rows.iter().all(|row| {
        row["signer"] == "kubernetes.io/kube-apiserver-client"
            && list(row, "usages") == ["client auth"]
    }));

    let csr = |verb: &str, subresource: &str, body: Value| {
        json!({
            "verb": verb, "level": if body.is_null() { "Metadata" } else { "RequestResponse" },
            "objectRef": {"resource": "certificatesigningrequests", "name": "x",
                          "apiGroup": "certificates.k8s.io", "subresource": subresource},
            "responseStatus": {"metadata": {}, "code": 200},
            "requestObject": body,
        })
    };
    let denial = json!({"type": "Denied", "status": "True"});
    let events = [
        made(
            1,
            csr(
                "update",
                "approval",
                json!({"status": {"conditions": [denial]}}),
            ),
        ),
        made(
            2,
            csr(
                "patch",
                "approval",
                json!([{"op": "add", "path": "/status/conditions", "value": [denial]}]),
            ),
        ),
        made(3, csr("update", "approval", Value::Null)),
        made(4, csr("delete", "", Value::Null)),
        made(5, csr("get", "", Value::Null)),
    ];
    let rows = ask_of(&Both::with_events(&events), "certificates", &[]);
    let actions: Vec<_> = rows.iter().map(|row| cell(row, "action")).collect();
    assert_eq!(actions, ["deleted", "decided", "decided", "denied"]);
}
