//! The embedded engine: SQLite files as segments.

pub mod scan;
pub mod sql;
