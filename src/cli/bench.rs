//! `auditql bench`.
use super::Exit;
/// Measure this machine
#[derive(Debug, clap::Args)]
pub struct Args {}
pub fn run(_: Args) -> anyhow::Result<Exit> {
    Ok(Exit::Found)
}
