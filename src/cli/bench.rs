//! `auditql bench`: what this machine does, measured on this program from outside.
//!
//! The server and the import run as processes of their own, so that their memory and time are
//! theirs alone; the load comes from this process, on the same cores.

mod client;
mod extremes;
mod lines;
mod load;
mod process;
mod questions;
mod report;
mod reports;
mod serving;
mod targets;
mod truth;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use anyhow::Context;

use super::{Exit, print};
use crate::generate::{self, Options};
use crate::store::{self, Stats};
use client::Client;
use lines::Lines;
use process::{Server, utf8};
use report::Report;
use targets::Targets;
use truth::Truth;

/// What a generated event takes as JSON, and how many are generated, sent, imported and asked about
/// in a minute on two cores; to say what to expect.
const GENERATED_EVENT_BYTES: u64 = 2400;
const EVENTS_PER_MINUTE: u64 = 500_000;

const MIB: f64 = (1 << 20) as f64;

/// Measure ingest, import, size, memory and ten questions on this machine, each answer checked
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 measured, every answer right; 2 error.\n\n\
    Examples:\n  \
    auditql bench\n  \
    auditql bench --events 200000 --only query --segment-events 500\n  \
    auditql bench --file audit.log -o json\n  \
    auditql bench --only bodies\n  \
    auditql bench --only growth --events 10000000\n  \
    auditql bench --only export --data kept"
)]
pub(super) struct Args {
    /// How many events are generated
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(generate::EVENTS_MIN..))]
    events: u64,
    /// Seed of the generated events
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Measure with the events of this file instead: JSON lines, no event twice
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// What to ask about in the file: {"items":[...]} of kinds deployment_delete, secret_read and
    /// body_string
    #[arg(long, value_name = "PATH", requires = "file")]
    needles: Option<PathBuf>,
    /// Keep the stores in this directory, and ask those that are there already
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Connections that post at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Events per posted batch
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u64).range(1..))]
    batch: u64,
    /// Events in a segment before it is sealed, for serve and import
    #[arg(long, value_name = "N")]
    segment_events: Option<String>,
    /// How often each question is asked; the median counts
    #[arg(long, value_name = "N", default_value_t = 7)]
    repeat: usize,
    /// Measure only this
    #[arg(long, value_name = "PART", value_enum)]
    only: Option<Part>,
    /// How the figures are written
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        value_enum,
        default_value = "table"
    )]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Webhook batches, each acknowledged when durable, and sealing
    Ingest,
    /// Import of a file
    Import,
    /// The questions
    Query,
    /// Four bodies of 400 MB at once
    Bodies,
    /// The webhook's rate in an empty store and in a grown one (long)
    Growth,
    /// All events as JSON lines, CSV and bytes, of an imported store
    Export,
    /// Cursors over all events of an imported store while others come in
    Pages,
    /// How soon a hundred listeners see an event that was acknowledged
    Live,
    /// Each report over all of an imported store, and the webhook's rate beside reports
    Reports,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// A table in Markdown
    Table,
    /// One JSON object
    Json,
}

