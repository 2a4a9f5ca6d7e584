//! What reports must not say: that a control is met where events are missing, or that a document is
//! as it was written when it is not.

use std::path::Path;

use serde_json::Value;

use crate::support::{cli, cli_with, event_at, local, temp_dir};

pub(super) fn made(data: &Path, args: &[&str]) -> Value {
    let run = local(data, "report", &[args, &["-o", "json"]].concat()).expect(0);
    serde_json::from_slice(&run.stdout).unwrap()
}

pub(super) fn control<'a>(made: &'a Value, id: &str) -> &'a Value {
    let controls = made["controls"].as_array().unwrap();
    controls.iter().find(|control| control["id"] == id).unwrap()
}

pub(super) fn import(data: &Path, cluster: &str, times: &[&str]) {
    let lines: Vec<String> = times
        .iter()
        .enumerate()
        .map(|(at, time)| event_at(at as u64, time))
        .collect();
    let args = [
        "import",
        "--data",
        data.to_str().unwrap(),
        "--cluster",
        cluster,
        "-",
    ];
    cli_with(&args, lines.join("\n").as_bytes()).expect(0);
}

#[test]
fn nothing_is_met_where_retention_removed_events() {
    let dir = temp_dir();
    import(
        dir.path(),
        "a",
        &[
            "2026-11-18T23:30:00Z",
            "2026-11-19T00:10:00Z",
            "2026-11-19T01:10:00Z",
        ],
    );
    let asked = [
        "pci-dss",
        "--since",
        "2026-11-18",
        "--until",
        "2026-11-19T02:00:00Z",
    ];
    let met = |made: &Value| {
        let verdicts = made["controls"].as_array().unwrap().iter();
        let verdicts = verdicts.filter_map(|control| control["verdict"]["verdict"].as_str());
        verdicts.filter(|verdict| *verdict == "met").count()
    };
    assert_ne!(met(&made(dir.path(), &asked)), 0);
    let data = dir.path().to_str().unwrap();
    cli(&["prune", "--data", data, "--before", "2026-11-19T00:00:00Z"]).expect(0);
    let pruned = made(dir.path(), &asked);
    assert_eq!(met(&pruned), 0);
    let why = control(&pruned, "10.2.2")["verdict"]["why"]
        .as_str()
        .unwrap();
    assert!(
        why.starts_with("retention removed events of this time range"),
        "{why}"
    );
}

#[test]
fn a_verdicts_command_can_be_repeated() {
    let dir = temp_dir();
    import(
        dir.path(),
        "a",
        &["2026-11-19T00:10:00Z", "2026-11-19T01:10:00Z"],
    );
    let made = made(
        dir.path(),
        &["pci-dss", "--since", "2026-11-19", "--until", "2026-11-20"],
    );
    let verdict = &control(&made, "10.2.2")["verdict"];
    let command = verdict["command"].as_str().unwrap();
    assert!(command.ends_with(" -"), "{command}");
    let mut words: Vec<&str> = command.split(' ').skip(1).collect();
    words.extend(["--data", dir.path().to_str().unwrap(), "-o", "csv"]);
    let run = cli_with(&words, verdict["sql"].as_str().unwrap().as_bytes()).expect(0);
    assert!(
        run.text().contains(verdict["why"].as_str().unwrap()),
        "{}",
        run.text()
    );
}

#[test]
fn failed_requests_count_once() {
    let dir = temp_dir();
    let stage = |stage: &str| {
        event_at(1, "2026-11-19T00:10:00Z")
            .replace("ResponseComplete", stage)
            .replace("\"code\":201", "\"code\":500")
    };
    let lines = [stage("ResponseStarted"), stage("ResponseComplete")].join("\n");
    let data = dir.path().to_str().unwrap();
    cli_with(&["import", "--data", data, "-"], lines.as_bytes()).expect(0);
    let made = made(
        dir.path(),
        &["pci-dss", "--since", "2026-11-19", "--until", "2026-11-20"],
    );
    assert_eq!(made["coverage"]["events"], 2);
    assert_eq!(
        made["charts"]["failures"][0]["events"], 1,
        "{}",
        made["charts"]
    );
}

