//! One value of a result row, whatever engine it comes from.

use std::sync::Arc;

/// A cell of a result.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Absent.
    Null,
    /// A whole number; truth values are 0 and 1.
    Int(i64),
    /// A floating-point number (only SQL expressions make these).
    Real(f64),
    /// An instant: microseconds since 1970-01-01T00:00:00Z.
    Time(i64),
    /// Text.
    Text(Arc<str>),
    /// A JSON document as text, shown inline in JSON outputs.
    Json(Arc<str>),
    /// Bytes that need not be UTF-8.
    Bytes(Arc<[u8]>),
}

impl Value {
    /// `text` as a text value.
    pub fn text(text: impl Into<Arc<str>>) -> Value {
        Value::Text(text.into())
    }
}
