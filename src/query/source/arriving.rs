//! Events of a server as they arrive: a client of its stream of server-sent events.

use std::io::{self, BufRead};
use std::time::Duration;

use super::Remote;
use crate::model::value::Value;
use crate::query::live::Mark;
use crate::query::params::EventParams;
use crate::query::wire::{self, Line, Problem};
use crate::store::{Result, SqlColumn, StoreError};

/// What comes from a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    Columns(Vec<SqlColumn>),
    Row(Vec<Value>),
    /// Something to tell people: events are missing, or come late.
    Note(String),
    /// A sign of life.
    Alive,
}

/// An open stream.
pub struct Arriving {
    reader: Box<dyn BufRead>,
    columns: Vec<SqlColumn>,
    mark: Option<String>,
    silent: bool,
}

impl Remote {
    /// Listens to what matches the filters of `params`, in its columns, after the event at `mark`
    /// ([`Arriving::mark`]) or from now on. A server from which nothing comes for as long as
    /// `silence` counts as gone: a machine that vanishes does not close its connections.
    pub fn listen(
        &self,
        params: &EventParams,
        mark: Option<&str>,
        silence: Option<Duration>,
    ) -> Result<Arriving> {
        let mut pairs = params.to_pairs();
        pairs.push(("format", "rows".to_owned()));
        let reader = self.open_stream("/api/v1/events/stream", &pairs, mark, silence)?;
        Ok(Arriving {
            reader,
            columns: Vec::new(),
            mark: None,
            silent: false,
        })
    }
}

impl Arriving {
    /// Where to go on after the items that were taken.
    pub fn mark(&self) -> Option<&str> {
        self.mark.as_deref()
    }

    /// The last id that was looked at.
    pub fn seen(&self) -> Option<i64> {
        Some(Mark::from_word(self.mark()?)?.id)
    }

    /// Whether it ended because nothing came any more.
    pub fn fell_silent(&self) -> bool {
        self.silent
    }

    /// The next item; `None` when the server or the connection ended.
    pub fn take(&mut self) -> Result<Option<Item>> {
        let (mut name, mut data) = (String::new(), String::new());
        let mut line = String::new();
        loop {
            line.clear();
            // A connection that breaks is opened again by the caller, like one that ends.
            let read = self.reader.read_line(&mut line);
            self.silent = matches!(&read, Err(error) if timed_out(error));
            if read.unwrap_or(0) == 0 || !line.ends_with('\n') {
                return Ok(None);
            }
            let text = line.trim_end_matches(['\r', '\n']);
            if text.is_empty() {
                return self.item(&name, &data).map(Some);
            }
            match text.split_once(": ") {
                Some(("id", mark)) => self.mark = Some(mark.to_owned()),
                Some(("event", text)) => text.clone_into(&mut name),
                Some(("data", text)) => text.clone_into(&mut data),
                _ => {}
            }
        }
    }

    fn item(&mut self, name: &str, data: &str) -> Result<Item> {
        let garbled = |error: String| {
            StoreError::Io(format!(
                "an arriving event cannot be read: {error}; is it an auditql server of this version?"
            ))
        };
        let json = |error: serde_json::Error| garbled(error.to_string());
        match name {
            "" if data.is_empty() => Ok(Item::Alive),
            "" => match wire::read_line(data.as_bytes(), &self.columns).map_err(garbled)? {
                Line::Row(row) => Ok(Item::Row(row)),
                other => Err(garbled(format!("{other:?} is no row"))),
            },
            "columns" => {
                self.columns = serde_json::from_str(data).map_err(json)?;
                Ok(Item::Columns(self.columns.clone()))
            }
            "error" => {
                let problem: Problem = serde_json::from_str(data).map_err(json)?;
                Err(problem.into_store_error())
            }
            _ => {
                let told: serde_json::Value = serde_json::from_str(data).map_err(json)?;
                Ok(Item::Note(
                    told["detail"].as_str().unwrap_or(name).to_owned(),
                ))
            }
        }
    }
}

fn timed_out(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    error.kind() == io::ErrorKind::TimedOut || matches!(cause, Some(ureq::Error::Timeout(_)))
}
