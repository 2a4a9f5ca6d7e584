//! Short names and singular forms of the built-in resources, as kubectl knows them.

/// Plural, then every other name of it: the registry's `ShortNames()` and `GetSingularName()`.
const NAMES: &[(&str, &[&str])] = &[
    ("apiservices", &["apiservice"]),
    ("bindings", &["binding"]),
    (
        "certificatesigningrequests",
        &["csr", "certificatesigningrequest"],
    ),
    ("clusterrolebindings", &["clusterrolebinding"]),
    ("clusterroles", &["clusterrole"]),
    ("clustertrustbundles", &["clustertrustbundle"]),
    ("componentstatuses", &["cs", "componentstatus"]),
    ("configmaps", &["cm", "configmap"]),
    ("controllerrevisions", &["controllerrevision"]),
    ("cronjobs", &["cj", "cronjob"]),
    ("csidrivers", &["csidriver"]),
    ("csinodes", &["csinode"]),
    ("csistoragecapacities", &["csistoragecapacity"]),
    (
        "customresourcedefinitions",
        &["crd", "crds", "customresourcedefinition"],
    ),
    ("daemonsets", &["ds", "daemonset"]),
    ("deployments", &["deploy", "deployment"]),
    ("deviceclasses", &["deviceclass"]),
    ("endpoints", &["ep", "endpoint"]),
    ("endpointslices", &["endpointslice"]),
    ("events", &["ev", "event"]),
    ("evictions", &["eviction"]),
    ("flowschemas", &["flowschema"]),
    (
        "horizontalpodautoscalers",
        &["hpa", "horizontalpodautoscaler"],
    ),
    ("ingressclasses", &["ingressclass"]),
    ("ingresses", &["ing", "ingress"]),
    ("ipaddresses", &["ip", "ipaddress"]),
    ("jobs", &["job"]),
    ("leases", &["lease"]),
    ("limitranges", &["limits", "limitrange"]),
    ("localsubjectaccessreviews", &["localsubjectaccessreview"]),
    ("mutatingadmissionpolicies", &["mutatingadmissionpolicy"]),
    (
        "mutatingadmissionpolicybindings",
        &["mutatingadmissionpolicybinding"],
    ),
    (
        "mutatingwebhookconfigurations",
        &["mutatingwebhookconfiguration"],
    ),
    ("namespaces", &["ns", "namespace"]),
    ("networkpolicies", &["netpol", "networkpolicy"]),
    ("nodes", &["no", "node"]),
    ("persistentvolumeclaims", &["pvc", "persistentvolumeclaim"]),
    ("persistentvolumes", &["pv", "persistentvolume"]),
    ("poddisruptionbudgets", &["pdb", "poddisruptionbudget"]),
    ("pods", &["po", "pod"]),
    ("podsecuritypolicies", &["psp", "podsecuritypolicy"]),
    ("podtemplates", &["podtemplate"]),
    ("priorityclasses", &["pc", "priorityclass"]),
    (
        "prioritylevelconfigurations",
        &["prioritylevelconfiguration"],
    ),
    ("replicasets", &["rs", "replicaset"]),
    ("replicationcontrollers", &["rc", "replicationcontroller"]),
    ("resourceclaims", &["resourceclaim"]),
    ("resourceclaimtemplates", &["resourceclaimtemplate"]),
    ("resourcequotas", &["quota", "resourcequota"]),
    ("resourceslices", &["resourceslice"]),
    ("rolebindings", &["rolebinding"]),
    ("roles", &["role"]),
    ("runtimeclasses", &["runtimeclass"]),
    ("secrets", &["secret"]),
    ("selfsubjectaccessreviews", &["selfsubjectaccessreview"]),
    ("selfsubjectreviews", &["selfsubjectreview"]),
    ("selfsubjectrulesreviews", &["selfsubjectrulesreview"]),
    ("serviceaccounts", &["sa", "serviceaccount"]),
    ("servicecidrs", &["servicecidr"]),
    ("services", &["svc", "service"]),
    ("statefulsets", &["sts", "statefulset"]),
    ("storageclasses", &["sc", "storageclass"]),
    ("subjectaccessreviews", &["subjectaccessreview"]),
    ("tokenreviews", &["tokenreview"]),
    (
        "validatingadmissionpolicies",
        &["validatingadmissionpolicy"],
    ),
    (
        "validatingadmissionpolicybindings",
        &["validatingadmissionpolicybinding"],
    ),
    (
        "validatingwebhookconfigurations",
        &["validatingwebhookconfiguration"],
    ),
    ("volumeattachments", &["volumeattachment"]),
    ("volumeattributesclasses", &["vac", "volumeattributesclass"]),
];

/// The plural that audit events use for a built-in resource's short, singular or plural name, in
/// lower case; any other name is given back as it is.
pub fn canonical(name: &str) -> &str {
    NAMES
        .iter()
        .find(|(_, others)| others.contains(&name))
        .map_or(name, |(plural, _)| plural)
}

/// Reads a resource as kubectl's users write it, `RESOURCE` or `RESOURCE.GROUP`: the plural, and
/// the group if one is named (`deploy.apps`, `certificates.cert-manager.io`, `pods.*`). Resources
/// have no dots in their names, so the group is all that follows the first one.
pub fn parse_resource(text: &str) -> (String, Option<String>) {
    let text = text.trim().to_ascii_lowercase();
    let (name, group) = match text.split_once('.') {
        Some((name, group)) => (name, Some(group)),
        None => (text.as_str(), None),
    };
    let group = group.filter(|group| !group.is_empty()).map(str::to_owned);
    (canonical(name).to_owned(), group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_two_resources() {
        let mut names: Vec<&str> = NAMES
            .iter()
            .flat_map(|(plural, others)| others.iter().copied().chain([*plural]))
            .collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn resources_are_read_as_kubectl_reads_them() {
        for (text, name, group) in [
            ("deploy", "deployments", None),
            ("Deployment", "deployments", None),
            ("deployments", "deployments", None),
            ("deploy.apps", "deployments", Some("apps")),
            ("deployments.apps", "deployments", Some("apps")),
            (
                "certificates.cert-manager.io",
                "certificates",
                Some("cert-manager.io"),
            ),
            ("pods.*", "pods", Some("*")),
            ("po", "pods", None),
            ("no", "nodes", None),
            (
                "ing.networking.k8s.io",
                "ingresses",
                Some("networking.k8s.io"),
            ),
            ("widgets", "widgets", None),
            ("po*", "po*", None),
            ("*", "*", None),
            ("pods.", "pods", None),
            ("", "", None),
        ] {
            let expected = (name.to_owned(), group.map(str::to_owned));
            assert_eq!(parse_resource(text), expected, "{text}");
        }
    }
}
