//! The server over real sockets, on a store that does as it is told.

mod answers;
mod api;
mod fake;
mod lifecycle;
mod support;
mod webhook;
