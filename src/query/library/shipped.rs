//! The files of `queries/`, as the build script lists them.

/// Name and text of every shipped question.
pub(super) const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/questions.rs"));
