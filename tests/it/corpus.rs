//! Recorded events in and out: every count is computed here from the lines themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::Value;

use crate::both::{Both, cells, recorded, unpacked};
use crate::support::{cli_with, local, raw_lines, sample, temp_dir};

/// The recorded lines.
fn lines() -> Vec<String> {
    let text = String::from_utf8(unpacked("recorded.jsonl.zst")).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn parsed(lines: &[String]) -> Vec<Value> {
    let parse = |line: &String| serde_json::from_str(line).unwrap();
    lines.iter().map(parse).collect()
}

/// The text at a path such as `objectRef.namespace`; empty when it is absent.
fn at(event: &Value, path: &str) -> String {
    let mut value = event;
    for key in path.split('.') {
        value = &value[key];
    }
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn counts(events: &[Value], path: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for event in events {
        *counts.entry(at(event, path)).or_default() += 1;
    }
    counts
}

/// Column, and where it stands in the event.
const COLUMNS: &[(&str, &str)] = &[
    ("stage", "stage"),
    ("level", "level"),
    ("verb", "verb"),
    ("user", "user.username"),
    ("user_uid", "user.uid"),
    ("impersonated_user", "impersonatedUser.username"),
    ("user_agent", "userAgent"),
    ("request_uri", "requestURI"),
    ("api_group", "objectRef.apiGroup"),
    ("resource", "objectRef.resource"),
    ("subresource", "objectRef.subresource"),
    ("namespace", "objectRef.namespace"),
    ("code", "responseStatus.code"),
    ("audit_id", "auditID"),
];

/// CSV puts a quote in front of what a spreadsheet would compute.
fn plain(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) => rest,
        _ => cell,
    }
}

#[test]
fn counts_are_those_of_the_lines() {
    let lines = lines();
    let events = parsed(&lines);
    let both = Both::imported(&[&recorded("recorded.jsonl.zst")]);
    assert_eq!(
        both.number("select count(*) from events"),
        events.len() as u64
    );
    for (column, path) in COLUMNS {
        let expected = counts(&events, path);
        let as_map = |rows: Vec<Vec<String>>| {
            let mut map: BTreeMap<String, u64> = BTreeMap::new();
            for row in rows {
                *map.entry(plain(&row[0]).to_owned()).or_default() +=
                    row[1].parse::<u64>().unwrap();
            }
            map
        };
        let top = both
            .ask("top", &[column, "--limit", "0", "-o", "csv"])
            .expect(0);
        let tops = cells(&top);
        assert!(
            tops.windows(2).all(|pair| {
                let count = |row: &[String]| row[1].parse::<u64>().unwrap();
                count(&pair[0]) >= count(&pair[1])
            }),
            "{column}: most frequent first"
        );
        assert_eq!(as_map(tops), expected, "top {column}");
        let sql = format!("select {column}, count(*) from events group by {column}");
        let grouped = both
            .ask("sql", &["--limit", "0", "-o", "csv", &sql])
            .expect(0);
        assert_eq!(as_map(cells(&grouped)), expected, "{sql}");
    }
    for column in ["stage", "level", "verb", "code", "namespace", "user"] {
        let path = COLUMNS.iter().find(|(name, _)| *name == column).unwrap().1;
        for (value, count) in counts(&events, path)
            .iter()
            .filter(|(value, _)| !value.is_empty())
        {
            let flag = format!("--{column}={}", value.replace('*', "\\*"));
            assert_eq!(both.count(&[&flag]) as u64, *count, "{flag}");
        }
    }
}

