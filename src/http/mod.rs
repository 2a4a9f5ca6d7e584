//! The server: the webhook receiver and the API, over plaintext HTTP/1.1.
//!
//! A request's way: `connection` (sockets, time limits) -> `frame` (request id, log line, problem
//! bodies) -> `guard` (Host, Origin) -> `router` -> a handler. Handlers are async and thin; whatever
//! splits, compresses, waits for a commit or runs a query happens in the blocking pool.
//!
//! Invariants: only this module knows status codes; a 2xx of the webhook leaves only after
//! `Batch::commit` returned `Ok`; no answer redirects; no answer of the webhook carries
//! `Retry-After` (kube-apiserver would hammer up to 55 times instead of backing off).

mod admission;
mod api;
mod coding;
mod connection;
mod frame;
mod guard;
mod health;
mod listeners;
mod negotiate;
mod openapi;
mod problem;
mod retention;
mod router;
mod routes;
mod schedule;
mod settings;
mod stream;
mod webhook;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::store::{Store, StoreError};
pub use guard::Hosts;
pub use openapi::document as openapi;
pub use settings::{Limits, Settings};

/// How long listeners may take to leave once their connections are closed.
const LISTENERS_LEAVE_WAIT: Duration = Duration::from_secs(2);

/// What every request shares. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Shared>);

struct Shared {
    store: Arc<dyn Store>,
    settings: Settings,
    room: admission::Room,
    queries: admission::Queries,
    listeners: listeners::Listeners,
    /// Held by a prune or seal that was asked for: one at a time.
    upkeep: Arc<tokio::sync::Mutex<()>>,
    stopping: watch::Sender<bool>,
    write_failed: Mutex<Option<Instant>>,
}

impl App {
    /// An application over an open store.
    pub fn new(store: Arc<dyn Store>, settings: Settings) -> App {
        let limits = &settings.limits;
        App(Arc::new(Shared {
            room: admission::Room::new(limits.inflight_bytes_max, limits.admission_wait),
            queries: admission::Queries::new(
                limits.queries_max,
                limits.queries_waiting_max,
                limits.query_wait,
            ),
            listeners: listeners::Listeners::new(),
            upkeep: Arc::default(),
            stopping: watch::Sender::new(false),
            write_failed: Mutex::new(None),
            store,
            settings,
        }))
    }
}

/// Serves `app` on `listener` until `shutdown` is ready; then takes no more connections, lets the
/// requests in flight finish within [`Limits::shutdown_wait`], and closes the store.
///
/// The caller owns the socket and the stop signal. Fails only when the store cannot be closed.
pub async fn serve(
    listener: TcpListener,
    app: App,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StoreError> {
    let retention = retention::start(&app);
    let schedule = schedule::start(&app);
    connection::accept_until(listener, &app, shutdown).await;
    if let Some(task) = retention {
        task.abort();
    }
    // They let go of the store before they leave.
    let _ = tokio::time::timeout(LISTENERS_LEAVE_WAIT, app.0.listeners.left()).await;
    // An engine may own things that must not be dropped on the async runtime, so the last handle of
    // it that the server has goes in the blocking pool.
    let close = tokio::task::spawn_blocking(move || {
        if let Some(schedule) = schedule {
            schedule.stop();
        }
        let closed = app.0.store.close();
        drop(app);
        closed
    });
    close
        .await
        .unwrap_or_else(|panic| Err(StoreError::Io(format!("closing the store: {panic}"))))
}
