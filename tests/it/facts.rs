//! What is read from inside events' bodies, against an independent reading of the same events; and
//! stores that were written before it was kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::both::{Both, cells, recorded, unpacked};
use crate::support::{Run, Server, local, temp_dir};

pub(crate) const FACTS: &str = "sha256,images,pod_security,pod_secrets,pod_service_account,role_ref,subjects,owner,credential_id,issued_credential_id,command,deprecated,raw_bytes,exposure,replicas,replicas_answered,replicas_observed";

fn list(elements: BTreeSet<String>) -> Value {
    if elements.is_empty() {
        Value::Null
    } else {
        json!(elements)
    }
}

/// A value as if it stood in a whole object at the place that a JSON pointer names.
fn wrapped(pointer: &str, value: &Value) -> Value {
    let wrap = |inner: Value, key: &str| {
        if key == "-" || key.parse::<u32>().is_ok() {
            json!([inner])
        } else {
            json!({ key: inner })
        }
    };
    pointer
        .split('/')
        .skip(1)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .fold(value.clone(), wrap)
}

/// The objects that a body submits, whole or in part.
fn submitted(body: &Value) -> Vec<Value> {
    let Value::Array(operations) = body else {
        return vec![body.clone()];
    };
    operations
        .iter()
        .filter(|operation| operation["op"] == "add" || operation["op"] == "replace")
        .map(|operation| wrapped(operation["path"].as_str().unwrap(), &operation["value"]))
        .collect()
}

/// What may be the spec of an object's pods.
fn specs(object: &Value) -> impl Iterator<Item = &Value> {
    [
        "/spec",
        "/spec/template/spec",
        "/spec/jobTemplate/spec/template/spec",
        "/template/spec",
    ]
    .into_iter()
    .filter_map(|at| object.pointer(at))
}

