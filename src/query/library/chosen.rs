//! Some of an answer's columns, in an order of one's own.

use std::ops::ControlFlow;

use super::question::Question;
use crate::model::suggest::suggest;
use crate::model::value::Value;
use crate::store::{Result, SqlColumn, SqlSink, StoreError};

/// Hands on the columns that were chosen.
pub struct Chosen<'a> {
    /// Names, unless all are wanted.
    names: Option<Vec<String>>,
    /// Their places in the answer's rows.
    places: Vec<usize>,
    /// One that the header names and the statement does not give.
    missing: Option<String>,
    row: Vec<Value>,
    sink: &'a mut dyn SqlSink,
}

impl Question {
    /// The columns of a list such as `time,user`; all of them for `all` and where there is no list.
    pub fn columns_of(&self, list: Option<&str>) -> Result<Option<Vec<String>>, String> {
        let Some(list) = list.filter(|list| *list != "all") else {
            return Ok(None);
        };
        let known = || self.columns.iter().map(|column| column.name.as_str());
        let mut names: Vec<String> = Vec::new();
        for name in list.split(',').map(str::trim) {
            if !known().any(|known| known == name) {
                let hint = suggest(name, known());
                return Err(format!("--columns: unknown column {name:?}; {hint}"));
            }
            if names.iter().any(|other| other == name) {
                return Err(format!("--columns: {name} is given twice; remove one"));
            }
            names.push(name.to_owned());
        }
        Ok(Some(names))
    }
}

impl<'a> Chosen<'a> {
    /// Hands the columns of these names on to `sink`.
    pub fn new(names: Option<Vec<String>>, sink: &'a mut dyn SqlSink) -> Chosen<'a> {
        Chosen {
            names,
            places: Vec::new(),
            missing: None,
            row: Vec::new(),
            sink,
        }
    }

    /// The answer, unless it lacks a column that was chosen.
    pub fn finish<T>(self, answer: Result<T>) -> Result<T> {
        match self.missing {
            None => answer,
            Some(name) => answer.and_then(|_| {
                Err(StoreError::BadRequest(format!(
                    "the statement gives no column {name}, which the header names"
                )))
            }),
        }
    }
}

impl SqlSink for Chosen<'_> {
    fn columns(&mut self, columns: &[SqlColumn]) {
        let Some(names) = &self.names else {
            return self.sink.columns(columns);
        };
        for name in names {
            match columns.iter().position(|column| column.name == *name) {
                Some(place) => self.places.push(place),
                None => self.missing = Some(name.clone()),
            }
        }
        let chosen: Vec<_> = self.places.iter().map(|&at| columns[at].clone()).collect();
        self.sink.columns(&chosen);
    }

    fn row(&mut self, row: &[Value]) -> ControlFlow<()> {
        if self.names.is_none() {
            return self.sink.row(row);
        }
        if self.missing.is_some() {
            return ControlFlow::Break(());
        }
        self.row.clear();
        self.row
            .extend(self.places.iter().map(|&at| row[at].clone()));
        self.sink.row(&self.row)
    }
}
