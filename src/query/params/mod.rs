//! The parameters of a question about events: one set for flags (`--source-ip`) and for HTTP query
//! strings (`source_ip`).
//!
//! A value is a comma list, and any of its items matches. A `!` before the first item negates the
//! whole list, one before a later item that item alone: `!a,b` is neither a nor b, and
//! `system:*,!system:node:*` is the first but not the second. An absent value counts as not equal;
//! so `!*` finds the events without one. `*` stands for any run of characters. A backslash takes
//! the meaning from a comma, `*`, `!` or backslash after it.

#[cfg(test)]
mod tests;

pub use crate::model::suggest::nearest;
pub use crate::store::filter::{escape, literal};

use crate::limits::ROWS_DEFAULT;
use crate::model::column::Column;
use crate::model::suggest::suggest;
use crate::model::time::Zone;
use crate::query::listing::DEFAULT_COLUMNS;
use crate::query::{cel, clock};
use crate::store::filter::Filter;
use crate::store::{EventQuery, Order};

macro_rules! filters {
    ($($name:ident $([$short:literal])? $value:literal $doc:literal,)*) => {
        /// Which events. Every given parameter must match.
        #[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
        #[command(next_help_heading = "Filters (a,b = any of them; !a,b = none; * = any text)")]
        pub struct FilterParams {
            $(
                #[doc = $doc]
                #[arg(long, $(short = $short,)? value_name = $value)]
                pub $name: Option<String>,
            )*
        }

        impl FilterParams {
            /// Name as in a query string, kind of value and help, in the order of the help.
            pub const DOCS: &'static [(&'static str, &'static str, &'static str)] =
                &[$((stringify!($name), $value, $doc)),*];

            /// The names as in a query string, in the order of the help.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            fn slot(&mut self, name: &str) -> Option<&mut Option<String>> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }

            /// Gives a filter its value; a name that is none does nothing.
            pub fn set(&mut self, name: &str, value: &str) {
                if let Some(slot) = self.slot(name) {
                    *slot = Some(value.to_owned());
                }
            }

            /// Only this one; `name` is one of [`FilterParams::NAMES`].
            pub fn only(name: &str, value: &str) -> FilterParams {
                let mut filter = FilterParams::default();
                filter.set(name, value);
                filter
            }

            /// The given ones as a query string's pairs.
            pub fn pairs(&self) -> Vec<(&'static str, &str)> {
                let mut pairs = Vec::new();
                $(if let Some(value) = &self.$name {
                    pairs.push((stringify!($name), value.as_str()));
                })*
                pairs
            }
        }
    };
}

filters! {
    cluster "LIST" "Cluster that the event came from",
    user "LIST" "Authenticated user, before any impersonation",
    group "LIST" "Any group of the authenticated user: 'system:masters'",
    verb "LIST" "Verb: get, list, watch, create, update, patch, delete, deletecollection, ...",
    resource "LIST" "Resource: pods, po, deployments.apps, *.cert-manager.io",
    subresource "LIST" "Subresource: exec, log, status, scale, ...; '!*' is none",
    namespace ['n'] "LIST" "Namespace of the object; '!*' is none",
    name "LIST" "Name of the object",
    image "LIST" "Any container image that the request submits: '*/nginx:*'; '!*' is none",
    stage "LIST" "Stage: RequestReceived, ResponseStarted, ResponseComplete, Panic",
    level "LIST" "Level: Metadata, Request, RequestResponse",
    code "LIST" "Status code: 403, 4xx, 400-499, !200",
    outcome "LIST" "Outcome: success, denied_*, not_found, conflict, server_error, ...",
    source_ip "LIST" "Any recorded address: 10.1.2.3, 10.0.0.0/8, 10.1.*; the answer shows which",
    user_agent "LIST" "User agent, as claimed: 'kubectl/*'",
    audit_id "LIST" "Audit ID",
    uri "LIST" "Request URI, path and query as sent: '/api/v1/secrets*'",
    contains "TEXT" "Text in the raw bytes of the event, as it is or escaped as in JSON",
    filter "CEL" "Expression: 'verb == \"delete\" && user.startsWith(\"system:\")'; see docs/API.md",
    since "TIME" "Not before: 2h, 7d (ago), 14:00 (the last one), today, yesterday, 2026-11-20, '2026-11-20 14:00', 2026-11-20T14:00:00Z",
    until "TIME" "Before: the same forms",
}

