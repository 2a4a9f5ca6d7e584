//! One question: a SQL file that begins with a comment whose text is TOML.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::header::{InOrder, OwnParam, Scalar, names};
use super::params::{Param, SINCE, UNTIL, flag, lacking};
use super::tables::Tables;
use crate::model::suggest::suggest;
use crate::model::value::Value;
use crate::query::params::FilterParams;
use crate::query::wire::Conforming;
use crate::store::{SqlQuery, SqlSink};

/// Names of flags and of query parameters that every question has.
pub(super) const RESERVED: [&str; 18] = [
    "cursor",
    "data",
    "explain",
    "format",
    "h",
    "help",
    "limit",
    "local",
    "o",
    "output",
    "profile",
    "queries",
    "server",
    "skip_damaged",
    "timeout",
    "timeout_ms",
    "utc",
    "version",
];

/// A question of the library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The file's name without `.sql`: lower-case words joined by `-`.
    pub name: String,
    pub title: String,
    /// `who`, `access`, `change`, `operations`, `data-quality`, or a user's own.
    pub group: String,
    /// What a row of the answer stands for.
    pub answers: String,
    /// What the answer cannot show, and why.
    pub cannot_see: String,
    /// The least audit level at which the facts are recorded.
    pub level: String,
    /// Identifiers of controls and techniques: `pci-dss:10.2.1.5`, `attack:T1552.007`.
    pub tags: Vec<String>,
    /// Parameters of which it makes no sense without at least one.
    #[serde(default)]
    pub one_of: Vec<String>,
    /// In the order in which the statement names them, `since` and `until` last.
    pub params: Vec<Param>,
    /// The columns of the answer with what they mean.
    pub columns: Vec<ResultColumn>,
    pub sql: String,
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultColumn {
    pub name: String,
    pub doc: String,
    /// Whether its texts are JSON documents, which the statement alone does not tell.
    pub json: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    title: String,
    group: String,
    answers: String,
    cannot_see: String,
    level: String,
    #[serde(default)]
    tags: Vec<String>,
    /// Default of `--since`; absent is all.
    since: Option<String>,
    /// Shared tables that the statement names.
    #[serde(default)]
    tables: Vec<String>,
    /// Filters that the question makes no sense without.
    #[serde(default)]
    required: Vec<String>,
    /// Filters of which the question makes no sense without at least one.
    #[serde(default)]
    one_of: Vec<String>,
    #[serde(default)]
    params: InOrder<OwnParam>,
    columns: InOrder<OwnColumn>,
}

/// What a column means: `name = "..."`, or `name = { json = "..." }` where its texts are documents.
#[derive(Deserialize)]
#[serde(untagged)]
enum OwnColumn {
    Doc(String),
    Json { json: String },
}

impl Question {
    /// Reads a file. An error names it (`origin`) and the line.
    pub(super) fn parse(
        name: &str,
        origin: &str,
        text: &str,
        tables: &Tables,
    ) -> Result<Question, String> {
        let fail = |at: usize, what: &str| {
            let line = 1 + text[..at.min(text.len())].matches('\n').count();
            format!("{origin}:{line}: {what}")
        };
        if !is_name(name) {
            return Err(fail(
                0,
                "the file's name is the question's: use lower-case letters, digits and -",
            ));
        }
        let (header, sql) = split::<Header>(origin, text)?;
        let own = sql;
        let sql = tables
            .before(&header.tables, own)
            .map_err(|error| fail(0, &error))?;
        // What the question itself names goes before what its shared tables do.
        let params = params(&header, &format!("{own}\n{sql}")).map_err(|error| fail(0, &error))?;
        if header.columns.0.is_empty() {
            return Err(fail(
                0,
                "the header's columns are empty; name each with what it means",
            ));
        }
        let column = |(name, column)| {
            let (doc, json) = match column {
                OwnColumn::Doc(doc) => (doc, false),
                OwnColumn::Json { json: doc } => (doc, true),
            };
            ResultColumn { name, doc, json }
        };
        Ok(Question {
            name: name.to_owned(),
            title: header.title,
            group: header.group,
            answers: header.answers,
            cannot_see: header.cannot_see,
            level: header.level,
            tags: header.tags,
            one_of: header.one_of,
            params,
            columns: header.columns.0.into_iter().map(column).collect(),
            sql,
        })
    }

