mod fake;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::sync::Arc;

use clap::CommandFactory;
use fake::Fake;

use super::*;
use crate::cli::print::{Printer, Timeout};
use crate::model::value::Value;
use crate::query::count::CountParams;
use crate::query::output::{Format, Look};
use crate::query::params::EventParams;
use crate::query::source::{Local, Remote, Source};
use crate::query::{listing, wire};
use crate::store::{Budget, SqlColumn, SqlQuery, SqlSink, StoreError};

#[test]
fn verify_cli() {
    Cli::command().debug_assert();
}

#[test]
fn every_flag_has_help_and_every_command_an_example() {
    fn check(command: &clap::Command) {
        let name = command.get_name();
        assert!(command.get_about().is_some(), "{name}");
        for arg in command.get_arguments() {
            assert!(arg.get_help().is_some(), "{name} {}", arg.get_id());
        }
        if command.get_subcommands().next().is_none() {
            let examples = command.get_after_help().map(ToString::to_string);
            let told = |text: String| text.contains(name) && text.contains("Exit codes: 0");
            assert!(examples.is_some_and(told), "{name}");
        }
        command.get_subcommands().for_each(check);
    }
    check(&Cli::command());
}

#[test]
fn usage_errors() {
    for (line, expected) in [
        ("query --data a --server b", "cannot be used with"),
        ("query --limit x", "invalid value 'x'"),
        ("query -o yaml", "invalid value 'yaml'"),
        ("import", "required"),
        ("import --cluster ../x a.log", "is not allowed"),
        ("import --segment-events 0 a.log", "use 1 or more"),
        ("prune", "--older-than"),
        ("sql 'select' --timeout soon", "soon"),
        ("sql x --param y", "use NAME=VALUE"),
    ] {
        let words = std::iter::once("auditql").chain(line.split_whitespace());
        let error = Cli::try_parse_from(words).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
        assert!(error.to_string().contains(expected), "{line}: {error}");
    }
    let words = "auditql query -n a,!b --user x --source-ip 10.0.0.0/8 --final -l 0 -o csv";
    assert!(Cli::try_parse_from(words.split_whitespace()).is_ok());
}

#[test]
fn what_is_no_question_or_report_gets_few_names_and_where_to_find_the_others() {
    for (line, expected) in [
        (
            "ask wo-deleted",
            "there is no question \"wo-deleted\"; did you mean who-deleted, ",
        ),
        (
            "ask --data x nope",
            "there is no question \"nope\"; auditql ask lists them\n",
        ),
        (
            "report pci-ds",
            "there is no report \"pci-ds\"; did you mean pci-dss? auditql report lists them\n",
        ),
        (
            "report nope --since 1d",
            "there is no report \"nope\"; use one of access-review, cis-kubernetes, ",
        ),
        (
            "report nope",
            ", subject-access; auditql report lists them\n",
        ),
        ("repotr", "a similar subcommand exists: 'report'"),
    ] {
        let words = std::iter::once("auditql").chain(line.split_whitespace());
        let error = super::program().try_get_matches_from(words);
        let error = super::nearest_first(error.unwrap_err());
        assert_eq!(error.exit_code(), 2, "{line}");
        let told = error.to_string();
        assert!(told.contains(expected), "{line}: {told}");
        assert!(told.matches(", wh").count() <= 2, "{told}");
    }
}

fn list(format: Format, pairs: &[(&str, &str)]) -> (anyhow::Result<Exit>, String) {
    let pairs = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let params = EventParams::from_pairs(pairs).unwrap();
    let mut out = Vec::new();
    let exit = {
        let printer = Printer::new(format.renderer(&mut out, Look::default()));
        let timeout = Timeout { timeout: None };
        let listed = query::list(
            &Local::new(Arc::new(Fake)),
            params,
            format,
            timeout,
            printer,
        );
        listed.map(|(exit, _)| exit)
    };
    (exit, String::from_utf8(out).unwrap())
}

#[test]
fn the_matching_address_is_shown() {
    let (exit, text) = list(
        Format::Jsonl,
        &[
            ("source_ip", "192.168.0.0/16"),
            ("columns", "user,source_ip"),
        ],
    );
    assert_eq!(exit.unwrap(), Exit::Found);
    assert_eq!(
        text,
        "{\"user\":\"user0\",\"source_ip\":null,\"matched_ip\":\"192.168.7.7\"}\n"
    );
    let (_, text) = list(Format::Table, &[("source_ip", "172.*")]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].ends_with("SOURCE_IP  MATCHED_IP"), "{text}");
    assert!(lines[1].ends_with("172.16.0.1"), "{text}");
    let (_, text) = list(
        Format::Jsonl,
        &[("source_ip", "!172.*"), ("columns", "id,source_ips")],
    );
    assert_eq!(
        text,
        "{\"id\":0,\"source_ips\":[\"10.0.0.5\",\"192.168.7.7\"]}\n"
    );
    let (_, text) = list(
        Format::Jsonl,
        &[("source_ip", "10.0.0.5"), ("columns", "id")],
    );
    assert_eq!(text, "{\"id\":0}\n");
}

#[test]
fn raw_ignores_other_columns_and_nothing_is_exit_1() {
    let (exit, text) = list(Format::Raw, &[("columns", "user")]);
    assert_eq!(exit.unwrap(), Exit::Found);
    assert_eq!(text, "{\"n\":0,\"x\":\"é\"}\n{\"n\":1,\"x\":\"é\"}\n");
    let (exit, text) = list(Format::Json, &[("source_ip", "8.8.8.8")]);
    assert_eq!(exit.unwrap(), Exit::Nothing);
    assert_eq!(text, "[]\n");
    let (exit, _) = list(Format::Json, &[("stage", "nope")]);
    assert!(
        exit.unwrap_err()
            .to_string()
            .starts_with("--stage \"nope\"")
    );
}