impl FilterParams {
    /// Spells out the times in UTC, reading those without a zone as times in `zone`.
    pub fn settle_times(&mut self, now: i64, zone: Zone) -> Result<(), String> {
        for (name, slot) in [("since", &mut self.since), ("until", &mut self.until)] {
            if let Some(text) = slot.as_mut().filter(|text| !is_all(name, text)) {
                let instant = clock::parse_human(text, now, zone)
                    .map_err(|error| format!("--{name} {text:?}: {error}"))?;
                *text = clock::to_text(instant);
            }
        }
        Ok(())
    }

    /// The filter; `now` is in microseconds. An error names the flag, the value and the fix.
    pub fn to_filter(&self, now: i64) -> Result<Filter, String> {
        let mut filter = Filter::default();
        for (name, value) in self.pairs() {
            add(&mut filter, name, value, now)
                .map_err(|error| format!("--{} {value:?}: {error}", name.replace('_', "-")))?;
        }
        if let (Some(since), Some(until)) = (filter.since, filter.until)
            && since >= until
        {
            return Err(format!(
                "--since {} is not before --until {}; swap them",
                clock::to_text(since),
                clock::to_text(until)
            ));
        }
        Ok(filter)
    }
}

/// Whether this is `since=all`: from the store's oldest event on.
pub(super) fn is_all(name: &str, value: &str) -> bool {
    name == "since" && value.trim() == "all"
}

fn add(filter: &mut Filter, name: &str, value: &str, now: i64) -> Result<(), String> {
    match name {
        "since" if is_all(name, value) => filter.since = None,
        "since" => filter.since = Some(clock::parse_human(value, now, Zone::UTC)?),
        "until" => filter.until = Some(clock::parse_human(value, now, Zone::UTC)?),
        "filter" => cel::push(filter, value)?,
        _ => filter.push_words(filtered_column(name), value)?,
    }
    Ok(())
}

/// The column that a filter of [`FilterParams`] other than `filter`, `since` and `until` is on.
pub(super) fn filtered_column(name: &str) -> Column {
    match name {
        "group" => Column::UserGroups,
        "image" => Column::Images,
        "source_ip" => Column::SourceIps,
        "uri" => Column::RequestUri,
        "contains" => Column::Raw,
        other => Column::by_name(other)
            .expect("every other filter has its column's name; a test goes through them"),
    }
}

/// A listing of events.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct EventParams {
    #[command(flatten)]
    pub filter: FilterParams,
    /// Most rows; 0 is all
    #[arg(short, long, value_name = "N", default_value_t = ROWS_DEFAULT, help_heading = "Answer")]
    pub limit: u64,
    /// Oldest first instead of newest first
    #[arg(long, help_heading = "Answer")]
    pub reverse: bool,
    /// One row per request, its last stage, instead of one per stage
    #[arg(long, help_heading = "Answer")]
    pub r#final: bool,
    /// Columns of the answer, in this order: time,user,verb; all is every column
    #[arg(long, value_name = "LIST", help_heading = "Answer")]
    pub columns: Option<String>,
    /// Answer without damaged segments instead of failing
    #[arg(long, help_heading = "Answer")]
    pub skip_damaged: bool,
}

impl Default for EventParams {
    fn default() -> EventParams {
        EventParams {
            filter: FilterParams::default(),
            limit: ROWS_DEFAULT,
            reverse: false,
            r#final: false,
            columns: None,
            skip_damaged: false,
        }
    }
}

