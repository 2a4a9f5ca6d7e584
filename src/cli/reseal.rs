//! `auditql reseal`.

use super::Exit;
use super::connection::Connection;
use super::print::{self, count};

/// Bring segments that an older version sealed up to date, so that new columns answer fast
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 done, also when every segment was up to date; 2 error.\n\n\
        Without it the new columns of older segments are right as well, but slower: they \
        are read from the events' bytes.\n\n\
        Examples:\n  auditql reseal\n  auditql reseal --server http://127.0.0.1:9770"
)]
pub(super) struct Args {
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(args: Args) -> anyhow::Result<Exit> {
    let resealed = args.connection.open_write()?.reseal()?;
    print::say(&format!(
        "resealed {} with {}",
        count(resealed.segments, "segment"),
        count(resealed.events, "event")
    ));
    Ok(Exit::Found)
}
