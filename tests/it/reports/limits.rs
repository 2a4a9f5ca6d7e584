//! Limits that are reached while a report is made.

use serde_json::json;

use super::{STORE, definition, json as parsed, own, text};
use crate::support::{Server, event, local, temp_dir};

#[test]
fn a_limit_on_rows_or_time_is_told() {
    let store = STORE.get();
    let reports = own(&definition(&["query = \"noisiest-identities\""]));
    let args = [
        "mine",
        "--reports",
        text(reports.path()),
        "--since",
        "all",
        "-o",
        "json",
    ];
    let run = local(
        store.data(),
        "report",
        &[&args[..], &["--rows-max", "3"]].concat(),
    )
    .expect(0);
    let evidence = &parsed(&run.stdout)["controls"][0]["evidence"][0];
    assert_eq!(
        (&evidence["row_count"], &evidence["truncated"]),
        (&json!(3), &json!(true))
    );
    let run = local(
        store.data(),
        "report",
        &[&args[..], &["--timeout", "1us"]].concat(),
    )
    .expect(2);
    assert!(run.stderr.contains("time limit"), "{}", run.stderr);
}

/// A question without end is the one that is named, whatever stands before it.
#[test]
fn a_question_that_reaches_a_limit_is_named() {
    let queries = temp_dir();
    let header = "/*\ntitle = \"T\"\ngroup = \"own\"\nanswers = \"a\"\ncannot_see = \"c\"\n\
                  level = \"Metadata\"\n[columns]\nn = \"N\"\n*/\n";
    let write = |name: &str, sql: &str| {
        std::fs::write(queries.path().join(name), format!("{header}{sql}")).unwrap();
    };
    write("short.sql", "select value as n from json_each('[1,2,3,4]')");
    write(
        "endless.sql",
        "with recursive c as (select 1 as n union all select 1 from c) select count(*) as n from c",
    );
    let reports = own(&definition(&["query = \"short\"", "query = \"endless\""]));
    let flags = [
        "--queries",
        text(queries.path()),
        "--reports",
        text(reports.path()),
    ];
    let data = temp_dir();
    let server = Server::start(data.path(), &flags);
    server.post("/webhook", event(0)).expect(200);
    let told = "report mine, control 1.a, question endless: not done within the report's time limit of \
                2s; give it a shorter period, or raise the limit with --timeout (timeout_ms)";
    let args = [&flags[..], &["mine", "--since", "all", "--timeout", "2s"]].concat();
    for run in [
        server.cli("report", &args),
        server.cli("report", &args[4..]),
    ] {
        assert_eq!(run.expect(2).stderr, format!("error: {told}\n"));
    }
    let answer = server.get("/api/v1/reports/mine?since=all&timeout_ms=2000");
    let problem = answer.expect(408).json();
    assert_eq!(problem["detail"], told);
    assert_eq!(problem["type"], "urn:auditql:problem:timed-out");
    assert_eq!(problem["limit_ms"], 2000);

    std::fs::write(
        reports.path().join("mine.toml"),
        definition(&["query = \"short\"", "query = \"short\"\nrows = 3"]),
    )
    .unwrap();
    let args = [&args[..7], &["-o", "json", "--rows-max"]].concat();
    let notes = |most: &str| {
        let run = server.cli("report", &[&args[..], &[most]].concat());
        let notes = run.expect(0).stderr;
        notes.matches("note: report mine").count() * usize::from(notes.contains(
            "note: report mine, control 1.a, question short: more than the 3 rows that were counted; \
             --rows-max sets the limit, 0 is none\n",
        ))
    };
    assert_eq!([notes("3"), notes("4"), notes("0")], [1, 0, 0]);
}
