//! One statement that Ctrl-C can end.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::signal::unix::{SignalKind, signal};

use super::place::pointed;
use crate::cli::print::Printer;
use crate::model::value::Value;
use crate::query::source::Source;
use crate::store::{Answer, Result, SqlColumn, SqlQuery, SqlSink};

/// Set by SIGINT.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// How soon Ctrl-C is noticed while no row comes.
const GLANCE: Duration = Duration::from_millis(50);

/// Rows that may be on their way from the statement to the terminal.
const ROWS_AHEAD: usize = 256;

/// From now on SIGINT ends the statement that runs, and not the process.
pub(super) fn catch_interrupts() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting to listen for Ctrl-C")?;
    let mut signals = {
        let _within = runtime.enter();
        signal(SignalKind::interrupt()).context("listening for Ctrl-C")?
    };
    thread::spawn(move || {
        runtime.block_on(async {
            while signals.recv().await.is_some() {
                INTERRUPTED.store(true, Ordering::Relaxed);
            }
        });
    });
    Ok(())
}

/// A Ctrl-C before now is for nothing that comes. To be said before a line is typed, when the
/// terminal sends no signal: one that comes between the line and its statement is for the statement.
pub(super) fn forget_interrupts() {
    INTERRUPTED.store(false, Ordering::Relaxed);
}

enum Part {
    Columns(Vec<SqlColumn>),
    Row(Vec<Value>),
    End(Result<Answer>),
}

struct Sender(SyncSender<Part>);

impl Sender {
    fn send(&self, part: Part) -> ControlFlow<()> {
        match self.0.send(part) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

impl SqlSink for Sender {
    fn columns(&mut self, columns: &[SqlColumn]) {
        let _ = self.send(Part::Columns(columns.to_vec()));
    }

    fn row(&mut self, row: &[Value]) -> ControlFlow<()> {
        self.send(Part::Row(row.to_vec()))
    }
}

/// Runs a statement, prints its answer and gives the number of its rows.
pub(super) fn run(
    source: Arc<dyn Source>,
    query: SqlQuery,
    timeout: Option<Duration>,
    mut printer: Printer<'_>,
) -> anyhow::Result<u64> {
    let sql = query.sql.clone();
    let cancelled = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cancelled);
    let asked = Arc::clone(&source);
    let (send, receive) = sync_channel(ROWS_AHEAD);
    // The statement has a thread of its own, so that one that does not answer can be left behind.
    thread::spawn(move || {
        let mut sink = Sender(send);
        let answer = asked.sql_until(&query, timeout, &flag, &mut sink);
        let _ = sink.send(Part::End(answer));
    });
    let mut rows = 0;
    let answer = loop {
        if INTERRUPTED.load(Ordering::Relaxed) {
            cancelled.store(true, Ordering::Relaxed);
            source.hang_up();
            return Err(anyhow!("cancelled"));
        }
        match receive.recv_timeout(GLANCE) {
            Ok(Part::Columns(columns)) => printer.columns(&columns),
            Ok(Part::Row(row)) => {
                rows += 1;
                if printer.row(&row).is_break() {
                    // The printer knows why.
                    break Ok(Answer::default());
                }
            }
            Ok(Part::End(answer)) => break answer,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(anyhow!("the statement ended without an answer"));
            }
        }
    };
    let answer = answer.map_err(|error| pointed(error, &sql));
    printer.finish(answer, "there are more rows")?;
    Ok(rows)
}
