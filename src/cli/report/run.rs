//! What `auditql report` does once its flags are read.

use std::borrow::Cow;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::loaded::{Loaded, loaded};
use super::{Asked, THREADS};
use crate::cli::connection::Connection;
use crate::cli::print::{Output, stdout};
use crate::cli::{Exit, print, terminal};
use crate::model::value::Value;
use crate::query::clock;
use crate::query::output::{visible, visible_lines};
use crate::report::made::Made;
use crate::report::make::{Request, make};
use crate::report::publish::publish;
use crate::report::schedule::Schedule;
use crate::report::verify::verify;
use crate::store::{SqlColumn, SqlSink};

pub(super) fn make_one(asked: Asked) -> anyhow::Result<Exit> {
    let Loaded {
        library, catalogue, ..
    } = loaded();
    let report = catalogue.get(&asked.name).map_err(anyhow::Error::msg)?;
    library.check().map_err(anyhow::Error::msg)?;
    let place = asked.connection.place()?.to_string();
    let source = asked.connection.open_read()?;
    let made_for = asked.made_for.unwrap_or_else(user_name);
    let request = Request {
        given: &asked.given,
        made_for: &made_for,
        place: &place,
        rows: asked.rows,
        rows_max: asked.rows_max,
        skip_damaged: asked.skip_damaged,
        summary: asked.summary,
        timeout: (!asked.timeout.is_zero()).then_some(asked.timeout),
        threads: THREADS,
        now: clock::now(),
        ..Request::default()
    };
    let made = match asked.out {
        None => {
            let [form] = asked.forms[..] else {
                bail!("several forms do not go to one output; write them with --out DIR");
            };
            let made = make(report, library, &*source, &request)?;
            let (mut text, _) = form.document(&made).map_err(anyhow::Error::msg)?;
            if terminal::is_stdout() {
                text = visible_lines(&text);
            }
            let mut out = stdout();
            out.write_all(text.as_bytes())
                .and_then(|()| out.flush())
                .context("writing the report")?;
            made
        }
        Some(directory) => {
            let (made, written) = publish(
                report,
                library,
                &*source,
                &request,
                &directory,
                &report.name,
                &asked.forms,
            )?;
            let mut out = stdout();
            for file in written.iter().filter(|file| file.form.is_some()) {
                writeln!(out, "{}", told(&file.path.display().to_string()))?;
            }
            out.flush()?;
            made
        }
    };
    notes(&made, asked.rows_max);
    Ok(match made.nothing_matches {
        true => Exit::Nothing,
        false => Exit::Found,
    })
}

/// Says whether documents and the files beside them are as they were written; of several, a line
/// each and what differs.
pub(super) fn check(files: &[PathBuf]) -> anyhow::Result<Exit> {
    let mut worst = Ok(Exit::Found);
    for file in files {
        match check_one(file, files.len() == 1) {
            Ok(Exit::Found) => {}
            Ok(Exit::Nothing) => worst = worst.map(|_| Exit::Nothing),
            Err(error) if print::is_closed_pipe(&error) => return Err(error),
            Err(error) => {
                // The last one is said by the caller.
                if let Err(earlier) = std::mem::replace(&mut worst, Err(error)) {
                    print::say(&format!("error: {earlier:#}"));
                }
            }
        }
    }
    worst
}

fn check_one(file: &Path, alone: bool) -> anyhow::Result<Exit> {
    let found = verify(file).map_err(anyhow::Error::msg)?;
    let mut out = stdout();
    for file in found.files.iter().filter(|_| alone) {
        writeln!(out, "{}", told(&format!("{file}: as it was written")))?;
    }
    if let Some(digest) = &found.digest {
        let file = file.display();
        let line = format!("{file}: as it was written, SHA-256 {digest}");
        writeln!(out, "{}", told(&line))?;
    }
    for differs in &found.differs {
        writeln!(out, "{}", told(&format!("differs: {differs}")))?;
    }
    out.flush()?;
    Ok(match found.differs.is_empty() {
        true => Exit::Found,
        false => Exit::Nothing,
    })
}

/// Reads a schedule and says what the server would write first.
pub(super) fn check_schedule(file: &Path, connection: Connection) -> anyhow::Result<Exit> {
    let schedule = Schedule::read(file, &loaded().catalogue).map_err(anyhow::Error::msg)?;
    // A schedule can be checked where the store is not.
    if let Ok(stats) = connection
        .open_read()
        .and_then(|source| Ok(source.stats()?))
    {
        let known: Vec<String> = stats.clusters.into_iter().map(|(name, _)| name).collect();
        for entry in &schedule.entries {
            if let Some(warning) = entry.unknown_clusters(&known) {
                print::say(&format!("warning: {warning}"));
            }
        }
    }
    for entry in &schedule.entries {
        if let Some(warning) = entry.unwritable() {
            print::say(&format!("warning: {warning}"));
        }
    }
    let mut out = stdout();
    for entry in &schedule.entries {
        let label = entry.every.label(entry.every.last(clock::now()));
        for form in &entry.formats {
            let name = format!("{}-{label}.{}", entry.name, form.name());
            let path = entry.out.join(name);
            let (name, every) = (&entry.name, entry.every.name());
            writeln!(
                out,
                "{}",
                told(&format!("{name} {every}: {}", path.display()))
            )?;
        }
    }
    out.flush()?;
    Ok(Exit::Found)
}

/// A line for stdout. A terminal would obey what stands in names of files.
fn told(line: &str) -> Cow<'_, str> {
    match terminal::is_stdout() {
        true => visible(line),
        false => Cow::Borrowed(line),
    }
}

/// What a reader must know, on stderr.
fn notes(made: &Made, rows_max: u64) {
    let cut = made.cut_short(rows_max, "--rows-max sets the limit, 0 is none");
    for note in made.coverage.notes.iter().chain(&cut) {
        print::say(&format!("note: {note}"));
    }
}

/// The name of the user who runs this, or else the number.
fn user_name() -> String {
    let named = |name: &str| std::env::var(name).ok().filter(|name| !name.is_empty());
    let number = || {
        use std::os::unix::fs::MetadataExt as _;
        let process = std::fs::metadata("/proc/self").ok()?;
        Some(user_of(process.uid()).unwrap_or_else(|| format!("uid {}", process.uid())))
    };
    let name = named("USER").or_else(|| named("LOGNAME")).or_else(number);
    name.unwrap_or_else(|| "unknown".to_owned())
}

/// The name that the system's own file of users has for a number.
fn user_of(uid: u32) -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// The reports, a row each.
pub(super) fn list(output: Output) -> anyhow::Result<Exit> {
    let Loaded {
        catalogue,
        library,
        note,
        ..
    } = loaded();
    if let Some(note) = note {
        print::say(&format!("note: {note}"));
    }
    library.check().map_err(anyhow::Error::msg)?;
    let mut printer = output.printer();
    let column = |name: &str| SqlColumn {
        name: name.to_owned(),
        kind: "TEXT".to_owned(),
    };
    printer.columns(&["report", "framework", "controls", "title"].map(column));
    for report in catalogue.reports() {
        let framework = format!("{} {}", report.framework, report.framework_version);
        let row = [
            Value::text(report.name.as_str()),
            Value::text(framework.trim()),
            Value::Int(report.controls.len() as i64),
            Value::text(report.title.as_str()),
        ];
        if printer.row(&row).is_break() {
            break;
        }
    }
    printer.end(Ok(()))?;
    Ok(Exit::Found)
}
