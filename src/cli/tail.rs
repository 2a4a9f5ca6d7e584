//! `auditql tail`.

mod line;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;

use super::connection::{Connection, Place};
use super::print::{self, Clock};
use super::{Exit, events_table, terminal};
use crate::model::value::Value;
use crate::query::listing::Collected;
use crate::query::live::Follower;
use crate::query::output::{self, Look, Render};
use crate::query::params::{EventParams, FilterParams};
use crate::query::source::{Item, Local, Remote, Source};
use crate::query::{clock, live};
use crate::store::{self, Budget, SqlColumn, Store, StoreError};
use line::Lines;

/// How often a directory without a server is looked at.
const POLL: Duration = Duration::from_millis(500);

/// How long to wait before a connection that ended is opened again.
const AGAIN: Duration = Duration::from_secs(1);

/// Show the newest events, and with -f those that arrive
///
/// Oldest first, a line each. With -f it goes on until it is stopped: of a server it shows an event
/// as soon as it is stored, of a data directory within a second. Events appear in the order in which
/// they arrive, which need not be that of their times. A connection that ends or falls silent is opened
/// again where it was, and nothing is left out without a note.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 found, 1 nothing found, 2 error.\n\n\
    Examples:\n  \
    auditql tail -f --server http://127.0.0.1:9770 --verb create,update,patch,delete\n  \
    auditql tail -f --outcome 'denied_*' -o jsonl | jq .user")]
pub(super) struct Args {
    /// Go on with events as they arrive
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    filter: FilterParams,
    /// Most events to begin with; 0 is all
    #[arg(
        short,
        long,
        value_name = "N",
        default_value_t = 10,
        help_heading = "Answer"
    )]
    limit: u64,
    /// Columns of jsonl and csv, in this order: time,user,verb; all is every column
    #[arg(long, value_name = "LIST", help_heading = "Answer")]
    columns: Option<String>,
    /// Answer without damaged segments instead of failing
    #[arg(long, help_heading = "Answer")]
    skip_damaged: bool,
    /// How events are written
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        value_enum,
        default_value = "line",
        help_heading = "Answer"
    )]
    output: Format,
    /// With -f, take a server for lost that gives no sign of life for this long; it gives one
    /// every 15 seconds; 0 is never
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = print::duration,
        default_value = "45s",
        help_heading = "Answer"
    )]
    timeout: Duration,
    #[command(flatten)]
    clock: Clock,
    #[command(flatten)]
    connection: Connection,
}

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// One line for people
    Line,
    /// One JSON object per line
    Jsonl,
    /// RFC 4180 with a header; a ' goes before text that a spreadsheet would run as a formula
    Csv,
    /// The exact bytes of each event and a newline
    Raw,
}

pub(super) fn run(mut args: Args) -> anyhow::Result<Exit> {
    args.clock.settle(&mut args.filter)?;
    if args.columns.is_some() && matches!(args.output, Format::Line | Format::Raw) {
        anyhow::bail!("--columns has no meaning for this output; use -o jsonl or -o csv");
    }
    let given = match args.output {
        Format::Line => events_table::columns(output::Format::Table).map(str::to_owned),
        Format::Raw => Some("raw".to_owned()),
        Format::Jsonl | Format::Csv => args.columns.clone(),
    };
    let mut params = EventParams {
        filter: args.filter.clone(),
        limit: args.limit,
        skip_damaged: args.skip_damaged,
        ..EventParams::default()
    };
    // Ids tell which of the newest events arrive once more.
    let names = |list: &str| list.split(',').any(|name| name.trim() == "id");
    let has_id = given
        .as_deref()
        .is_none_or(|list| list == "all" || names(list));
    params.columns = match given {
        Some(list) if !has_id => Some(format!("id,{list}")),
        given => given,
    };
    let mut shown = Shown {
        render: args.renderer(),
        columns: Vec::new(),
        hides_id: !has_id,
        rows: 0,
    };
    match (args.connection.place()?, args.follow) {
        (Place::Server { url, token }, true) => {
            let remote = Remote::new(&url).map_err(anyhow::Error::msg)?;
            let remote = remote.with_token(token);
            let silence = (!args.timeout.is_zero()).then_some(args.timeout);
            follow_server(&remote, &params, silence, &mut shown)?;
        }
        (Place::Data(dir), true) => follow_directory(&args.connection, dir, &params, &mut shown)?,
        (_, false) => newest(
            &*args.connection.open_read()?,
            &params,
            i64::MAX,
            &mut shown,
        )?,
    }
    Ok(Exit::of_rows(shown.rows))
}

