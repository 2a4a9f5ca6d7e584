use std::io::Write;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use super::*;
use crate::intake::files::expand;
use crate::intake::import::{Options, import};
use crate::intake::testing::read_request;

type Requests = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A server that gives the answers in turn, the last one for ever.
fn server(answers: &'static [(u16, &'static str)]) -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let requests = Requests::default();
    let seen = Arc::clone(&requests);
    thread::spawn(move || {
        let mut given = 0;
        while let Ok((mut stream, _)) = listener.accept() {
            let Some(request) = read_request(&mut stream) else {
                continue;
            };
            seen.lock().unwrap().push(request);
            let (status, text) = answers[given.min(answers.len() - 1)];
            given += 1;
            let head = format!(
                "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{text}",
                text.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
        }
    });
    (url, requests)
}

fn sink(url: &str) -> RemoteSink {
    let mut sink = RemoteSink::new(url, "prod/1").unwrap();
    sink.pause = Duration::from_millis(1);
    sink
}

const ONE: (u16, &str) = (
    200,
    r#"{"stored":1,"duplicates":2,"quarantined":3,"more":true}"#,
);

#[test]
fn items_are_posted_and_answers_summed_up() {
    let dir = tempfile::tempdir().unwrap();
    let pretty = "{\n \"auditID\": \"b\"\n}";
    std::fs::write(
        dir.path().join("a"),
        format!("{{\"auditID\":\"a\"}}\nbroken\n{pretty}\n"),
    )
    .unwrap();
    let (url, requests) = server(&[(503, "busy"), ONE]);
    let inputs = expand(&[dir.path().to_owned()]);
    let summary = import(&inputs, &sink(&url), &Options::default(), &mut |_| {}).unwrap();
    assert_eq!(
        (
            summary.read,
            summary.stored,
            summary.duplicates,
            summary.quarantined
        ),
        (3, 2, 4, 6)
    );
    assert_eq!((summary.bad, summary.first_bad[0].at.line), (1, 2));
    let requests = requests.lock().unwrap();
    assert!(
        requests[0]
            .0
            .starts_with("POST /webhook/prod%2F1 HTTP/1.1\r\n"),
        "{}",
        requests[0].0
    );
    let bodies: Vec<String> = requests
        .iter()
        .map(|(_, body)| String::from_utf8(body.clone()).unwrap())
        .collect();
    let items = format!("{{\"auditID\":\"a\"}}\n{pretty}\n");
    assert_eq!(bodies, [items.as_str(), &items, "broken"]);
}

#[test]
fn a_large_broken_piece_is_posted_from_its_file() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"0123456789").unwrap();
    let (url, requests) = server(&[(500, ""), ONE]);
    sink(&url).post(&Payload::File(&file, 7)).unwrap();
    let requests = requests.lock().unwrap();
    assert_eq!(requests[0].1, b"0123456");
    assert_eq!(requests[1].1, b"0123456");
}

#[test]
fn errors_name_the_server_and_the_answer() {
    let (url, requests) = server(&[(404, "no such path")]);
    let error = sink(&url)
        .post(&Payload::Memory(b"{}"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("it answered 404: no such path"), "{error}");
    assert_eq!(
        requests.lock().unwrap().len(),
        1,
        "a client error is not retried"
    );
    let (url, requests) = server(&[(503, "busy")]);
    let error = sink(&url)
        .post(&Payload::Memory(b"{}"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("it answered 503: busy (6 attempts)"),
        "{error}"
    );
    assert_eq!(requests.lock().unwrap().len(), 6);
    let (url, _) = server(&[(200, "hello")]);
    let error = sink(&url)
        .post(&Payload::Memory(b"{}"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("not that of an AuditQL server"), "{error}");
    assert!(RemoteSink::new("https://x", "c").is_err());
}
