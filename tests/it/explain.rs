//! `auditql query --explain`: what it says gives the same rows.

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
