//! How long a query may run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Result, StoreError};

/// Stops a running query from outside: at a deadline or when its client went away.
#[derive(Debug, Clone)]
pub struct Budget {
    started: Instant,
    limit: Option<Duration>,
    cancelled: Arc<AtomicBool>,
}

impl Budget {
    /// A budget of `limit` from now; `None` is without limit.
    pub fn new(limit: Option<Duration>) -> Budget {
        Budget {
            started: Instant::now(),
            limit,
            cancelled: Arc::default(),
        }
    }

    /// This budget with its time from now on: it waited for its turn until here.
    pub fn begun(self) -> Budget {
        Budget {
            started: Instant::now(),
            ..self
        }
    }

    /// This budget, cancelled by another flag from now on.
    pub fn cancelled_by(self, cancelled: &Arc<AtomicBool>) -> Budget {
        Budget {
            cancelled: Arc::clone(cancelled),
            ..self
        }
    }

    /// The flag that cancels the query when set.
    pub fn cancel_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }

    /// Fails once the time is over or the query is cancelled. Cheap: call it per chunk of rows.
    pub fn check(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(StoreError::Cancelled);
        }
        match self.limit {
            Some(limit) if self.started.elapsed() > limit => Err(StoreError::TimedOut { limit }),
            _ => Ok(()),
        }
    }

    /// The time limit; `None` is without.
    pub fn limit(&self) -> Option<Duration> {
        self.limit
    }

    /// Time since the query began.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