fn each(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// Secrets that pods of an object name, as `VisitPodSecretNames` of Kubernetes finds them.
fn secrets_of(object: &Value) -> BTreeSet<String> {
    let mut places = Vec::new();
    for spec in specs(object) {
        places.extend(
            each(&spec["imagePullSecrets"])
                .iter()
                .map(|at| at["name"].clone()),
        );
        for kind in ["containers", "initContainers", "ephemeralContainers"] {
            for container in each(&spec[kind]) {
                for source in each(&container["envFrom"]) {
                    places.push(source["secretRef"]["name"].clone());
                }
                for variable in each(&container["env"]) {
                    places.push(variable["valueFrom"]["secretKeyRef"]["name"].clone());
                }
            }
        }
        for volume in each(&spec["volumes"]) {
            places.push(volume["secret"]["secretName"].clone());
            places.push(volume["azureFile"]["secretName"].clone());
            places.push(volume["csi"]["nodePublishSecretRef"]["name"].clone());
            for source in each(&volume["projected"]["sources"]) {
                places.push(source["secret"]["name"].clone());
            }
            for kind in "cephfs cinder flexVolume iscsi rbd scaleIO storageos".split(' ') {
                places.push(volume[kind]["secretRef"]["name"].clone());
            }
        }
    }
    let names = places.iter().filter_map(|name| name.as_str());
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The service account of a write's pods: what the answer says, if there is one to be read, comes
/// before what was asked for, and a whole pod that names none has the default.
fn account_of(verb: &str, objects: &[Value], response: Option<&Value>) -> Option<String> {
    let named = |object: &Value| {
        let texts = specs(object)
            .flat_map(|spec| [&spec["serviceAccountName"], &spec["serviceAccount"]])
            .filter_map(Value::as_str);
        texts.map(str::to_owned).find(|name| !name.is_empty())
    };
    let is_whole = |object: &Value| specs(object).any(|spec| spec.get("containers").is_some());
    let asked = objects.iter().rev().find_map(named);
    let default = response.is_some_and(is_whole) || verb != "patch" && objects.iter().any(is_whole);
    let answered = response.and_then(named);
    answered.or(asked).or(default.then(|| "default".to_owned()))
}

/// Images and security markers of an object.
fn of_pods(object: &Value, images: &mut BTreeSet<String>, security: &mut BTreeSet<String>) {
    for spec in specs(object) {
        let mut contexts = vec![spec["securityContext"].clone()];
        for kind in ["containers", "initContainers", "ephemeralContainers"] {
            for container in each(&spec[kind]) {
                images.extend(container["image"].as_str().map(str::to_owned));
                contexts.push(container["securityContext"].clone());
                for port in each(&container["ports"]) {
                    security.extend(port["hostPort"].as_u64().map(|n| format!("hostPort:{n}")));
                }
            }
        }
        for context in contexts {
            for flag in ["privileged", "allowPrivilegeEscalation"] {
                security.extend((context[flag] == true).then(|| flag.to_owned()));
            }
            security.extend((context["runAsUser"] == 0).then(|| "runAsUser:0".to_owned()));
            for name in each(&context["capabilities"]["add"]) {
                security.insert(format!("capability:{}", name.as_str().unwrap()));
            }
        }
        for flag in ["hostNetwork", "hostPID", "hostIPC"] {
            security.extend((spec[flag] == true).then(|| flag.to_owned()));
        }
        for volume in each(&spec["volumes"]) {
            let path = volume["hostPath"]["path"].as_str();
            security.extend(path.map(|path| format!("hostPath:{path}")));
        }
    }
}

fn owner(object: &Value) -> Option<String> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    let controls = owners.iter().find(|owner| owner["controller"] == true);
    let owner = controls.or(owners.first())?;
    Some(format!(
        "{}/{}",
        owner["kind"].as_str()?,
        owner["name"].as_str()?
    ))
}

/// What a write of a service or ingress opens: of the whole object if the answer has it.
fn exposure_of(event: &Value) -> Value {
    let object = &event["objectRef"];
    let (request, response) = (&event["requestObject"], &event["responseObject"]);
    let whole = response.get("spec").is_some();
    let body = if whole { response } else { request };
    let mut spec = body.get("spec").cloned().unwrap_or_default();
    if body.is_array() {
        let parts = submitted(body).into_iter();
        let members = parts.filter_map(|part| part["spec"].as_object().cloned());
        spec = Value::Object(members.flatten().collect());
    }
    let some = |list: &Value| list.as_array().is_some_and(|list| !list.is_empty());
    match (object["resource"].as_str(), object["apiGroup"].as_str()) {
        _ if object.get("subresource").is_some() || event["stage"] == "RequestReceived" => {
            Value::Null
        }
        (Some("services"), None) | (Some("ingresses"), Some(_)) if body.is_null() => {
            json!("unknown")
        }
        (Some("services"), None) => match spec["type"].as_str() {
            Some(kind @ ("NodePort" | "LoadBalancer")) => json!(kind),
            _ if some(&spec["externalIPs"]) => json!("external IPs"),
            _ => Value::Null,
        },
        (Some("ingresses"), Some(_)) if whole || event["verb"] != "patch" => {
            match some(&spec["tls"]) {
                true => Value::Null,
                false => json!("ingress without TLS"),
            }
        }
        _ => Value::Null,
    }
}

/// Replicas asked for, answered and observed.
fn replicas_of(event: &Value, objects: &[Value]) -> [Value; 3] {
    let object = &event["objectRef"];
    let scales = match object["subresource"].as_str() {
        Some(subresource) => subresource == "scale",
        None => matches!(
            object["resource"].as_str(),
            Some("deployments" | "statefulsets" | "replicasets" | "replicationcontrollers")
        ),
    };
    if !scales {
        return [const { Value::Null }; 3];
    }
    let asked = objects
        .iter()
        .rfind(|object| object["spec"]["replicas"].is_i64());
    let response = &event["responseObject"];
    let observed = response.get("status").map(|status| match status {
        Value::Object(status) => status.get("replicas").cloned().unwrap_or(json!(0)),
        _ => json!(0),
    });
    [
        asked.map_or(Value::Null, |object| object["spec"]["replicas"].clone()),
        response["spec"]["replicas"].clone(),
        observed.unwrap_or(Value::Null),
    ]
}

/// The facts of a recorded line, as `-o jsonl` shows them.
pub(crate) fn facts(line: &str) -> Value {
    let event: Value = serde_json::from_str(line).unwrap();
    let verb = event["verb"].as_str().unwrap();
    let submits = matches!(verb, "create" | "update" | "patch");
    let (request, response) = (&event["requestObject"], &event["responseObject"]);
    let readable = submits && (request.is_object() || request.is_array());
    let objects = if readable {
        submitted(request)
    } else {
        Vec::new()
    };

    let (mut exposure, mut replicas) = (Value::Null, Default::default());
    if submits {
        (exposure, replicas) = (exposure_of(&event), replicas_of(&event, &objects));
    }
    let [asked, answered, observed]: [Value; 3] = replicas;
    let (mut images, mut security) = (BTreeSet::new(), BTreeSet::new());
    let (mut secrets, mut account) = (BTreeSet::new(), None);
    if submits && event["objectRef"]["subresource"] != "status" {
        let all = if readable {
            objects.clone()
        } else {
            vec![response.clone()]
        };
        for object in &all {
            of_pods(object, &mut images, &mut security);
            secrets.append(&mut secrets_of(object));
        }
        let answer = Some(response).filter(|_| !readable || !images.is_empty());
        account = account_of(verb, &objects, answer);
    }

    let writes = submits || verb == "delete";
    let mut written = objects;
    written.extend(writes.then(|| response.clone()));
    let resource = event["objectRef"]["resource"].as_str().unwrap_or_default();
    let bindings: Vec<&Value> = written
        .iter()
        .filter(|_| matches!(resource, "rolebindings" | "clusterrolebindings"))
        .collect();
    let role = bindings.iter().find_map(|object| {
        let role = &object["roleRef"];
        Some(format!(
            "{}/{}",
            role["kind"].as_str()?,
            role["name"].as_str()?
        ))
    });
    let subjects = bindings.iter().find_map(|object| {
        let subject = |subject: &Value| {
            let text = |key: &str| subject[key].as_str().map(str::to_owned);
            let (kind, name) = (text("kind").unwrap(), text("name").unwrap());
            match text("namespace").filter(|_| kind == "ServiceAccount") {
                Some(namespace) => format!("{kind}:{namespace}/{name}"),
                None => format!("{kind}:{name}"),
            }
        };
        let subjects = object["subjects"].as_array()?;
        (!subjects.is_empty()).then(|| subjects.iter().map(subject).collect::<BTreeSet<_>>())
    });

    let uri = event["requestURI"].as_str().unwrap();
    let command: Vec<String> = uri
        .split_once('?')
        .filter(|_| event["objectRef"]["subresource"] == "exec")
        .map(|(_, query)| {
            query
                .split('&')
                .filter_map(|pair| pair.strip_prefix("command="))
                .map(|value| percent(&value.replace('+', " ")))
                .collect()
        })
        .unwrap_or_default();
    let annotation = |key: &str| event["annotations"][key].clone();
    json!({
        "sha256": hex(&Sha256::digest(line.as_bytes())),
        "images": list(images),
        "pod_security": list(security),
        "pod_secrets": list(secrets),
        "pod_service_account": account,
        "role_ref": role,
        "subjects": list(subjects.unwrap_or_default()),
        "owner": written.iter().find_map(owner),
        "credential_id": event["user"]["extra"]["authentication.kubernetes.io/credential-id"][0],
        "issued_credential_id": annotation("authentication.kubernetes.io/issued-credential-id"),
        "command": if command.is_empty() { Value::Null } else { json!(command) },
        "deprecated": i32::from(annotation("k8s.io/deprecated") == "true"),
        "raw_bytes": line.len(),
        "exposure": exposure,
        "replicas": asked,
        "replicas_answered": answered,
        "replicas_observed": observed,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn percent(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

/// Rows of facts by the hash of their event.
pub(crate) fn by_hash(rows: impl IntoIterator<Item = Value>) -> BTreeMap<String, Value> {
    rows.into_iter()
        .map(|row| (row["sha256"].as_str().unwrap().to_owned(), row))
        .collect()
}

pub(crate) fn rows(run: &Run) -> BTreeMap<String, Value> {
    let parse = |line| serde_json::from_str(line).unwrap();
    by_hash(run.text().lines().map(parse))
}

#[track_caller]
pub(crate) fn assert_same(found: &BTreeMap<String, Value>, expected: &BTreeMap<String, Value>) {
    assert_eq!(found.len(), expected.len());
    for (hash, row) in expected {
        assert_eq!(&found[hash], row);
    }
}

#[test]
fn facts_of_recorded_events_are_those_of_their_json() {
    let mut text = String::from_utf8(unpacked("recorded.jsonl.zst")).unwrap();
    text.push_str(&fs::read_to_string(recorded("facts.jsonl")).unwrap());
    let expected = by_hash(text.lines().map(facts));
    let known = |column: &str| {
        expected
            .values()
            .filter(|row| !row[column].is_null())
            .count()
    };
    // Nothing was opened to the outside while they were recorded, and no pod named a secret.
    let absent = ["exposure", "pod_secrets"];
    for column in FACTS.split(',').filter(|column| !absent.contains(column)) {
        assert!(known(column) > 0, "{column} is always absent");
    }
    let paths = [recorded("recorded.jsonl.zst"), recorded("facts.jsonl")];
    let both = Both::imported_with(&[&paths[0], &paths[1]], &["--segment-events", "500"]);
    let args = ["--limit", "0", "-o", "jsonl", "--columns", FACTS];
    assert_same(&rows(&both.ask("query", &args).expect(0)), &expected);

    // Any element matches, and what `top` counts is what a filter finds.
    for (column, flag) in [("images", "--image"), ("user_groups", "--group")] {
        let top = both
            .ask("top", &[column, "--limit", "0", "-o", "csv"])
            .expect(0);
        let tops = cells(&top);
        assert!(tops.len() > 3, "{column}");
        for row in tops.iter().take(6).filter(|row| !row[0].is_empty()) {
            let found = both.count(&[flag, &row[0]]);
            assert_eq!(found.to_string(), row[1], "{flag} {}", row[0]);
        }
    }
    let masters = text.lines().filter(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        let groups = event["user"]["groups"].as_array().cloned();
        groups.is_some_and(|groups| groups.contains(&json!("system:masters")))
    });
    let masters = masters.count();
    assert!(masters > 0);
    assert_eq!(both.count(&["--group", "system:masters"]), masters);
    let without = both.count(&["--image", "!*"]);
    assert_eq!(without, expected.len() - known("images"));
}

/// A store that was written before facts were kept, or before all of them were: two sealed segments
/// and an active one.
fn older_store(name: &str) -> tempfile::TempDir {
    let dir = temp_dir();
    for file in fs::read_dir(recorded(name)).unwrap() {
        let file = file.unwrap().file_name().into_string().unwrap();
        let bytes = unpacked(&format!("{name}/{file}"));
        fs::write(dir.path().join(file.trim_end_matches(".zst")), bytes).unwrap();
    }
    dir
}

/// The answers of questions about facts.
fn answers(data: &Path) -> Vec<String> {
    let questions: [(&str, &[&str]); 16] = [
        (
            "query",
            &["--columns", FACTS, "--limit", "0", "-o", "jsonl"],
        ),
        (
            "query",
            &[
                "--image",
                "nginx:*",
                "--columns",
                "audit_id,images",
                "-o",
                "jsonl",
            ],
        ),
        (
            "query",
            &[
                "--image",
                "!*",
                "--columns",
                "audit_id",
                "--limit",
                "0",
                "-o",
                "jsonl",
            ],
        ),
        ("ask", &["image-changes", "--since", "all", "-o", "csv"]),
        ("ask", &["who-scaled", "--since", "all", "-o", "csv"]),
        (
            "sql",
            &[
                "select audit_id, replicas, exposure from events where replicas > 0 or exposure is not null order by time, id",
                "-o",
                "csv",
            ],
        ),
        (
            "sql",
            &[
                "select exposure, replicas, replicas_answered, replicas_observed, sum(events) from event_counts group by 1, 2, 3, 4 order by 1, 2, 3, 4",
                "-o",
                "csv",
            ],
        ),
        ("top", &["images", "-o", "csv"]),
        ("top", &["owner", "--verb", "create", "-o", "csv"]),
        ("top", &["deprecated", "-o", "csv"]),
        (
            "sql",
            &[
                "select sum(raw_bytes), sum(deprecated), max(raw_bytes) from events",
                "-o",
                "csv",
            ],
        ),
        (
            "sql",
            &[
                "select api_group, resource, subresource, verb, level, outcome, sum(events) from event_counts group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6",
                "-o",
                "csv",
            ],
        ),
        (
            "sql",
            &[
                "select hour, owner, deprecated, sum(events) from event_counts where name is not null group by 1, 2, 3 order by 1, 2, 3",
                "-o",
                "csv",
            ],
        ),
        (
            "sql",
            &[
                "select audit_id from events where role_ref = 'ClusterRole/cluster-admin'",
                "-o",
                "csv",
            ],
        ),
        (
            "sql",
            &[
                "select count(*) from events where raw_bytes between 1000 and 2000",
                "-o",
                "csv",
            ],
        ),
        (
            "sql",
            &[
                "select i.audit_id from events i join events u on u.credential_id = i.credential_id where i.issued_credential_id is not null and u.deprecated = 1 order by 1",
                "-o",
                "csv",
            ],
        ),
    ];
    questions
        .into_iter()
        .map(|(command, args)| {
            let run = local(data, command, args);
            assert!(matches!(run.code, Some(0 | 1)), "{args:?}: {}", run.stderr);
            run.text().to_owned()
        })
        .collect()
}

#[test]
fn an_older_store_answers_alike_before_and_after_reseal() {
    let fresh = temp_dir();
    for name in ["sample.jsonl", "facts.jsonl"] {
        local(fresh.path(), "import", &[recorded(name).to_str().unwrap()]).expect(0);
    }
    let expected = answers(fresh.path());
    let nothing = local(fresh.path(), "reseal", &[]).expect(0);
    assert!(
        nothing.stderr.contains("resealed 0 segments"),
        "{}",
        nothing.stderr
    );

    for name in ["older-store", "earlier-store"] {
        an_older_store_answers(name, &expected);
    }
}

fn an_older_store_answers(name: &str, expected: &[String]) {
    let older = older_store(name);
    assert_eq!(
        answers(older.path()),
        expected,
        "{name} as the older version left it"
    );
    let outdated = || {
        let stats = local(older.path(), "stats", &["-o", "json"]).expect(0);
        serde_json::from_slice::<Value>(&stats.stdout).unwrap()["outdated"].clone()
    };
    assert_eq!(outdated(), 2);
    let before: BTreeSet<String> = sealed_files(older.path());
    let done = local(older.path(), "reseal", &[]).expect(0);
    assert!(
        done.stderr.contains("resealed 2 segments with 165 events"),
        "{}",
        done.stderr
    );
    assert_eq!(answers(older.path()), expected, "{name} resealed");
    assert_eq!(outdated(), 0);
    assert!(before.is_disjoint(&sealed_files(older.path())));
    let again = local(older.path(), "reseal", &[]).expect(0);
    assert!(
        again.stderr.contains("resealed 0 segments"),
        "{}",
        again.stderr
    );

    // Merged without a reseal, and through a server.
    let older = older_store(name);
    local(older.path(), "seal", &[]).expect(0);
    assert_eq!(answers(older.path()), expected, "{name} merged");
    let older = older_store(name);
    let server = Server::start(older.path(), &[]);
    let answer = server.post("/api/v1/reseal", "").expect(200).json();
    assert_eq!(answer, json!({"events": 165, "segments": 2}));
    let far = server.cli("reseal", &[]).expect(0);
    assert!(far.stderr.contains("resealed 0 segments"), "{}", far.stderr);
    assert_eq!(
        answers(older.path()),
        expected,
        "{name} resealed by a server"
    );
}

fn sealed_files(data: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(data).unwrap();
    names
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("sealed-"))
        .collect()
}
