//! `auditql show`.

use super::connection::Connection;
use super::print::{Clock, Output, Timeout};
use super::{Exit, empty, query};
use crate::query::output::{Columns, Format};
use crate::query::params::{EventParams, FilterParams, escape};

/// Show every event of an audit ID, oldest first, as its exact bytes
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 found, 1 nothing found, 2 error.\n\n\
    Examples:\n  \
    auditql show 7f1f2f6e-8a4b-4e0e-9d5e-2f0b6c1d3a77\n  \
    auditql show 7f1f2f6e-8a4b-4e0e-9d5e-2f0b6c1d3a77 -o json")]
pub(super) struct Args {
    /// The audit ID, exactly
    #[arg(value_name = "AUDIT_ID")]
    audit_id: String,
    /// Only events of these clusters
    #[arg(long, value_name = "LIST")]
    cluster: Option<String>,
    /// How the answer is written
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        value_enum,
        default_value = "raw",
        help_heading = "Answer"
    )]
    format: Format,
    /// Answer without damaged segments instead of failing
    #[arg(long, help_heading = "Answer")]
    skip_damaged: bool,
    #[command(flatten)]
    clock: Clock,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(args: Args) -> anyhow::Result<Exit> {
    let source = args.connection.open_read()?;
    let params = EventParams {
        filter: FilterParams {
            audit_id: Some(escape(&args.audit_id)),
            cluster: args.cluster,
            ..FilterParams::default()
        },
        limit: 0,
        reverse: true,
        skip_damaged: args.skip_damaged,
        ..EventParams::default()
    };
    let output = Output {
        format: args.format,
        clock: args.clock,
    };
    let timeout = Timeout { timeout: None };
    let printer = output.printer_of(Columns::Usual);
    let (exit, _) = query::list(&*source, params, args.format, timeout, printer)?;
    if exit == Exit::Nothing {
        let nothing = format!("no event has the audit ID {}", args.audit_id);
        empty::explain(&*source, &nothing, None, args.clock.zone());
    }
    Ok(exit)
}
