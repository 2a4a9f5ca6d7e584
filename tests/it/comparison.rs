//! The tables of docs/COMPARISON.md: its commands run and find what they say, its tests exist.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::both::{Both, recorded};
use crate::docs::read;
use crate::questions::EVENTS;
use crate::support::cli;

/// The cells of the tables' rows, without the backquotes of code that is a cell's beginning.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let text = read("docs/COMPARISON.md");
    let (_, part) = text.split_once(heading).unwrap();
    let part = part.split("\n## ").next().unwrap();
    let lines = part.lines().filter(|line| line.starts_with("| "));
    lines
        .skip(1)
        .map(|line| {
            let cells = line.trim_matches('|').split(" | ");
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect()
}

/// The first code of a cell.
fn code(cell: &str) -> &str {
    cell.split('`').nth(1).unwrap_or("")
}

/// The words of a command line; single quotes keep theirs together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (at, part) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            words.last_mut().unwrap().push_str(part);
            continue;
        }
        for (at, piece) in part.split(' ').enumerate() {
            if at > 0 {
                words.push(String::new());
            }
            words.last_mut().unwrap().push_str(piece);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn text<'a>(event: &'a Value, pointer: &str) -> &'a str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn status(event: &Value) -> u64 {
    event["responseStatus"]["code"].as_u64().unwrap_or(0)
}

/// Microseconds of the day; the recorded events are of one.
fn micros(time: &str) -> i64 {
    let digits: Vec<i64> = time[11..time.len() - 1]
        .split([':', '.'])
        .map(|part| part.parse().unwrap())
        .collect();
    ((digits[0] * 60 + digits[1]) * 60 + digits[2]) * 1_000_000 + digits[3]
}

/// What the other tool's flags select, computed from the raw events.
fn selected(flags: &str, event: &Value) -> bool {
    let resource = text(event, "/objectRef/resource");
    let group = text(event, "/objectRef/apiGroup");
    let verb = text(event, "/verb");
    match flags {
        "--verb=get,list" => ["get", "list"].contains(&verb),
        "--verb=-get" => verb != "get",
        "--resource=deployments.*" => resource == "deployments",
        "--resource=deployments.apps" => resource == "deployments" && group == "apps",
        "--resource=*.rbac.authorization.k8s.io" => group == "rbac.authorization.k8s.io",
        "--resource=*.* --resource=-leases.*" => !resource.is_empty() && resource != "leases",
        "--subresource=status" => text(event, "/objectRef/subresource") == "status",
        "--subresource=-*" => text(event, "/objectRef/subresource").is_empty(),
        "--namespace=prod --namespace=kube-system" => {
            ["prod", "kube-system"].contains(&text(event, "/objectRef/namespace"))
        }
        "--name=web" => text(event, "/objectRef/name") == "web",
        "--stage=RequestReceived" => event["stage"] == "RequestReceived",
        "" => event["stage"] == "ResponseComplete",
        "--failed-only" => status(event) > 299,
        "--http-status-code=403,429" => [403, 429].contains(&status(event)),
        "--after=2026-11-21T03:43:00Z" => {
            text(event, "/stageTimestamp") >= "2026-11-21T03:43:00.000000Z"
        }
        "--before=2026-11-21T03:43:00Z" => {
            text(event, "/stageTimestamp") < "2026-11-21T03:43:00.000000Z"
        }
        "--duration=1s" => {
            let took = micros(text(event, "/stageTimestamp"))
                - micros(text(event, "/requestReceivedTimestamp"));
            took >= 1_000_000
        }
        "field manager" => {
            text(event, "/requestURI").contains("fieldManager=kubectl-client-side-apply")
        }
        "pod security violations" => event
            .to_string()
            .contains("pod-security.kubernetes.io/audit-violations"),
        "-o wide" | "-o json" => true,
        _ => match flags.split_once('=') {
            Some(("--user", user)) => text(event, "/user/username") == user,
            Some(("--uid", id)) => text(event, "/auditID") == id,
            _ => panic!("{flags}: no test of this row"),
        },
    }
}

#[test]
fn each_flag_of_dev_tool_audit_has_a_command() {
    let file = recorded("recorded.jsonl.zst");
    let both = Both::imported(&[&file]);
    let table = rows("## Coming from");
    assert!(table.len() >= 30, "{}", table.len());
    let (mut ran, mut empty) = (0, Vec::new());
    for row in &table {
        let [theirs, ours] = &row[..] else {
            panic!("{row:?}")
        };
        let command = words(code(ours));
        let flags = match theirs.strip_prefix("without") {
            Some(_) => "",
            None if theirs.contains('`') => code(theirs),
            None => theirs.as_str(),
        };
        let args: Vec<&str> = command.iter().skip(2).map(String::as_str).collect();
        match command[1].as_str() {
            "query" => {
                let mut args = args.clone();
                if !args.contains(&"-o") {
                    args.extend(["-o", "jsonl"]);
                }
                let found = both.ask("query", &[&args[..], &["--limit", "0"]].concat());
                let header = usize::from(flags == "-o wide");
                let found = found.text().lines().count() - header;
                let expected = EVENTS.iter().filter(|event| selected(flags, event)).count();
                assert_eq!(found, expected, "{flags}: {command:?}");
                if expected == 0 {
                    empty.push(flags.to_owned());
                }
            }
            "top" => {
                let field = &command[2];
                let pointer = match field.as_str() {
                    "user" => "/user/username",
                    "verb" => "/verb",
                    "code" => "/responseStatus/code",
                    "resource" => "/objectRef/resource",
                    _ => "/objectRef/namespace",
                };
                let top = both.objects("top", &args);
                assert!(top.len() <= 10);
                for row in &top {
                    let value = &row[field.as_str()];
                    let of =
                        |event: &&Value| event.pointer(pointer).unwrap_or(&Value::Null) == value;
                    let expected = EVENTS.iter().filter(of).count();
                    assert_eq!(row["count"], expected, "{command:?}: {value}");
                }
            }
            "facets" => drop(both.ask("facets", &args).expect(0)),
            "import" => {
                let dir = tempfile::tempdir().unwrap();
                let data = dir.path().to_str().unwrap();
                cli(&["import", "--data", data, file.to_str().unwrap()]).expect(0);
            }
            _ => assert!(code(ours).starts_with("find DIR"), "{command:?}"),
        }
        ran += 1;
    }
    assert_eq!(ran, table.len());
    // A count of nothing proves little.
    assert!(empty.len() <= 3, "{empty:?}");
}

#[test]
fn each_blind_spot_has_the_test_that_the_table_names() {
    let source = read("tests/it/questions/blind_spots.rs");
    let tests: BTreeSet<&str> = source
        .split("#[test]\nfn ")
        .skip(1)
        .filter_map(|test| test.split('(').next())
        .collect();
    let table = rows("## Blind spots");
    let named: BTreeSet<&str> = table.iter().map(|row| code(&row[3])).collect();
    assert_eq!(named, tests);
    assert_eq!(table.len(), 11);
    let questions = auditql::query::library::Library::shipped();
    for row in &table {
        for question in row[2].split('`').skip(1).step_by(2) {
            let name = question.split(' ').next().unwrap();
            assert!(
                name.starts_with('-') || questions.get(name).is_ok(),
                "{name}"
            );
        }
    }
}
