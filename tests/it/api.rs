//! The HTTP API beyond what the command line uses of it.

mod busy;
mod live;
mod pages;
