//! What a statement may not do, and how much it may take.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::{error, post};
use crate::both::Both;
use crate::support::{Server, cli_with, event, local, temp_dir, wait_until};

const FOREVER: &str =
    "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n";

/// Escapes out of reading the views; FILE stands for a path that must not come to be.
const ESCAPES: &[&str] = &[
    "attach 'FILE' as x",
    "attach ':memory:' as x",
    "vacuum into 'FILE'",
    "vacuum",
    "pragma query_only = off",
    "pragma writable_schema = on",
    "pragma journal_mode = delete",
    "pragma temp_store_directory = '/'",
    "select * from pragma_database_list",
    "create table t(a)",
    "create temp table t as select * from events",
    "create temp view events as select 1",
    "create temp trigger t after insert on events begin select 1; end",
    "create virtual table t using fts5(a)",
    "insert into events(verb) values ('x')",
    "update events set user = 'nobody'",
    "delete from events",
    "delete from quarantine",
    "drop table events",
    "with x as (select 1) delete from events returning id",
    "begin immediate",
    "select 1; delete from events",
    "select 1; select 2",
    "explain delete from events",
    "select load_extension('FILE')",
    "select writefile('FILE', 'x')",
    "select readfile('FILE')",
    "select edit('x')",
    "select fts3_tokenizer('simple')",
    "select * from sqlite_dbpage",
    "select * from fsdir('/')",
    "select zeroblob(2000000000)",
    "select hex(randomblob(1000000000))",
    "",
    "-- only a comment",
    "selec 1",
];

#[test]
fn escapes_are_refused_while_events_come_in() {
    let both = Both::empty();
    let outside = temp_dir();
    let file = outside.path().join("out");
    let stop = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let ingest = scope.spawn(|| {
            let mut client = both.server.connect();
            let mut sent = 0;
            while !stop.load(Ordering::Relaxed) {
                let events: Vec<String> = (sent..sent + 20).map(event).collect();
                let answer = client
                    .post("/webhook", events.join("\n").as_bytes())
                    .unwrap();
                let expected = r#"{"stored":20,"duplicates":0,"quarantined":0}"#;
                assert_eq!(answer.expect(200).text(), expected);
                sent += 20;
            }
            sent
        });
        for sql in ESCAPES {
            let sql = sql.replace("FILE", file.to_str().unwrap());
            let answer = post(&both, &json!({ "sql": sql }));
            let problem = answer.json();
            assert!(
                [400, 422, 413].contains(&answer.status),
                "{sql}: {} {problem}",
                answer.status
            );
            assert!(
                problem["detail"]
                    .as_str()
                    .is_some_and(|told| !told.is_empty()),
                "{sql}"
            );
            let run = local(both.data(), "sql", &["--", &sql]).expect(2);
            assert!(run.stderr.starts_with("error: "), "{sql}: {}", run.stderr);
        }
        stop.store(true, Ordering::Relaxed);
        ingest.join().unwrap()
    });
    assert_eq!(
        std::fs::read_dir(outside.path()).unwrap().count(),
        0,
        "a file was made"
    );
    assert!(sent > 0);
    assert_eq!(both.number("select count(*) from events"), sent);
    assert_eq!(
        both.number("select count(distinct name) from events where user like 'user-%'"),
        sent
    );
}

#[test]
fn a_statement_over_its_time_is_no_answer() {
    let both = Both::with_events(&[event(1)]);
    let answer = post(&both, &json!({"sql": FOREVER, "timeout_ms": 200}));
    let problem = answer.expect(408).json();
    assert!(
        problem["detail"].as_str().unwrap().contains("timeout_ms"),
        "{problem}"
    );
    let run = both.ask("sql", &[FOREVER, "--timeout", "200ms"]).expect(2);
    assert!(run.stdout.is_empty());
    assert!(
        run.stderr.contains("longer than its time limit of 200ms"),
        "{}",
        run.stderr
    );
    let bad = both
        .ask("sql", &["select 1", "--timeout", "soon"])
        .expect(2);
    assert!(bad.stderr.contains("soon"), "{}", bad.stderr);
    assert_eq!(both.rows("select count(*) from events"), ["1"]);
}

/// One step of SQLite builds more than the last, or the program has no jump: the limits hold all the
/// same, and what fails before its first row leaves stdout empty in every format.
#[test]
fn large_values_are_refused_or_stopped() {
    let both = Both::with_events(&[event(1)]);
    let growing = "with recursive r(n,s) as (select 1, replace(hex(zeroblob(1000000)),'0','aaaaaaaa') union select n+1, s||n from r) select max(n) from r";
    let large = "with recursive n(i) as (select 1 union all select i+1 from n) select count(*) from n where hex(zeroblob(1000000)) || i like '%' || i || 'x%'";
    for (sql, status, told) in [
        (growing, 400, "longer than 4 MiB, its fixed limit"),
        (
            "select length(zeroblob(5000000))",
            400,
            "longer than 4 MiB, its fixed limit",
        ),
        (large, 408, "longer than its time limit of 300ms"),
        (FOREVER, 408, "longer than its time limit of 300ms"),
    ] {
        let answer = post(&both, &json!({"sql": sql, "timeout_ms": 300}));
        let problem = answer.expect(status).json();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(told), "{sql}: {detail}");
        for format in ["csv", "json", "jsonl", "table"] {
            let run = both
                .ask("sql", &[sql, "--timeout", "300ms", "-o", format])
                .expect(2);
            assert_eq!(run.text(), "", "{sql} -o {format}");
            assert!(run.stderr.contains(told), "{sql}: {}", run.stderr);
        }
    }
    let sql = "select json(verb) from events";
    let run = local(both.data(), "sql", &[sql, "-o", "csv"]).expect(2);
    assert_eq!(run.text(), "", "{}", run.stderr);
    assert_eq!(both.rows("select count(*) from events"), ["1"]);
}

