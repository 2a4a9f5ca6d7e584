//! What headers of questions and definitions of reports have in common.

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::params::Kind;
use super::token::parameters;

/// A parameter that is no filter of `auditql query`, or a filter with a default of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnParam {
    #[serde(rename = "type")]
    pub(crate) kind: Option<Kind>,
    pub(crate) help: Option<String>,
    pub(crate) default: Option<Scalar>,
}

/// A value that TOML may spell as what it is; parameters take it as a flag takes its text.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a value is of another type than what a flag takes; write a text, a whole number, true or false"
)]
pub(crate) enum Scalar {
    Bool(bool),
    Int(i64),
    Text(String),
}

impl Scalar {
    pub(crate) fn text(&self) -> String {
        match self {
            Scalar::Bool(on) => on.to_string(),
            Scalar::Int(number) => number.to_string(),
            Scalar::Text(text) => text.clone(),
        }
    }
}

/// A table's entries as they stand in the file.
#[derive(Debug)]
pub(crate) struct InOrder<T>(pub(crate) Vec<(String, T)>);

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        InOrder(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for InOrder<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = InOrder<T>;
            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("a table")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InOrder<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(InOrder(entries))
            }
        }
        deserializer.deserialize_map(Entries(std::marker::PhantomData))
    }
}

/// The parameters that a statement names, and the byte of the `:` before each.
pub(crate) fn uses(sql: &str) -> impl Iterator<Item = (usize, &str)> {
    parameters(sql).filter_map(|(at, word)| Some((at, word.strip_prefix(':')?)))
}

/// The names of a statement's parameters, in order, each once.
pub(crate) fn names(sql: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (_, name) in uses(sql) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}
