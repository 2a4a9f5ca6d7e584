//! Answers whose values are of the types that their columns declare.

use std::ops::ControlFlow;

use super::{conform, type_name};
use crate::model::column::Kind;
use crate::model::value::Value;
use crate::store::{SqlColumn, SqlSink};

/// Gives values the kinds that their columns declare: see [`conform`].
pub struct Conforming<'a> {
    kinds: Vec<String>,
    json: Vec<String>,
    sink: &'a mut dyn SqlSink,
}

impl<'a> Conforming<'a> {
    pub fn new(sink: &'a mut dyn SqlSink) -> Conforming<'a> {
        Conforming::with_json(sink, Vec::new())
    }

    /// Declares the columns of these names as documents.
    pub fn with_json(sink: &'a mut dyn SqlSink, names: Vec<String>) -> Conforming<'a> {
        Conforming {
            kinds: Vec::new(),
            json: names,
            sink,
        }
    }
}

impl SqlSink for Conforming<'_> {
    fn columns(&mut self, columns: &[SqlColumn]) {
        let mut columns = columns.to_vec();
        for column in &mut columns {
            if self.json.contains(&column.name) {
                type_name(Kind::Json).clone_into(&mut column.kind);
            }
        }
        self.kinds = columns.iter().map(|column| column.kind.clone()).collect();
        self.sink.columns(&columns);
    }

    fn row(&mut self, row: &[Value]) -> ControlFlow<()> {
        let row: Vec<Value> = self
            .kinds
            .iter()
            .zip(row)
            .map(|(kind, value)| conform(kind, value.clone()))
            .collect();
        self.sink.row(&row)
    }
}
