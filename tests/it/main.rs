//! Tests of the real binary through its command line and its port, and of what the repository says.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is the report; outside #[test] functions clippy does not see that"
)]

#[allow(
    dead_code,
    unreachable_pub,
    unsafe_code,
    reason = "each module uses another part of it; a signal to a child has no safe form in std"
)]
mod support;

mod badinput;
mod both;
mod corpus;
mod docs;
mod licences;
mod output;
mod readme;
mod sql;
mod tidy;
