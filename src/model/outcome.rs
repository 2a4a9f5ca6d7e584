//! What became of a request.

/// The outcome of a request as of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Pending,
}

impl Outcome {
    /// The name in SQL and in outputs.
    pub const fn as_str(self) -> &'static str {
        "pending"
    }
}
