//! Columns that are only in an event's bytes, or that an older file does not hold: read by the same normaliser that took the
//! event in.

use super::facts;
use super::layout::{Origin, origin};
use super::predicate;
use crate::model::column::{Column, Kind};
use crate::model::json::body_problem;
use crate::model::normalise::{self, normalise};
use crate::model::value::Value;
use crate::store::filter::{Term, Test};

/// The value of a column from the exact bytes of an event.
pub(crate) fn column(column: Column, raw: &[u8]) -> Value {
    match column {
        Column::Raw => return Value::Bytes(raw.into()),
        Column::Sha256 => {
            use sha2::{Digest, Sha256};
            return Value::text(super::build::hex(&Sha256::digest(raw)));
        }
        Column::RawBytes => return Value::Int(raw.len() as i64),
        _ => {}
    }
    if matches!(
        column,
        Column::RequestObject | Column::ResponseObject | Column::Annotations | Column::UserExtra
    ) {
        return self::inside(column, raw);
    }
    // What is stored was an event when it came in; its cluster does not matter for these fields.
    let Ok((event, _)) = normalise("", raw) else {
        return Value::Null;
    };
    match column {
        Column::ObjectUid => event.object_uid.as_deref().map_or(Value::Null, Value::text),
        Column::Deprecated => Value::Int(i64::from(event.deprecated)),
        _ => match origin(column) {
            Origin::Text(text) if column.kind() == Kind::Json => {
                json(facts::text(&event, text).as_deref())
            }
            Origin::Text(text) => facts::text(&event, text).map_or(Value::Null, Value::text),
            Origin::Number(text) => facts::text(&event, text)
                .and_then(|number| number.parse().ok())
                .map_or(Value::Null, Value::Int),
            _ => Value::Null,
        },
    }
}

/// A column that takes no more than finding its place.
fn inside(column: Column, raw: &[u8]) -> Value {
    let Some(inside) = normalise::inside(raw) else {
        return Value::Null;
    };
    let body = |span: Option<std::ops::Range<usize>>| {
        let bytes = span.map(|span| &raw[span])?;
        // Where nothing was found, both bodies are sound.
        let sound = !inside.bad_body || body_problem(bytes).is_none();
        sound.then(|| std::str::from_utf8(bytes).ok()).flatten()
    };
    match column {
        Column::RequestObject => json(body(inside.request_object.clone())),
        Column::ResponseObject => json(body(inside.response_object.clone())),
        Column::Annotations => json(inside.annotations.as_deref()),
        _ => json(inside.user_extra.as_deref()),
    }
}

fn json(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| Value::Json(text.into()))
}

/// A test on an event's bytes, without its negation.
pub(crate) fn matches(term: &Term, raw: &[u8]) -> bool {
    match &term.test {
        Test::Contains { any } => any
            .iter()
            .any(|needle| memchr::memmem::find(raw, needle).is_some()),
        Test::Text { column, any } => match self::column(*column, raw) {
            Value::Text(text) | Value::Json(text) => predicate::text_matches(*column, &text, any),
            _ => false,
        },
        Test::Number { column, any } => match self::column(*column, raw) {
            Value::Int(value) => predicate::in_any(value, any),
            _ => false,
        },
        Test::Absent { column } => matches!(self::column(*column, raw), Value::Null),
        Test::Resource { .. } | Test::Ended => false,
    }
}