impl EventParams {
    /// From the pairs of a query string, already percent-decoded. An unknown or repeated name is
    /// an error.
    pub fn from_pairs(
        pairs: impl IntoIterator<Item = (String, String)>,
    ) -> Result<EventParams, String> {
        let mut params = EventParams::default();
        let mut seen = Vec::new();
        for (name, value) in pairs {
            if seen.contains(&name) {
                return Err(format!(
                    "parameter {name} is given twice; use one comma list: {name}=a,b"
                ));
            }
            match name.as_str() {
                "limit" => {
                    params.limit = value
                        .parse()
                        .map_err(|_| format!("limit {value:?} is no number; use 0 for all rows"))?;
                }
                "reverse" => params.reverse = switch(&name, &value)?,
                "final" => params.r#final = switch(&name, &value)?,
                "skip_damaged" => params.skip_damaged = switch(&name, &value)?,
                "columns" => params.columns = Some(value),
                _ => match params.filter.slot(&name) {
                    Some(slot) => *slot = Some(value),
                    None if matches!(name.as_str(), "o" | "output") => {
                        return Err(format!("unknown parameter {name:?}; did you mean format?"));
                    }
                    None => {
                        let known = ["limit", "reverse", "final", "columns", "skip_damaged"];
                        let known = FilterParams::NAMES.iter().copied().chain(known);
                        return Err(format!(
                            "unknown parameter {name:?}; {}",
                            suggest(&name, known)
                        ));
                    }
                },
            }
            seen.push(name);
        }
        Ok(params)
    }

    /// The pairs that [`EventParams::from_pairs`] reads back.
    pub fn to_pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs: Vec<_> = self
            .filter
            .pairs()
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()))
            .collect();
        if self.limit != ROWS_DEFAULT {
            pairs.push(("limit", self.limit.to_string()));
        }
        let switches = [
            ("reverse", self.reverse),
            ("final", self.r#final),
            ("skip_damaged", self.skip_damaged),
        ];
        for (name, on) in switches {
            if on {
                pairs.push((name, "true".to_owned()));
            }
        }
        if let Some(columns) = &self.columns {
            pairs.push(("columns", columns.clone()));
        }
        pairs
    }

    /// The listing; `now` is in microseconds. An error names the flag, the value and the fix.
    pub fn into_query(self, now: i64) -> Result<EventQuery, String> {
        let columns = match &self.columns {
            Some(list) => parse_columns(list)?,
            None => DEFAULT_COLUMNS.to_vec(),
        };
        Ok(EventQuery {
            filter: self.filter.to_filter(now)?,
            order: if self.reverse {
                Order::OldestFirst
            } else {
                Order::NewestFirst
            },
            limit: self.limit,
            last_stage_only: self.r#final,
            columns,
            skip_damaged: self.skip_damaged,
            ..EventQuery::default()
        })
    }
}

/// A truth value of a query string; a name without a value is true.
pub fn switch(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "" | "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!(
            "{name} {value:?} is no truth value; use true or false"
        )),
    }
}

/// A list of columns, or `all`.
fn parse_columns(list: &str) -> Result<Vec<Column>, String> {
    if list == "all" {
        return Ok(Column::ALL.to_vec());
    }
    let mut columns = Vec::new();
    for name in list.split(',').map(str::trim) {
        let column = column(name).map_err(|error| format!("--columns: {error}"))?;
        if columns.contains(&column) {
            return Err(format!("--columns: {name} is given twice; remove one"));
        }
        columns.push(column);
    }
    Ok(columns)
}

fn column(name: &str) -> Result<Column, String> {
    Column::by_name(name).ok_or_else(|| {
        format!(
            "unknown column {name:?}; {}",
            suggest(name, Column::ALL.iter().map(|column| column.name()))
        )
    })
}
