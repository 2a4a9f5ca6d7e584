//! `auditql ask`: the library of questions. Every question is a subcommand made from its header,
//! so that its parameters are flags with help.

mod command;
pub(super) mod learn;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::anyhow;
use clap::{Arg, ArgMatches, Command, FromArgMatches};

pub(super) use command::flag;
use command::subcommand;

use super::connection::Connection;
use super::print::{self, Output};
use super::{Exit, early, empty, explain, shell};
use crate::limits::{QUERY_TIME, ROWS_DEFAULT};
use crate::model::value::Value;
use crate::query::library::{Chosen, GROUPS, Kind, Library, Question, Reader};
use crate::query::output::Columns;
use crate::query::params::FilterParams;
use crate::query::{clock, equivalent};
use crate::store::{SqlColumn, SqlSink, StoreError};

/// What names a directory of one's own questions.
const DIRECTORY_ENV: &str = "AUDITQL_QUERIES";

#[derive(Debug)]
pub(super) struct Args {
    asked: Option<Asked>,
    output: Output,
}

#[derive(Debug)]
struct Asked {
    name: String,
    given: Vec<(String, String)>,
    limit: u64,
    columns: Option<String>,
    skip_damaged: bool,
    explain: bool,
    timeout: std::time::Duration,
    output: Output,
    connection: Connection,
}

/// The library, and what is missing from it.
pub(super) struct Loaded {
    pub(super) library: Library,
    /// Why nothing can be asked.
    pub(super) error: Option<String>,
    /// Why what a server knows is not listed.
    note: Option<String>,
}

/// The library. Its directory and the server must be known before there are flags to read, so they
/// are looked for in the arguments.
pub(super) fn loaded() -> &'static Loaded {
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    LOADED.get_or_init(|| {
        let (library, error) = match directory(std::env::args_os().skip(1)) {
            None => (Library::shipped().clone(), None),
            Some(directory) => match Library::with_directory(&directory) {
                Ok(library) => (library, None),
                Err(error) => (Library::shipped().clone(), Some(error)),
            },
        };
        let mut loaded = Loaded {
            library,
            error,
            note: None,
        };
        if loaded.error.is_none() {
            learn::from_server(&mut loaded);
        }
        loaded
    })
}

fn directory(arguments: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    let from_environment = || std::env::var_os(DIRECTORY_ENV).filter(|value| !value.is_empty());
    let named = early::flag(arguments, "--queries").or_else(from_environment);
    named.map(PathBuf::from)
}

