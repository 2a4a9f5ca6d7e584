//! Pages, their cursors, and what explains them.

use std::collections::BTreeSet;

use serde_json::json;

use crate::both::Both;
use crate::support::{Server, event, event_at, temp_dir};

/// The ids of a page and the path of the next.
fn page(server: &Server, path: &str) -> (Vec<i64>, Option<String>) {
    let response = server.get(path).expect(200);
    let link = response.headers.iter().find(|(name, _)| name == "link");
    let next = link.map(|(_, link)| {
        let (path, rest) = link[1..].split_once('>').unwrap();
        assert_eq!(rest, "; rel=\"next\"");
        path.to_owned()
    });
    let ids = match path.contains("format=csv") {
        true => {
            let text = response.text();
            text.lines().skip(1).map(|id| id.parse().unwrap()).collect()
        }
        false => {
            let answer = response.json();
            assert_eq!(answer["truncated"], next.is_some());
            let word = answer["next"].as_str();
            assert!(word.is_none_or(|word| next.as_ref().unwrap().ends_with(word)));
            let rows = answer["rows"].as_array().unwrap();
            rows.iter().map(|row| row[0].as_i64().unwrap()).collect()
        }
    };
    (ids, next)
}

#[test]
fn pages_show_what_was_there_at_the_first_one_once() {
    let dir = temp_dir();
    let mut server = Server::start(dir.path(), &["--segment-events", "150"]);
    let batch = |from: u64, to: u64| {
        let lines: Vec<String> = (from..to).map(event).collect();
        lines.join("\n")
    };
    server.post("/webhook", batch(0, 1000)).expect(200);
    for (question, times) in [
        ("columns=id&limit=70", 0),
        ("columns=id&limit=70&reverse=true&format=csv", 1),
        ("columns=id&limit=9&final=true&verb=delete&since=1000d", 2),
    ] {
        let everything = server
            .get(
                &format!("/api/v1/events?{question}&limit=0")
                    .replace("&limit=70", "")
                    .replace("&limit=9", ""),
            )
            .expect(200);
        let expected = match question.contains("csv") {
            true => everything.text().lines().count() - 1,
            false => everything.json()["rows"].as_array().unwrap().len(),
        };
        assert!(expected >= 200);
        let mut path = Some(format!("/api/v1/events?{question}"));
        let (mut found, mut pages) = (Vec::new(), 0);
        while let Some(next) = path.take() {
            let (ids, next) = page(&server, &next);
            found.extend(ids);
            path = next;
            pages += 1;
            // Late ones, with times among those that were there.
            let late: Vec<String> = (0..20)
                .map(|n| {
                    event_at(
                        10_000 + times * 5000 + pages * 20 + n,
                        &format!("2026-11-20T00:0{}:00.5Z", n % 10),
                    )
                })
                .collect();
            server.post("/webhook", late.join("\n")).expect(200);
            if pages == 3 {
                server.post("/api/v1/seal", "").expect(200);
            }
            if pages == 5 {
                server.stop();
                server = Server::start(dir.path(), &["--segment-events", "150"]);
            }
        }
        assert_eq!(found.len(), expected, "{question}");
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), expected);
    }
}

/// Pages that are too long to be complete before they are sent say where the next one is at their
/// end.
#[test]
fn long_pages_end_with_the_place_of_the_next() {
    let dir = temp_dir();
    let server = Server::start(dir.path(), &[]);
    for batch in 0..4 {
        let lines: Vec<String> = (batch * 6000..batch * 6000 + 6000).map(event).collect();
        server.post("/webhook", lines.join("\n")).expect(200);
    }
    for (format, header) in [("csv", 1), ("jsonl", 0), ("raw", 0), ("rows", 1)] {
        let path = format!("/api/v1/events?columns=id,audit_id&limit=10500&format={format}");
        let mut client = server.connect();
        let (mut next, mut seen) = (Some(path.clone()), BTreeSet::new());
        for (rows, truncated) in [(10_500, "true"), (10_500, "true"), (3000, "false")] {
            let path = next.take().expect("there is more");
            let page = client.request("GET", &path, &[("te", "trailers")], b"");
            let page = page.unwrap().expect(200);
            let told = |name: &str| {
                let mut fields = page.headers.iter().chain(&page.trailers);
                let found = fields.find(|(known, _)| known == name);
                found.map(|(_, value)| value.clone())
            };
            assert_eq!(told("auditql-truncated").as_deref(), Some(truncated));
            assert!(
                told("auditql-coverage")
                    .unwrap()
                    .starts_with("{\"oldest\":\"2026-")
            );
            let text = page.text();
            let lines: Vec<&str> = text.lines().skip(header).collect();
            let lines = &lines[..rows];
            seen.extend(lines.iter().map(|line| (*line).to_owned()));
            if rows > 3000 {
                assert_eq!(told("trailer").unwrap().matches("link").count(), 1);
                assert_eq!(page.trailers.len(), 3, "{format}");
                let link = told("link").unwrap();
                next = Some(link[1..].split_once('>').unwrap().0.to_owned());
            } else {
                assert_eq!(told("link"), None, "the last page has no next");
            }
        }
        assert_eq!(seen.len(), 24_000, "{format}: each event once");

        // Who does not say that it reads trailers gets none, and the connection goes on.
        let plain = client.get(&path).unwrap().expect(200);
        assert!(plain.trailers.is_empty());
        assert!(client.get("/healthz").unwrap().status == 200);
    }
}

