//! Why an operation of the store failed.

use std::time::Duration;

/// Why an operation of the store failed. Messages name the value and the fix.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The caller asked for something that makes no sense: bad SQL, unknown column, bad parameter.
    #[error("{0}")]
    BadRequest(String),
    /// The time limit was reached. Nothing partial is an answer.
    #[error(
        "the query took longer than its time limit of {limit:?}; narrow it with a time range, or raise the limit with --timeout (timeout_ms)"
    )]
    TimedOut { limit: Duration },
    /// The time limit of several queries was reached together; says which one did not end in it, and
    /// how the limit is raised.
    #[error("{told}")]
    TimedOutIn { limit: Duration, told: String },
    /// A limit on memory, temporary files or result size was reached.
    #[error("{0}")]
    LimitReached(String),
    /// The caller went away.
    #[error("the query was cancelled")]
    Cancelled,
    /// Another process writes this directory.
    #[error("{0}")]
    Locked(String),
    /// Data is damaged or missing; names the file.
    #[error("{0}")]
    Damaged(String),
    /// The store cannot take events now: stopping, or the disk is full.
    #[error("{0}")]
    Unavailable(String),
    /// The operating system or the database library failed.
    #[error("{0}")]
    Io(String),
}

/// Result of a store operation.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;
