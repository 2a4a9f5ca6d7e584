//! Requests that are wrong or do not arrive whole.

use std::io::Write;

use super::quarantine;
use crate::both::{Both, unpacked};
use crate::support::{Client, Response, Server, event, event_list, raw_lines, temp_dir};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[track_caller]
fn problem(answer: Response, status: u16, detail: &str) {
    let answer = answer.expect(status);
    let kind = answer
        .headers
        .iter()
        .find(|(name, _)| name == "content-type");
    assert_eq!(kind.unwrap().1, "application/problem+json");
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    let told = problem["detail"].as_str().unwrap();
    assert!(told.contains(detail), "{told}");
}

/// A list with one item that is no event, one that is broken inside, and one that never ends.
#[test]
fn lists_keep_what_they_can() {
    let both = Both::empty();
    let list = event_list(&[
        event(1),
        "{\"level\":\"x\"}".to_owned(),
        "17".to_owned(),
        event(2),
    ]);
    let answer = both.server.post("/webhook", list).expect(200).text();
    assert_eq!(answer, r#"{"stored":2,"duplicates":0,"quarantined":2}"#);
    let bytes: Vec<Vec<u8>> = quarantine(&both)
        .into_iter()
        .map(|(_, bytes)| bytes)
        .collect();
    assert_eq!(bytes, [&b"{\"level\":\"x\"}"[..], b"17"]);

    // Where the structure is lost the whole body is kept, and the events before that are stored.
    for broken in [
        format!(
            r#"{{"kind":"EventList","items":[{},{{"a":,}},{}]}}"#,
            event(11),
            event(12)
        ),
        event_list(&[event(13), event(14)])[..700].to_owned(),
        event_list(&[event(15)]).trim_end_matches("]}").to_owned(),
    ] {
        let both = Both::empty();
        let answer = both.server.post("/webhook", &broken).expect(200).json();
        assert!(answer["stored"].as_u64() >= Some(1), "{answer}: {broken}");
        assert_eq!(answer["quarantined"], 1, "{broken}");
        let kept = quarantine(&both);
        assert!(
            broken
                .as_bytes()
                .windows(kept[0].1.len())
                .any(|part| part == kept[0].1),
            "{kept:?}"
        );
        let again = both.server.post("/webhook", &broken).expect(200).json();
        assert_eq!(again["stored"], 0);
    }
    let both = Both::empty();
    let garbage = [0x1f, 0x8b, 8, 0, 0xff, 3].repeat(100);
    let answer = both.server.post("/webhook", &garbage).expect(200).text();
    assert_eq!(answer, r#"{"stored":0,"duplicates":0,"quarantined":1}"#);
    assert!(quarantine(&both)[0].1 == garbage);
}

#[test]
fn an_empty_body_is_nothing() {
    let both = Both::empty();
    for body in [
        "",
        "\n\n",
        r#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[]}"#,
    ] {
        let answer = both.server.post("/webhook", body).expect(200).text();
        assert_eq!(
            answer, r#"{"stored":0,"duplicates":0,"quarantined":0}"#,
            "{body:?}"
        );
    }
    assert_eq!(both.count(&[]), 0);
}

/// Sends a head and part of a body, and ends the connection's sending side.
fn cut(both: &Both, head: &str, part: &[u8]) -> Option<u16> {
    let mut client = both.server.connect();
    let request = format!(
        "POST /webhook HTTP/1.1\r\nhost: {}\r\n{head}\r\n\r\n",
        both.server.address
    );
    client.send(request.as_bytes()).unwrap();
    client.send(part).unwrap();
    client.finish_sending().unwrap();
    client.read_response().ok().map(|answer| answer.status)
}

#[test]
fn a_body_that_the_network_cut_is_never_acknowledged() {
    let both = Both::empty();
    // Whole events arrived: the batch may be retried, and must not be half there.
    let part = format!("{}\n{}\n", event(1), event(2));
    let chunk = format!("{:x}\r\n{part}\r\n", part.len());
    for (head, sent) in [
        (format!("content-length: {}", part.len() + 1), part.clone()),
        (
            format!("content-length: {}", part.len() * 100),
            part.clone(),
        ),
        ("content-length: 20000000".to_owned(), part.repeat(9000)),
        ("transfer-encoding: chunked".to_owned(), chunk.clone()),
        (
            "transfer-encoding: chunked".to_owned(),
            format!("{chunk}{:x}\r\n{}", 50, &part[..20]),
        ),
        (
            "transfer-encoding: chunked".to_owned(),
            format!("{chunk}zz\r\n"),
        ),
    ] {
        let status = cut(&both, &head, sent.as_bytes());
        assert!(
            status.is_none_or(|status| status >= 400),
            "{head}: {status:?}"
        );
        assert_eq!(both.count(&[]), 0, "{head}");
    }
    assert_eq!(both.ask_quarantine("list", &[]).code, Some(1));
    let whole = format!("{chunk}0\r\n\r\n");
    let mut client = both.server.connect();
    let head = "POST /webhook HTTP/1.1
host: localhost
transfer-encoding: chunked

";
    client.send(format!("{head}{whole}").as_bytes()).unwrap();
    client.read_response().unwrap().expect(200);
    assert_eq!(both.count(&[]), 2);
}

#[test]
fn encoded_bodies_are_decoded_or_refused() {
    let dir = temp_dir();
    let server = Server::start(dir.path(), &["--body-bytes-max", "4MiB"]);
    let send = |coding: &str, body: &[u8]| {
        let headers = [("content-encoding", coding), ("content-type", "text/plain")];
        server
            .connect()
            .request("POST", "/webhook", &headers, body)
            .unwrap()
    };
    let list = event_list(&[event(1), event(2)]);
    let packed = gzip(list.as_bytes());
    problem(
        send("gzip", &packed[..packed.len() / 2]),
        400,
        "nothing was stored",
    );
    problem(send("gzip", list.as_bytes()), 400, "nothing was stored");
    problem(send("br", list.as_bytes()), 415, "send gzip, zstd or none");
    let bomb = gzip(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 1 << 20);
    problem(send("gzip", &bomb), 413, "--body-bytes-max");
    problem(
        send("identity", &vec![b' '; 5 << 20]),
        413,
        "nothing was stored",
    );
    assert_eq!(raw_lines(dir.path()).len(), 0);
    assert!(
        send("gzip", &packed)
            .expect(200)
            .text()
            .contains("\"stored\":2")
    );
    let packed = zstd::encode_all(event(3).as_bytes(), 1).unwrap();
    assert!(
        send("zstd", &packed)
            .expect(200)
            .text()
            .contains("\"stored\":1")
    );
    assert_eq!(raw_lines(dir.path()).len(), 3);
}

#[test]
fn the_path_decides_the_cluster_and_names_are_plain() {
    let both = Both::empty();
    let body = event(1).replace("\"level\"", "\"cluster\":\"forged\",\"level\"");
    for (path, cluster) in [
        ("/webhook", "default"),
        ("/webhook/", "default"),
        ("/webhook/a.b-c_9", "a.b-c_9"),
    ] {
        both.server.post(path, &body).expect(200);
        assert!(both.count(&["--cluster", cluster]) == 1, "{path}");
    }
    let long = format!("/webhook/{}", "a".repeat(129));
    for path in [
        "/webhook/..",
        "/webhook/../etc",
        "/webhook/%2e%2e%2fetc",
        "/webhook/..%2F..%2Fetc",
        "/webhook/a/b",
        "/webhook/a%2fb",
        "/webhook/a%5cb",
        "/webhook/a%00b",
        "/webhook/.hidden",
        "/webhook/%",
        "/webhook/%ff",
        "/webhook/caf%c3%a9",
        &long,
    ] {
        problem(both.server.post(path, &body), 400, "nothing was stored");
    }
    assert_eq!(
        both.rows("select cluster, count(*) from events group by 1"),
        ["a.b-c_9|1", "default|1"]
    );
    let data = both.data().to_str().unwrap();
    for name in ["../x", "a/b", "", ".x", "é"] {
        let run = crate::support::cli(&["import", "--data", data, "--cluster", name, "x.log"]);
        assert_eq!(run.code, Some(2), "{name}: {}", run.stderr);
    }
}

#[test]
fn wrong_methods_and_paths_say_what_there_is() {
    let both = Both::empty();
    let send = |method: &str, path: &str| {
        both.server
            .connect()
            .request(method, path, &[], b"")
            .unwrap()
    };
    for (method, path, allow) in [
        ("GET", "/webhook", "POST"),
        ("PUT", "/webhook/prod", "POST"),
        ("DELETE", "/api/v1/events", "GET, HEAD"),
        ("GET", "/api/v1/sql", "POST"),
        ("GET", "/api/v1/prune", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
    ] {
        let answer = send(method, path);
        let allowed = answer
            .headers
            .iter()
            .find(|(name, _)| name == "allow")
            .cloned();
        assert_eq!(
            allowed.map(|(_, value)| value).as_deref(),
            Some(allow),
            "{method} {path}"
        );
        problem(answer, 405, "this path takes");
    }
    problem(send("POST", "/"), 404, "kube-apiserver needs /webhook");
    problem(send("GET", "/metrics"), 404, "nothing at \"/metrics\"");
    problem(send("POST", "/audit?timeout=30s"), 404, "/webhook/CLUSTER");
    problem(send("GET", "/api/v1/events/x"), 400, "no event id");
    problem(
        send("GET", "/api/v1/events/7"),
        404,
        "no event has the id 7",
    );
    problem(send("GET", "/api/v1/events?usr=x"), 400, "user");
    problem(send("GET", "/api/v1/top/usr"), 400, "user");
    let nameless = |host: &str| {
        let mut client = both.server.connect();
        client
            .send(format!("GET /healthz HTTP/1.1\r\n{host}\r\n\r\n").as_bytes())
            .unwrap();
        client.read_response().unwrap().status
    };
    assert_eq!(nameless("host: evil.example"), 421);
    assert_eq!(nameless("x: y"), 400);
    let mut client = both.server.connect();
    client
        .send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        .unwrap();
    client.finish_sending().unwrap();
    assert!(
        client
            .read_response()
            .is_ok_and(|answer| answer.status == 400),
        "a TLS hello"
    );
    assert_eq!(both.server.get("/healthz").status, 200);
}

/// A body that spools to a file, and one connection for several batches.
#[test]
fn large_and_repeated_bodies_are_taken() {
    let both = Both::empty();
    let big = unpacked("webhook/big-24MB.json.zst");
    let mut client = Client::connect(&both.server.address).unwrap();
    for (body, stored) in [(&big[..], 25), (event(1).as_bytes(), 1), (&big[..], 0)] {
        let answer = client.post("/webhook", body).unwrap().expect(200).json();
        assert_eq!(answer["stored"], stored);
    }
    let names: Vec<String> = std::fs::read_dir(both.data())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("tmp"))
        .collect();
    assert_eq!(names, [""; 0], "spooled bodies leave no file");
}
