//! Who may take memory and CPU now: the in-flight byte budget and the query queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::limits::BODY_MEMORY_BYTES_MAX;

/// Bytes of request bodies that may be in memory at once, over all connections.
pub(super) struct Room {
    bytes: Arc<Semaphore>,
    bytes_max: usize,
    wait: Duration,
}

impl Room {
    pub(super) fn new(bytes_max: usize, wait: Duration) -> Room {
        let bytes_max = bytes_max.clamp(1, u32::MAX as usize);
        Room {
            bytes: Arc::new(Semaphore::new(bytes_max)),
            bytes_max,
            wait,
        }
    }

    /// Waits for room for one body. A body that will be spooled, or whose length is unknown, takes
    /// only as much as is kept of it in memory. Waiters are served in order of arrival.
    pub(super) async fn admit(&self, length: Option<u64>) -> Result<OwnedSemaphorePermit, Problem> {
        let bytes = length
            .and_then(|length| usize::try_from(length).ok())
            .unwrap_or(usize::MAX)
            .clamp(1, BODY_MEMORY_BYTES_MAX)
            .min(self.bytes_max);
        let permits = u32::try_from(bytes).expect("bytes_max fits 32 bits");
        let acquire = Arc::clone(&self.bytes).acquire_many_owned(permits);
        match tokio::time::timeout(self.wait, acquire).await {
            Ok(permit) => Ok(permit.expect("never closed")),
            Err(_) => Err(Problem::unavailable(format!(
                "no room for the body within {:?}: {} bytes of request bodies are being stored; \
                 send again, or raise --inflight-bytes-max",
                self.wait, self.bytes_max
            ))),
        }
    }
}

/// The bounded queue in front of queries.
pub(super) struct Queries {
    running: Arc<Semaphore>,
    running_max: usize,
    waiting: AtomicUsize,
    waiting_max: usize,
    wait: Duration,
}

/// The right to run one query; dropped once the query has really ended.
pub(super) struct Slot(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl Queries {
    pub(super) fn new(running_max: usize, waiting_max: usize, wait: Duration) -> Queries {
        let running_max = running_max.clamp(1, Semaphore::MAX_PERMITS);
        Queries {
            running: Arc::new(Semaphore::new(running_max)),
            running_max,
            waiting: AtomicUsize::new(0),
            waiting_max,
            wait,
        }
    }

    /// Waits for the turn of one query, no longer than that may take.
    pub(super) async fn enter(&self, limit: Option<Duration>) -> Result<Slot, Problem> {
        if let Ok(permit) = Arc::clone(&self.running).try_acquire_owned() {
            return Ok(Slot(permit));
        }
        let _place = Place::take(&self.waiting, self.waiting_max).ok_or_else(|| {
            Problem::unavailable(format!(
                "too busy: {} queries run and {} wait; ask again, or raise --queries-max",
                self.running_max, self.waiting_max
            ))
            .retry_after(self.wait)
        })?;
        let wait = limit.map_or(self.wait, |limit| limit.min(self.wait));
        let acquire = Arc::clone(&self.running).acquire_owned();
        match tokio::time::timeout(wait, acquire).await {
            Ok(permit) => Ok(Slot(permit.expect("never closed"))),
            Err(_) => Err(Problem::unavailable(format!(
                "too busy: no query ended within {:?} and {} may run at once; ask again, or \
                 raise --queries-max",
                wait, self.running_max
            ))
            .retry_after(self.wait)),
        }
    }
}

/// A place in the queue, given back on drop (also when the waiting client goes away).
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, max: usize) -> Option<Place<'a>> {
        let before = waiting.fetch_add(1, Ordering::AcqRel);
        let place = Place(waiting);
        (before < max).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
