use std::io::Write;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::support::{Server, post};
use crate::limits::BODY_MEMORY_BYTES_MAX;
use crate::store::StoreError;

/// Not JSON, so that whatever splits bodies keeps it whole.
const BODY: &str = "not json";

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_stored_under_the_cluster_of_its_path() {
    let server = Server::start().await;
    for path in [
        "/webhook?timeout=30s",
        "/webhook/?timeout=30s",
        "/webhook/prod-eu.1",
    ] {
        let reply = server.post(path, BODY).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        let expected = serde_json::json!({"stored": 0, "duplicates": 0, "quarantined": 1});
        assert_eq!(reply.json(), expected);
    }
    let clusters: Vec<_> = server
        .store
        .committed()
        .into_iter()
        .map(|(c, _)| c)
        .collect();
    assert_eq!(clusters, ["default", "default", "prod-eu.1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_is_stored() {
    let server = Server::start().await;
    let request = "POST /webhook HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nnot\r\n5\r\n json\r\n0\r\n\r\n";
    assert_eq!(server.send(request).await.reply().await.status, 200);
    assert_eq!(server.store.committed(), [("default".to_owned(), 8)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_names_that_climb_are_refused() {
    let server = Server::start().await;
    for path in [
        "/webhook/..",
        "/webhook/../x",
        "/webhook/..%2f",
        "/webhook/%2e%2e%2fetc%2fpasswd",
        "/webhook/a/b",
        "/webhook/.hidden",
        "/webhook/a%00b",
        "/webhook/%ff",
    ] {
        let detail = server.post(path, BODY).await.problem(400);
        assert!(detail.contains("cluster name"), "{path}: {detail}");
    }
    assert_eq!(server.stop().await.committed(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_body_is_never_committed() {
    let server = Server::start().await;
    let whole = post("/webhook", BODY);
    let chunked = "POST /webhook HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nnot\r\n5\r\n js";
    for cut in [&whole[..whole.len() - 1], chunked] {
        let mut connection = server.send(cut).await;
        connection.0.shutdown().await.unwrap();
        let answer = connection.rest().await;
        assert!(
            !answer.starts_with(b"HTTP/1.1 2"),
            "{}",
            answer.escape_ascii()
        );
    }
    assert_eq!(server.stop().await.committed(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stands_still_is_given_up() {
    let server = Server::start_with(|settings| {
        settings.limits.body_idle_wait = Duration::from_millis(50);
    })
    .await;
    let whole = post("/webhook", BODY);
    let reply = server.send(&whole[..whole.len() - 1]).await.reply().await;
    assert!(reply.problem(408).contains("stood still"));
    assert_eq!(server.stop().await.committed(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_with_the_flag_that_raises_it() {
    let server = Server::start_with(|settings| settings.limits.body_bytes_max = 5).await;
    let chunked = "POST /webhook HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nnot\r\n5\r\n json\r\n0\r\n\r\n";
    for request in [&post("/webhook", BODY), chunked] {
        let detail = server.send(request).await.reply().await.problem(413);
        assert!(detail.contains("5 bytes"), "{detail}");
        assert!(detail.contains("--body-bytes-max"), "{detail}");
    }
    assert_eq!(server.stop().await.committed(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let server = Server::start_with(|settings| settings.limits.body_bytes_max = 5).await;
    let body = "x".repeat(8 << 20);
    assert_eq!(server.post("/webhook", &body).await.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_too_large_for_memory_is_stored_and_leaves_no_file() {
    let server = Server::start().await;
    let body = "x".repeat(BODY_MEMORY_BYTES_MAX * 2);
    assert_eq!(server.post("/webhook", &body).await.status, 200);
    let stored = server.store.committed();
    assert_eq!(stored, [("default".to_owned(), body.len() as u64)]);
    let left = std::fs::read_dir(server.spool_dir()).unwrap().count();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_a_request_waits_then_gets_503_without_retry_after() {
    let server = Server::start_with(|settings| {
        settings.limits.inflight_bytes_max = BODY.len();
        settings.limits.admission_wait = Duration::from_millis(50);
    })
    .await;
    server.store.shut_gate();
    let first = server.send(post("/webhook", BODY)).await;
    server.store.at_gate.notified().await;

    let detail = server.post("/webhook", BODY).await.problem(503);
    assert!(detail.contains("--inflight-bytes-max"), "{detail}");

    server.store.open_gate();
    assert_eq!(first.reply().await.status, 200);
    assert_eq!(
        server.post("/webhook", BODY).await.status,
        200,
        "room is given back"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn room_is_given_back_when_a_client_goes_away() {
    let server = Server::start_with(|settings| {
        settings.limits.inflight_bytes_max = BODY.len();
    })
    .await;
    let whole = post("/webhook", BODY);
    let cut = server.send(&whole[..whole.len() - 1]).await;
    drop(cut);
    assert_eq!(server.post("/webhook", BODY).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_write_answers_503_and_is_not_ready() {
    let server = Server::start().await;
    assert_eq!(server.get("/readyz").await.status, 200);
    for error in [
        (|| StoreError::Unavailable("the disk is full".to_owned())) as fn() -> StoreError,
        || StoreError::Io("secret path".to_owned()),
        || StoreError::Damaged("active.db".to_owned()),
        || StoreError::BadRequest("odd".to_owned()),
    ] {
        server.store.fail_with(Some(error));
        let detail = server.post("/webhook", BODY).await.problem(503);
        assert!(!detail.contains("secret"), "{detail}");
        server.get("/readyz").await.problem(503);
    }
    server.store.fail_with(None);
    assert_eq!(server.post("/webhook", BODY).await.status, 200);
    assert_eq!(server.get("/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_and_paths_say_what_to_use() {
    let server = Server::start().await;
    let reply = server.get("/webhook").await;
    assert!(reply.problem(405).contains("POST"));
    assert_eq!(reply.header("allow"), Some("POST"));

    assert!(
        server
            .post("/?timeout=30s", BODY)
            .await
            .problem(404)
            .contains("/webhook")
    );
    assert!(
        server
            .get("/nothing")
            .await
            .problem(404)
            .contains("/nothing")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_hosts_and_pages_of_other_sites_are_refused() {
    let server = Server::start_with(|settings| {
        settings.hosts.names = vec!["auditql.svc".to_owned()];
    })
    .await;
    let send = async |headers: &str| {
        let request = format!("POST /webhook HTTP/1.1\r\n{headers}Content-Length: 8\r\n\r\n{BODY}");
        server.send(request).await.reply().await
    };
    send("Host: evil.example\r\n").await.problem(421);
    send("").await.problem(400);
    send("Host: localhost\r\nHost: evil.example\r\n")
        .await
        .problem(400);
    send("Host: localhost\r\nOrigin: http://evil.example\r\n")
        .await
        .problem(403);
    send("Host: localhost\r\nSec-Fetch-Site: cross-site\r\n")
        .await
        .problem(403);
    assert_eq!(server.store.committed(), []);

    assert_eq!(send("Host: auditql.svc:9770\r\n").await.status, 200);
    let same = "Host: localhost:9770\r\nOrigin: http://localhost:9770\r\n";
    assert_eq!(send(same).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_bodies_are_decoded_and_meet_the_same_limit() {
    let server = Server::start_with(|settings| settings.limits.body_bytes_max = 1 << 20).await;
    let send = async |coding: &str, body: &[u8]| {
        let length = body.len();
        let mut request = format!(
            "POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: {coding}\r\n\
             Content-Length: {length}\r\n\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        server.send(request).await.reply().await
    };
    let gzip = |body: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = |body: &[u8]| zstd::encode_all(body, 1).unwrap();
    let body = BODY.as_bytes();
    assert_eq!(send("gzip", &gzip(body)).await.status, 200);
    assert_eq!(send("zstd", &zstd(body)).await.status, 200);
    let stored = ("default".to_owned(), body.len() as u64);
    assert_eq!(server.store.committed(), [stored.clone(), stored]);

    let bomb = vec![b'x'; 2 << 20];
    send("gzip", &gzip(&bomb)).await.problem(413);
    send("zstd", &zstd(&bomb)).await.problem(413);
    for (coding, cut) in [("gzip", gzip(body)), ("zstd", zstd(body))] {
        for end in [0, 3, cut.len() - 1] {
            let detail = send(coding, &cut[..end]).await.problem(400);
            assert!(
                detail.contains("Content-Encoding"),
                "{coding} {end}: {detail}"
            );
        }
        send(coding, body).await.problem(400);
    }
    let detail = send("br", body).await.problem(415);
    assert!(detail.contains("\"br\""), "{detail}");
    assert_eq!(server.stop().await.committed().len(), 2);
}
