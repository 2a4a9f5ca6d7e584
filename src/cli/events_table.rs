//! Which columns of an event the tables show, and how they are put together for people.

use std::ops::ControlFlow;

use crate::model::value::Value;
use crate::query::output::Format;
use crate::store::{SqlColumn, SqlSink};

const TABLE: &str = "time,user,verb,resource,namespace,name,stage,code,outcome,source_ip,\
                     impersonated_user,subresource,path";
const WIDE: &str = "id,time,cluster,stage,level,user,impersonated_user,verb,resource,namespace,\
                    name,code,outcome,reason,decision_reason,source_ip,user_agent,audit_id,\
                    subresource,path";

/// Columns that stand inside others: `pods/exec`, the path of a request that is for no resource,
/// and in the narrower table `alice as bob`.
const FOLDED: [&str; 3] = ["subresource", "path", "impersonated_user"];

fn folded(format: Format) -> &'static [&'static str] {
    match format {
        Format::Wide => &FOLDED[..2],
        _ => &FOLDED,
    }
}

/// The columns to ask for, if the format does not take the default ones.
pub(super) fn columns(format: Format) -> Option<&'static str> {
    match format {
        Format::Table => Some(TABLE),
        Format::Wide => Some(WIDE),
        Format::Raw => Some("raw"),
        Format::Json | Format::Jsonl | Format::Csv => None,
    }
}

/// Folds the rows of [`columns`] for a table.
pub(super) struct Folding<'a> {
    folded: &'static [&'static str],
    names: Vec<String>,
    /// Whether a row is of an earlier stage than the last.
    pub(super) earlier_stages: bool,
    sink: &'a mut dyn SqlSink,
}

impl<'a> Folding<'a> {
    pub(super) fn new(format: Format, sink: &'a mut dyn SqlSink) -> Folding<'a> {
        Folding {
            folded: folded(format),
            names: Vec::new(),
            earlier_stages: false,
            sink,
        }
    }
}

impl Folding<'_> {
    /// Where the rows go, past the folding.
    pub(super) fn sink(&mut self) -> &mut dyn SqlSink {
        self.sink
    }
}

impl SqlSink for Folding<'_> {
    fn columns(&mut self, columns: &[SqlColumn]) {
        self.names = columns.iter().map(|column| column.name.clone()).collect();
        let shown: Vec<SqlColumn> = columns
            .iter()
            .filter(|column| !self.folded.contains(&column.name.as_str()))
            .cloned()
            .collect();
        self.sink.columns(&shown);
    }

    fn row(&mut self, row: &[Value]) -> ControlFlow<()> {
        let find = |wanted: &str| {
            let at = self.names.iter().position(|name| name == wanted)?;
            match row.get(at)? {
                Value::Text(text) => Some(&**text),
                _ => None,
            }
        };
        let stage = find("stage");
        self.earlier_stages |= matches!(stage, Some("RequestReceived" | "ResponseStarted"));
        let shown: Vec<Value> = self
            .names
            .iter()
            .zip(row)
            .filter(|(name, _)| !self.folded.contains(&name.as_str()))
            .map(|(name, value)| match (name.as_str(), value) {
                ("user", Value::Text(user)) if self.folded.len() == FOLDED.len() => {
                    match find("impersonated_user") {
                        Some(other) => Value::text(format!("{user} as {other}")),
                        None => value.clone(),
                    }
                }
                ("resource", Value::Text(resource)) => match find("subresource") {
                    Some(part) => Value::text(format!("{resource}/{part}")),
                    None => value.clone(),
                },
                ("resource", Value::Null) => find("path").map_or(Value::Null, Value::text),
                _ => value.clone(),
            })
            .collect();
        self.sink.row(&shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::listing::Collected;
    use crate::query::params::EventParams;

    #[test]
    fn the_columns_exist() {
        for format in [Format::Table, Format::Wide, Format::Raw] {
            let params = EventParams {
                columns: columns(format).map(str::to_owned),
                ..EventParams::default()
            };
            assert!(params.into_query(0).is_ok(), "{format:?}");
        }
    }

    #[test]
    fn cells_are_folded() {
        let names = [
            "user",
            "resource",
            "impersonated_user",
            "subresource",
            "path",
            "matched_ip",
        ];
        let columns = names.map(|name| SqlColumn {
            name: name.to_owned(),
            kind: String::new(),
        });
        let cell = |text: &str| match text {
            "" => Value::Null,
            text => Value::text(text),
        };
        let mut collected = Collected::default();
        let mut folding = Folding::new(Format::Table, &mut collected);
        folding.columns(&columns);
        for row in [
            ["ann", "pods", "", "", "/api/v1/pods", "::1"],
            ["ann", "pods", "bob", "exec", "/api", "::1"],
            ["", "", "", "", "/healthz", "::1"],
        ] {
            let _ = folding.row(&row.map(cell));
        }
        let shown: Vec<_> = collected.columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(shown, ["user", "resource", "matched_ip"]);
        assert_eq!(
            collected.rows,
            [
                ["ann", "pods", "::1"].map(cell),
                ["ann as bob", "pods/exec", "::1"].map(cell),
                ["", "/healthz", "::1"].map(cell),
            ]
        );
    }
}
