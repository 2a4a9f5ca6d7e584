//! Columns that are only in an event's bytes, or that an older file does not hold: read by the same normaliser that took the
//! event in.

use std::ops::Range;

use super::facts;
use super::layout::{Origin, origin};
use super::predicate;
use super::stringsets;
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
    if is_inside(column) {
        let inside = Inside::of(raw);
        let text = inside.text(column, raw);
        return text.map_or(Value::Null, |text| Value::Json(text.into()));
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

/// Whether reading a column takes no more than finding its place.
pub(crate) fn is_inside(column: Column) -> bool {
    matches!(
        column,
        Column::RequestObject | Column::ResponseObject | Column::Annotations | Column::UserExtra
    )
}

/// Where such columns stand in an event's bytes, found out once for all of them.
#[derive(Default)]
pub(crate) struct Inside {
    request_object: Option<Range<usize>>,
    response_object: Option<Range<usize>>,
    annotations: Option<Box<str>>,
    user_extra: Option<Box<str>>,
}

impl Inside {
    pub(crate) fn of(raw: &[u8]) -> Inside {
        let Some(inside) = normalise::inside(raw) else {
            return Inside::default();
        };
        // Where nothing was found, both bodies are sound.
        let sound =
            |span: &Range<usize>| !inside.bad_body || body_problem(&raw[span.clone()]).is_none();
        Inside {
            request_object: inside.request_object.filter(sound),
            response_object: inside.response_object.filter(sound),
            annotations: inside.annotations.as_deref().map(Box::from),
            user_extra: inside.user_extra.as_deref().map(Box::from),
        }
    }

    /// The text of a column, of the bytes that this was found in.
    pub(crate) fn text<'t>(&'t self, column: Column, raw: &'t [u8]) -> Option<&'t str> {
        let body = |span: &Option<Range<usize>>| {
            let bytes = raw.get(span.clone()?)?;
            std::str::from_utf8(bytes).ok()
        };
        match column {
            Column::RequestObject => body(&self.request_object),
            Column::ResponseObject => body(&self.response_object),
            Column::Annotations => self.annotations.as_deref(),
            _ => self.user_extra.as_deref(),
        }
    }
}

/// The bytes of an event, and what stands where in them once somebody asked.
pub(crate) struct Body {
    pub(crate) raw: Vec<u8>,
    inside: Option<Inside>,
}

impl Body {
    pub(crate) fn new(raw: Vec<u8>, read_inside: bool) -> Body {
        let inside = read_inside.then(|| Inside::of(&raw));
        Body { raw, inside }
    }

    /// The text of a column that [`is_inside`].
    pub(crate) fn text(&mut self, column: Column) -> Option<&str> {
        let inside = self.inside.get_or_insert_with(|| Inside::of(&self.raw));
        inside.text(column, &self.raw)
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
            Value::Text(text) | Value::Json(text) => stringsets::text_matches(*column, &text, any),
            _ => false,
        },
        Test::Number { column, any } => match self::column(*column, raw) {
            Value::Int(value) => predicate::in_any(value, any),
            _ => false,
        },
        Test::Absent { column } => matches!(self::column(*column, raw), Value::Null),
        Test::Users { .. } | Test::Resource { .. } | Test::Ended => false,
    }
}
