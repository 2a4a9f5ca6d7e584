//! `auditql man`.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::CommandFactory;

use super::{Cli, Exit};

/// Write manual pages, one for each command and question
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 done, 2 error.\n\n\
    Examples:\n  \
    auditql man --out ~/.local/share/man/man1\n  \
    man auditql-query")]
pub(super) struct Args {
    /// Directory to write them into; made if need be
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let shown = args.out.display();
    fs::create_dir_all(&args.out)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), &args.out))
        .with_context(|| format!("writing manual pages into {shown}"))?;
    Ok(Exit::Found)
}
