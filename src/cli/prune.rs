//! `auditql prune`.

use super::Exit;
use super::connection::Connection;
use super::object::ObjectOutput;
use super::print::{self, count};
use super::stats::grouped;
use crate::query::wire::PruneRequest;

/// Remove events by their time
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("cutoff").required(true).args(["older_than", "before"]))]
#[command(
    after_help = "Exit codes: 0 done, also when there was nothing to remove; 2 error.\n\n\
    Examples:\n  \
    auditql prune --older-than 90d --dry-run\n  \
    auditql prune --before 2026-01-01"
)]
pub(super) struct Args {
    /// Remove events older than this age, such as 90d
    #[arg(long, value_name = "AGE")]
    older_than: Option<String>,
    /// Remove events before this time; without a zone UTC
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ObjectOutput,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(args: Args) -> anyhow::Result<Exit> {
    let request = PruneRequest {
        older_than: args.older_than,
        before: args.before,
        dry_run: args.dry_run,
    };
    request
        .cutoff(crate::query::clock::now())
        .map_err(anyhow::Error::msg)?;
    let source = match request.dry_run {
        // Looking takes nothing away from the process that writes.
        true => args.connection.open_read()?,
        false => args.connection.open_write()?,
    };
    let pruned = source.prune(&request)?;
    print::say(&format!(
        "{} {} before {}: {} removed whole, {} rewritten",
        if pruned.dry_run {
            "would remove"
        } else {
            "removed"
        },
        count(pruned.events, "event"),
        pruned.before,
        count(pruned.segments_removed, "segment"),
        grouped(pruned.segments_rewritten),
    ));
    args.output.write(&pruned, |_| String::new())?;
    Ok(Exit::Found)
}
