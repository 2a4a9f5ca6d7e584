//! The forms, their digests, and the files beside them.

use std::collections::BTreeMap;
use std::process::Command;

use super::sets::{PERIOD, rows_of, verify, written};
use super::{STORE, json, settled, text};
use crate::questions::EVENTS;
use crate::support::{cli, local, temp_dir};

#[test]
fn reports_are_listed() {
    let listed = cli(&["report", "-o", "jsonl"]).expect(0);
    assert!(listed.text().contains("\"pci-dss\""), "{}", listed.text());
    let listed = STORE.get().server.get("/api/v1/reports").expect(200).json();
    let reports = listed["reports"].as_array().unwrap();
    let report = reports.iter().find(|report| report["name"] == "pci-dss");
    let report = report.expect("it is shipped");
    assert!(!report["controls"].as_array().unwrap().is_empty());
    assert_eq!(report["sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn what_a_report_says_of_the_store_is_what_the_lines_say() {
    let store = STORE.get();
    let args = [&["pci-dss", "-o", "json"], &PERIOD[..]].concat();
    let made = json(&local(store.data(), "report", &args).expect(0).stdout);
    let coverage = &made["coverage"];
    assert_eq!(coverage["events"], EVENTS.len());
    let mut levels: BTreeMap<&str, u64> = BTreeMap::new();
    let mut users: BTreeMap<&str, u64> = BTreeMap::new();
    for event in EVENTS.iter() {
        *levels.entry(event["level"].as_str().unwrap()).or_default() += 1;
        let user = event["user"]["username"].as_str().unwrap_or_default();
        *users.entry(user).or_default() += 1;
    }
    assert_eq!(coverage["levels"], serde_json::json!(levels));
    let actors = made["charts"]["actors"].as_array().unwrap();
    assert_eq!(actors.len(), 10);
    for actor in actors {
        assert_eq!(actor["events"], users[actor["user"].as_str().unwrap()]);
    }
    let most = users.values().max().unwrap();
    assert_eq!(actors[0]["events"], *most);
    let times = EVENTS
        .iter()
        .map(|event| event["stageTimestamp"].as_str().unwrap());
    let cluster = &made["clusters"][0];
    assert_eq!(cluster["oldest"], times.clone().min().unwrap());
    assert_eq!(cluster["newest"], times.max().unwrap());
    let steps = made["charts"]["steps"].as_array().unwrap();
    let sum: u64 = steps
        .iter()
        .map(|step| step["events"].as_u64().unwrap())
        .sum();
    assert_eq!(sum, EVENTS.len() as u64);
    // All events lie in one hour, so those after it are silent, and before it nothing is known.
    let silent = coverage["silent"].as_array().unwrap();
    assert_eq!(silent.len(), 1);
    assert_eq!(silent[0]["from"], "2026-11-21T04:00:00.000000Z");
    assert_eq!(silent[0]["hours"], 2);
    assert_eq!(
        (&coverage["hours"], &coverage["covered_hours"]),
        (&6.into(), &1.into())
    );
}

#[test]
fn a_report_is_the_same_near_far_and_over_http() {
    let store = STORE.get();
    let args = [
        &["pci-dss", "-o", "json", "--cluster", "default"],
        &PERIOD[..],
    ]
    .concat();
    let near = json(&local(store.data(), "report", &args).expect(0).stdout);
    let far = json(&store.server.cli("report", &args).expect(0).stdout);
    let path =
        "/api/v1/reports/pci-dss?since=2026-11-21&until=2026-11-21T06:00:00Z&cluster=default";
    let served = store.server.get(path).expect(200).json();
    assert_eq!(served["made_for"], "HTTP client");
    assert_eq!(settled(near.clone()), settled(far));
    assert_eq!(settled(near), settled(served));
}

#[test]
fn a_client_gets_the_form_that_it_accepts() {
    let store = STORE.get();
    let ask = |path: &str, accept: &str| {
        let mut client = store.server.connect();
        client
            .request("GET", path, &[("accept", accept)], b"")
            .unwrap()
    };
    let path = "/api/v1/reports/pci-dss?since=2026-11-21&until=2026-11-22";
    for (accept, kind, begins) in [
        ("*/*", "application/json", "{"),
        ("text/html", "text/html; charset=utf-8", "<!"),
        ("text/markdown", "text/markdown; charset=utf-8", "# "),
        ("text/csv", "text/csv; charset=utf-8", "section,"),
    ] {
        let answer = ask(path, accept);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.text().starts_with(begins), "{accept}");
        let header = |name: &str| {
            let found = answer.headers.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(header("content-type"), Some(kind));
        assert_eq!(header("x-content-type-options"), Some("nosniff"));
        let policy = header("content-security-policy");
        assert_eq!(
            policy.is_some_and(|policy| policy.contains("default-src 'none'")),
            accept == "text/html"
        );
    }
    let markdown = ask(&format!("{path}&format=md&for=the+auditor"), "text/html");
    assert!(
        markdown.text().contains("`the auditor`"),
        "{}",
        markdown.text()
    );
    for (path, accept, status, said) in [
        (path, "image/png", 406, "text/markdown"),
        (
            "/api/v1/reports/pci-dss?format=pdf",
            "*/*",
            400,
            "unknown format \"pdf\"",
        ),
        (
            "/api/v1/reports/pci-ds",
            "*/*",
            404,
            "did you mean pci-dss?",
        ),
        (
            "/api/v1/reports/pci-dss?sinse=1d",
            "*/*",
            400,
            "did you mean since?",
        ),
        (
            "/api/v1/reports/pci-dss?since=2026-02-02&until=2026-01-01",
            "*/*",
            400,
            "swap them",
        ),
        (
            "/api/v1/reports/pci-dss?cluster=nope",
            "*/*",
            400,
            "there are default",
        ),
        (
            "/api/v1/reports/pci-dss?rows=-1",
            "*/*",
            400,
            "rows \"-1\" is no number",
        ),
        (
            "/api/v1/reports/pci-dss?since=1d&since=2d",
            "*/*",
            400,
            "given twice",
        ),
    ] {
        let answer = ask(path, accept);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.text().contains("\"request_id\""));
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(said), "{path}: {detail}");
    }
}