pub(super) fn run(args: Args) -> anyhow::Result<Exit> {
    let temporary = tempfile::Builder::new()
        .prefix("auditql-bench-")
        .tempdir()
        .context("making a directory for the benchmark")?;
    let directory = match &args.data {
        Some(data) => {
            std::fs::create_dir_all(data).with_context(|| format!("making {}", data.display()))?;
            data.clone()
        }
        None => temporary.path().to_owned(),
    };
    announce(&args, &directory);
    let mut bench = Bench {
        report: Report {
            version: env!("CARGO_PKG_VERSION"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            events: args.events,
            bytes_per_event: 0.0,
            figures: Vec::new(),
        },
        events_file: args
            .file
            .clone()
            .unwrap_or_else(|| temporary.path().join("events.jsonl")),
        directory,
        args,
    };
    match bench.args.only {
        Some(Part::Bodies) => bench.bodies()?,
        Some(Part::Growth) => bench.growth()?,
        Some(Part::Export) => bench.export()?,
        Some(Part::Pages) => bench.pages()?,
        Some(Part::Live) => bench.live()?,
        Some(Part::Reports) => bench.reports()?,
        _ => bench.all()?,
    }
    let json = matches!(bench.args.format, Format::Json);
    bench.report.write(&mut print::stdout(), json)?;
    Ok(Exit::Found)
}

/// Says on stderr what is to come, before minutes of silence.
fn announce(args: &Args, directory: &Path) {
    let what = match (&args.file, args.only) {
        (_, Some(Part::Bodies)) => "four bodies of 400 MB".to_owned(),
        (Some(file), _) => format!("the events of {}", file.display()),
        (None, only) => {
            let megabytes = args.events * GENERATED_EVENT_BYTES / 1_000_000;
            let minutes = match only {
                Some(Part::Growth) => String::new(),
                _ => {
                    let minutes = args.events.div_ceil(EVENTS_PER_MINUTE);
                    format!(", for some {}", print::count(minutes, "minute"))
                }
            };
            format!(
                "{} generated from seed {} (about {megabytes} MB){minutes}",
                print::count(args.events, "event"),
                args.seed
            )
        }
    };
    let kept = match args.data {
        Some(_) => "kept",
        None => "removed at the end",
    };
    print::say(&format!(
        "measuring with {what}; stores in {} ({kept})",
        directory.display()
    ));
}

struct Bench {
    args: Args,
    report: Report,
    events_file: PathBuf,
    directory: PathBuf,
}

impl Bench {
    fn options(&self) -> Options {
        Options {
            events: self.args.events,
            seed: self.args.seed,
            ..Options::default()
        }
    }

    fn wants(&self, part: Part) -> bool {
        self.args.only.is_none_or(|only| only == part)
    }

    fn all(&mut self) -> anyhow::Result<()> {
        if self.args.file.is_none() {
            let begin = Instant::now();
            lines::write(self.options(), &self.events_file)?;
            let rate = self.args.events as f64 / begin.elapsed().as_secs_f64();
            self.report.add("generate", "rate", rate, "events/s");
        }
        let asked = if self.wants(Part::Query) {
            let targets = match (&self.args.needles, &self.args.file) {
                (Some(needles), _) => Targets::of_needles(needles)?,
                (None, Some(file)) => Targets::of_file(file)?,
                (None, None) => generate::incident(&self.options())
                    .as_ref()
                    .and_then(Targets::of_incident)
                    .context("too few events")?,
            };
            let truth = truth::compute(&self.events_file, &targets)?;
            Some((targets, truth))
        } else {
            None
        };
        let (events, bytes) = match &asked {
            Some((_, truth)) => (truth.events, truth.raw_bytes),
            None => lines::count(&self.events_file)?,
        };
        self.report.events = events;
        self.report.bytes_per_event = bytes as f64 / events as f64;
        if self.wants(Part::Ingest) {
            let server = self.ingest(events)?;
            if let Some((targets, truth)) = &asked {
                self.ask(server.address, targets, truth)?;
            }
            let usage = server.stop()?;
            if asked.is_some() {
                let peak = usage.peak_rss as f64 / MIB;
                self.report.add(
                    "query",
                    "peak resident memory, webhook's included",
                    peak,
                    "MiB",
                );
            }
        }
        if self.wants(Part::Import) {
            self.import(events)?;
        }
        if let (Some((targets, truth)), Some(Part::Query)) = (&asked, self.args.only) {
            let data = self.directory.join("import");
            if !data.exists() {
                self.import(events)?;
            }
            let server = Server::start(&data, self.args.segment_events.as_deref())?;
            self.ask(server.address, targets, truth)?;
            let usage = server.stop()?;
            let peak = usage.peak_rss as f64 / MIB;
            self.report
                .add("query", "peak resident memory", peak, "MiB");
        }
        Ok(())
    }

    /// Posts all events to a new server and seals them; the server stays for questions.
    fn ingest(&mut self, events: u64) -> anyhow::Result<Server> {
        let server = self.serve_new("webhook")?;
        let lines = Mutex::new(Lines::open(&self.events_file)?);
        let load = load::webhook(
            server.address,
            &lines,
            events,
            self.args.batch,
            usize::from(self.args.connections),
        )?;
        let report = &mut self.report;
        report.add("webhook", "rate", load.rate(), "events/s");
        let megabytes = load.bytes as f64 / load.elapsed.as_secs_f64() / 1e6;
        report.add("webhook", "bytes", megabytes, "MB/s");
        report.add("webhook", "wait, 50 %", load.wait_ms(50), "ms");
        report.add("webhook", "wait, 99 %", load.wait_ms(99), "ms");
        let usage = server.usage();
        let peak = usage.peak_rss as f64 / MIB;
        report.add("webhook", "peak resident memory", peak, "MiB");
        report.add("webhook", "processor time", usage.cpu, "s");
        let begin = Instant::now();
        Client::connect(server.address)?.post("/api/v1/seal", b"")?;
        let seconds = begin.elapsed().as_secs_f64();
        report.add("webhook", "sealing and merging", seconds, "s");
        let usage = server.usage();
        let peak = usage.peak_rss as f64 / MIB;
        report.add(
            "webhook",
            "peak resident memory, merging included",
            peak,
            "MiB",
        );
        report.add(
            "webhook",
            "processor time, merging included",
            usage.cpu,
            "s",
        );
        let stats = Client::connect(server.address)?.get("/api/v1/stats")?;
        let stats: Stats = serde_json::from_slice(&stats).context("reading the server's stats")?;
        self.sizes("webhook", &stats, events)?;
        Ok(server)
    }

    /// Imports the file with a process of its own, which ends sealed and indexed.
    fn import(&mut self, events: u64) -> anyhow::Result<()> {
        let data = self.empty("import")?;
        let (file, dir) = (utf8(&self.events_file)?, utf8(&data)?);
        let mut arguments = vec!["import", "--data", dir, file];
        if let Some(events) = &self.args.segment_events {
            arguments.extend(["--segment-events", events]);
        }
        let (elapsed, usage) = process::run(&arguments)?;
        let report = &mut self.report;
        report.add(
            "import",
            "rate",
            events as f64 / elapsed.as_secs_f64(),
            "events/s",
        );
        report.add(
            "import",
            "peak resident memory",
            usage.peak_rss as f64 / MIB,
            "MiB",
        );
        report.add("import", "processor time", usage.cpu, "s");
        let stats = store::open_read(&data)?.stats()?;
        self.sizes("import", &stats, events)
    }

    fn sizes(&mut self, part: &'static str, stats: &Stats, events: u64) -> anyhow::Result<()> {
        anyhow::ensure!(
            stats.events == events && stats.quarantined == 0,
            "{} of {events} events are in the store, and {} in quarantine",
            stats.events,
            stats.quarantined
        );
        let each = |bytes: u64| bytes as f64 / events as f64;
        self.report
            .add(part, "stored", each(stats.stored_bytes), "bytes/event");
        for (name, bytes) in &stats.components {
            let name = format!("stored: {name}");
            self.report.add(part, &name, each(*bytes), "bytes/event");
        }
        self.report.add(part, "segments", stats.segments as f64, "");
        Ok(())
    }

    fn ask(&mut self, server: SocketAddr, targets: &Targets, truth: &Truth) -> anyhow::Result<()> {
        for asked in questions::ask(server, targets, truth, self.args.repeat)? {
            let mut note = print::count(asked.rows, "row");
            if let Some(segments) = asked.segments_opened {
                note = format!("{note}, {} opened", print::count(segments, "segment"));
            }
            self.report
                .add_noted("query", asked.name, asked.median_ms, "ms", note);
        }
        Ok(())
    }

    fn serve_new(&self, name: &str) -> anyhow::Result<Server> {
        let data = self.empty(name)?;
        Server::start(&data, self.args.segment_events.as_deref())
    }

    /// A directory for a new store; one that is there already is not touched.
    fn empty(&self, name: &str) -> anyhow::Result<PathBuf> {
        let data = self.directory.join(name);
        anyhow::ensure!(
            !data.exists(),
            "{} is there already; remove it, or give another --data",
            data.display()
        );
        Ok(data)
    }
}