    /// `sink` with the answer's columns as the header declares them.
    pub fn typed<'a>(&self, sink: &'a mut dyn SqlSink) -> Conforming<'a> {
        let json = self.columns.iter().filter(|column| column.json);
        Conforming::with_json(sink, json.map(|column| column.name.clone()).collect())
    }

    /// The statement with what was `given`; `now` is in microseconds. An unknown or repeated name
    /// and a value that cannot be read are errors, which name parameters with `shown`.
    pub fn query(
        &self,
        given: &[(String, String)],
        limit: u64,
        skip_damaged: bool,
        now: i64,
    ) -> Result<SqlQuery, String> {
        for (at, (name, _)) in given.iter().enumerate() {
            if given[..at].iter().any(|(other, _)| other == name) {
                return Err(format!("parameter {name} is given twice; use one"));
            }
            if !self.params.iter().any(|param| param.name == *name) {
                if matches!(name.as_str(), "o" | "output") {
                    return Err(format!(
                        "{} has no parameter {name:?}; did you mean format?",
                        self.name
                    ));
                }
                let known = self.params.iter().map(|param| param.name.as_str());
                let hint = suggest(name, known.chain(["limit", "format", "timeout_ms"]));
                return Err(format!("{} has no parameter {name:?}; {hint}", self.name));
            }
        }
        if let Some(names) = lacking(&self.one_of, &self.params, given, flag) {
            return Err(format!(
                "{} makes no sense without one of {names}; give at least one",
                self.name
            ));
        }
        let value = |param: &Param| {
            let given = given.iter().find(|(name, _)| *name == param.name);
            let given = given.map(|(_, text)| text.as_str());
            match param.value(given, now) {
                Ok(value) => Ok((param.name.clone(), value)),
                Err(error) => Err(format!("--{}: {error}", param.flag())),
            }
        };
        let params = self
            .params
            .iter()
            .map(value)
            .collect::<Result<Vec<_>, _>>()?;
        let time = |name: &str| match params.iter().find(|(known, _)| known == name) {
            Some((_, Value::Time(time))) => Some(*time),
            _ => None,
        };
        if let (Some(since), Some(until)) = (time(SINCE), time(UNTIL))
            && since >= until
        {
            let text = crate::model::time::to_text;
            return Err(format!(
                "--since {} is not before --until {}; swap them",
                text(since),
                text(until)
            ));
        }
        Ok(SqlQuery {
            sql: self.sql.clone(),
            params,
            limit,
            skip_damaged,
        })
    }
}

/// The header of a file and the statement below it. An error names the file (`origin`) and the line.
pub(super) fn split<'a, Header: DeserializeOwned>(
    origin: &str,
    text: &'a str,
) -> Result<(Header, &'a str), String> {
    let fail = |at: usize, what: &str| {
        let line = 1 + text[..at.min(text.len())].matches('\n').count();
        format!("{origin}:{line}: {what}")
    };
    let rest = text.strip_prefix("/*").ok_or_else(|| {
        fail(
            0,
            "the file does not begin with /*; begin it with a comment that holds the header",
        )
    })?;
    let (toml, sql) = rest
        .split_once("*/")
        .ok_or_else(|| fail(0, "the header's comment has no end; add */"))?;
    let header = toml::from_str(toml).map_err(|error| {
        let at = 2 + error.span().map_or(0, |span| span.start);
        fail(at, &format!("bad header: {}", error.message()))
    })?;
    Ok((header, sql))
}

/// Whether a question may have this name.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && !name.starts_with('-') && name.bytes().all(plain)
}

/// The parameters that the statement names.
fn params(header: &Header, sql: &str) -> Result<Vec<Param>, String> {
    let named = names(sql);
    for (name, _) in &header.params.0 {
        if !named.contains(name) {
            return Err(format!("the statement does not use the parameter :{name}"));
        }
    }
    let mut needed = header.required.iter().chain(&header.one_of);
    if let Some(name) = needed.find(|name| !named.contains(name)) {
        return Err(format!("the statement does not use the parameter :{name}"));
    }
    if header.since.is_some() && !named.iter().any(|name| name == SINCE) {
        return Err("the statement does not use :since".to_owned());
    }
    let mut params = Vec::new();
    for name in named {
        if RESERVED.contains(&name.as_str()) {
            return Err(format!(
                "the name of the parameter {name} is taken by `auditql ask` or the API; choose another"
            ));
        }
        let own = header.params.0.iter().find(|(known, _)| *known == name);
        let mut param = match (Param::of_filter(&name), own) {
            (Some(param), _) => param,
            (None, Some((_, own))) => Param {
                name: name.clone(),
                kind: own
                    .kind
                    .ok_or_else(|| format!("the parameter {name} has no type"))?,
                help: String::new(),
                default: None,
                required: false,
            },
            (None, None) => {
                let known = FilterParams::NAMES.iter().copied();
                return Err(format!(
                    "the header does not describe :{name}, and it is no filter; {}",
                    suggest(&name, known)
                ));
            }
        };
        if let Some((_, own)) = own {
            param.kind = own.kind.unwrap_or(param.kind);
            if let Some(help) = &own.help {
                param.help.clone_from(help);
            }
            param.default = own.default.as_ref().map(Scalar::text);
        }
        if param.name == SINCE {
            param.default.clone_from(&header.since);
        }
        param.required = header.required.contains(&name);
        if param.help.is_empty() {
            return Err(format!("the parameter {name} has no help"));
        }
        // A default that cannot be read would fail every question.
        if param.default.is_some() {
            param
                .value(None, 0)
                .map_err(|error| format!("default of {name}: {error}"))?;
        }
        params.push(param);
    }
    params.sort_by_key(|param| match param.name.as_str() {
        SINCE => 1,
        UNTIL => 2,
        _ => 0,
    });
    Ok(params)
}