#[test]
fn questions_have_the_answers_of_the_lines() {
    let events = parsed(&lines());
    let both = Both::imported_with(
        &[&recorded("recorded.jsonl.zst")],
        &["--segment-events", "500"],
    );
    let is = |event: &Value, path: &str, value: &str| at(event, path) == value;
    let complete = |event: &Value| is(event, "stage", "ResponseComplete");
    let number = |test: &dyn Fn(&Value) -> bool| events.iter().filter(|event| test(event)).count();
    let ok = |event: &Value| at(event, "responseStatus.code").starts_with('2');

    let unauthorized = number(&|event| is(event, "responseStatus.code", "401"));
    assert!(unauthorized > 10);
    assert_eq!(both.count(&["--code", "401"]), unauthorized);
    assert_eq!(both.count(&["--outcome", "denied_authn"]), unauthorized);
    assert_eq!(
        both.count(&["--code", "401", "--user", "!*"]),
        unauthorized,
        "nobody"
    );

    let by_admission = number(&|event| {
        let decision = &event["annotations"]["authorization.k8s.io/decision"];
        complete(event) && is(event, "responseStatus.code", "403") && decision == "allow"
    });
    assert!(by_admission > 20);
    let sql = "select count(*) from events where stage = 'ResponseComplete' and code = 403 \
               and decision = 'allow'";
    assert_eq!(both.number(sql), by_admission as u64);
    let by_json = "select count(*) from events where stage = 'ResponseComplete' and code = 403 \
                   and annotations ->> 'authorization.k8s.io/decision' = 'allow'";
    assert_eq!(both.number(by_json), by_admission as u64);

    let reads = number(&|event| {
        complete(event)
            && ["get", "list", "watch"].contains(&at(event, "verb").as_str())
            && is(event, "objectRef.resource", "secrets")
            && is(event, "objectRef.namespace", "payments")
            && ok(event)
    });
    assert!(reads > 10);
    let filter = [
        "--stage=ResponseComplete",
        "--verb=get,list,watch",
        "--resource=secret",
        "-n=payments",
        "--code=2xx",
    ];
    assert_eq!(both.count(&filter), reads);

    let impersonated = number(&|event| !event["impersonatedUser"].is_null());
    assert!(impersonated > 20);
    let sql = "select count(*) from events where impersonated_user is not null \
               and effective_user = impersonated_user";
    assert_eq!(both.number(sql), impersonated as u64);

    let mut namespaces = BTreeSet::new();
    let mut users = BTreeSet::new();
    for event in &events {
        namespaces.insert(at(event, "objectRef.namespace"));
        users.insert(at(event, "user.username"));
    }
    let distinct = "select count(distinct coalesce(namespace, '')), \
                    count(distinct coalesce(user, '')) from events";
    assert_eq!(
        both.rows(distinct),
        [format!("{}|{}", namespaces.len(), users.len())]
    );

    // The text of a 403 stands in a response body or a status, and nowhere else.
    let mut most: BTreeMap<String, u64> = BTreeMap::new();
    for event in &events {
        if complete(event) && is(event, "responseStatus.code", "403") {
            *most.entry(at(event, "user.username")).or_default() += 1;
        }
    }
    let top = both.ask(
        "top",
        &[
            "user",
            "--code",
            "403",
            "--stage",
            "ResponseComplete",
            "--limit",
            "0",
            "-o",
            "csv",
        ],
    );
    let found: BTreeMap<String, u64> = cells(&top)
        .iter()
        .map(|row| (row[0].clone(), row[1].parse().unwrap()))
        .collect();
    assert_eq!(found, most);

    let mut bounds: Vec<&str> = events
        .iter()
        .map(|event| event["stageTimestamp"].as_str().unwrap())
        .collect();
    bounds.sort_unstable();
    let (middle, last) = (bounds[bounds.len() / 2], bounds[bounds.len() - 1]);
    let since = bounds.iter().filter(|time| **time >= middle).count();
    assert_eq!(both.count(&["--since", middle]), since);
    assert_eq!(
        both.count(&["--until", middle]),
        events.len() - since,
        "until is exclusive"
    );
    assert_eq!(both.rows("select max(time) from events"), [last]);
}

