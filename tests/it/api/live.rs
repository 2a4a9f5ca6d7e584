//! The stream of arriving events, and `auditql tail`.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::both::Both;
use crate::support::{PATIENCE, Server, command, event, event_at, local, temp_dir, wait_until};

/// An open stream of server-sent events.
struct Listening {
    reader: BufReader<TcpStream>,
    /// The last id that was sent.
    mark: String,
}

impl Listening {
    fn open(server: &Server, query: &str, mark: &str) -> Listening {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "GET /api/v1/events/stream?{query} HTTP/1.1\r\nhost: localhost\r\n\
             accept-encoding: gzip\r\nlast-event-id: {mark}\r\n\r\n"
        )
        .unwrap();
        let mut listening = Listening {
            reader: BufReader::with_capacity(4096, stream),
            mark: String::new(),
        };
        let mut head = String::new();
        while listening.reader.read_line(&mut head).unwrap() > 2 {}
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        assert!(!head.contains("content-encoding"), "{head}");
        listening
    }

    /// From now on.
    fn start(server: &Server, query: &str) -> Listening {
        let mut listening = Listening::open(server, query, "");
        while listening.mark.is_empty() {
            assert_eq!(listening.line(), None, "nothing but its place comes first");
        }
        listening
    }

    /// Name and data of an event, or nothing for any other line.
    fn line(&mut self) -> Option<(String, Value)> {
        let mut name = "message".to_owned();
        loop {
            let mut line = String::new();
            assert!(self.reader.read_line(&mut line).unwrap() > 0, "it goes on");
            match line.trim_end().split_once(": ") {
                Some(("id", mark)) => mark.clone_into(&mut self.mark),
                Some(("event", text)) => {
                    text.clone_into(&mut name);
                    continue;
                }
                Some(("data", data)) => return Some((name, serde_json::from_str(data).unwrap())),
                _ => {}
            }
            return None;
        }
    }

    /// The next event; signs of life do not count for ever.
    fn next(&mut self) -> (String, Value) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(event) = self.line() {
                return event;
            }
            assert!(Instant::now() < deadline, "no event within {PATIENCE:?}");
        }
    }

    /// The ids of the next so many events, of which each has one.
    fn ids(&mut self, count: usize) -> Vec<i64> {
        let mut ids = Vec::new();
        while ids.len() < count {
            let (name, data) = self.next();
            assert_eq!(name, "message", "{data}");
            ids.push(data["id"].as_i64().unwrap());
        }
        ids
    }
}

fn lines(from: u64, to: u64) -> String {
    (from..to).map(event).collect::<Vec<_>>().join("\n")
}

#[test]
fn events_arrive_as_they_are_stored_and_filters_apply() {
    let both = Both::with_events(&[event(0)]);
    let server = &both.server;
    let mut everything = Listening::start(server, "columns=id");
    let mut deletes = Listening::start(server, "columns=id,verb,name&verb=delete&format=rows");
    server.post("/webhook", lines(1, 30)).expect(200);
    server.post("/webhook", lines(20, 40)).expect(200);
    let ids = everything.ids(39);
    assert!(ids.is_sorted(), "in the order of arrival: {ids:?}");
    let (name, columns) = deletes.next();
    assert_eq!(
        (name.as_str(), &columns[1]["name"]),
        ("columns", &"verb".into())
    );
    for n in [3, 8, 13, 18, 23, 28, 33, 38] {
        let (_, row) = deletes.next();
        assert_eq!(row[1], "delete");
        assert_eq!(row[2], format!("pod-{n}"));
    }
}

#[test]
fn a_hundred_listen_at_once() {
    let both = Both::empty();
    let mut listening: Vec<_> = (0..100)
        .map(|_| Listening::start(&both.server, "columns=id,name"))
        .collect();
    for n in 0..3 {
        both.server.post("/webhook", event(n)).expect(200);
        for listener in &mut listening {
            assert_eq!(listener.next().1["name"], format!("pod-{n}"));
        }
    }
}

