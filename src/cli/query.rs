//! `auditql query`.

use super::connection::Connection;
use super::events_table::{self, Folding};
use super::explain::{self, Explain};
use super::print::{self, Output, Printer, Timeout};
use super::{Exit, empty};
use crate::query::output::{Columns, Format};
use crate::query::params::EventParams;
use crate::query::source::Source;
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
    #[command(flatten)]
    explain: Explain,
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
    let columns = match args.params.columns {
        None => Columns::Usual,
        Some(_) => Columns::Asked,
    };
    let (format, filter) = (args.output.format, args.params.filter.clone());
    let printer = args.output.printer_of(columns);
    if args.explain.wanted {
        let mut params = args.params.clone();
        settle_columns(&mut params, format);
        let now = clock::now();
        let query = params.clone().into_query(now).map_err(anyhow::Error::msg)?;
        let sql = equivalent::listing_sql(&params, &query, now);
        let sql = sql.as_deref().ok_or("--filter");
        explain::say_otherwise(sql, &equivalent::api(&params), &args.connection)?;
    }
    let (exit, work) = list(&*source, args.params, format, args.timeout, printer)?;
    if args.explain.wanted {
        explain::say_work(&work);
    }
    if exit == Exit::Nothing {
        let zone = args.output.clock.zone();
        empty::explain(&*source, "no events match", Some(&filter), zone);
    }
    Ok(exit)
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
