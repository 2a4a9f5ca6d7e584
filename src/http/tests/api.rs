use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::support::{PATIENCE, Server, post};

async fn sql(server: &Server, request: Value) -> super::support::Reply {
    server.post("/api/v1/sql", &request.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_answers_whole() {
    let server = Server::start().await;
    let reply = sql(
        &server,
        json!({"sql": "select", "limit": 3, "params": {"a": 1}}),
    )
    .await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let answer = reply.json();
    assert_eq!(answer["columns"], json!([{"name": "n", "type": "INTEGER"}]));
    assert_eq!(answer["rows"], json!([[0], [1], [2]]));
    assert_eq!(answer["truncated"], true);
    assert!(answer["coverage"].is_object());
    assert!(answer["stats"]["elapsed_us"].is_u64());

    let many = sql(&server, json!({"sql": "select", "limit": 300_000}))
        .await
        .json();
    assert_eq!(many["rows"].as_array().unwrap().len(), 300_000);
    let rows = sql(
        &server,
        json!({"sql": "select", "limit": 300_000, "format": "rows"}),
    )
    .await;
    let lines: Vec<_> = rows.body.split(|&byte| byte == b'\n').collect();
    assert_eq!(lines.len(), 300_003);
    assert!(lines[300_001].starts_with(b"{\"end\":"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_errors_have_their_status_even_after_many_rows() {
    let server = Server::start().await;
    let detail = sql(&server, json!({"sql": "bad"})).await.problem(400);
    assert_eq!(detail, "no such column: x");

    let late = sql(&server, json!({"sql": "forever", "timeout_ms": 1})).await;
    assert!(late.problem(408).contains("time limit"));
    assert_eq!(late.json()["limit_ms"], 1);

    let detail = sql(&server, json!({"sql": "io"})).await.problem(500);
    assert!(!detail.contains("secret"), "{detail}");
    sql(&server, json!({"sql": "panic"})).await.problem(500);
    sql(&server, json!({"sql": "late error"}))
        .await
        .problem(500);
    sql(&server, json!({"sql": "late panic"}))
        .await
        .problem(500);

    let rows = sql(&server, json!({"sql": "late error", "format": "rows"})).await;
    assert_eq!(rows.status, 200);
    let last = rows
        .body
        .trim_ascii_end()
        .rsplit(|&byte| byte == b'\n')
        .next()
        .unwrap();
    let last: Value = serde_json::from_slice(last).unwrap();
    assert_eq!(last["error"]["detail"], "segment a.db is damaged");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_does_not_look_whole() {
    let server = Server::start().await;
    let body = json!({"sql": "late panic", "format": "rows"}).to_string();
    let answer = server.send(post("/api/v1/sql", &body)).await.rest().await;
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    assert!(!answer.ends_with(b"0\r\n\r\n"), "the last chunk is missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_with_unknown_words_are_refused_by_name() {
    let server = Server::start().await;
    for (request, word) in [
        (json!({"sql": "x", "tiemout_ms": 5}), "tiemout_ms"),
        (json!({"query": "x"}), "query"),
        (json!({"sql": "x", "format": "xml"}), "xml"),
        (json!({"sql": "x", "params": {"a": [1]}}), "a"),
    ] {
        let detail = sql(&server, request).await.problem(400);
        assert!(detail.contains(word), "{detail}");
    }
    for (path, word) in [
        ("/api/v1/events?vreb=get", "vreb"),
        ("/api/v1/events?format=xml", "xml"),
        ("/api/v1/events?timeout_ms=soon", "soon"),
        ("/api/v1/events?format=json&format=raw", "format"),
        ("/api/v1/events/12x", "12x"),
        ("/api/v1/stats?verbose=1", "verbose"),
        ("/api/v1/top/nonsense", "nonsense"),
    ] {
        let detail = server.get(path).await.problem(400);
        assert!(detail.contains(word), "{path}: {detail}");
    }
    server.post("/api/v1/sql", "").await.problem(400);
    server.post("/api/v1/sql", "{").await.problem(400);
    let huge = "x".repeat(2 << 20);
    server.post("/api/v1/sql", &huge).await.problem(413);
    let reply = server.get("/api/v1/sql").await;
    reply.problem(405);
    assert_eq!(reply.header("allow"), Some("POST"));
    let reply = server.post("/api/v1/events", "").await;
    reply.problem(405);
    assert_eq!(reply.header("allow"), Some("GET, HEAD"));
}

/// Waiting for its turn is no part of a query's time, but is no longer than it either.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_waits_for_its_turn_as_long_as_it_may_run() {
    let server = Server::start_with(|settings| {
        settings.limits.queries_max = 1;
        settings.limits.query_wait = Duration::from_secs(3600);
    })
    .await;
    server.store.shut_gate();
    let gate = post("/api/v1/sql", r#"{"sql":"gate","limit":0}"#);
    let running = server.send(&gate).await;
    server.store.at_gate.notified().await;
    let hasty = server.get("/api/v1/events?timeout_ms=50").await;
    let detail = hasty.problem(503);
    assert!(detail.contains("no query ended within 50ms"), "{detail}");
    server.store.open_gate();
    assert_eq!(running.reply().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_queries_get_503() {
    let server = Server::start_with(|settings| {
        settings.limits.queries_max = 1;
        settings.limits.queries_waiting_max = 1;
        settings.limits.query_wait = Duration::from_millis(100);
    })
    .await;
    server.store.shut_gate();
    let gate = post("/api/v1/sql", r#"{"sql":"gate","limit":0}"#);
    let running = server.send(&gate).await;
    server.store.at_gate.notified().await;
    let (one, other) = tokio::join!(server.get("/api/v1/stats"), server.get("/api/v1/stats"));
    let details = [one.problem(503), other.problem(503)];
    assert!(
        details
            .iter()
            .any(|d| d.contains("1 queries run and 1 wait")),
        "{details:?}"
    );
    assert!(
        details.iter().any(|d| d.contains("no query ended")),
        "{details:?}"
    );

    server.store.open_gate();
    assert_eq!(running.reply().await.status, 200);
    assert_eq!(server.get("/api/v1/stats").await.json()["events"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_ends_when_its_client_goes_away() {
    let server = Server::start().await;
    let ended = async || {
        let ended = tokio::time::timeout(PATIENCE, server.store.query_ended.notified()).await;
        ended.expect("the query ends");
    };

    let forever = post("/api/v1/sql", r#"{"sql":"forever","timeout_ms":0}"#);
    let before_an_answer = server.send(forever).await;
    server.store.at_gate.notified().await;
    drop(before_an_answer);
    ended().await;

    let endless = "GET /api/v1/events?limit=0&timeout_ms=0&format=rows HTTP/1.1\r\n\
                   Host: localhost\r\n\r\n";
    let mut amid_the_answer = server.send(endless).await;
    let mut first = [0; 15];
    amid_the_answer.0.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    drop(amid_the_answer);
    ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stands_still_is_given_up_and_costs_no_memory() {
    let server = Server::start_with(|settings| {
        settings.limits.answer_stall_wait = Duration::from_millis(50);
    })
    .await;
    let endless = "GET /api/v1/events?limit=0&timeout_ms=0&format=rows HTTP/1.1\r\n\
                   Host: localhost\r\n\r\n";
    let connection = server.send(endless).await;
    let ended = tokio::time::timeout(PATIENCE, server.store.query_ended.notified()).await;
    ended.expect("the query ends");
    // What the kernel's socket buffers take, and little more.
    assert!(server.store.rows.load(Ordering::Relaxed) < 5_000_000);
    drop(connection);
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_come_in_every_format() {
    let server = Server::start().await;
    let json = server.get("/api/v1/events?limit=2").await.json();
    assert_eq!(json["rows"].as_array().unwrap().len(), 2);

    let lines = server.get("/api/v1/events?limit=2&format=jsonl").await;
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(lines.body.iter().filter(|&&byte| byte == b'\n').count(), 2);

    let csv = server.get("/api/v1/events?limit=2&format=csv").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(csv.body.iter().filter(|&&byte| byte == b'\n').count(), 3);

    let raw = server.get("/api/v1/events?limit=2&format=raw").await;
    assert_eq!(raw.body, b"{\"auditID\":\"x\"}\n");

    let long = server.get("/api/v1/events?limit=100000&format=rows").await;
    assert_eq!(
        long.body.iter().filter(|&&byte| byte == b'\n').count(),
        100_002
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn single_things_come_exactly_or_404() {
    let server = Server::start().await;
    let raw = server.get("/api/v1/events/7/raw").await;
    assert_eq!(raw.header("content-type"), Some("application/json"));
    assert_eq!(raw.body, br#"{"auditID":"x"}"#);
    assert!(
        server
            .get("/api/v1/events/8")
            .await
            .problem(404)
            .contains('8')
    );

    let top = server.get("/api/v1/top/verb").await.json();
    assert_eq!(top["rows"], json!([["get", 3]]));

    let list = server.get("/api/v1/quarantine").await;
    assert_eq!(list.body.iter().filter(|&&byte| byte == b'\n').count(), 2);
    assert_eq!(
        server.get("/api/v1/quarantine/1/raw").await.body,
        b"\xff\0!"
    );
    server.get("/api/v1/quarantine/2/raw").await.problem(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn upkeep_answers_what_it_did() {
    let server = Server::start().await;
    let sealed = server.post("/api/v1/seal", "").await.json();
    assert_eq!(sealed, json!({"events": 5, "segments": 1}));
    let resealed = server.post("/api/v1/reseal", "").await.json();
    assert_eq!(resealed, json!({"events": 7, "segments": 2}));
    let body = r#"{"before":"1970-01-02","dry_run":true}"#;
    let pruned = server.post("/api/v1/prune", body).await.json();
    assert_eq!(pruned["before"], "86400000000");
    assert_eq!(pruned["dry_run"], true);
    server.post("/api/v1/prune", "{}").await.problem(400);
    server
        .post("/api/v1/prune", r#"{"older_then":"2d"}"#)
        .await
        .problem(400);
}
