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
    #[cfg(test)]
    looks: Arc<Looks>,
}

/// How often a budget was looked at, and which look finds it cancelled.
#[cfg(test)]
#[derive(Debug, Default)]
struct Looks {
    count: std::sync::atomic::AtomicU64,
    last: Option<u64>,
}

impl Budget {
    /// A budget of `limit` from now; `None` is without limit.
    pub fn new(limit: Option<Duration>) -> Budget {
        Budget {
            started: Instant::now(),
            limit,
            cancelled: Arc::default(),
            #[cfg(test)]
            looks: Arc::default(),
        }
    }

    /// A budget whose question is cancelled when it looks for this time, from 1.
    #[cfg(test)]
    pub(crate) fn cancelled_at(look: u64) -> Budget {
        let looks = Looks {
            last: Some(look),
            ..Looks::default()
        };
        Budget {
            looks: Arc::new(looks),
            ..Budget::new(None)
        }
    }

    /// How often it was looked at.
    #[cfg(test)]
    pub(crate) fn looks(&self) -> u64 {
        self.looks.count.load(Ordering::Relaxed)
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
        #[cfg(test)]
        {
            let look = self.looks.count.fetch_add(1, Ordering::Relaxed) + 1;
            if self.looks.last == Some(look) {
                self.cancelled.store(true, Ordering::Relaxed);
            }
        }
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
