//! The forms of answers: by name or by Accept, compressed or not, with what their headers tell.

use std::io::Read;

use super::support::{Reply, Server};

async fn ask(server: &Server, path: &str, headers: &str) -> Reply {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    server.send(request).await.reply().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_accept_header_chooses_the_form() {
    let server = Server::start().await;
    let sql = |accept: &str| {
        let body = r#"{"sql":"select","limit":3}"#;
        format!(
            "POST /api/v1/sql HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    for (accept, content_type) in [
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("application/x-ndjson", "application/x-ndjson"),
        (
            "text/csv, application/json;q=0.5",
            "text/csv; charset=utf-8",
        ),
    ] {
        let header = format!("Accept: {accept}\r\n");
        for path in [
            "/api/v1/events?limit=2",
            "/api/v1/top/verb",
            "/api/v1/queries/who-deleted",
        ] {
            let reply = ask(&server, path, &header).await;
            assert_eq!(reply.status, 200, "{path} {accept}");
            assert_eq!(reply.header("content-type"), Some(content_type), "{path}");
            assert_eq!(reply.header("vary"), Some("accept, accept-encoding"));
        }
        let reply = server.send(sql(accept)).await.reply().await;
        assert_eq!(reply.header("content-type"), Some(content_type), "sql");
    }
    let named = ask(
        &server,
        "/api/v1/events?limit=2&format=csv",
        "Accept: text/html\r\n",
    )
    .await;
    assert_eq!(
        named.header("content-type"),
        Some("text/csv; charset=utf-8")
    );
    for path in [
        "/api/v1/events",
        "/api/v1/top/verb",
        "/api/v1/queries/who-deleted",
    ] {
        let detail = ask(&server, path, "Accept: text/html\r\n")
            .await
            .problem(406);
        assert!(detail.contains("text/csv"), "{detail}");
    }
    server
        .send(sql("image/png"))
        .await
        .reply()
        .await
        .problem(406);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_answers_are_compressed_as_the_client_likes() {
    let server = Server::start().await;
    for path in [
        "/api/v1/events?limit=3000&columns=id,user&format=csv",
        "/api/v1/events?limit=30000&columns=id,user&format=jsonl",
        "/api/v1/events?limit=20000&columns=id,user",
    ] {
        let plain = ask(&server, path, "").await;
        assert_eq!(plain.header("content-encoding"), None);
        let gzip = ask(&server, path, "Accept-Encoding: gzip, br\r\n").await;
        assert_eq!(gzip.header("content-encoding"), Some("gzip"));
        let mut text = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(gzip.body.as_slice());
        decoder.read_to_end(&mut text).unwrap();
        assert_eq!(text.len(), plain.body.len(), "{path}");
        let zstd = ask(&server, path, "Accept-Encoding: gzip, zstd\r\n").await;
        assert_eq!(zstd.header("content-encoding"), Some("zstd"));
        let text = zstd::decode_all(zstd.body.as_slice()).unwrap();
        assert_eq!(text.len(), plain.body.len(), "{path}");
        assert!(zstd.body.len() < plain.body.len() / 4);
    }
    let short = ask(
        &server,
        "/api/v1/events?limit=1&format=csv",
        "Accept-Encoding: gzip\r\n",
    )
    .await;
    assert_eq!(short.header("content-encoding"), None);
    let bad = ask(
        &server,
        "/api/v1/events?vreb=x",
        "Accept-Encoding: gzip\r\n",
    )
    .await;
    bad.problem(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_tell_limits_and_what_is_missing() {
    let server = Server::start().await;
    for format in ["json", "jsonl", "csv", "raw"] {
        let path = format!("/api/v1/events?limit=2&timeout_ms=7000&format={format}");
        let reply = server.get(&path).await;
        assert_eq!(reply.header("auditql-limit-rows"), Some("2"));
        assert_eq!(reply.header("auditql-limit-ms"), Some("7000"));
        assert_eq!(reply.header("auditql-truncated"), Some("false"));
        let coverage = reply.header("auditql-coverage").unwrap();
        assert!(coverage.starts_with("{\"oldest\":"), "{coverage}");
    }
    let export = server.get("/api/v1/events?limit=100000&format=csv").await;
    assert_eq!(export.header("auditql-limit-rows"), Some("100000"));
    assert_eq!(
        export.header("auditql-truncated"),
        None,
        "it is not known yet"
    );
}
