//! Sockets: accepting, time limits on headers, closing, and stopping.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::App;
use super::router;

/// How long accepting pauses after the system ran out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a closed connection is still read, so that the client gets to see the answer: closing
/// with unread bytes makes the kernel send a reset that can overtake it.
const LINGER: Duration = Duration::from_secs(2);

/// Serves connections until `shutdown`, then waits for the requests in flight, within the limit.
pub(super) async fn accept_until(
    listener: TcpListener,
    app: &App,
    shutdown: impl Future<Output = ()>,
) {
    let router = router::build(app);
    let room = Arc::new(Semaphore::new(app.0.settings.limits.connections_max.max(1)));
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accept = async {
            let permit = Arc::clone(&room)
                .acquire_owned()
                .await
                .expect("never closed");
            (permit, listener.accept().await)
        };
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            (permit, accepted) = accept => match accepted {
                Ok((stream, _)) => {
                    let (app, router) = (app.clone(), router.clone());
                    connections.spawn(async move {
                        let _permit = permit;
                        connection(stream, app, router).await;
                    });
                }
                Err(error) if of_the_client(&error) => {}
                Err(error) => {
                    tracing::error!("a connection could not be accepted: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    app.0.stopping.send_replace(true);
    tracing::info!(connections = connections.len(), "stopping");
    let ended = async { while connections.join_next().await.is_some() {} };
    let limit = app.0.settings.limits.shutdown_wait;
    if tokio::time::timeout(limit, ended).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "requests that did not finish within {limit:?} were broken off"
        );
        connections.shutdown().await;
    }
}

fn of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

async fn connection(stream: TcpStream, app: App, router: Router) {
    // Answers are small and awaited; a failure only makes them slower.
    let _ = stream.set_nodelay(true);
    let limits = &app.0.settings.limits;
    let asked = Arc::new(AtomicBool::new(false));
    let router = TowerToHyperService::new(router);
    let service = service_fn({
        let asked = Arc::clone(&asked);
        move |request| {
            asked.store(true, Ordering::Relaxed);
            Box::pin(router.call(request))
        }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.keep_alive)
        .serve_connection(TokioIo::new(stream), service);

    let mut stopping = app.0.stopping.subscribe();
    let mut told = false;
    let mut first_header = pin!(tokio::time::sleep(limits.first_header_wait));
    let mut waiting = true;
    let ended = loop {
        tokio::select! {
            ended = poll_fn(|context| connection.poll_without_shutdown(context)) => break ended,
            _ = stopping.wait_for(|stopping| *stopping), if !told => {
                told = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            () = &mut first_header, if waiting => {
                waiting = false;
                if !asked.load(Ordering::Relaxed) {
                    tracing::debug!("a connection sent no request in time");
                    return;
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended: {error}");
    }
    linger(connection.into_parts().io.into_inner(), told).await;
}

/// Closes our side, then reads what the client still sends, for a while.
async fn linger(mut stream: TcpStream, stopping: bool) {
    if stream.shutdown().await.is_err() || stopping {
        return;
    }
    let drain = async {
        let mut scratch = vec![0; 16 << 10];
        while matches!(stream.read(&mut scratch).await, Ok(bytes) if bytes > 0) {}
    };
    let _ = tokio::time::timeout(LINGER, drain).await;
}