#[test]
fn files_with_all_rows_stand_beside_the_documents() {
    let dir = temp_dir();
    let out = dir.path().join("a/b");
    let run = written(&out);
    assert_eq!(run.text().lines().count(), 4);
    let made = json(&std::fs::read(out.join("mine.json")).unwrap());
    let evidence = made["controls"][0]["evidence"].as_array().unwrap();
    let beside = rows_of(&out);
    let name = beside.file_name().unwrap().to_str().unwrap();
    assert_eq!(
        evidence[0]["file"],
        format!("{name}/e-1.a-1-noisiest-identities.csv")
    );
    assert_eq!(evidence[0]["rows"].as_array().unwrap().len(), 2);
    assert_eq!(
        evidence[1]["file"],
        serde_json::Value::Null,
        "all its rows are shown"
    );
    // The same question is asked once, and its rows stand in one file.
    assert_eq!(evidence[2]["file"], evidence[0]["file"]);
    assert_eq!(evidence[2]["rows"].as_array().unwrap().len(), 5);
    let file = std::fs::read_to_string(beside.join("e-1.a-1-noisiest-identities.csv")).unwrap();
    let rows = csv::Reader::from_reader(file.as_bytes()).records().count();
    assert_eq!(evidence[0]["row_count"], rows);
    assert!(rows > 5);
    // What the report says of asking again is so.
    let command = evidence[0]["command"].as_str().unwrap();
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let store = STORE.get();
    let data = text(store.data());
    let again = cli(&[&words[..], &["--data", data, "-o", "csv"]].concat()).expect(0);
    assert_eq!(again.text(), file);
    let mut left: Vec<_> = std::fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(
        left,
        [name, "mine.csv", "mine.html", "mine.json", "mine.md"]
    );
}

#[test]
fn verifying_finds_a_flipped_byte_anywhere() {
    let dir = temp_dir();
    written(dir.path());
    let rows = rows_of(dir.path()).join("e-1.a-1-noisiest-identities.csv");
    for form in ["json", "html", "md", "csv"] {
        let file = dir.path().join(format!("mine.{form}"));
        let run = verify(&file).expect(0);
        assert!(
            run.text()
                .contains("noisiest-identities.csv: as it was written"),
            "{}",
            run.text()
        );
        let bytes = std::fs::read(&file).unwrap();
        for at in (0..bytes.len()).step_by(bytes.len() / 7) {
            let mut changed = bytes.clone();
            changed[at] ^= 4;
            std::fs::write(&file, changed).unwrap();
            let run = verify(&file);
            assert_ne!(run.code, Some(0), "{form} byte {at}: {}", run.text());
        }
        std::fs::write(&file, &bytes).unwrap();

        let good = std::fs::read(&rows).unwrap();
        let mut changed = good.clone();
        changed[good.len() / 2] ^= 1;
        std::fs::write(&rows, changed).unwrap();
        let run = verify(&file).expect(1);
        assert!(
            run.text()
                .contains("e-1.a-1-noisiest-identities.csv: its SHA-256 is"),
            "{}",
            run.text()
        );
        std::fs::remove_file(&rows).unwrap();
        verify(&file).expect(1);
        std::fs::write(&rows, &good).unwrap();
        let stranger = rows_of(dir.path()).join("e-9-stranger.csv");
        std::fs::write(&stranger, "a\n").unwrap();
        let run = verify(&file).expect(1);
        assert!(
            run.text()
                .contains("e-9-stranger.csv: the document does not name it"),
            "{}",
            run.text()
        );
        std::fs::remove_file(&stranger).unwrap();
        verify(&file).expect(0);

        // As docs/REPORTS.md says, by hand.
        let digest = verify(&file)
            .text()
            .rsplit("SHA-256 ")
            .next()
            .unwrap()
            .trim()
            .to_owned();
        let by_hand = format!(
            "sed \"s/{digest}/$(printf '0%.0s' $(seq 64))/g\" {} | sha256sum",
            text(&file)
        );
        let shell = Command::new("bash")
            .args(["-c", &by_hand])
            .output()
            .unwrap();
        assert!(
            String::from_utf8_lossy(&shell.stdout).starts_with(&digest),
            "{form}: {shell:?}"
        );
    }
    let other = dir.path().join("no-report.txt");
    std::fs::write(&other, "hello").unwrap();
    let run = verify(&other).expect(2);
    assert!(run.stderr.contains("holds no SHA-256"), "{}", run.stderr);
    verify(&dir.path().join("nothing.html")).expect(2);
    verify(dir.path()).expect(2);
}
