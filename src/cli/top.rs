//! `auditql top`.

use super::connection::Connection;
use super::print::{Output, Timeout};
use super::{Exit, empty};
use crate::limits::ROWS_DEFAULT;
use crate::query::params::{EventParams, FilterParams};

/// Count the values of a column, most frequent first
///
/// Counts events, and a request has one event per stage; --final counts each request once, by its
/// last stage, which takes longer.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 found, 1 nothing found, 2 error.\n\n\
    Examples:\n  \
    auditql top user --code 403 --final --limit 20\n  \
    auditql top verb --resource secrets --since 7d -o csv")]
pub(super) struct Args {
    /// The column: user, verb, resource, namespace, code, outcome, source_ip, ...
    #[arg(value_name = "FIELD")]
    field: String,
    #[command(flatten)]
    filter: FilterParams,
    /// Most values; 0 is all
    #[arg(short, long, value_name = "N", default_value_t = ROWS_DEFAULT, help_heading = "Answer")]
    limit: u64,
    /// Count requests, by their last stage, instead of events
    #[arg(long, help_heading = "Answer")]
    r#final: bool,
    /// Answer without damaged segments instead of failing
    #[arg(long, help_heading = "Answer")]
    skip_damaged: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    timeout: Timeout,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(mut args: Args) -> anyhow::Result<Exit> {
    args.output.clock.settle(&mut args.filter)?;
    let source = args.connection.open_read()?;
    let params = EventParams {
        filter: args.filter,
        limit: args.limit,
        r#final: args.r#final,
        skip_damaged: args.skip_damaged,
        ..EventParams::default()
    };
    let mut printer = args.output.printer();
    let answer = source.top(&args.field, &params, args.timeout.timeout, &mut printer);
    let exit = printer.finish(answer, "there are more values")?;
    if exit == Exit::Nothing {
        let zone = args.output.clock.zone();
        empty::explain(&*source, "no events match", Some(&params.filter), zone);
    }
    Ok(exit)
}
