//! Stand-in.
pub mod json;
