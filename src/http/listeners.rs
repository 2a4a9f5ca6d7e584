//! Who listens to arriving events, and what wakes them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::App;
use super::problem::Problem;
use crate::limits::{LISTENERS_MAX, LISTENERS_READING_MAX};

/// How soon the watching thread sees that nobody listens any more, or that the server stops.
const LOOK_AROUND: Duration = Duration::from_millis(250);

/// How soon a client should try again when there are too many listeners.
const TRY_AGAIN: Duration = Duration::from_secs(10);

pub(super) struct Listeners {
    /// The last id of an event.
    head: watch::Sender<i64>,
    /// Whether a thread waits for the store's commits on behalf of all.
    watching: Mutex<bool>,
    room: Arc<Semaphore>,
    /// Listeners read in turn, beside the queue of queries: slow queries must not delay them.
    reading: Arc<Semaphore>,
}

/// One listener's place.
pub(super) struct Listener {
    pub(super) head: watch::Receiver<i64>,
    _place: OwnedSemaphorePermit,
}

impl Listeners {
    pub(super) fn new() -> Listeners {
        Listeners {
            head: watch::Sender::new(0),
            watching: Mutex::new(false),
            room: Arc::new(Semaphore::new(LISTENERS_MAX)),
            reading: Arc::new(Semaphore::new(LISTENERS_READING_MAX)),
        }
    }

    /// Waits until everyone has left.
    pub(super) async fn left(&self) {
        let all = u32::try_from(LISTENERS_MAX).unwrap_or(u32::MAX);
        let _ = self.room.acquire_many(all).await;
    }

    /// The turn to read.
    pub(super) async fn turn(&self) -> OwnedSemaphorePermit {
        let turn = Arc::clone(&self.reading).acquire_owned().await;
        turn.expect("never closed")
    }
}

/// Joins the listeners; the first one starts the thread that wakes them.
pub(super) fn join(app: &App) -> Result<Listener, Problem> {
    let listeners = &app.0.listeners;
    let place = Arc::clone(&listeners.room)
        .try_acquire_owned()
        .map_err(|_| {
            Problem::unavailable(format!(
                "too busy: {LISTENERS_MAX} clients listen already; come again later"
            ))
            .retry_after(TRY_AGAIN)
        })?;
    let head = listeners.head.subscribe();
    let mut watching = lock(&listeners.watching);
    if !*watching {
        let app = app.clone();
        std::thread::Builder::new()
            .name("listeners".to_owned())
            .spawn(move || watch_commits(&app))
            .map_err(|error| Problem::internal(format!("cannot start a thread: {error}")))?;
        *watching = true;
    }
    drop(watching);
    Ok(Listener {
        head,
        _place: place,
    })
}

fn watch_commits(app: &App) {
    let listeners = &app.0.listeners;
    let mut last = app.0.store.last_id();
    loop {
        listeners.head.send_if_modified(|head| {
            let moved = *head != last;
            *head = last;
            moved
        });
        {
            // Under the lock, so that whoever joins now starts another thread.
            let mut watching = lock(&listeners.watching);
            if listeners.head.receiver_count() == 0 || *app.0.stopping.borrow() {
                *watching = false;
                return;
            }
        }
        last = app.0.store.wait_for_events(last, LOOK_AROUND);
    }
}

fn lock(watching: &Mutex<bool>) -> std::sync::MutexGuard<'_, bool> {
    watching.lock().unwrap_or_else(PoisonError::into_inner)
}
