//! An event as a line for people: time, status, who, what, and from where.

use std::io::{self, Write};
use std::ops::ControlFlow;

use crate::cli::events_table::Folding;
use crate::model::time::Zone;
use crate::model::value::Value;
use crate::query::listing::Collected;
use crate::query::output::{Format, Render, visible};
use crate::store::{SqlColumn, SqlSink};

pub(super) struct Lines<W> {
    out: W,
    zone: Zone,
    columns: Vec<SqlColumn>,
}

impl<W: Write> Lines<W> {
    pub(super) fn new(out: W, zone: Zone) -> Lines<W> {
        Lines {
            out,
            zone,
            columns: Vec::new(),
        }
    }
}

impl<W: Write> Render for Lines<W> {
    fn begin(&mut self, columns: &[SqlColumn]) -> io::Result<()> {
        self.columns = columns.to_vec();
        Ok(())
    }

    fn row(&mut self, row: &[Value]) -> io::Result<()> {
        let mut folded = Collected::default();
        let mut folding = Folding::new(Format::Table, &mut folded);
        folding.columns(&self.columns);
        let _: ControlFlow<()> = folding.row(row);
        let cell = |wanted: &str| {
            let at = folded
                .columns
                .iter()
                .position(|column| column.name == wanted)?;
            match &folded.rows.first()?[at] {
                Value::Null => None,
                Value::Time(time) => Some(self.zone.text(*time)),
                Value::Int(number) => Some(number.to_string()),
                Value::Text(text) => Some(visible(text).into_owned()),
                _ => None,
            }
        };
        let mut parts: Vec<String> = Vec::new();
        for name in ["time", "code", "user", "verb", "resource"] {
            parts.push(cell(name).unwrap_or_else(|| "-".to_owned()));
        }
        parts.extend(match (cell("namespace"), cell("name")) {
            (Some(namespace), Some(name)) => Some(format!("{namespace}/{name}")),
            (Some(namespace), None) => Some(format!("{namespace}/")),
            (None, name) => name,
        });
        parts.extend(cell("outcome").filter(|outcome| outcome != "success"));
        parts.extend(cell("stage").filter(|stage| stage != "ResponseComplete"));
        let from = cell("matched_ip").or_else(|| cell("source_ip"));
        parts.extend(from.map(|address| format!("from {address}")));
        writeln!(self.out, "{}", parts.join(" "))
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
