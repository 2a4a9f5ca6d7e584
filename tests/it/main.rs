//! Tests of the real binary through its command line and its port.

// Each module uses another part of it.
#[allow(dead_code)]
mod support;

mod badinput;
mod both;
mod corpus;
mod sql;
mod tidy;
