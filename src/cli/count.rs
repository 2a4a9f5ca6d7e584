//! `auditql count`, `histogram`, `facets` and `top`: numbers instead of events.

use std::ops::ControlFlow;

use super::connection::Connection;
use super::explain::{self, Explain};
use super::print::{Output, Printer, Timeout};
use super::{Exit, empty};
use crate::model::value::Value;
use crate::query::count::{CountParams, FACETS_DEFAULT, Shape};
use crate::query::listing::Collected;
use crate::query::output::Format;
use crate::query::params::FilterParams;
use crate::query::{clock, equivalent};
use crate::store::{SqlColumn, SqlSink};

/// What all counts take.
#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    filter: FilterParams,
    /// Most groups, or values of a facet; 0 is all [default: 100; all with a step]
    #[arg(short, long, value_name = "N", help_heading = "Answer")]
    limit: Option<u64>,
    /// Count requests, by their last stage, instead of events
    #[arg(long, help_heading = "Answer")]
    r#final: bool,
    /// Answer without damaged segments instead of failing
    #[arg(long, help_heading = "Answer")]
    skip_damaged: bool,
    #[command(flatten)]
    explain: Explain,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    timeout: Timeout,
    #[command(flatten)]
    connection: Connection,
}

/// Count the values of a column, most frequent first
///
/// Counts events, and a request has one event per stage; --final counts each request once, by its
/// last stage, which takes longer.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 found, 1 nothing found, 2 error.\n\n\
    Examples:\n  \
    auditql top user --code 403 --final --limit 20\n  \
    auditql top verb --resource secrets --since 7d -o csv\n  \
    auditql top user --explain")]
pub(super) struct Top {
    /// The column: user, verb, resource, namespace, code, outcome, source_ip, ...
    #[arg(value_name = "FIELD")]
    field: String,
    #[command(flatten)]
    common: Common,
}

/// Count events, all together or by the values of columns
///
/// Counts events, and a request has one event per stage; --final counts each request once, by its
/// last stage, which takes longer. Whole hours are counted from rollups where one fits.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 found, 1 nothing found, 2 error.\n\n\
    Examples:\n  \
    auditql count --verb delete --since 7d\n  \
    auditql count --by user,outcome --code 4xx --limit 20")]
