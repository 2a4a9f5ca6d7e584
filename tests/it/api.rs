//! The HTTP API beyond what the command line uses of it.

mod live;
mod pages;