#[test]
fn rows_over_the_limit_are_told() {
    let events: Vec<String> = (0..30).map(event).collect();
    let both = Both::with_events(&events);
    let sql = "select name from events order by time";
    for (limit, rows, truncated) in [
        (10, 10, true),
        (29, 29, true),
        (30, 30, false),
        (0, 30, false),
    ] {
        let answer = post(&both, &json!({"sql": sql, "limit": limit}))
            .expect(200)
            .json();
        assert_eq!(answer["rows"].as_array().unwrap().len(), rows);
        assert_eq!(answer["truncated"], truncated, "{limit}");
        let run = both
            .ask("sql", &[sql, "--limit", &limit.to_string(), "-o", "jsonl"])
            .expect(0);
        assert_eq!(run.text().lines().count(), rows);
        let note = "note: there are more rows; --limit 0 shows all\n";
        assert_eq!(
            run.stderr.contains(note),
            truncated,
            "{limit}: {}",
            run.stderr
        );
    }
    let many = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1500) select i from n";
    let answer = post(&both, &json!({ "sql": many })).expect(200).json();
    assert_eq!(answer["rows"].as_array().unwrap().len(), 1000);
    assert_eq!(answer["truncated"], true);
    let huge = "select hex(zeroblob(20000000)) from events";
    let told = post(&both, &json!({ "sql": huge }));
    assert!(told.status >= 400, "{}", told.status);
}

#[test]
fn too_many_statements_are_told_so_and_events_still_come_in() {
    let dir = temp_dir();
    let args = ["--queries-max", "1", "--queries-waiting-max", "0"];
    let server = Server::start(dir.path(), &args);
    let ask = |sql: &str, timeout_ms: u64| {
        let body = json!({"sql": sql, "timeout_ms": timeout_ms}).to_string();
        server.post("/api/v1/sql", body)
    };
    std::thread::scope(|scope| {
        // It may come while a short one runs, and then has to ask again.
        let long = scope.spawn(|| {
            loop {
                let answer = ask(FOREVER, 4000);
                if answer.status != 503 {
                    break answer;
                }
            }
        });
        let mut told = String::new();
        wait_until("the server is too busy", || {
            let answer = ask("select 1", 1000);
            told = answer.text();
            answer.status == 503
        });
        assert!(
            told.contains("too busy") && told.contains("--queries-max"),
            "{told}"
        );
        let run = server.cli("sql", &["select 1"]).expect(2);
        assert!(run.stderr.contains("too busy"), "{}", run.stderr);
        server.post("/webhook", event(1)).expect(200);
        assert_eq!(server.get("/healthz").status, 200);
        long.join().unwrap().expect(408);
    });
    ask("select count(*) from events", 1000).expect(200);
}

/// A client that goes away stops its statement, and the next one has the slot.
#[test]
fn a_gone_client_frees_its_slot() {
    let dir = temp_dir();
    // One may wait, so that the long statement gets its turn behind a short one.
    let args = "--queries-max 1 --queries-waiting-max 1 --query-wait 1s";
    let server = Server::start(dir.path(), &args.split(' ').collect::<Vec<_>>());
    let body = json!({"sql": FOREVER, "timeout_ms": 0}).to_string();
    let mut client = server.connect();
    let head = format!(
        "POST /api/v1/sql HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    client.send(format!("{head}{body}").as_bytes()).unwrap();
    let quick = || server.post("/api/v1/sql", r#"{"sql":"select 1"}"#).status;
    wait_until("the statement runs", || quick() == 503);
    drop(client);
    wait_until("its slot is free", || quick() == 200);
}

#[test]
fn errors_name_what_is_wrong() {
    let both = Both::with_events(&[event(1)]);
    for (sql, told) in [
        ("select nope from events", "no such column: nope"),
        ("select * from event", "no such table: event"),
        ("select id from events wher 1", "syntax error"),
        ("select unknown(1)", "unknown"),
        (
            "select id from events where id match 'x'",
            "joined with and",
        ),
    ] {
        let detail = error(&both, sql);
        assert!(detail.contains(told), "{sql}: {detail}");
    }
    let stdin = cli_with(
        &[
            "sql",
            "--data",
            both.data().to_str().unwrap(),
            "-o",
            "csv",
            "-",
        ],
        b"select count(*) as n\nfrom events -- all\n",
    );
    assert_eq!(stdin.expect(0).text(), "n\r\n1\r\n");
    let none = both.ask("sql", &["select 1 from events where user = 'nobody'"]);
    assert_eq!(none.code, Some(1));
    let names: BTreeSet<String> = both
        .rows("select name from pragma_table_info('events')")
        .into_iter()
        .collect();
    assert!(names.contains("effective_user") && names.contains("sha256"));
}