pub(super) struct Count {
    /// Columns whose values are counted together, at most four: user,verb
    #[arg(long, value_name = "LIST")]
    by: Option<String>,
    /// Also by time, in buckets of this length: 5m, 1h, 1d, auto
    #[arg(long, value_name = "DURATION")]
    step: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Count events over time
///
/// Buckets begin at multiples of the step since 1970, in UTC. One without events has a row too; one
/// from which retention may have removed events is marked as pruned.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 found, 1 nothing found, 2 error.\n\n\
    Examples:\n  \
    auditql histogram --outcome 'denied_*' --since 24h\n  \
    auditql histogram --step 1d --by verb --resource secrets -o csv")]
pub(super) struct Histogram {
    /// The length of a bucket: 5m, 1h, 1d, auto
    #[arg(long, value_name = "DURATION", default_value = "auto")]
    step: String,
    /// Columns whose values are counted apart, at most four
    #[arg(long, value_name = "LIST")]
    by: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Show the values of several columns with their counts
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 found, 1 nothing found, 2 error.\n\n\
    Examples:\n  \
    auditql facets --namespace prod --since 1h --limit 5\n  \
    auditql facets user source_ip --resource secrets")]
pub(super) struct Facets {
    /// The columns
    #[arg(value_name = "FIELD", default_values_t = FACETS_DEFAULT.split(',').map(str::to_owned), hide_default_value = true)]
    fields: Vec<String>,
    #[command(flatten)]
    common: Common,
}

pub(super) fn top(args: Top) -> anyhow::Result<Exit> {
    run(Shape::Count, Some(args.field), None, args.common)
}

pub(super) fn count(args: Count) -> anyhow::Result<Exit> {
    run(Shape::Count, args.by, args.step, args.common)
}

pub(super) fn histogram(args: Histogram) -> anyhow::Result<Exit> {
    run(Shape::Histogram, args.by, Some(args.step), args.common)
}

pub(super) fn facets(args: Facets) -> anyhow::Result<Exit> {
    let fields = args.fields.join(",");
    run(Shape::Facets, Some(fields), None, args.common)
}

fn run(
    shape: Shape,
    by: Option<String>,
    step: Option<String>,
    mut common: Common,
) -> anyhow::Result<Exit> {
    common.output.clock.settle(&mut common.filter)?;
    let source = common.connection.open_read()?;
    let bars = shape == Shape::Histogram && by.is_none();
    let params = CountParams {
        shape,
        filter: common.filter,
        by,
        step,
        limit: common.limit,
        r#final: common.r#final,
        skip_damaged: common.skip_damaged,
    };
    if common.explain.wanted {
        let sql = equivalent::count_sql(&params, clock::now());
        let without = match params.filter.filter {
            Some(_) => "--filter",
            None => "buckets of time",
        };
        let sql = sql.as_deref().ok_or(without);
        explain::say_otherwise(sql, &equivalent::count_api(&params), &common.connection)?;
    }
    let timeout = common.timeout.timeout;
    let mut counted = Counted {
        printer: common.output.printer(),
        at: 0,
        any: false,
    };
    let answer = if bars && common.output.format == Format::Table {
        let mut rows = Collected::default();
        let answer = source.count(&params, timeout, &mut rows);
        if answer.is_ok() {
            with_bars(&rows, &mut counted);
        }
        answer
    } else {
        source.count(&params, timeout, &mut counted)
    };
    let any = counted.any;
    let work = answer.as_ref().map(|answer| answer.stats);
    let work = work.unwrap_or_default();
    let exit = counted.printer.finish(answer, "there are more values")?;
    if common.explain.wanted {
        explain::say_counting(&work);
    }
    match exit {
        Exit::Found if any => Ok(Exit::Found),
        _ => {
            let zone = common.output.clock.zone();
            empty::explain(&*source, "no events match", Some(&params.filter), zone);
            Ok(Exit::Nothing)
        }
    }
}

/// Prints an answer and looks whether it counted anything.
struct Counted {
    printer: Printer<'static>,
    /// Where the count stands in a row.
    at: usize,
    any: bool,
}

impl SqlSink for Counted {
    fn columns(&mut self, columns: &[SqlColumn]) {
        let at = columns.iter().position(|column| column.name == "count");
        self.at = at.unwrap_or_default();
        self.printer.columns(columns);
    }

    fn row(&mut self, row: &[Value]) -> ControlFlow<()> {
        self.any |= row.get(self.at) != Some(&Value::Int(0));
        self.printer.row(row)
    }
}

/// Cells of the longest bar.
const BAR_CELLS: i64 = 40;

/// Prints a histogram with a bar for each count.
fn with_bars(rows: &Collected, sink: &mut dyn SqlSink) {
    let mut columns = rows.columns.clone();
    columns.push(SqlColumn {
        name: "bar".to_owned(),
        kind: "TEXT".to_owned(),
    });
    sink.columns(&columns);
    let at = columns.iter().position(|column| column.name == "count");
    let count = |row: &[Value]| match row.get(at.unwrap_or_default()) {
        Some(Value::Int(count)) => *count,
        _ => 0,
    };
    let most = rows
        .rows
        .iter()
        .map(|row| count(row))
        .max()
        .unwrap_or(0)
        .max(1);
    for row in &rows.rows {
        // What is there is never drawn as nothing.
        let cells = (count(row).saturating_mul(BAR_CELLS) + most - 1) / most;
        let mut row = row.clone();
        row.push(Value::text("#".repeat(cells as usize)));
        if sink.row(&row).is_break() {
            break;
        }
    }
}
