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

    /// The value where it stands.
    pub fn borrowed(&self) -> ValueRef<'_> {
        match self {
            Value::Null => ValueRef::Null,
            Value::Int(number) => ValueRef::Int(*number),
            Value::Real(number) => ValueRef::Real(*number),
            Value::Time(time) => ValueRef::Time(*time),
            Value::Text(text) => ValueRef::Text(text),
            Value::Json(text) => ValueRef::Json(text),
            Value::Bytes(bytes) => ValueRef::Bytes(bytes),
        }
    }
}

/// A [`Value`] that stands elsewhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRef<'a> {
    Null,
    Int(i64),
    Real(f64),
    Time(i64),
    Text(&'a str),
    Json(&'a str),
    Bytes(&'a [u8]),
}

impl ValueRef<'_> {
    /// A value of its own.
    pub fn to_value(self) -> Value {
        match self {
            ValueRef::Null => Value::Null,
            ValueRef::Int(number) => Value::Int(number),
            ValueRef::Real(number) => Value::Real(number),
            ValueRef::Time(time) => Value::Time(time),
            ValueRef::Text(text) => Value::Text(text.into()),
            ValueRef::Json(text) => Value::Json(text.into()),
            ValueRef::Bytes(bytes) => Value::Bytes(bytes.into()),
        }
    }
}
