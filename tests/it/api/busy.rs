//! More questions than the server takes on.

use std::io::Write;
use std::net::TcpStream;

use crate::both::Both;
use crate::support::{Client, PATIENCE, event, wait_until};

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
