//! `auditql import`.

mod engine;
mod progress;

use std::path::PathBuf;

use anyhow::bail;

use super::Exit;
use super::connection::{Connection, Place};
use super::print;
use super::stats::grouped;
use crate::limits::SEGMENT_EVENTS;
use crate::model::cluster::cluster_name;
use crate::store::{self, OpenOptions};
use engine::{Summary, Target};
use progress::Bar;

/// Import audit log files: JSON lines, EventList or Event documents, also gzip or zstd
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    auditql import /var/log/kubernetes/audit.log\n  \
    auditql import --cluster prod-eu1 'logs/audit-*.log.gz'\n  \
    kubectl logs -n kube-system audit-sidecar | auditql import -")]
pub struct Args {
    /// Files, directories or quoted globs; - is stdin
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Cluster that the events come from
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = cluster)]
    cluster: String,
    /// Events in a segment before it is sealed
    #[arg(long, value_name = "N", default_value_t = SEGMENT_EVENTS, value_parser = segment_events)]
    segment_events: usize,
    /// Networks of proxies whose word on the next address is believed: 10.0.0.0/8,...
    #[arg(long, value_name = "CIDR,...", value_delimiter = ',')]
    trusted_proxies: Vec<String>,
    #[command(flatten)]
    connection: Connection,
}

/// How many of the first bad lines are shown.
const BAD_LINES: usize = 10;

pub fn run(args: Args) -> anyhow::Result<Exit> {
    let target = match args.connection.place()? {
        Place::Server(_) if args.segment_events != SEGMENT_EVENTS => {
            bail!("--segment-events is for a data directory; give it to auditql serve")
        }
        Place::Server(_) if !args.trusted_proxies.is_empty() => {
            bail!("--trusted-proxies is for a data directory; give it to auditql serve")
        }
        Place::Server(url) => Target::Server(url),
        Place::Data(dir) => {
            let options = OpenOptions {
                segment_events: args.segment_events,
                trusted_proxies: args.trusted_proxies,
            };
            Target::Store(store::open_write(&dir, &options)?)
        }
    };
    let bar = Bar::new();
    let imported = engine::import(&target, &args.cluster, &args.paths, &bar);
    bar.finish();
    if let Target::Store(store) = &target {
        let closed = store.close();
        // What failed first is the cause.
        imported
            .as_ref()
            .map_err(|error| anyhow::anyhow!("{error:#}"))?;
        closed?;
    }
    report(&imported?)
}

/// Says what became of the files; an error when one could not be read.
fn report(summary: &Summary) -> anyhow::Result<Exit> {
    print::say(&format!(
        "read {} items: {} stored, {} duplicate, {} quarantined",
        grouped(summary.read),
        grouped(summary.stored),
        grouped(summary.duplicates),
        grouped(summary.quarantined),
    ));
    for line in summary.bad.iter().take(BAD_LINES) {
        print::say(&format!("warning: {line}"));
    }
    if summary.quarantined > 0 {
        print::say("warning: what could not be understood is kept: auditql quarantine list");
    }
    match summary.errors.as_slice() {
        [] => Ok(Exit::Found),
        errors => bail!("not everything was read: {}", errors.join("; ")),
    }
}

fn cluster(name: &str) -> Result<String, String> {
    cluster_name(name).map(str::to_owned)
}

fn segment_events(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(events) if events > 0 => Ok(events),
        _ => Err("is no number of events; use 1 or more".to_owned()),
    }
}