#[test]
fn a_request_with_several_administrator_rights_counts_once() {
    let dir = temp_dir();
    let data = dir.path().to_str().unwrap();
    let rights = r#""impersonatedUser":{"username":"root","groups":["system:masters"]},"annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: allowed by ClusterRoleBinding \"b\" of ClusterRole \"cluster-admin\" to Group \"system:masters\""},"sourceIPs""#;
    let line = |n: u64| {
        event_at(n, "2026-11-19T00:10:00Z")
            .replace("system:authenticated", "system:masters")
            .replace("\"sourceIPs\"", rights)
    };
    // A get and a create.
    let lines = [line(5), line(2)].join("\n");
    cli_with(&["import", "--data", data, "-"], lines.as_bytes()).expect(0);
    let report = made(
        dir.path(),
        &["pci-dss", "--since", "2026-11-19", "--until", "2026-11-20"],
    );
    let text = report.to_string();
    assert!(
        text.contains("2 requests with administrator rights by 2 actors are recorded, 1 reads and 1 changes among them"),
        "{text}"
    );
}

#[test]
fn a_pipe_or_a_link_in_the_place_of_rows_is_no_file() {
    let dir = temp_dir();
    let data = dir.path().join("data");
    // More rows than a report shows.
    let times = ["2026-11-19T00:10:00Z"; 40];
    import(&data, "a", &times);
    let own = super::own(&super::definition(&[
        "query = \"all-by-user\"\nwith = { user = \"user-1*\" }\nrows = 1",
    ]));
    let out = dir.path().join("out");
    let mut asked = vec![
        "mine",
        "--since",
        "2026-11-19",
        "--until",
        "2026-11-20",
        "-o",
        "html",
    ];
    asked.extend([
        "--reports",
        own.path().to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ]);
    local(&data, "report", &asked).expect(0);
    let rows = std::fs::read_dir(super::sets::rows_of(&out))
        .unwrap()
        .next();
    let rows = rows.expect("more rows than are shown").unwrap().path();
    std::fs::remove_file(&rows).unwrap();
    let verify = || {
        cli(&[
            "report",
            "--verify",
            out.join("mine.html").to_str().unwrap(),
        ])
    };
    let made = std::process::Command::new("mkfifo")
        .arg(&rows)
        .status()
        .unwrap();
    assert!(made.success());
    assert!(verify().expect(1).text().contains("is no plain file"));
    std::fs::remove_file(&rows).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &rows).unwrap();
    assert!(verify().expect(1).text().contains("is no plain file"));
}

/// Bodies of requests for tokens are said, although the benchmark does not name them.
#[test]
fn a_sentence_on_bodies_does_not_forget_tokens() {
    let dir = temp_dir();
    let kinds = [
        ("secrets", "", "get"),
        ("secrets", "", "create"),
        ("configmaps", "", "get"),
        ("configmaps", "", "create"),
        ("tokenreviews", "", "create"),
        ("pods", "", "create"),
        ("deployments", "", "create"),
        ("pods", "exec", "create"),
        ("pods", "portforward", "create"),
        ("pods", "proxy", "create"),
        ("services", "proxy", "create"),
        ("serviceaccounts", "token", "create"),
    ];
    let lines: Vec<String> = (0..)
        .zip(kinds)
        .map(|(n, (resource, subresource, verb))| {
            let mut event: Value =
                serde_json::from_str(&event_at(n, "2026-11-19T00:10:00Z")).unwrap();
            event["verb"] = verb.into();
            event["objectRef"] =
                serde_json::json!({"resource": resource, "namespace": "a", "name": "b"});
            let group = match resource {
                "deployments" => "apps",
                "tokenreviews" => "authentication.k8s.io",
                _ => "",
            };
            event["objectRef"]["apiGroup"] = group.into();
            if !subresource.is_empty() {
                event["objectRef"]["subresource"] = subresource.into();
            }
            if subresource == "token" {
                event["level"] = "RequestResponse".into();
            }
            event.to_string()
        })
        .collect();
    let data = dir.path().to_str().unwrap();
    cli_with(
        &["import", "--data", data, "-"],
        lines.join("\n").as_bytes(),
    )
    .expect(0);
    let range = ["--since", "2026-11-19", "--until", "2026-11-19T01:00:00Z"];
    let made = made(dir.path(), &[&["cis-kubernetes"][..], &range].concat());
    let verdict = &control(&made, "3.2.2")["verdict"];
    assert_eq!(
        verdict["why"],
        "everything that is asked for was recorded (clusters: 1), and no bodies of secrets, config \
         maps and token reviews; 1 events keep bodies of requests for service account tokens, which \
         the benchmark does not name and which may hold them"
    );
    assert_eq!(verdict["verdict"], "met");
}

