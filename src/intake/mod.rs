//! From bytes to a committed batch.

pub mod body;
