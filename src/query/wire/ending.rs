//! What an answer says once its rows are given.

use serde::Serialize;

use crate::store::Answer;

/// What stands after the rows of an answer.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Ending<'a> {
    #[serde(flatten)]
    pub answer: &'a Answer,
    /// The `cursor` of the next page, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<&'a str>,
    /// How it was found, with `explain=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explain: Option<&'a serde_json::Value>,
}

impl<'a> From<&'a Answer> for Ending<'a> {
    fn from(answer: &'a Answer) -> Ending<'a> {
        Ending {
            answer,
            next: None,
            explain: None,
        }
    }
}