/// The same requests as a policy records them that omits all stages but one.
fn staged(stage: &str, out: &Path) {
    let lines: Vec<String> = (0..40)
        .map(|n| {
            let time = format!("2026-11-19T0{}:10:00Z", n % 4);
            let mut event: Value = serde_json::from_str(&event_at(n, &time)).unwrap();
            event["stage"] = stage.into();
            event["level"] = "RequestResponse".into();
            if stage == "RequestReceived" {
                event.as_object_mut().unwrap().remove("responseStatus");
            }
            event.to_string()
        })
        .collect();
    let data = out.to_str().unwrap();
    cli_with(
        &["import", "--data", data, "--cluster", "a", "-"],
        lines.join("\n").as_bytes(),
    )
    .expect(0);
}

#[test]
fn a_policy_that_records_no_end_of_requests_shows_nothing_to_be_met() {
    let (begun, ended) = (temp_dir(), temp_dir());
    staged("RequestReceived", begun.path());
    staged("ResponseComplete", ended.path());
    let range = ["--since", "2026-11-19", "--until", "2026-11-19T04:00:00Z"];
    for (report, id) in [
        ("access-review", "masters"),
        ("pci-dss", "10.2.2"),
        ("nist-800-53", "AU-3"),
    ] {
        let verdict = |data: &Path| {
            let made = made(data, &[&[report][..], &range].concat());
            control(&made, id)["verdict"].clone()
        };
        let without = verdict(begun.path());
        assert_eq!(without["verdict"], "not enough data", "{id}");
        let why = without["why"].as_str().unwrap();
        assert!(
            why.starts_with("no end of a request is recorded of a"),
            "{id}: {why}"
        );
        assert_eq!(verdict(ended.path())["verdict"], "met", "{id}");
    }
    let person = |data: &Path| {
        let args = ["subject-access", "--person", "nobody", "-o", "json"];
        let run = local(data, "report", &[&args[..], &range].concat()).expect(1);
        let made: Value = serde_json::from_slice(&run.stdout).unwrap();
        made["coverage"]["notes"][0].as_str().unwrap().to_owned()
    };
    assert!(person(begun.path()).starts_with("Not enough data: "));
    assert!(person(ended.path()).starts_with("Nothing in this time range matches"));
}

#[test]
fn a_request_by_an_unknown_method_is_named_where_every_event_must_have_a_type() {
    let dir = temp_dir();
    let mut odd: Value = serde_json::from_str(&event_at(1, "2026-11-19T00:20:00Z")).unwrap();
    odd["verb"] = "".into();
    let lines = format!("{}\n{odd}\n", event_at(0, "2026-11-19T00:10:00Z"));
    let data = dir.path().to_str().unwrap();
    cli_with(&["import", "--data", data, "-"], lines.as_bytes()).expect(0);
    let range = ["--since", "2026-11-19", "--until", "2026-11-19T01:00:00Z"];
    let made = made(dir.path(), &[&["pci-dss"][..], &range].concat());
    let why = control(&made, "10.2.2")["verdict"]["why"].as_str().unwrap();
    assert!(
        why.contains("type (but for 1 by HTTP methods that Kubernetes does not know)"),
        "{why}"
    );
}
