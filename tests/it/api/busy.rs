//! More questions than the server takes on.

use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;

use crate::both::Both;
use crate::support::{Client, PATIENCE, Server, event, temp_dir, wait_until};

/// A statement without an end, up to its time limit.
const SLOW: &str = r#"{"sql":"with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n","timeout_ms":3000}"#;

#[test]
fn many_slow_questions_leave_ingest_alone() {
    let both = Both::empty();
    let address = both.server.address.clone();
    let asking: Vec<Client> = (0..900)
        .map(|_| {
            let mut client = Client::connect(&address).unwrap();
            let head = format!(
                "POST /api/v1/sql HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{SLOW}",
                SLOW.len()
            );
            client.send(head.as_bytes()).unwrap();
            client
        })
        .collect();
    // Events go on being taken, and health is answered, while the queue is full.
    for n in 0..50 {
        both.server.post("/webhook", event(n)).expect(200);
        both.server.get("/healthz").expect(200);
    }
    let (mut refused, mut ran) = (0, 0);
    for mut client in asking {
        let answer = client.read_response().unwrap();
        let problem = answer.json();
        match answer.status {
            503 => {
                refused += 1;
                assert_eq!(problem["type"], "urn:auditql:problem:unavailable");
                let retry = answer
                    .headers
                    .iter()
                    .find(|(name, _)| name == "retry-after");
                assert!(retry.unwrap().1.parse::<u32>().unwrap() > 0);
            }
            408 => ran += 1,
            other => panic!("{other}: {problem}"),
        }
    }
    assert!(refused > ran && ran >= 4, "{refused} refused, {ran} ran");
    assert_eq!(
        both.server.get("/api/v1/stats").expect(200).json()["events"],
        50
    );
}

#[test]
fn a_client_that_goes_away_ends_its_question() {
    let both = Both::with_events(&(0..30).map(event).collect::<Vec<_>>());
    // As many statements without an end as may run at once.
    let running: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut stream = TcpStream::connect(&both.server.address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let body = SLOW.replace("3000", "0");
            write!(
                stream,
                "POST /api/v1/sql HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
            stream
        })
        .collect();
    let busy = || {
        let path = "/api/v1/top/verb?timeout_ms=100";
        both.server.get(path).status
    };
    wait_until("every place is taken", || busy() == 503);
    drop(running);
    wait_until("the questions have ended", || busy() == 200);
}

/// There is one place, and its question would keep it for good, or until the server gives up on
/// a client that does not read: an export as much as a statement.
#[test]
fn a_client_that_goes_away_leaves_its_place_at_once() {
    let dir = temp_dir();
    let args = "--queries-max 1 --queries-waiting-max 1 --query-wait 100ms";
    let server = Server::start(dir.path(), &args.split(' ').collect::<Vec<_>>());
    for batch in 0..5 {
        let lines: Vec<String> = (batch * 4000..batch * 4000 + 4000).map(event).collect();
        server.post("/webhook", lines.join("\n")).expect(200);
    }
    // None of these ends by itself while its client does not read, or at all.
    let endless =
        "select count(*) from events a, events b, events c where a.name || b.name = c.name";
    let statement = format!(r#"{{"sql":"{endless}","timeout_ms":0}}"#);
    let requests = [
        "GET /api/v1/events?limit=0&format=jsonl&columns=all&timeout_ms=0".to_owned(),
        "GET /api/v1/events?limit=0&format=raw&timeout_ms=0".to_owned(),
        "GET /api/v1/events?limit=0&format=csv&columns=all&final=true&timeout_ms=0".to_owned(),
        format!(
            "POST /api/v1/sql HTTP/1.1\r\ncontent-length: {}",
            statement.len()
        ),
    ];
    for request in requests {
        let (head, body) = match request.split_once(" HTTP/1.1") {
            Some((line, rest)) => (format!("{line} HTTP/1.1{rest}"), statement.as_str()),
            None => (format!("{request} HTTP/1.1"), ""),
        };
        let mut client = server.connect();
        let text = format!("{head}\r\nhost: localhost\r\n\r\n{body}");
        client.send(text.as_bytes()).unwrap();
        let quick = || server.get("/api/v1/top/verb").status;
        wait_until("the question runs", || quick() == 503);
        drop(client);
        let gone = Instant::now();
        wait_until("its place is free", || quick() == 200);
        // A second is promised of a release build; this only tells it from a time limit or a stall.
        let freed = gone.elapsed();
        assert!(freed < PATIENCE / 4, "{request}: {freed:?}");
    }
}
