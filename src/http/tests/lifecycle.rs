use std::sync::atomic::Ordering;
use std::time::Duration;

use super::support::{PATIENCE, Server, post};

#[tokio::test(flavor = "multi_thread")]
async fn stopping_finishes_the_request_in_flight_and_closes_the_store() {
    let mut server = Server::start().await;
    server.store.shut_gate();
    let in_flight = server.send(post("/webhook", "not json")).await;
    let idle = server.send("").await;
    server.store.at_gate.notified().await;

    server.tell_to_stop();
    assert_eq!(idle.rest().await, b"", "an idle connection is closed");
    assert!(!server.store.closed.load(Ordering::Relaxed));
    server.store.open_gate();

    let reply = in_flight.reply().await;
    assert_eq!(reply.status, 200);
    let address = server.address;
    let store = server.join().await;
    assert!(store.closed.load(Ordering::Relaxed));
    assert_eq!(store.committed().len(), 1);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_does_not_wait_for_ever() {
    let server = Server::start_with(|settings| {
        settings.limits.shutdown_wait = Duration::from_millis(50);
    })
    .await;
    let forever = post("/api/v1/sql", r#"{"sql":"forever","timeout_ms":0}"#);
    let connection = server.send(forever).await;
    server.store.at_gate.notified().await;
    let store = server.stop().await;
    let ended = tokio::time::timeout(PATIENCE, store.query_ended.notified()).await;
    ended.expect("the query is cancelled");
    drop(connection);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_sends_no_header_is_closed() {
    let server = Server::start_with(|settings| {
        settings.limits.first_header_wait = Duration::from_millis(50);
    })
    .await;
    let silent = server.send("").await;
    let slow = server.send("POST /webhook HT").await;
    assert_eq!(silent.rest().await, b"");
    assert_eq!(slow.rest().await, b"");
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_wait_for_one_to_end() {
    let server = Server::start_with(|settings| settings.limits.connections_max = 1).await;
    server.store.shut_gate();
    let first = server.send(post("/webhook", "not json")).await;
    server.store.at_gate.notified().await;
    let second = server.send(post("/webhook", "not json")).await;
    server.store.open_gate();
    assert_eq!(first.reply().await.status, 200);
    assert_eq!(second.reply().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_begins_at_once_and_goes_on() {
    let server =
        Server::start_with(|settings| settings.retain = Some(Duration::from_secs(1))).await;
    for _ in 0..2 {
        let pruned = tokio::time::timeout(PATIENCE, server.store.pruned.notified()).await;
        pruned.expect("retention runs");
    }
}