#[test]
fn who_comes_back_gets_what_was_missed_once() {
    let dir = temp_dir();
    let mut server = Server::start(dir.path(), &["--segment-events", "700"]);
    let mut seen = Vec::new();
    let mut mark = Listening::start(&server, "columns=id").mark;
    for round in 0..4 {
        server
            .post("/webhook", lines(round * 2000, round * 2000 + 2000))
            .expect(200);
        match round {
            1 => drop(server.post("/api/v1/seal", "").expect(200)),
            2 => {
                server.stop();
                server = Server::start(dir.path(), &["--segment-events", "700"]);
            }
            _ => {}
        }
        let mut listening = Listening::open(&server, "columns=id", &mark);
        // The client goes away amid them, and comes back with the last that it saw.
        seen.extend(listening.ids(1300));
        mark = listening.mark;
    }
    seen.extend(Listening::open(&server, "columns=id", &mark).ids(8000 - seen.len()));
    assert!(
        seen.is_sorted_by(|one, next| one < next),
        "each once, in order"
    );
}

#[test]
fn a_listener_that_does_not_read_loses_nothing() {
    let both = Both::empty();
    let mut slow = Listening::start(&both.server, "");
    for batch in 0..10 {
        let batch = lines(batch * 2000, batch * 2000 + 2000);
        both.server.post("/webhook", batch).expect(200);
    }
    let ids = slow.ids(20_000);
    assert!(ids.is_sorted_by(|one, next| one < next));
}

#[test]
fn what_may_be_missing_is_told() {
    let (both, other) = (
        Both::with_events(&[event(0)]),
        Both::with_events(&[event(0)]),
    );
    let server = &both.server;
    let mark = Listening::start(server, "columns=id").mark;
    let mut foreign = Listening::open(&other.server, "columns=id", &mark);
    let (name, told) = foreign.next();
    assert_eq!(name, "gap");
    assert!(
        told["detail"].as_str().unwrap().contains("another store"),
        "{told}"
    );

    // A place is complete once the store was looked at.
    let mut listening = Listening::start(server, "columns=id");
    server.post("/webhook", event(1)).expect(200);
    listening.next();
    server.post("/webhook", lines(2, 9)).expect(200);
    let mark = listening.mark;
    server
        .post("/api/v1/prune", r#"{"before":"2026-11-20T00:00:05Z"}"#)
        .expect(200);
    let mut late = Listening::open(server, "columns=id", &mark);
    let (name, told) = late.next();
    assert_eq!(name, "gap");
    assert!(
        told["detail"].as_str().unwrap().contains("retention"),
        "{told}"
    );
    assert_eq!(late.ids(4).len(), 4);
}

#[test]
fn what_makes_no_sense_of_a_stream_is_refused() {
    let both = Both::empty();
    for (query, word) in [
        ("limit=5", "limit"),
        ("final=true", "final"),
        ("timeout_ms=5", "timeout_ms"),
        ("vreb=get", "vreb"),
        ("format=csv", "csv"),
    ] {
        let refused = both
            .server
            .get(&format!("/api/v1/events/stream?{query}"))
            .expect(400);
        assert!(refused.text().contains(word), "{}", refused.text());
    }
    let headers = [("last-event-id", "x")];
    let mut client = both.server.connect();
    let refused = client.request("GET", "/api/v1/events/stream", &headers, b"");
    assert!(
        refused
            .unwrap()
            .expect(400)
            .text()
            .contains("Last-Event-ID")
    );
}

#[test]
fn a_server_that_stops_ends_its_streams() {
    let dir = temp_dir();
    let server = Server::start(dir.path(), &[]);
    let mut listening = Listening::start(&server, "");
    assert!(server.stop().success());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut listening.reader, &mut rest).unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "{rest:?}");
}

