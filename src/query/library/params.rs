//! A question's parameters: what may be given for them and how it is bound.

use serde::{Deserialize, Serialize};

use crate::model::column::Column;
use crate::model::time;
use crate::model::value::Value;
use crate::query::params::FilterParams;
use crate::store::filter::{Filter, Term, Test};

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A filter's words, for `column match :name`; bound as text, NULL when not given.
    Words,
    /// A filter's words of which none leaves anything out; bound as [`Kind::Words`].
    Names,
    /// Text as it is; NULL when not given.
    Text,
    /// A whole number.
    Int,
    /// A duration such as `5m`; bound as microseconds.
    Duration,
    /// An instant or an age; bound as an instant.
    Time,
    /// True or false; bound as 1 or 0.
    Flag,
}

/// A parameter of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param {
    /// Its name in SQL and in a query string; the flag has `-` for `_`.
    pub name: String,
    #[serde(rename = "type")]
    pub kind: Kind,
    /// One sentence for people.
    pub help: String,
    /// What stands in when nothing is given, as it would be given; nothing is NULL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Whether the question makes no sense without it.
    pub required: bool,
}

/// The name of the parameter that every question with a time range has, and that of its end.
pub(crate) const SINCE: &str = "since";
pub(crate) const UNTIL: &str = "until";

/// Instants before and after all events (years 0 and 9999), in microseconds.
const BEGINNING: i64 = -62_167_219_200_000_000;
const END: i64 = 253_402_300_799_999_999;

impl Param {
    /// The parameter that stands for a filter of `auditql query`, if there is one.
    pub(crate) fn of_filter(name: &str) -> Option<Param> {
        let (_, _, help) = FilterParams::DOCS
            .iter()
            .find(|(known, ..)| *known == name)?;
        let kind = match name {
            SINCE | UNTIL => Kind::Time,
            _ => Kind::Words,
        };
        Some(Param {
            name: name.to_owned(),
            kind,
            help: (*help).to_owned(),
            default: None,
            required: false,
        })
    }

    /// The value to bind for what was given; `now` is in microseconds. The error says what is
    /// wrong with it.
    pub(crate) fn value(&self, given: Option<&str>, now: i64) -> Result<Value, String> {
        let Some(text) = given.or(self.default.as_deref()) else {
            return match (self.name.as_str(), self.kind) {
                _ if self.required => Err("is needed; give it".to_owned()),
                (SINCE, Kind::Time) => Ok(Value::Time(BEGINNING)),
                (UNTIL, Kind::Time) => Ok(Value::Time(END)),
                (_, Kind::Flag) => Ok(Value::Int(0)),
                _ => Ok(Value::Null),
            };
        };
        match self.kind {
            Kind::Words | Kind::Text => Ok(Value::text(text)),
            Kind::Names => {
                let mut filter = Filter::default();
                filter.push_words(Column::User, text)?;
                let finds = |term: &Term| !term.negate && matches!(term.test, Test::Text { .. });
                match filter.terms.iter().all(finds) {
                    true => Ok(Value::text(text)),
                    false => Err(format!(
                        "{text:?} leaves out what follows the !; say whose names they are, and write \\! \
                         where a name begins with !"
                    )),
                }
            }
            Kind::Int => match text.parse() {
                Ok(number) => Ok(Value::Int(number)),
                Err(_) => Err(format!("{text:?} is no whole number")),
            },
            Kind::Duration => {
                let duration = time::parse_duration(text)?;
                Ok(Value::Int(
                    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX),
                ))
            }
            Kind::Time if text == "all" && self.name == SINCE => Ok(Value::Time(BEGINNING)),
            Kind::Time => time::parse_human(text, now, time::Zone::UTC).map(Value::Time),
            Kind::Flag => match text {
                "true" | "1" | "" => Ok(Value::Int(1)),
                "false" | "0" => Ok(Value::Int(0)),
                _ => Err(format!("{text:?} is no truth value; use true or false")),
            },
        }
    }

    /// The flag of `auditql ask`.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }
}

/// The flag that gives a parameter of this name on the command line.
pub fn flag(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

/// `names`, as `shown`, if none of them is given and none has a default.
pub fn lacking(
    names: &[String],
    params: &[Param],
    given: &[(String, String)],
    shown: impl Fn(&str) -> String,
) -> Option<String> {
    let there = |name: &String| {
        let given = given.iter().find(|(known, _)| known == name);
        let default = || {
            let param = params.iter().find(|param| param.name == *name);
            param.and_then(|param| param.default.as_deref())
        };
        let text = given.map(|(_, text)| text.as_str()).or_else(default);
        text.is_some_and(|text| !text.trim().is_empty())
    };
    if names.is_empty() || names.iter().any(there) {
        return None;
    }
    let names: Vec<String> = names.iter().map(|name| shown(name)).collect();
    Some(names.join(", "))
}