#[test]
fn the_bytes_come_back_and_a_second_import_brings_nothing() {
    let dir = temp_dir();
    let (data, path) = (dir.path(), recorded("recorded.jsonl.zst"));
    let path = path.to_str().unwrap();
    let mut expected = lines();
    expected.sort_unstable();
    let first = local(data, "import", &["--segment-events", "700", path]).expect(0);
    assert_eq!(
        first.stderr,
        "read 3,083 items from 1 input: 3,083 stored, 0 duplicate, 0 quarantined\n"
    );
    assert!(first.stdout.is_empty());
    assert!(raw_lines(data) == expected);
    let again = local(data, "import", &[path]).expect(0);
    assert_eq!(
        again.stderr,
        "read 3,083 items from 1 input: 0 stored, 3,083 duplicate, 0 quarantined\n"
    );
    assert!(raw_lines(data) == expected);
    local(data, "seal", &[]).expect(0);
    let again = local(data, "import", &[path]).expect(0);
    assert!(
        again.stderr.contains("0 stored, 3,083 duplicate"),
        "{}",
        again.stderr
    );
    // Under another name it is another cluster's evidence.
    let other = local(data, "import", &["--cluster", "prod-eu", path]).expect(0);
    assert!(
        other.stderr.contains("3,083 stored, 0 duplicate"),
        "{}",
        other.stderr
    );
    assert_eq!(raw_lines(data).len(), 2 * expected.len());
}