impl clap::Args for Args {
    fn augment_args(command: Command) -> Command {
        // Only when this command was chosen: no other needs the library.
        command
            .about("Ask a question of the library; without one, list them")
            .long_about(
                "Ask a question of the library; without one, list them\n\nEvery question is a \
                 command with flags of its own: auditql ask who-deleted --help. A filter's value \
                 is the same as for auditql query. A server's own questions are learned from it \
                 when one is named that is not known here, and for the list.",
            )
            .after_help(
                "Exit codes: 0 found, 1 nothing found, 2 error.\n\n\
                 Examples:\n  auditql ask\n  \
                 auditql ask who-deleted --resource deployments --name web -n prod --since 7d\n  \
                 auditql ask who-deleted --resource secrets --explain\n  \
                 auditql ask who-deleted --help",
            )
            .defer(|command| {
                let texts = (
                    command.get_about().cloned(),
                    command.get_long_about().cloned(),
                );
                // Flattening sets the texts of what is flattened.
                let command = Connection::augment_args(Output::augment_args(command))
                    .about(texts.0.unwrap_or_default())
                    .long_about(texts.1.unwrap_or_default())
                    .subcommand_value_name("QUESTION")
                    .subcommand_help_heading("Questions")
                    .disable_help_subcommand(true)
                    .arg(
                        Arg::new("queries")
                            .long("queries")
                            .value_name("DIR")
                            .value_parser(clap::value_parser!(PathBuf))
                            .help("Directory of more questions; else AUDITQL_QUERIES"),
                    )
                    .mut_args(|arg| arg.global(true));
                let loaded = loaded();
                command
                    .allow_external_subcommands(loaded.error.is_some())
                    .subcommands(loaded.library.questions().iter().map(subcommand))
            })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Args {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let asked = match matches.subcommand() {
            None => None,
            Some((name, matches)) => Some(asked(name, matches)?),
        };
        Ok(Args {
            asked,
            output: Output::from_arg_matches(matches)?,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Args::from_arg_matches(matches)?;
        Ok(())
    }
}

fn asked(name: &str, matches: &ArgMatches) -> Result<Asked, clap::Error> {
    let unknown = |error| clap::Error::raw(clap::error::ErrorKind::InvalidSubcommand, error);
    if let Some(error) = &loaded().error {
        return Err(unknown(format!("{error}\n")));
    }
    let question = loaded().library.get(name).map_err(unknown)?;
    let mut given = Vec::new();
    for param in &question.params {
        let value = match param.kind {
            Kind::Flag => matches.get_flag(&param.name).then(|| "true".to_owned()),
            _ => matches.get_one::<String>(&param.name).cloned(),
        };
        given.extend(value.map(|value| (param.name.clone(), value)));
    }
    Ok(Asked {
        name: name.to_owned(),
        given,
        limit: matches.get_one("limit").copied().unwrap_or(ROWS_DEFAULT),
        columns: matches.get_one("chosen-columns").cloned(),
        skip_damaged: matches.get_flag("skip_damaged"),
        explain: matches.get_flag("explain"),
        timeout: matches.get_one("timeout").copied().unwrap_or(QUERY_TIME),
        output: Output::from_arg_matches(matches)?,
        connection: Connection::from_arg_matches(matches)?,
    })
}

pub(super) fn run(args: Args) -> anyhow::Result<Exit> {
    let Loaded {
        library,
        error,
        note,
    } = loaded();
    if let Some(error) = error {
        return Err(anyhow!("{error}"));
    }
    let Some(asked) = args.asked else {
        if let Some(note) = note {
            print::say(&format!("note: {note}"));
        }
        library.check().map_err(anyhow::Error::msg)?;
        return list(library, args.output);
    };
    let question = library.get(&asked.name).map_err(anyhow::Error::msg)?;
    question.check().map_err(anyhow::Error::msg)?;
    let query = question
        .query(&asked.given, asked.limit, asked.skip_damaged, clock::now())
        .map_err(anyhow::Error::msg)?;
    let columns = question.columns_of(asked.columns.as_deref());
    let columns = columns.map_err(anyhow::Error::msg)?;
    let source = asked.connection.open_read()?;
    if asked.explain {
        let (given, columns) = (&asked.given, asked.columns.as_deref());
        let call = equivalent::question_api(&asked.name, given, asked.limit, columns);
        explain::say_otherwise(Ok(&query.sql), &call, &asked.connection)?;
        explain::say_params(&query);
    }
    let mut printer = asked.output.printer_of(match columns {
        None => Columns::Offered,
        Some(_) => Columns::Asked,
    });
    let timeout = (!asked.timeout.is_zero()).then_some(asked.timeout);
    let mut chosen = Chosen::new(columns, &mut printer);
    let answer = source.sql(&query, timeout, &mut question.typed(&mut chosen));
    let answer = chosen.finish(answer).map_err(|error| match error {
        StoreError::BadRequest(message) => {
            let about = format!("in the question {}", question.name);
            let told = question.tell(&message, &about, Reader::Owner);
            let told = told.unwrap_or_else(|| format!("{about}: {message}"));
            StoreError::BadRequest(told + &shell::help(&message, &query.sql))
        }
        other => other,
    });
    let work = answer.as_ref().map(|answer| answer.stats);
    let work = work.unwrap_or_default();
    let exit = match question.most.filter(|most| *most == query.limit) {
        Some(most) => {
            let more = format!(
                "there are more rows; the question gives at most {most}: narrow it with its filters"
            );
            printer.finish_with(answer, &more)?
        }
        None => printer.finish(answer, "there are more rows")?,
    };
    if asked.explain {
        explain::say_work(&work);
    }
    if exit == Exit::Nothing {
        let (filter, by_default) = filter(question, &asked.given);
        let zone = asked.output.clock.zone();
        empty::explain(
            &*source,
            "nothing answers the question",
            Some(&filter),
            zone,
        );
        if let Some(since) = by_default {
            print::say(&format!(
                "note: without --since the question is about the last {since} only"
            ));
        }
    }
    Ok(exit)
}

/// What was given of the filters, defaults included, and the default of `since` if that stood in.
fn filter<'q>(
    question: &'q Question,
    given: &[(String, String)],
) -> (FilterParams, Option<&'q str>) {
    let mut filter = FilterParams::default();
    let mut by_default = None;
    for param in &question.params {
        let words = given.iter().find(|(name, _)| *name == param.name);
        let value = words
            .map(|(_, value)| value.as_str())
            .or(param.default.as_deref());
        if let Some(value) = value {
            filter.set(&param.name, value);
            if param.name == "since" && words.is_none() {
                by_default = param.default.as_deref();
            }
        }
    }
    (filter, by_default)
}

/// The questions, a row each.
fn list(library: &Library, output: Output) -> anyhow::Result<Exit> {
    let mut printer = output.printer();
    let column = |name: &str| SqlColumn {
        name: name.to_owned(),
        kind: "TEXT".to_owned(),
    };
    printer.columns(&["group", "question", "title"].map(column));
    for question in library.questions() {
        let group = GROUPS.iter().find(|(group, _)| *group == question.group);
        let group = group.map_or(question.group.as_str(), |(_, title)| title);
        let row = [group, &question.name, &question.title].map(Value::text);
        if printer.row(&row).is_break() {
            break;
        }
    }
    printer.end(Ok(()))?;
    Ok(Exit::Found)
}