/// Answers one request per body with it, and gives back the request lines.
fn serve(answers: Vec<(u16, String)>) -> (Remote, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut part = [0; 4096];
            // Reads to the end of the JSON body, if the request has one.
            loop {
                let read = stream.read(&mut part).unwrap();
                request.extend_from_slice(&part[..read]);
                let text = String::from_utf8_lossy(&request);
                let ended = text.contains("\r\n\r\n");
                if ended && (text.starts_with("GET") || text.ends_with('}')) || read == 0 {
                    break;
                }
            }
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(body.as_bytes()).unwrap();
            requests.push(String::from_utf8_lossy(&request).into_owned());
        }
        requests
    });
    (Remote::new(&url).unwrap(), server)
}

/// What a server sends for a listing of the fake store.
fn wire_rows(params: &EventParams) -> String {
    struct Lines(Vec<u8>);
    impl SqlSink for Lines {
        fn columns(&mut self, columns: &[SqlColumn]) {
            wire::write_columns_line(&mut self.0, columns);
        }
        fn row(&mut self, row: &[Value]) -> ControlFlow<()> {
            wire::write_row_line(&mut self.0, row);
            ControlFlow::Continue(())
        }
    }
    let mut lines = Lines(Vec::new());
    let query = params.clone().into_query(0).unwrap();
    let answer = listing::run(&Fake, &query, &Budget::new(None), &mut lines).unwrap();
    wire::write_end_line(&mut lines.0, &(&answer).into());
    String::from_utf8(lines.0).unwrap()
}

#[test]
fn a_server_answers_as_a_directory_does() {
    let params = EventParams {
        columns: Some("all".to_owned()),
        filter: crate::query::params::FilterParams {
            source_ip: Some("10.0.0.0/8,a&b=c* é".to_owned()),
            ..Default::default()
        },
        limit: 1,
        ..EventParams::default()
    };
    let (remote, server) = serve(vec![(200, wire_rows(&params))]);
    let (mut near, mut far) = (listing::Collected::default(), listing::Collected::default());
    let here = Local::new(Arc::new(Fake))
        .events(&params, None, &mut near)
        .unwrap();
    let there = remote.events(&params, None, &mut far).unwrap();
    assert_eq!(here, there);
    assert_eq!(near.columns, far.columns);
    assert_eq!(near.rows, far.rows);
    let requests = server.join().unwrap();
    let line = requests[0].lines().next().unwrap();
    assert!(
        line.starts_with("GET /api/v1/events?source_ip=10.0.0.0"),
        "{line}"
    );
    assert!(line.contains("a%26b") && line.contains("%C3%A9"), "{line}");
    assert!(
        line.contains("&limit=1&columns=all&format=rows&timeout_ms=0 "),
        "{line}"
    );
}

#[test]
fn failures_of_a_server_are_errors() {
    let problem = wire::Problem::from(&StoreError::BadRequest("no such column: x".to_owned()));
    let columns = "{\"columns\":[{\"name\":\"a\",\"type\":\"\"}]}\n";
    let midway = wire::Problem::from(&StoreError::Damaged("a.seg".to_owned()));
    let mut failed = format!("{columns}[1]\n").into_bytes();
    wire::write_error_line(&mut failed, &midway);
    for (status, body, expected) in [
        (
            400,
            serde_json::to_string(&problem).unwrap(),
            "no such column: x",
        ),
        (503, "busy".to_owned(), "the server answered 503"),
        (200, format!("{columns}[1]\n"), "was cut off; ask again"),
        (200, format!("{columns}[1"), "was cut off; ask again"),
        (200, "<html>\n".to_owned(), "cannot be read"),
        (200, String::from_utf8(failed).unwrap(), "a.seg"),
    ] {
        let (remote, server) = serve(vec![(status, body)]);
        let query = SqlQuery {
            sql: "select 1".to_owned(),
            params: vec![("n".to_owned(), Value::Int(1))],
            limit: 5,
            skip_damaged: false,
        };
        let mut rows = listing::Collected::default();
        let error = remote.sql(&query, None, &mut rows).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        let request = server.join().unwrap().remove(0);
        assert!(
            request.contains(r#""params":{"n":1},"limit":5,"timeout_ms":0"#),
            "{request}"
        );
    }
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = Remote::new(&gone.to_string()).unwrap().stats().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("is auditql serve running there?"),
        "{error}"
    );
    assert!(
        Remote::new("https://x")
            .unwrap_err()
            .contains("use http://x")
    );
}

#[test]
fn sql_answers_have_the_kinds_of_their_columns() {
    let query = SqlQuery {
        sql: "select".to_owned(),
        params: vec![("p".to_owned(), Value::text("v"))],
        limit: 0,
        skip_damaged: false,
    };
    let mut rows = listing::Collected::default();
    Local::new(Arc::new(Fake))
        .sql(&query, None, &mut rows)
        .unwrap();
    assert_eq!(rows.rows, [[Value::Json("[1]".into()), Value::text("v")]]);
}

#[test]
fn counts_name_their_column() {
    let mut rows = listing::Collected::default();
    let local = Local::new(Arc::new(Fake));
    let by = |column: &str| CountParams {
        by: Some(column.to_owned()),
        ..CountParams::default()
    };
    local.count(&by("user"), None, &mut rows).unwrap();
    let names: Vec<_> = rows
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(names, ["user", "count"]);
    assert_eq!(rows.rows, [[Value::text("user0"), Value::Int(3)]]);
    let error = local.count(&by("raw"), None, &mut rows);
    assert!(matches!(error, Err(StoreError::BadRequest(_))));
}