/// A running `auditql tail`.
struct Tail {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Tail {
    fn start(args: &[&str]) -> Tail {
        let mut child = command(&[&["tail", "-f"], args].concat())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Tail { child, out }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn tail_shows_the_newest_and_follows() {
    let both = Both::with_events(&(0..20).map(event).collect::<Vec<_>>());
    let run = both.ask("tail", &["--limit", "3", "--verb", "delete"]);
    let shown: Vec<_> = run.text().lines().collect();
    assert_eq!(
        shown,
        [
            "2026-11-20 00:00:08Z 200 user-8 delete pods ns1/pod-8 from 10.0.0.8",
            "2026-11-20 00:00:13Z 201 user-2 delete pods ns6/pod-13 from 10.0.0.13",
            "2026-11-20 00:00:18Z 403 user-7 delete pods ns4/pod-18 denied_other from 10.0.0.18",
        ]
    );
    both.ask("tail", &["--user", "nobody"]).expect(1);
    both.ask(
        "tail",
        &["-o", "csv", "--columns", "name,code", "--limit", "2"],
    );

    let url = both.server.url();
    let data = both.data().to_str().unwrap().to_owned();
    let mut near = Tail::start(&[
        "--data",
        &data,
        "-l",
        "2",
        "-o",
        "jsonl",
        "--columns",
        "name",
    ]);
    let mut far = Tail::start(&[
        "--server",
        &url,
        "-l",
        "2",
        "-o",
        "jsonl",
        "--columns",
        "name",
    ]);
    for n in 18..20 {
        for tail in [&mut near, &mut far] {
            assert_eq!(tail.line(), format!("{{\"name\":\"pod-{n}\"}}"));
        }
    }
    for n in 20..25 {
        both.server.post("/webhook", event(n)).expect(200);
        for tail in [&mut near, &mut far] {
            assert_eq!(tail.line(), format!("{{\"name\":\"pod-{n}\"}}"));
        }
    }
}

#[test]
fn tail_goes_on_when_the_server_was_away() {
    let dir = temp_dir();
    let server = Server::start(dir.path(), &[]);
    let address = server.address.clone();
    server.post("/webhook", event(0)).expect(200);
    let mut tail = Tail::start(&["--server", &address, "-o", "raw"]);
    assert_eq!(tail.line(), event(0));
    server.post("/webhook", event(1)).expect(200);
    assert_eq!(tail.line(), event(1));
    server.stop();
    let late = event_at(2, "2026-11-20T00:00:00.25Z");
    let file = dir.path().join("late.jsonl");
    std::fs::write(&file, &late).unwrap();
    local(dir.path(), "import", &[file.to_str().unwrap()]).expect(0);
    let mut again = None;
    wait_until("the port is free again", || {
        again = Server::try_start_at(dir.path(), &address).ok();
        again.is_some()
    });
    assert_eq!(tail.line(), late);
}

/// A machine that vanishes closes no connection. A stopped process does not either.
#[test]
fn tail_connects_again_when_the_server_falls_silent() {
    let dir = temp_dir();
    let server = Server::start(dir.path(), &[]);
    let address = server.address.clone();
    server.post("/webhook", event(0)).expect(200);
    let args = ["--server", &address, "-o", "raw", "--timeout", "1s"];
    let mut child = command(&[&["tail", "-f"], &args[..]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut tail = Tail { child, out };
    assert_eq!(tail.line(), event(0));
    // SAFETY: sends a signal to a child that is still held.
    unsafe { libc::kill(server.pid(), libc::SIGSTOP) };
    let mut line = String::new();
    while !line.contains("no sign of life; connecting again") {
        line.clear();
        assert!(told.read_line(&mut line).unwrap() > 0, "it goes on");
    }
    // What is sent meanwhile is stored as soon as the server runs again.
    std::thread::scope(|scope| {
        let sent = scope.spawn(|| server.post("/webhook", lines(1, 4)).expect(200));
        // SAFETY: as above.
        unsafe { libc::kill(server.pid(), libc::SIGCONT) };
        sent.join().unwrap();
    });
    for n in 1..4 {
        assert_eq!(tail.line(), event(n));
    }
    server.kill();
    let late = dir.path().join("late.jsonl");
    std::fs::write(&late, lines(4, 6)).unwrap();
    local(dir.path(), "import", &[late.to_str().unwrap()]).expect(0);
    let mut again = None;
    wait_until("the port is free again", || {
        again = Server::try_start_at(dir.path(), &address).ok();
        again.is_some()
    });
    let again = again.unwrap();
    again.post("/webhook", event(6)).expect(200);
    for n in 4..7 {
        assert_eq!(tail.line(), event(n), "each once, in order");
    }
}
