//! `auditql seal`.

use super::Exit;
use super::connection::Connection;
use super::object::ObjectOutput;
use super::print::{self, count};

/// Seal the active segment now, and merge what is worth merging
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 done, also when there was nothing to seal; 2 error.\n\n\
    Examples:\n  auditql seal\n  auditql seal --server http://127.0.0.1:9770"
)]
pub(super) struct Args {
    #[command(flatten)]
    output: ObjectOutput,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(args: Args) -> anyhow::Result<Exit> {
    let sealed = args.connection.open_write()?.seal()?;
    print::say(&format!(
        "sealed {} into {}",
        count(sealed.events, "event"),
        count(sealed.segments, "segment")
    ));
    args.output.write(&sealed, |_| String::new())?;
    Ok(Exit::Found)
}
