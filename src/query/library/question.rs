//! One question: a SQL file that begins with a comment whose text is TOML.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::declared::{Declared, Place};
use super::described::Described;
use super::header::{InOrder, OwnParam};
use super::params::{Param, SINCE, UNTIL, flag, lacking};
use super::place::{Begin, Origin, Places, Reader};
use super::tables::Tables;
use super::token::fault;
use crate::model::suggest::suggest;
use crate::model::value::Value;
use crate::query::wire::Conforming;
use crate::store::{SqlQuery, SqlSink};

/// The byte of a file at which its header's text begins, behind the `/*`.
pub(super) const HEADER_BEGIN: usize = 2;

/// Names of flags and of query parameters that every question has.
pub(super) const RESERVED: [&str; 19] = [
    "columns",
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
    /// An answer has no more rows, whatever limit is given: the statement looks at no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<u64>,
    /// In the order in which the statement names them, `since` and `until` last.
    pub params: Vec<Param>,
    /// The columns of the answer with what they mean.
    pub columns: Vec<ResultColumn>,
    pub sql: String,
    /// Where the parts of the statement stand in files of one's own.
    #[serde(rename = "parts", default, skip_serializing_if = "Places::are_shipped")]
    pub(super) places: Places,
    /// Absent of what this program brings or has learned.
    #[serde(skip)]
    pub(super) described: Option<Described>,
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
    /// Shared tables that the statement names.
    #[serde(default)]
    tables: Vec<Spanned<String>>,
    /// Default of `--since`; absent is all.
    since: Option<Spanned<String>>,
    /// Filters that the question makes no sense without.
    #[serde(default)]
    required: Vec<Spanned<String>>,
    /// Filters of which the question makes no sense without at least one.
    #[serde(default)]
    one_of: Vec<Spanned<String>>,
    /// Rows that an answer has at most; the statement gives one more where there are more.
    most: Option<u64>,
    #[serde(default)]
    params: InOrder<Spanned<OwnParam>>,
    columns: Spanned<InOrder<Spanned<OwnColumn>>>,
}

/// What a column means: `name = "..."`, or `name = { json = "..." }` where its texts are documents.
#[derive(Deserialize)]
#[serde(untagged)]
enum OwnColumn {
    Doc(String),
    Json { json: String },
}

impl Question {
    /// Reads a file. An error names it (`origin`) or that of a table, and the line.
    pub(super) fn parse(
        name: &str,
        origin: &Origin,
        text: &str,
        tables: &Tables,
    ) -> Result<Question, String> {
        let fail = |at: usize, what: &str| format!("{}: {what}", origin.line(text, at));
        if !is_name(name) {
            return Err(fail(
                0,
                "the file's name is the question's: use lower-case letters, digits and -",
            ));
        }
        let (header, own) = split::<Header>(origin, text)?;
        let begin = Begin::verbatim(origin, text, text.len() - own.len());
        // A test looks at what is shipped.
        if !origin.is_shipped()
            && let Some((at, what)) = fault(own)
        {
            return Err(fail(text.len() - own.len() + at, &what));
        }
        let named: Vec<&str> = header.tables.iter().map(|name| &**name.as_ref()).collect();
        let (sql, places) = tables.before(&named, own, &begin).map_err(|fault| {
            let at = HEADER_BEGIN + header.tables[fault.at].span().start;
            fail(at, &fault.what)
        })?;
        let declared = Declared {
            params: &header.params,
            since: header.since.as_ref(),
            required: &header.required,
            one_of: &header.one_of,
        };
        // What the question itself names goes before what its shared tables do.
        let params = declared
            .params(own, &sql)
            .map_err(|wrong| match wrong.place {
                Place::Header(at) => fail(HEADER_BEGIN + at, &wrong.what),
                Place::Statement(uses) => match places.first(&sql, &uses) {
                    Some((place, true)) => {
                        format!("{place}: in the question {name}: {}", wrong.what)
                    }
                    Some((place, false)) => format!("{place}: {}", wrong.what),
                    None => fail(0, &wrong.what),
                },
            })?;
        let columns_at = header.columns.span().start;
        let columns = header.columns.into_inner().0;
        if columns.is_empty() {
            return Err(fail(
                HEADER_BEGIN + columns_at,
                "the header's columns are empty; name each with what it means",
            ));
        }
        let place = |at: usize| origin.line(text, HEADER_BEGIN + at);
        let described = (!origin.is_shipped()).then(|| Described {
            all: place(columns_at),
            each: columns
                .iter()
                .map(|(_, column)| place(column.span().start))
                .collect(),
        });
        let column = |(name, column): (String, Spanned<OwnColumn>)| {
            let (doc, json) = match column.into_inner() {
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
            one_of: header.one_of.into_iter().map(Spanned::into_inner).collect(),
            most: header.most,
            params,
            columns: columns.into_iter().map(column).collect(),
            sql,
            places,
            described,
        })
    }

    /// What to say of an error that the statement met, if it stands in a file of one's own: which file,
    /// the line, and what it is `about`.
    pub fn tell(&self, message: &str, about: &str, reader: Reader) -> Option<String> {
        let own = !self.places.are_shipped();
        own.then(|| self.places.tell(&self.sql, message, about, reader))
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
                let hint = suggest(
                    name,
                    known.chain(["columns", "limit", "format", "timeout_ms"]),
                );
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
        let limit = match self.most {
            Some(most) if limit == 0 || limit > most => most,
            _ => limit,
        };
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
    origin: &Origin,
    text: &'a str,
) -> Result<(Header, &'a str), String> {
    let fail = |at: usize, what: &str| format!("{}: {what}", origin.line(text, at));
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
        let at = HEADER_BEGIN + error.span().map_or(0, |span| span.start);
        fail(at, &format!("bad header: {}", error.message()))
    })?;
    Ok((header, sql))
}

/// Whether a question may have this name.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && !name.starts_with('-') && name.bytes().all(plain)
}
