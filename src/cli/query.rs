//! `auditql query`.

use super::connection::{Connection, Place};
use super::events_table::{self, Folding};
use super::print::{self, Output, Printer, Timeout, count};
use super::stats::grouped;
use super::{Exit, empty};
use crate::query::output::Format;
use crate::query::params::EventParams;
use crate::query::source::{Source, server_url};
use crate::query::{clock, equivalent};
use crate::store::Work;

/// List events, newest first
///
/// A filter's value is a comma list, and any of its items matches. A ! before the first item
/// negates the whole list, one before a later item that item alone: '!a,b' is neither a nor b, and
/// 'system:*,!system:node:*' is the first but not the second. An absent value counts as not equal.
/// A * stands for any text. A backslash takes the meaning from a comma, *, ! or backslash after it.
/// Give a value that begins with a dash as --name=-x.
///
/// On a terminal the table is fitted: times get shorter, then SOURCE_IP and CODE go, then users are
/// cut in front and other columns at their end; -o wide is never fitted. Columns that say nothing in
/// any row are left out, STAGE when every row is ResponseComplete. Files and pipes get it whole.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 found, 1 nothing found, 2 error.\n\n\
    Examples:\n  \
    auditql query --verb delete -n payments --since 2h\n  \
    auditql query --user 'system:serviceaccount:*' --resource secrets --verb get,list\n  \
    auditql query --outcome 'denied_*' --source-ip '!10.0.0.0/8' -o wide\n  \
    auditql query --contains AKIA --limit 0 -o raw > evidence.jsonl\n  \
    auditql query --verb delete --explain")]
pub(super) struct Args {
    #[command(flatten)]
    params: EventParams,
    /// Say on stderr which SQL statement and API call give the same rows, and what work it took
    #[arg(long, help_heading = "Answer")]
    explain: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    timeout: Timeout,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(mut args: Args) -> anyhow::Result<Exit> {
    args.output.clock.settle(&mut args.params.filter)?;
    let source = args.connection.open_read()?;
    let usual = args.params.columns.is_none();
    let (format, filter) = (args.output.format, args.params.filter.clone());
    let printer = args.output.printer_of(usual);
    if args.explain {
        let mut params = args.params.clone();
        settle_columns(&mut params, format);
        say_otherwise(&params, &args.connection.place()?)?;
    }
    let (exit, work) = list(&*source, args.params, format, args.timeout, printer)?;
    if args.explain {
        print::say(&format!(
            "work: {} opened, {} pruned, {} visited, {} read, {} ms",
            count(work.segments_opened, "segment"),
            grouped(work.segments_pruned),
            count(work.rows_visited, "row"),
            count(work.blocks_read, "block"),
            work.elapsed_us / 1000
        ));
    }
    if exit == Exit::Nothing {
        let zone = args.output.clock.zone();
        empty::explain(&*source, "no events match", Some(&filter), zone);
    }
    Ok(exit)
}

/// Says the SQL statement and the API call of a listing.
fn say_otherwise(params: &EventParams, place: &Place) -> anyhow::Result<()> {
    let now = clock::now();
    let query = params.clone().into_query(now).map_err(anyhow::Error::msg)?;
    match equivalent::listing_sql(params, &query, now) {
        Some(sql) => print::say(&format!("sql: {sql}")),
        None => print::say("sql: none for --filter"),
    }
    let server = match place {
        Place::Server { url, .. } => server_url(url).map_err(anyhow::Error::msg)?,
        Place::Data(_) => String::new(),
    };
    print::say(&format!("api: GET {server}{}", equivalent::api(params)));
    Ok(())
}

/// The columns of a format, unless others were chosen.
fn settle_columns(params: &mut EventParams, format: Format) {
    if params.columns.is_none() || format == Format::Raw {
        params.columns = events_table::columns(format).map(str::to_owned);
    }
}

/// Lists events of `source` in `format` through `printer`; also gives the work it took.
pub(super) fn list(
    source: &dyn Source,
    mut params: EventParams,
    format: Format,
    timeout: Timeout,
    mut printer: Printer<'_>,
) -> anyhow::Result<(Exit, Work)> {
    let chosen = params.columns.is_some();
    settle_columns(&mut params, format);
    let folds = !chosen && matches!(format, Format::Table | Format::Wide);
    let mut folding = Folding::new(format, &mut printer);
    let answer = if folds {
        source.events(&params, timeout.timeout, &mut folding)
    } else {
        source.events(&params, timeout.timeout, folding.sink())
    };
    let work = answer.as_ref().map(|answer| answer.stats);
    let work = work.unwrap_or_default();
    let stages = folding.earlier_stages && !params.r#final && params.filter.stage.is_none();
    let exit = printer.finish(answer, "more events match")?;
    if stages && params.filter.audit_id.is_none() {
        print::say("note: a request has a row per stage; --final shows one per request");
    }
    Ok((exit, work))
}
