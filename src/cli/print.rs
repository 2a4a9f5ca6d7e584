//! Answers on stdout, notes about them on stderr.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::stats::grouped;
use super::{Exit, terminal};
use crate::model::time::Zone;
use crate::model::value::Value;
use crate::query::clock;
use crate::query::output::{Columns, Format, Look, Render, visible};
use crate::query::params::FilterParams;
use crate::store::{Answer, Coverage, Result, RowEncoder, SqlColumn, SqlSink, Text};

/// `-o`, and the zone of times.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Output {
    /// How the answer is written
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        value_enum,
        default_value = "table",
        help_heading = "Answer"
    )]
    pub format: Format,
    #[command(flatten)]
    pub clock: Clock,
}

/// `--utc` and `--local`.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct Clock {
    /// Times are in UTC (the default)
    #[arg(long, help_heading = "Answer")]
    utc: bool,
    /// Times in tables, and times given without a zone, are in this machine's zone (TZ)
    #[arg(long, conflicts_with = "utc", help_heading = "Answer")]
    local: bool,
}

impl Clock {
    pub(super) fn zone(self) -> Zone {
        match self.local {
            true => Zone(terminal::local_ahead),
            false => Zone::UTC,
        }
    }

    /// Spells out times that are given in the local zone.
    pub(super) fn settle(self, filter: &mut FilterParams) -> anyhow::Result<()> {
        match self.local {
            true => filter
                .settle_times(clock::now(), self.zone())
                .map_err(anyhow::Error::msg),
            false => Ok(()),
        }
    }
}

impl Output {
    /// A printer to stdout.
    pub(super) fn printer(self) -> Printer<'static> {
        self.printer_of(Columns::Offered)
    }

    /// A printer to stdout, by who chose the columns.
    pub(super) fn printer_of(self, columns: Columns) -> Printer<'static> {
        let look = Look {
            terminal: terminal::is_stdout(),
            width: terminal::width(),
            colour: terminal::colour(),
            zone: self.clock.zone(),
            columns,
        };
        Printer::new(self.format.renderer(stdout(), look))
    }
}

/// `--timeout`, for listings.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Timeout {
    /// Give up after this long, such as 30s; without it there is no limit
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Answer")]
    pub timeout: Option<Duration>,
}

/// Reads a duration; a clap value parser.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    clock::parse_duration(text)
}

/// Buffered stdout.
pub(super) fn stdout() -> impl Write {
    BufWriter::with_capacity(1 << 16, io::stdout().lock())
}

/// A line on stderr. Control characters in names cannot reach the terminal.
pub(super) fn say(line: &str) {
    // A closed stderr is no reason to fail.
    let _ = writeln!(
        io::stderr(),
        "{}",
        line.split('\n').map(visible).collect::<Vec<_>>().join("\n")
    );
}

/// Whether this is only the reader of stdout having gone away.
pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// Renders an answer row by row and remembers the first failure to write.
pub(super) struct Printer<'a> {
    render: Box<dyn Render + 'a>,
    /// Not written yet: a statement that fails before its first row writes nothing.
    pending: Option<Vec<SqlColumn>>,
    rows: u64,
    failed: Option<io::Error>,
}

impl<'a> Printer<'a> {
    pub(super) fn new(render: Box<dyn Render + 'a>) -> Printer<'a> {
        Printer {
            render,
            pending: None,
            rows: 0,
            failed: None,
        }
    }

    /// Ends the output, says on stderr what the answer could not show, and gives the exit code.
    /// An answer that failed midway ends without its end mark, so that it cannot pass for whole.
    pub(super) fn finish(self, answer: Result<Answer>, more: &str) -> anyhow::Result<Exit> {
        self.finish_with(answer, &format!("{more}; --limit 0 shows all"))
    }

    /// As [`Printer::finish`] with all that is said where there is more.
    pub(super) fn finish_with(self, answer: Result<Answer>, more: &str) -> anyhow::Result<Exit> {
        let rows = self.rows;
        let answer = self.end(answer)?;
        if answer.truncated {
            say(&format!("note: {more}"));
        }
        for note in notes(&answer.coverage) {
            say(&format!("note: {note}"));
        }
        Ok(Exit::of_rows(rows))
    }

    /// Ends the output.
    pub(super) fn end<T>(mut self, answer: Result<T>) -> anyhow::Result<T> {
        if let Some(error) = self.failed {
            return Err(error).context("writing the answer");
        }
        let answer = answer?;
        self.begin()
            .and_then(|()| self.render.end())
            .context("writing the answer")?;
        Ok(answer)
    }

    fn begin(&mut self) -> io::Result<()> {
        match self.pending.take() {
            Some(columns) => self.render.begin(&columns),
            None => Ok(()),
        }
    }

    fn keep(&mut self, result: io::Result<()>) -> ControlFlow<()> {
        match result {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed.get_or_insert(error);
                ControlFlow::Break(())
            }
        }
    }
}