#[test]
fn webhook_bodies_are_the_same_events_as_the_file() {
    let both = Both::imported(&[&recorded("recorded.jsonl.zst")]);
    let post = |name: &str| {
        let body = unpacked(&format!("webhook/{name}.json.zst"));
        both.server.post("/webhook", body).expect(200).text()
    };
    for name in ["batch-00001", "batch-00012"] {
        assert_eq!(
            post(name),
            r#"{"stored":0,"duplicates":400,"quarantined":0}"#,
            "{name}"
        );
    }
    let (mut others, mut truncated) = (0, 0);
    for name in ["blocking-1", "blocking-2", "truncated", "big-24MB"] {
        let list: Value =
            serde_json::from_slice(&unpacked(&format!("webhook/{name}.json.zst"))).unwrap();
        let items = list["items"].as_array().unwrap();
        let cut = |event: &&Value| !event["annotations"]["audit.k8s.io/truncated"].is_null();
        truncated += items.iter().filter(cut).count() as u64;
        others += items.len() as u64;
        let events = items.len();
        let once = format!(r#"{{"stored":{events},"duplicates":0,"quarantined":0}}"#);
        let twice = format!(r#"{{"stored":0,"duplicates":{events},"quarantined":0}}"#);
        assert_eq!(post(name), once, "{name}");
        assert_eq!(post(name), twice, "{name}");
    }
    assert!(truncated > 0);
    assert_eq!(both.number("select count(*) from events"), 3083 + others);
    assert_eq!(
        both.number("select count(*) from events where truncated"),
        truncated
    );
    let webhook = format!("webhook|{others}");
    assert_eq!(
        both.rows("select source, events from sources order by 1"),
        ["file|3083", &webhook]
    );
    assert_eq!(
        both.number("select max(length(raw)) / 100000 from events"),
        20
    );

    // And the other way about: the file after the bodies.
    let other = Both::empty();
    let body = unpacked("webhook/batch-00001.json.zst");
    let first = other.server.post("/webhook/c1", &body).expect(200);
    assert_eq!(
        first.text(),
        r#"{"stored":400,"duplicates":0,"quarantined":0}"#
    );
    let path = recorded("recorded.jsonl.zst");
    let run = other
        .server
        .cli("import", &["--cluster", "c1", path.to_str().unwrap()])
        .expect(0);
    assert!(
        run.stderr.contains("2,683 stored, 400 duplicate"),
        "{}",
        run.stderr
    );
    // The first copy's bytes are kept: those of the webhook, which have no kind in front.
    assert_eq!(
        other.count(&["--contains", r#""kind":"Event","apiVersion""#]),
        2683
    );
}

#[test]
fn the_storyline_is_found_step_by_step() {
    let both = Both::imported(&[&recorded("recorded.jsonl.zst")]);
    let text = fs::read_to_string(recorded("storyline.json")).unwrap();
    let story: Value = serde_json::from_str(&text).unwrap();
    let steps: Vec<&Value> = story["stories"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|story| story["steps"].as_array().unwrap())
        .collect();
    assert!(steps.len() > 40);
    let all = lines();
    let mut reused = 0;
    for step in steps {
        let id = at(step, "auditID");
        let what = at(step, "what");
        let columns = "time,user,impersonated_user,verb,request_uri,resource,namespace,name,code,\
                       outcome,source_ips,source_ip,client_ip";
        let last = both.objects(
            "query",
            &["--audit-id", &id, "--final", "--columns", columns],
        );
        // An attacker reused an ID that a harmless request had: both are there.
        let same = |row: &&Value| row["request_uri"] == step["requestURI"];
        let found: Vec<&Value> = last.iter().filter(same).collect();
        assert_eq!(found.len(), 1, "{what}");
        reused += usize::from(last.len() > 1);
        let last = found[0];
        let code = step["code"].as_i64().unwrap();
        assert_eq!(last["code"], step["code"], "{what}");
        let outcome = last["outcome"].as_str().unwrap();
        match code {
            200..=299 => assert_eq!(outcome, "success", "{what}"),
            101 => assert_eq!(outcome, "upgraded", "{what}"),
            401 => assert_eq!(outcome, "denied_authn", "{what}"),
            403 => assert!(outcome.starts_with("denied_"), "{what}: {outcome}"),
            404 => assert_eq!(outcome, "not_found", "{what}"),
            _ => assert_ne!(outcome, "success", "{what}"),
        }
        // A request with a bad token has no user; the story says what was tried.
        if code != 401 {
            for (column, key) in [("user", "user"), ("impersonated_user", "impersonated")] {
                let told = at(step, key);
                // An impersonation that is denied leaves no trace of whom it was for.
                let told = if told.contains("attempted") {
                    String::new()
                } else {
                    told
                };
                assert_eq!(at(last, column), told, "{what}");
            }
        }
        assert_eq!(last["source_ips"], step["sourceIPs"], "{what}");
        assert_eq!(last["client_ip"], step["sourceIPs"][0], "{what}");
        let (time, end) = (at(last, "time"), at(step, "t1"));
        assert!(
            at(step, "t0") <= time && time <= end,
            "{what}: {time}, client until {end}"
        );
        for key in ["resource", "namespace", "name"] {
            if !step[key].is_null() && !last[key].is_null() {
                assert_eq!(last[key], step[key], "{what}: {key}");
            }
        }

        let shown = both.ask("show", &[&id]).expect(0);
        let recorded: Vec<&String> = all.iter().filter(|line| line.contains(&id)).collect();
        let mut found: Vec<&str> = shown.text().lines().collect();
        found.sort_unstable();
        let mut expected: Vec<&str> = recorded.iter().map(|line| line.as_str()).collect();
        expected.sort_unstable();
        assert_eq!(found, expected, "{what}");
    }
    assert_eq!(reused, 2);
    let none = both.ask("show", &["no-such-id"]);
    assert_eq!((none.code, none.stdout.len()), (Some(1), 0));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn files_are_told_by_their_content() {
    let sample = sample();
    let part = |range: std::ops::Range<usize>| (sample[range].join("\n") + "\n").into_bytes();
    let list = format!(
        r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{}]}}"#,
        sample[60..80].join(",\n ")
    );
    let pretty: Value = serde_json::from_str(sample[80]).unwrap();
    let files: [(&str, Vec<u8>); 8] = [
        ("audit-1.log", part(0..20)),
        ("audit-2.log", gzip(&part(20..40))),
        (
            "sub/deeper/audit.json",
            zstd::encode_all(&part(40..60)[..], 3).unwrap(),
        ),
        ("sub/list.gz", list.into_bytes()),
        ("sub/one.json", serde_json::to_vec_pretty(&pretty).unwrap()),
        (
            "sub/two-members.gz",
            [gzip(&part(81..90)), gzip(&part(90..100))].concat(),
        ),
        ("sub/crlf.log", sample[100..110].join("\r\n").into_bytes()),
        ("sub/empty.log", Vec::new()),
    ];
    let dir = temp_dir();
    for (name, bytes) in &files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let check = |arguments: &[&str], stdin: &[u8], expected: &[usize]| {
        for remote in [false, true] {
            let store = Both::empty();
            let url = store.server.url();
            let at = temp_dir();
            let place = match remote {
                true => ["--server", &url],
                false => ["--data", at.path().to_str().unwrap()],
            };
            let run = cli_with(&[&["import"], &place[..], arguments].concat(), stdin).expect(0);
            let data = if remote { store.data() } else { at.path() };
            let mut wanted: Vec<String> = expected.iter().map(|&n| sample[n].to_owned()).collect();
            if expected.contains(&80) {
                wanted.retain(|line| line != sample[80]);
            }
            wanted.sort_unstable();
            let found = raw_lines(data);
            let missing: Vec<_> = wanted.iter().filter(|line| !found.contains(line)).collect();
            assert!(
                missing.is_empty(),
                "{arguments:?} {remote}: {missing:?} {}",
                run.stderr
            );
        }
    };
    let top = dir.path().to_str().unwrap();
    let all: Vec<usize> = (0..110).collect();
    check(&[top], b"", &all);
    check(
        &[&format!("{top}/*.log")],
        b"",
        &(0..40).collect::<Vec<_>>(),
    );
    check(
        &[&format!("{top}/**/*.json")],
        b"",
        &(40..60).collect::<Vec<_>>(),
    );
    check(&["-"], &part(0..20), &(0..20).collect::<Vec<_>>());
    check(&["-"], &gzip(&part(0..20)), &(0..20).collect::<Vec<_>>());
    let several = [
        &format!("{top}/audit-1.log"),
        "-",
        &format!("{top}/sub/list.gz"),
    ];
    let expected: Vec<usize> = (0..20).chain(60..80).chain(150..165).collect();
    check(
        &several.map(|path| path as &str),
        &part(150..165),
        &expected,
    );

    // A document over several lines is kept as it is, but for its last newline.
    let data = dir.path().join("store");
    let one = dir.path().join("sub/one.json");
    local(&data, "import", &[one.to_str().unwrap()]).expect(0);
    let run = local(&data, "query", &["-o", "raw"]).expect(0);
    assert_eq!(run.stdout, [&files[4].1[..], b"\n"].concat());
    let same = local(&data, "import", &[&format!("{top}/sub")]).expect(0);
    assert!(same.stderr.contains("1 duplicate"), "{}", same.stderr);
}

#[test]
fn what_cannot_be_read_is_an_error_and_the_rest_is_imported() {
    let dir = temp_dir();
    let data = dir.path().join("store");
    fs::write(dir.path().join("a.log"), sample()[..10].join("\n")).unwrap();
    let good = dir.path().join("a.log");
    let missing = dir.path().join("missing.log");
    let pattern = dir.path().join("*.gz");
    let paths = [&missing, &good, &pattern].map(|path: &std::path::PathBuf| path.to_str().unwrap());
    let run = local(&data, "import", &paths).expect(2);
    assert!(run.stderr.contains("10 stored"), "{}", run.stderr);
    assert!(
        run.stderr.contains("missing.log': No such file"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("no file matches"), "{}", run.stderr);
    assert!(
        run.stderr.contains("not everything was read: 2 errors"),
        "{}",
        run.stderr
    );
    assert_eq!(raw_lines(&data).len(), 10);
    let none = local(Path::new("/nonexistent/store"), "query", &[]).expect(2);
    assert!(none.stderr.contains("cannot be opened"), "{}", none.stderr);
}
