//! `auditql quarantine`.

use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Subcommand;

use super::Exit;
use super::connection::Connection;
use super::print::{self, Output, Printer};
use crate::model::value::Value;
use crate::query::output::Format;
use crate::query::source::Source;
use crate::store::{Quarantined, SqlColumn, SqlSink};

/// List or export what could not be understood
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(ListArgs),
    Export(ExportArgs),
}

/// List quarantined items, oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 found, 1 nothing found, 2 error.\n\n\
    Examples:\n  auditql quarantine list\n  auditql quarantine list -o jsonl")]
struct ListArgs {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connection: Connection,
}

/// Export the exact bytes of quarantined items
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 found, 1 nothing found, 2 error.\n\n\
    Examples:\n  \
    auditql quarantine export --id 7\n  \
    auditql quarantine export --out ./quarantined")]
struct ExportArgs {
    /// Only this item
    #[arg(long, value_name = "N")]
    id: Option<i64>,
    /// Write one file per item, named by its id, into this directory; else all to stdout, each
    /// ended by one newline
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(args: Args) -> anyhow::Result<Exit> {
    match args.command {
        Command::List(args) => {
            if args.output.format == Format::Raw {
                bail!("-o raw is what auditql quarantine export does; use that");
            }
            list(&*args.connection.open_read()?, args.output.printer())
        }
        Command::Export(args) => {
            let source = args.connection.open_read()?;
            export(&*source, args.id, args.out)
        }
    }
}

const COLUMNS: [(&str, &str); 8] = [
    ("id", "INTEGER"),
    ("stored_time", "TIME"),
    ("cluster", "TEXT"),
    ("source", "TEXT"),
    ("origin", "TEXT"),
    ("reason", "TEXT"),
    ("bytes", "INTEGER"),
    ("duplicates", "INTEGER"),
];

fn list(source: &dyn Source, mut printer: Printer<'_>) -> anyhow::Result<Exit> {
    let columns = COLUMNS.map(|(name, kind)| SqlColumn {
        name: name.to_owned(),
        kind: kind.to_owned(),
    });
    printer.columns(&columns);
    let mut rows = 0;
    let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let listed = source.quarantined(&mut |item: Quarantined| {
        rows += 1;
        printer.row(&[
            Value::Int(item.id),
            Value::text(item.stored_time),
            Value::text(item.cluster),
            Value::text(item.source),
            Value::text(item.origin),
            Value::text(item.reason),
            number(item.bytes),
            number(item.duplicates),
        ])
    });
    printer.end(listed)?;
    if rows == 0 {
        print::say("nothing is in quarantine");
    }
    Ok(Exit::of_rows(rows))
}

fn export(source: &dyn Source, id: Option<i64>, out: Option<PathBuf>) -> anyhow::Result<Exit> {
    let ids = match id {
        Some(id) => vec![id],
        None => {
            let mut ids = Vec::new();
            source.quarantined(&mut |item| {
                ids.push(item.id);
                ControlFlow::Continue(())
            })?;
            ids
        }
    };
    if let Some(dir) = &out {
        std::fs::create_dir_all(dir)
            .with_context(|| format!("creating the directory {}", dir.display()))?;
    }
    let mut stdout = print::stdout();
    for &id in &ids {
        let found = match &out {
            Some(dir) => {
                let path = dir.join(format!("quarantine-{id}"));
                let mut file = Lazy::new(|| File::create(&path));
                let found = copy(source, id, &mut file, b"")
                    .with_context(|| format!("writing {}", path.display()))?;
                if found {
                    file.get()
                        .and_then(|file| file.sync_all())
                        .with_context(|| format!("writing {}", path.display()))?;
                }
                found
            }
            None => copy(source, id, &mut stdout, b"\n")?,
        };
        if !found {
            print::say(&format!(
                "note: no quarantined item {id}; auditql quarantine list shows what there is"
            ));
            return Ok(Exit::Nothing);
        }
    }
    stdout.flush().context("writing the answer")?;
    if ids.is_empty() {
        print::say("nothing is in quarantine");
        return Ok(Exit::Nothing);
    }
    if let Some(dir) = &out {
        let items = print::count(ids.len() as u64, "item");
        print::say(&format!("{items} in {}", dir.display()));
    }
    Ok(Exit::of_rows(ids.len() as u64))
}

fn copy(source: &dyn Source, id: i64, out: &mut dyn Write, end: &[u8]) -> anyhow::Result<bool> {
    let mut failed = None;
    let found = source.quarantined_bytes(id, &mut |part| match out.write_all(part) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    });
    if let Some(error) = failed {
        return Err(error).context("writing the answer");
    }
    let found = found?;
    if found {
        out.write_all(end).context("writing the answer")?;
    }
    Ok(found)
}

/// A file that is made at its first byte, so that an unknown item leaves none.
struct Lazy<F> {
    open: F,
    file: Option<File>,
}

impl<F: Fn() -> io::Result<File>> Lazy<F> {
    fn new(open: F) -> Lazy<F> {
        Lazy { open, file: None }
    }

    fn get(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            self.file = Some((self.open)()?);
        }
        Ok(self.file.as_mut().expect("was just filled"))
    }
}

impl<F: Fn() -> io::Result<File>> Write for Lazy<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.get()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
