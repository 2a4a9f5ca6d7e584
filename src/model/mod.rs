//! What an audit event is, without any I/O: its JSON, its normalised fields, its columns.
//!
//! Invariant: nothing here knows of files, sockets or SQL.

pub mod cluster;
pub mod column;
pub mod event;
pub mod identity;
pub mod json;
pub mod normalise;
pub mod outcome;
pub mod resources;
pub mod suggest;
pub mod time;
pub mod token;
pub mod value;
