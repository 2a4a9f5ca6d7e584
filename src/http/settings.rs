//! What an operator may set.

use std::path::PathBuf;
use std::time::Duration;

use super::Hosts;
use crate::limits;
use crate::query::library::Library;
use crate::report::Catalogue;
use crate::report::schedule::Schedule;

/// How the server behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where bodies too large for memory are spooled: an existing directory on the store's disk.
    pub spool_dir: PathBuf,
    /// Which Host headers are answered.
    pub hosts: Hosts,
    /// Remove events whose time is longer ago than this; `None` keeps them.
    pub retain: Option<Duration>,
    /// The questions that can be asked by name.
    pub library: Library,
    /// The reports that can be made by name.
    pub reports: Catalogue,
    /// The reports that are written regularly.
    pub schedule: Schedule,
    pub limits: Limits,
}

/// The server's limits; the defaults are those of [`crate::limits`].
#[derive(Debug, Clone)]
pub struct Limits {
    pub body_bytes_max: u64,
    pub inflight_bytes_max: usize,
    pub admission_wait: Duration,
    pub body_idle_wait: Duration,
    pub connections_max: usize,
    pub first_header_wait: Duration,
    pub keep_alive: Duration,
    pub answer_stall_wait: Duration,
    pub query_time: Duration,
    pub report_time: Duration,
    pub queries_max: usize,
    pub queries_waiting_max: usize,
    pub query_wait: Duration,
    pub shutdown_wait: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_bytes_max: limits::BODY_BYTES_MAX,
            inflight_bytes_max: limits::INFLIGHT_BYTES_MAX,
            admission_wait: limits::ADMISSION_WAIT,
            body_idle_wait: limits::BODY_IDLE_WAIT,
            connections_max: limits::CONNECTIONS_MAX,
            first_header_wait: limits::FIRST_HEADER_WAIT,
            keep_alive: limits::KEEP_ALIVE,
            answer_stall_wait: limits::ANSWER_STALL_WAIT,
            query_time: limits::QUERY_TIME,
            report_time: limits::REPORT_TIME,
            queries_max: limits::QUERIES_MAX,
            queries_waiting_max: limits::QUERIES_WAITING_MAX,
            query_wait: limits::QUERY_WAIT,
            shutdown_wait: limits::SHUTDOWN_WAIT,
        }
    }
}