impl SqlSink for Printer<'_> {
    fn columns(&mut self, columns: &[SqlColumn]) {
        self.pending = Some(columns.to_vec());
    }

    fn row(&mut self, row: &[Value]) -> ControlFlow<()> {
        if self.failed.is_some() {
            return ControlFlow::Break(());
        }
        self.rows += 1;
        let result = self.begin().and_then(|()| self.render.row(row));
        self.keep(result)
    }

    fn encoder(&self, columns: &[SqlColumn]) -> Option<Arc<dyn RowEncoder>> {
        self.render.encoder(columns)
    }

    fn encoded(&mut self, text: Text, rows: u64) -> ControlFlow<()> {
        if self.failed.is_some() {
            return ControlFlow::Break(());
        }
        self.rows += rows;
        let result = self
            .begin()
            .and_then(|()| self.render.encoded(text.as_ref()));
        self.keep(result)
    }
}

/// What an answer could not see, a line each.
fn notes(coverage: &Coverage) -> Vec<String> {
    let mut notes = Vec::new();
    if !coverage.damaged.is_empty() {
        notes.push(format!(
            "{} left out as damaged: {}",
            count(coverage.damaged.len() as u64, "segment"),
            coverage.damaged.join(", ")
        ));
    }
    if coverage.pruned_events > 0 || coverage.pruned_before.is_some() {
        let before = coverage.pruned_before.as_deref();
        notes.push(format!(
            "{} {}removed by retention",
            count(coverage.pruned_events, "event"),
            before.map_or(String::new(), |before| format!("before {before} "))
        ));
    }
    if coverage.quarantined > 0 {
        notes.push(format!(
            "{} in quarantine: auditql quarantine list",
            count(coverage.quarantined, "item")
        ));
    }
    if coverage.truncated_events > 0 {
        notes.push(format!(
            "{} in the store with bodies cut off by the apiserver",
            count(coverage.truncated_events, "event")
        ));
    }
    notes
}

/// `number` things, in words.
pub(super) fn count(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn notes_say_what_is_missing() {
        assert_eq!(notes(&Coverage::default()), Vec::<String>::new());
        let coverage = Coverage {
            damaged: vec!["a.seg".to_owned(), "b.seg".to_owned()],
            pruned_events: 1,
            pruned_before: Some("2026-01-01T00:00:00.000000Z".to_owned()),
            quarantined: 3,
            truncated_events: 2,
            ..Coverage::default()
        };
        assert_eq!(
            notes(&coverage),
            [
                "2 segments left out as damaged: a.seg, b.seg",
                "1 event before 2026-01-01T00:00:00.000000Z removed by retention",
                "3 items in quarantine: auditql quarantine list",
                "2 events in the store with bodies cut off by the apiserver",
            ]
        );
    }

    #[test]
    fn an_error_before_the_first_row_leaves_the_output_empty() {
        let columns = [SqlColumn {
            name: "n".to_owned(),
            kind: String::new(),
        }];
        for format in [Format::Csv, Format::Json, Format::Jsonl, Format::Table] {
            let mut out = Vec::new();
            let mut printer = Printer::new(format.renderer(&mut out, Look::default()));
            printer.columns(&columns);
            let failed: Result<Answer> = Err(StoreError::BadRequest("bad".to_owned()));
            assert!(printer.finish(failed, "more").is_err());
            assert!(out.is_empty(), "{format:?}: {out:?}");
        }
        let mut out = Vec::new();
        let mut printer = Printer::new(Format::Csv.renderer(&mut out, Look::default()));
        printer.columns(&columns);
        printer.finish(Ok(Answer::default()), "more").unwrap();
        assert_eq!(out, b"n\r\n", "an empty answer has its header");
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_closed_pipe_ends_the_query_and_is_told_apart() {
        let mut printer = Printer::new(Format::Jsonl.renderer(Closed, Look::default()));
        printer.columns(&[]);
        assert_eq!(printer.row(&[]), ControlFlow::Break(()));
        let error = printer.finish(Ok(Answer::default()), "more").unwrap_err();
        assert!(is_closed_pipe(&error));
        assert!(!is_closed_pipe(&anyhow::anyhow!("other")));
    }
}