impl Args {
    /// Onto stdout, which writes out whole lines.
    fn renderer(&self) -> Box<dyn Render> {
        let format = match self.output {
            Format::Line => return Box::new(Lines::new(io::stdout(), self.clock.zone())),
            Format::Jsonl => output::Format::Jsonl,
            Format::Csv => output::Format::Csv,
            Format::Raw => output::Format::Raw,
        };
        let look = Look {
            terminal: terminal::is_stdout(),
            ..Look::default()
        };
        format.renderer(io::stdout(), look)
    }
}

/// What was shown so far.
struct Shown {
    render: Box<dyn Render>,
    columns: Vec<SqlColumn>,
    /// The first column is the id, and nobody asked for it.
    hides_id: bool,
    rows: u64,
}

impl Shown {
    fn begin(&mut self, columns: &[SqlColumn]) -> io::Result<()> {
        if !self.columns.is_empty() {
            return Ok(());
        }
        self.columns = columns.to_vec();
        self.render.begin(&columns[usize::from(self.hides_id)..])
    }

    fn row(&mut self, row: &[Value]) -> io::Result<()> {
        self.rows += 1;
        self.render.row(&row[usize::from(self.hides_id)..])
    }

    /// Writes out what was rendered; for these formats an end adds nothing.
    fn flush(&mut self) -> anyhow::Result<()> {
        self.render.end().context("writing events")
    }
}

/// Shows the newest events up to the one with the id `last`, oldest first.
fn newest(
    source: &dyn Source,
    params: &EventParams,
    last: i64,
    shown: &mut Shown,
) -> anyhow::Result<()> {
    let mut found = Collected::default();
    source.events(params, None, &mut found)?;
    shown.begin(&found.columns)?;
    let id_at = found.columns.iter().position(|column| column.name == "id");
    for row in found.rows.iter().rev() {
        match id_at.map(|at| &row[at]) {
            Some(Value::Int(id)) if *id > last => {}
            _ => shown.row(row)?,
        }
    }
    shown.flush()
}

fn follow_server(
    remote: &Remote,
    params: &EventParams,
    silence: Option<Duration>,
    shown: &mut Shown,
) -> anyhow::Result<()> {
    let filters = EventParams {
        limit: EventParams::default().limit,
        ..params.clone()
    };
    let mut arriving = remote.listen(&filters, None, silence)?;
    // Its place comes first; what stands before it is listed, the rest arrives.
    arriving.take()?;
    newest(remote, params, arriving.seen().unwrap_or(i64::MAX), shown)?;
    let mut mark = arriving.mark().map(str::to_owned);
    loop {
        while let Some(item) = arriving.take()? {
            match item {
                Item::Columns(columns) => shown.begin(&columns)?,
                Item::Row(row) => {
                    shown.row(&row)?;
                    shown.flush()?;
                }
                Item::Note(note) => print::say(&format!("note: {note}")),
                Item::Alive => {}
            }
            mark = arriving.mark().map(str::to_owned);
        }
        print::say(match arriving.fell_silent() {
            true => "note: the server gave no sign of life; connecting again",
            false => "note: the server ended the connection; trying again",
        });
        arriving = loop {
            std::thread::park_timeout(AGAIN);
            match remote.listen(&filters, mark.as_deref(), silence) {
                Err(StoreError::Unavailable(_)) => {}
                opened => break opened?,
            }
        };
    }
}

fn follow_directory(
    connection: &Connection,
    dir: PathBuf,
    params: &EventParams,
    shown: &mut Shown,
) -> anyhow::Result<()> {
    // With its advice when there is no such directory.
    drop(connection.open_read()?);
    let query = params
        .clone()
        .into_query(clock::now())
        .map_err(StoreError::BadRequest)?;
    let store = store::open_read(&dir)?;
    let mut follower = Follower::new(query, store.last_id());
    let mut looked_at = changes(&dir);
    newest(&Local::new(store), params, i64::MAX, shown)?;
    loop {
        std::thread::park_timeout(POLL);
        let now = changes(&dir);
        if now == looked_at {
            continue;
        }
        looked_at = now;
        let store = store::open_read(&dir)?;
        show_arrived(&*store, &mut follower, shown)?;
    }
}

fn show_arrived(
    store: &dyn Store,
    follower: &mut live::Follower,
    shown: &mut Shown,
) -> anyhow::Result<()> {
    while let Some(arrived) = follower.step(store, &Budget::new(None))? {
        for (_, row) in &arrived.rows {
            shown.row(row)?;
        }
    }
    shown.flush()
}

/// What tells that something was written: the files of a directory, their sizes and times.
fn changes(dir: &Path) -> Vec<(std::ffi::OsString, u64, Option<SystemTime>)> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let about = entry.metadata().ok()?;
            Some((entry.file_name(), about.len(), about.modified().ok()))
        })
        .collect();
    found.sort_unstable();
    found
}
