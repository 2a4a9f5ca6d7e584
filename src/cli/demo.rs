//! `auditql demo`: a store with a story in it, to try questions on.

mod questions;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::sync::oneshot;

use super::Exit;
use super::print::{self, count, say};
use super::serve::{self, LogFormat};
use crate::generate::{self, EVENTS_MIN, Generator, Incident, Options};
use crate::http::{Hosts, Limits, Settings};
use crate::model::normalise::{Reject, normalise};
use crate::query::clock;
use crate::store::{self, OpenOptions, Store};
use questions::Question;

/// Where a server usually listens.
const LISTEN: &str = "127.0.0.1:9770";

/// Events per batch.
const BATCH: usize = 2000;

/// Serve a throw-away store with a day of events and an incident in it, and say what to try
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 ended; with --once 1 a command did not find its answer; 2 error.\n\n\
    Examples:\n  \
    auditql demo\n  \
    auditql demo --events 1000000 --listen 127.0.0.1:0\n  \
    auditql demo --once"
)]
pub(super) struct Args {
    /// How many events; 1000 or more
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = events)]
    events: u64,
    /// Loopback address and port to listen on [default: 127.0.0.1:9770, or a free port]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Run the commands, check what they find, and end
    #[arg(long)]
    once: bool,
}

fn events(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(events) if events >= EVENTS_MIN => Ok(events),
        _ => Err(format!("is no number of events; use {EVENTS_MIN} or more")),
    }
}

/// Serves until Ctrl-C, or with `--once` until every command was run; the store goes then.
pub(super) fn run(args: Args) -> anyhow::Result<Exit> {
    serve::start_log(LogFormat::Text, "warn");
    let listener = match &args.listen {
        Some(address) => serve::listen(address, false)?,
        // The usual port, unless a server runs there already.
        None => serve::listen(LISTEN, false).or_else(|_| serve::listen("127.0.0.1:0", false))?,
    };
    let address = listener.local_addr()?;
    let directory = tempfile::Builder::new()
        .prefix("auditql-demo-")
        .tempdir()
        .context("making a directory for the demo's store")?;
    let defaults = Options::default();
    let options = Options {
        events: args.events,
        start: clock::now() - i64::try_from(defaults.span.as_micros())?,
        ..defaults
    };
    let incident = generate::incident(&options).context("too few events for the story")?;
    let store = store::open_write(directory.path(), &OpenOptions::default())?;
    fill(&*store, options)?;
    say(&format!(
        "a day of {} from a cluster, with an incident in it, in {} (removed at the end)",
        count(args.events, "event"),
        directory.path().display()
    ));
    let server = format!("http://{address}");
    let questions = questions::questions(&incident, &server);
    let settings = Settings {
        spool_dir: directory.path().to_owned(),
        hosts: Hosts {
            listen: Some(address.ip()),
            names: Vec::new(),
            any_address: false,
        },
        retain: None,
        library: crate::query::library::Library::shipped().clone(),
        reports: crate::report::Catalogue::shipped().clone(),
        schedule: crate::report::schedule::Schedule::default(),
        limits: Limits::default(),
    };
    if args.once {
        return once(listener, store, settings, questions);
    }
    introduce(&incident, &questions, &program())?;
    serve::serve_until_signal(listener, store, settings)
}

/// Generates the events into the store, in a few commits, and seals them.
fn fill(store: &dyn Store, options: Options) -> anyhow::Result<()> {
    let mut generator = Generator::new(options);
    let mut line = Vec::new();
    loop {
        let mut batch = store.batch(questions::CLUSTER, "demo");
        let mut taken = 0;
        while taken < BATCH {
            line.clear();
            if !generator.next_into(&mut line) {
                break;
            }
            line.pop();
            let (event, content) = normalise(questions::CLUSTER, &line)
                .map_err(|Reject(reason)| anyhow::anyhow!("a generated event is none: {reason}"))?;
            batch.event(&event, &line, content);
            taken += 1;
        }
        if taken == 0 {
            break;
        }
        batch.commit()?;
    }
    store.seal(false)?;
    Ok(())
}

/// This program as it was called, so that the commands can be pasted.
fn program() -> String {
    match std::env::args().next() {
        Some(name) if name.contains('/') => name,
        _ => "auditql".to_owned(),
    }
}

fn introduce(incident: &Incident, questions: &[Question], program: &str) -> anyhow::Result<()> {
    let mut out = print::stdout();
    writeln!(
        out,
        "\nThe story: around {} someone used the token of {} from outside.\n\
         Try, in another terminal:\n",
        clock::to_text(incident.steps[0].time),
        incident.actor
    )?;
    for (at, question) in questions.iter().enumerate() {
        writeln!(out, "{}. {}", at + 1, question.asks)?;
        writeln!(out, "   {}", question.command_line(program))?;
        writeln!(out, "   -> {}\n", question.finds)?;
    }
    writeln!(out, "Ctrl-C ends the demo and removes its store.")?;
    out.flush()?;
    Ok(())
}

/// Serves while the commands run as processes of their own, as a person would run them.
fn once(
    listener: std::net::TcpListener,
    store: Arc<dyn Store>,
    settings: Settings,
    questions: Vec<Question>,
) -> anyhow::Result<Exit> {
    let program = std::env::current_exe().context("finding this program")?;
    let (ended, all_asked) = oneshot::channel::<()>();
    let asking = std::thread::spawn(move || {
        let asked = ask(&program, &questions);
        // The server may have failed and be gone.
        let _ = ended.send(());
        asked
    });
    serve::serve_until(listener, store, settings, || {
        Ok(async move {
            let _ = all_asked.await;
        })
    })?;
    match asking.join() {
        Ok(asked) => asked,
        Err(_) => bail!("running the commands failed"),
    }
}

/// Runs every command, shows its output, and checks that it found what it should.
fn ask(program: &Path, questions: &[Question]) -> anyhow::Result<Exit> {
    let mut missed = 0;
    for question in questions {
        let mut out = print::stdout();
        writeln!(out, "\n$ {}", question.command_line("auditql"))?;
        let output = command(program.to_owned(), question)
            .output()
            .with_context(|| format!("running {}", program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        out.write_all(&output.stdout)?;
        match question.check(output.status.code(), &text) {
            Ok(()) => writeln!(out, "-> found: {}", question.finds)?,
            Err(error) => {
                missed += 1;
                writeln!(out, "-> MISSED: {}: {error}", question.finds)?;
                say(&String::from_utf8_lossy(&output.stderr));
            }
        }
        out.flush()?;
    }
    match missed {
        0 => Ok(Exit::Found),
        missed => {
            say(&format!("{} did not find it", count(missed, "command")));
            Ok(Exit::Nothing)
        }
    }
}

fn command(program: PathBuf, question: &Question) -> Command {
    let mut command = Command::new(program);
    // The caller's own store has no part in this.
    command
        .args(&question.arguments)
        .env_remove("AUDITQL_DATA")
        .env_remove("AUDITQL_SERVER")
        .env_remove("AUDITQL_TOKEN");
    command
}
