//! `auditql sql`.

use std::io::Read;
use std::time::Duration;

use anyhow::{Context, bail};

use super::connection::Connection;
use super::print::{self, Output};
use super::{Exit, empty, shell};
use crate::limits::{QUERY_TIME, SQL_ROWS_DEFAULT};
use crate::model::value::Value;
use crate::store::SqlQuery;

/// Run read-only SQL over events, requests and the store's other tables
///
/// With a statement, or - for one from stdin, it runs that one. Without, it is a shell on a
/// terminal: statements end with ;, TAB completes keywords, tables, columns and values, Ctrl-C ends
/// the statement that runs, .help shows the commands. What was typed is kept in auditql/history of
/// XDG_STATE_HOME (~/.local/state), but for lines that begin with a space. Without a terminal the
/// same statements and commands are read from stdin, until the first error.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 rows, 1 no rows, 2 error.\n\n\
    Examples:\n  \
    auditql sql 'select verb, count(*) from events group by verb'\n  \
    auditql sql 'select time, name from events where user = :who' --param who=alice -o csv\n  \
    auditql sql - --timeout 1m < report.sql\n  \
    auditql sql\n  \
    auditql sql -o csv < several.sql")]
pub(super) struct Args {
    /// The statement; - reads it from stdin; without it a shell
    #[arg(value_name = "SQL", allow_hyphen_values = false)]
    sql: Option<String>,
    /// Value of a parameter (:NAME); a whole number is passed as one; repeat for more
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = param)]
    params: Vec<(String, Value)>,

    /// A parameter (:NAME) that is NULL; repeat for more
    #[arg(long = "null", value_name = "NAME", value_parser = null)]
    nulls: Vec<(String, Value)>,
    /// Most rows; 0 is all
    #[arg(short, long, value_name = "N", default_value_t = SQL_ROWS_DEFAULT, help_heading = "Answer")]
    limit: u64,
    /// Give up after this long, such as 1m; 0 is without limit [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = timeout, help_heading = "Answer")]
    timeout: Option<Duration>,
    /// Answer without damaged segments instead of failing
    #[arg(long, help_heading = "Answer")]
    skip_damaged: bool,
    /// Keep nothing of what is typed into the shell
    #[arg(long)]
    no_history: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(mut args: Args) -> anyhow::Result<Exit> {
    args.params.append(&mut args.nulls);
    for (at, (name, _)) in args.params.iter().enumerate() {
        if args.params[..at].iter().any(|(other, _)| other == name) {
            bail!("--param {name} is given twice; remove one");
        }
    }
    let timeout = args.timeout.unwrap_or(QUERY_TIME);
    let Some(mut sql) = args.sql else {
        return shell::run(shell::Settings {
            connection: args.connection,
            output: args.output,
            params: args.params,
            limit: args.limit,
            timeout,
            skip_damaged: args.skip_damaged,
            history: !args.no_history,
        });
    };
    if sql == "-" {
        sql.clear();
        std::io::stdin()
            .read_to_string(&mut sql)
            .context("reading SQL from stdin")?;
    }
    let query = SqlQuery {
        sql,
        params: args.params,
        limit: args.limit,
        skip_damaged: args.skip_damaged,
    };
    let source = args.connection.open_read()?;
    let zone = args.output.clock.zone();
    let mut printer = args.output.printer();
    let timeout = (!timeout.is_zero()).then_some(timeout);
    let answer = source.sql(&query, timeout, &mut printer);
    let answer = answer.map_err(|error| shell::pointed(error, &query.sql));
    let exit = printer.finish(answer, "there are more rows")?;
    if exit == Exit::Nothing {
        empty::explain(&*source, "no rows", None, zone);
    }
    Ok(exit)
}

pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    match text {
        "0" => Ok(Duration::ZERO),
        _ => print::duration(text),
    }
}

/// `NAME=VALUE`. A value spelled exactly as a whole number is one, so that `limit :n` works; SQLite
/// compares it with text columns as text all the same.
pub(super) fn param(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| "has no '='; use NAME=VALUE".to_owned())?;
    let value = match value.parse::<i64>() {
        Ok(number) if number.to_string() == value => Value::Int(number),
        _ => Value::text(value),
    };
    Ok((name_of(name)?, value))
}

/// The name of a parameter that is NULL.
fn null(text: &str) -> Result<(String, Value), String> {
    Ok((name_of(text)?, Value::Null))
}

fn name_of(name: &str) -> Result<String, String> {
    let name = name.trim_start_matches([':', '@', '$']);
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(format!(
            "{name:?} is no name of a parameter; use letters, digits and _"
        ));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn params() {
        for (text, name, value) in [
            ("n=5", "n", Value::Int(5)),
            (":n=-5", "n", Value::Int(-5)),
            ("who=alice", "who", Value::text("alice")),
            ("a=b=c", "a", Value::text("b=c")),
            ("a=", "a", Value::text("")),
            ("a=007", "a", Value::text("007")),
            ("a=+5", "a", Value::text("+5")),
            (
                "a=99999999999999999999",
                "a",
                Value::text("99999999999999999999"),
            ),
        ] {
            assert_eq!(param(text), Ok((name.to_owned(), value)), "{text}");
        }
        for text in ["a", "=5", "a b=5", "é=1"] {
            assert!(param(text).is_err(), "{text}");
        }
    }
}
