//! Tests of the real binary through its command line and its port, and of what the repository says.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "in a test a panic is the report and stderr is shown; outside #[test] functions clippy \
              does not see that it is one"
)]
#![allow(
    unreachable_pub,
    reason = "nothing outside this binary reaches anything in it"
)]
#![allow(unsafe_code, reason = "tests send signals and ask who they run as")]

#[allow(dead_code, reason = "each module uses another part of it")]
mod support;

mod api;
mod badinput;
mod bench;
mod both;
mod comparison;
mod completions;
mod config;
mod corpus;
mod corruption;
mod counts;
mod dedup;
mod demo;
mod docs;
mod durability;
mod explain;
mod export;
mod facts;
mod frameworks;
mod full_disk;
mod history;
mod licences;
mod man;
mod output;
mod pty;
pub(crate) mod questions;
mod readme;
mod recovery;
mod report_html;
mod reports;
mod shell;
mod sql;
mod syscalls;
mod textsearch;
mod tidy;
