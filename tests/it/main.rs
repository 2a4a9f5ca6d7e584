//! Tests of the real binary through its command line and its port, and of what the repository says.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is the report; outside #[test] functions clippy does not see that"
)]

mod docs;
mod licences;
mod readme;
