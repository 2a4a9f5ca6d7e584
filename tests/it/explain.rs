//! `--explain`: what it says gives the same rows.

use crate::both::Both;
use crate::support::{event, sample_path};

/// The statement and the call that a listing is explained by.
fn explained(stderr: &str) -> (&str, &str) {
    let line = |name: &str| {
        let found = stderr.lines().find_map(|line| line.strip_prefix(name));
        found.unwrap_or_else(|| panic!("no {name:?} in {stderr}"))
    };
    (line("sql: "), line("api: GET "))
}

#[test]
fn the_statement_and_the_call_give_the_rows_of_the_listing() {
    let both = Both::imported(&[&sample_path()]);
    let cases: [&[&str]; 13] = [
        &[],
        &["--verb", "get,list"],
        &["--user", "system:*,!system:node:*"],
        &["--resource", "po", "--reverse"],
        &["--source-ip", "10.0.0.0/8,172.16.0.0/12,127.0.0.1"],
        &["--code", "4xx"],
        &["--outcome", "!success"],
        &["--contains", "nginx"],
        &["--uri", "/api/v1/*"],
        &["-n", "!*"],
        &["--final"],
        &["--final", "--verb", "watch"],
        &[
            "--since",
            "2000-01-01",
            "--until",
            "2100-01-01",
            "--limit",
            "3",
        ],
    ];
    for case in cases {
        let usual = [
            "--explain",
            "--columns",
            "time,user,verb",
            "-o",
            "jsonl",
            "--limit",
            "0",
        ];
        let usual = if case.contains(&"--limit") {
            &usual[..5]
        } else {
            &usual[..]
        };
        let listed = both.ask("query", &[case, usual].concat());
        let far = both.server.cli("query", &[case, usual].concat());
        let (sql, url) = explained(&far.stderr);
        let stated = both.ask("sql", &[sql, "-o", "jsonl", "--limit", "0"]);
        assert_eq!(stated.text(), listed.text(), "{case:?}: {sql}");
        let path = url.strip_prefix(&both.server.url()).unwrap();
        let sign = if path.contains('?') { '&' } else { '?' };
        let answer = both
            .server
            .get(&format!("{path}{sign}format=jsonl"))
            .expect(200);
        assert_eq!(answer.text(), listed.text(), "{case:?}: {path}");
    }
}

#[test]
fn the_work_is_told_on_stderr() {
    let both = Both::with_events(&(0..10).map(event).collect::<Vec<_>>());
    let run = both.ask("query", &["--verb", "delete", "--explain", "-o", "csv"]);
    let (sql, url) = explained(&run.stderr);
    assert!(
        sql.starts_with("select id, time, ") && sql.contains("verb match 'delete'"),
        "{sql}"
    );
    assert!(url.starts_with("/api/v1/events?verb=delete"), "{url}");
    let work = run.stderr.lines().find(|line| line.starts_with("work: "));
    let work = work.unwrap_or_else(|| panic!("{}", run.stderr));
    assert!(
        work.contains("1 segment opened, 0 pruned") && work.contains("visited"),
        "{work}"
    );
    let plain = both.ask("query", &["--verb", "delete", "-o", "csv"]);
    assert_eq!(plain.stdout, run.stdout);
    assert!(!plain.stderr.contains("sql: "));
}

#[test]
fn the_statement_and_the_call_of_a_count_give_its_numbers() {
    let both = Both::imported(&[&sample_path()]);
    let cases: [&[&str]; 9] = [
        &["top", "user"],
        &["top", "verb", "--resource", "secrets,pods", "--limit", "3"],
        &["top", "code", "--final"],
        &["count"],
        &["count", "--by", "user,outcome", "--code", "4xx"],
        &["count", "--since", "2000-01-01", "--verb", "!get"],
        &["facets"],
        &["facets", "user", "code", "--limit", "2"],
        &["facets", "truncated", "--user", "system:*"],
    ];
    for case in cases {
        let args = [&case[1..], &["--explain", "-o", "jsonl"]].concat();
        let counted = both.ask(case[0], &args);
        let far = both.server.cli(case[0], &args);
        let (sql, url) = explained(&far.stderr);
        let stated = both.ask("sql", &[sql, "-o", "jsonl", "--limit", "0"]);
        assert_eq!(stated.text(), counted.text(), "{case:?}: {sql}");
        let path = url.strip_prefix(&both.server.url()).unwrap();
        let sign = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{sign}format=jsonl");
        let answer = both.server.get(&path).expect(200);
        assert_eq!(answer.text(), counted.text(), "{case:?}: {path}");
        assert!(far.stderr.contains("\nwork: "), "{}", far.stderr);
        assert!(far.stderr.contains("\ncounted: "), "{}", far.stderr);
    }
}

#[test]
fn a_count_says_where_its_numbers_come_from() {
    let events: Vec<String> = (0..500).map(event).collect();
    let both = Both::with_events(&events);
    both.server.post("/api/v1/seal", "").expect(200);
    for (args, source) in [
        (&["top", "name"][..], "from lists of rows"),
        (&["top", "user", "--code", "200,403"], "from rollups, "),
        (&["count", "--uri", "/api/*"], "by a scan of rows"),
        (&["histogram", "--step", "1h"], "from rollups, "),
    ] {
        let run = both.ask(args[0], &[&args[1..], &["--explain", "-o", "csv"]].concat());
        let line = run.stderr.lines().find_map(|l| l.strip_prefix("counted: "));
        let line = line.unwrap_or_else(|| panic!("{args:?}: {}", run.stderr));
        assert!(line.starts_with(source), "{args:?}: {line}");
    }
    let run = both.ask("histogram", &["--explain"]);
    assert!(run.stderr.contains("sql: none for buckets of time"));
    let run = both.ask("top", &["user", "--filter", "code == 200", "--explain"]);
    assert!(run.stderr.contains("sql: none for --filter"));
}

#[test]
fn a_question_says_its_statement_and_its_call() {
    let both = Both::imported(&[&sample_path()]);
    let asked = [
        "who-deleted",
        "--resource",
        "pods,secrets",
        "--since",
        "2000-01-01",
    ];
    let run = both.ask("ask", &[&asked[..], &["--explain", "-o", "jsonl"]].concat());
    let far = both
        .server
        .cli("ask", &[&asked[..], &["--explain", "-o", "jsonl"]].concat());
    let from = far.stderr.find("sql: ").unwrap() + 5;
    let to = far.stderr.find("\napi: GET ").unwrap();
    let sql = &far.stderr[from..to];
    let mut stated = vec![sql, "-o", "jsonl", "--limit", "0"];
    for line in far.stderr.lines() {
        if let Some(param) = line.strip_prefix("param: ") {
            stated.extend(["--param", param]);
        }
        if let Some(param) = line.strip_prefix("null: ") {
            stated.extend(["--null", param]);
        }
    }
    assert!(stated.contains(&"resource=pods,secrets"), "{stated:?}");
    assert!(far.stderr.contains("\nwork: "), "{}", far.stderr);
    assert!(run.text().lines().count() > 0);
    assert_eq!(both.ask("sql", &stated).text(), run.text());
    let url = far
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("api: GET "));
    let path = url.unwrap().strip_prefix(&both.server.url()).unwrap();
    let answer = both.server.get(&format!("{path}&explain=true")).expect(200);
    assert_eq!(answer.json()["explain"]["sql"], sql);
    let rows = answer.json()["rows"].as_array().unwrap().len();
    assert_eq!(rows, run.text().lines().count());
}