#[test]
fn a_cursor_is_refused_where_it_does_not_belong() {
    let events: Vec<String> = (0..30).map(event).collect();
    let (here, there) = (Both::with_events(&events), Both::with_events(&events));
    let answer = here
        .server
        .get("/api/v1/events?limit=5&verb=get")
        .expect(200)
        .json();
    let cursor = answer["next"].as_str().unwrap();
    let ask = |both: &Both, question: &str, cursor: &str| {
        let path = format!("/api/v1/events?{question}&cursor={cursor}");
        both.server.get(&path)
    };
    ask(&here, "limit=2&verb=get&columns=time&format=jsonl", cursor).expect(200);
    let refusals = [
        (ask(&here, "verb=list", cursor), "another question"),
        (
            ask(&here, "verb=get&reverse=true", cursor),
            "another question",
        ),
        (ask(&there, "verb=get", cursor), "another store"),
        (ask(&here, "verb=get", &cursor[1..]), "damaged"),
        (ask(&here, "verb=get", "x"), "damaged"),
        (ask(&here, "verb=get", ""), "damaged"),
    ];
    for (refused, why) in refusals {
        let problem = refused.expect(400).json();
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.starts_with("bad cursor") && detail.contains(why),
            "{detail}"
        );
    }
}

#[test]
fn explain_gives_the_work_and_sql_that_answers_alike() {
    let both = Both::imported(&[&crate::support::sample_path()]);
    both.server.post("/api/v1/seal", "").expect(200);
    for filters in [
        "",
        "verb=delete,patch",
        "resource=secrets,ns&outcome=!denied_*",
        "user=system:*,!system:node:*&code=2xx",
        "source_ip=127.0.0.0/8,!10.1.*",
        "contains=secret&since=2026-11-21T03:41:00Z&until=2026-11-21T03:45:30.5Z",
        "uri=*'*",
        "user_agent=kubectl/*&reverse=true&limit=7",
        "outcome=denied_*&final=true",
        "audit_id=c884aa34-6709-49f8-8c9d-0dfaf37accd8",
    ] {
        for path in ["events", "top/user"] {
            if path == "top/user" && filters.contains("reverse") {
                continue;
            }
            let url = format!("/api/v1/{path}?explain=true&{filters}");
            let answer = both.server.get(&url).expect(200).json();
            let explained = &answer["explain"];
            let sql = explained["sql"].as_str().unwrap();
            let request = json!({"sql": sql, "limit": 0}).to_string();
            let same = both.server.post("/api/v1/sql", request).expect(200).json();
            let rows = answer["rows"].as_array().unwrap();
            let cells = same["columns"].as_array().unwrap().len();
            let asked: Vec<_> = rows
                .iter()
                .map(|row| &row.as_array().unwrap()[..cells])
                .collect();
            let told: Vec<_> = same["rows"].as_array().unwrap().iter().collect();
            assert_eq!(json!(asked), json!(told), "{sql}");
            for number in [
                "segments_opened",
                "segments_pruned",
                "parts_indexed",
                "rows_visited",
                "elapsed_us",
            ] {
                assert!(explained[number].is_u64(), "{explained}");
            }
            if filters.starts_with("audit_id") && path == "events" {
                assert_eq!(explained["parts_indexed"], 1);
                assert_eq!(explained["rows_visited"], 1);
            }
        }
    }
    let refused = both
        .server
        .get("/api/v1/events?explain=true&format=csv")
        .expect(400);
    assert!(refused.text().contains("use json or rows"));
    let in_cel = both
        .server
        .get("/api/v1/events?explain=true&filter=code+%3D%3D+403")
        .expect(200);
    assert!(in_cel.json()["explain"]["sql"].is_null());
}

#[test]
fn cel_finds_what_sql_finds() {
    let both = Both::imported(&[&crate::support::sample_path()]);
    for (cel, sql) in [
        (
            "verb == 'delete' && user.endsWith('.example')",
            "verb = 'delete' and user glob '*.example'",
        ),
        ("name != 'web'", "name is not 'web'"),
        (
            "!(name.startsWith('web'))",
            "name is null or name not glob 'web*'",
        ),
        ("code >= 400 && code < 500", "code between 400 and 499"),
        ("!(code < 400)", "code >= 400 or code is null"),
        (
            "event.namespace == null && resource != null",
            "namespace is null and resource is not null",
        ),
        (
            "time > timestamp('2026-11-21T03:41:00Z')",
            "time > '2026-11-21T03:41:00Z'",
        ),
        (
            "received_time <= '2026-11-21T03:45:00Z'",
            "received_time <= '2026-11-21T03:45:00Z'",
        ),
        (
            "verb in ['create', 'patch'] || verb == 'update'",
            "verb in ('create', 'patch', 'update')",
        ),
        (
            "outcome > 'e' && outcome <= 'not_found'",
            "outcome > 'e' and outcome <= 'not_found'",
        ),
        (
            "request_uri.contains('/secrets/')",
            "instr(request_uri, '/secrets/')",
        ),
        ("latency_us > 100000", "latency_us > 100000"),
    ] {
        let run = both.ask(
            "query",
            &["--filter", cel, "--columns", "id", "-l", "0", "-o", "csv"],
        );
        let statement = format!("select id from events where {sql} order by time desc, id desc");
        let same = both.ask("sql", &[&statement, "-o", "csv"]);
        assert_eq!(run.text(), same.text(), "{cel}");
        assert!(run.text().lines().count() > 1, "{cel}");
    }
    let refused = both
        .server
        .get("/api/v1/events?filter=user.matches(%22a%22)")
        .expect(400);
    assert!(
        refused.text().contains("matches is not supported"),
        "{}",
        refused.text()
    );
}
