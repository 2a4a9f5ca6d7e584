//! `auditql import`.

mod progress;

use std::path::PathBuf;

use anyhow::bail;

use super::Exit;
use super::connection::{Connection, Place};
use super::object::ObjectOutput;
use super::print::{self, count};
use super::stats::grouped;
use crate::intake::files;
use crate::intake::import::{self, LocalSink, Options, Sink, Stopped, Summary};
use crate::intake::remote::RemoteSink;
use crate::limits::SEGMENT_EVENTS;
use crate::model::cluster::cluster_name;
use crate::query::source::server_url;
use crate::store::{self, OpenOptions};
use progress::Bar;

/// Import audit log files: JSON lines, EventList or Event documents, also gzip or zstd
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 everything was read, duplicates and quarantined items included; 2 error.\n\n\
    Examples:\n  \
    auditql import /var/log/kubernetes/audit.log\n  \
    auditql import --cluster prod-eu1 'logs/audit-*.log.gz'\n  \
    kubectl logs -n kube-system audit-sidecar | auditql import -"
)]
pub(super) struct Args {
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
    output: ObjectOutput,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(args: Args) -> anyhow::Result<Exit> {
    let cluster = args.cluster.as_str();
    match args.connection.place()? {
        Place::Server { .. } if args.segment_events != SEGMENT_EVENTS => {
            bail!("--segment-events is for a data directory; give it to auditql serve")
        }
        Place::Server { .. } if !args.trusted_proxies.is_empty() => {
            bail!("--trusted-proxies is for a data directory; give it to auditql serve")
        }
        Place::Server { url, token } => {
            let url = server_url(&url).map_err(anyhow::Error::msg)?;
            let sink = RemoteSink::new(&url, cluster)?.with_token(token);
            report(import(&args.paths, &sink), args.output)
        }
        Place::Data(dir) => {
            let options = OpenOptions {
                segment_events: args.segment_events,
                trusted_proxies: args.trusted_proxies,
            };
            let store = store::open_write(&dir, &options)?;
            let imported = import(&args.paths, &LocalSink::new(&*store, cluster));
            // What an import brought is sealed and indexed when it ends, also one cut short.
            let sealed = store.seal(false);
            let closed = store.close();
            let exit = report(imported, args.output)?;
            sealed?;
            closed?;
            Ok(exit)
        }
    }
}

fn import(paths: &[PathBuf], sink: &dyn Sink) -> Result<Summary, Stopped> {
    let bar = Bar::new();
    let options = Options::default();
    let imported = import::import(&files::expand(paths), sink, &options, &mut |progress| {
        bar.show(progress);
    });
    bar.finish();
    imported
}

/// Says what became of the files; an error when one could not be read, or not all was taken.
fn report(imported: Result<Summary, Stopped>, output: ObjectOutput) -> anyhow::Result<Exit> {
    let (summary, stopped) = match imported {
        Ok(summary) => (summary, None),
        Err(stopped) => (*stopped.summary, Some(stopped.error)),
    };
    print::say(&format!(
        "read {} from {}: {} stored, {} duplicate, {} quarantined",
        count(summary.read, "item"),
        count(summary.inputs, "input"),
        grouped(summary.stored),
        grouped(summary.duplicates),
        grouped(summary.quarantined),
    ));
    for warning in &summary.warnings {
        print::say(&format!("warning: {warning}"));
    }
    if summary.bad > 0 {
        print::say(&format!(
            "warning: {} kept in quarantine as no event (auditql quarantine list), beginning with:",
            count(summary.bad, "item")
        ));
        for bad in &summary.first_bad {
            print::say(&format!("  {bad}"));
        }
    }
    for error in &summary.errors {
        print::say(&format!("error: {error}"));
    }
    let counts = serde_json::json!({
        "inputs": summary.inputs,
        "read": summary.read,
        "stored": summary.stored,
        "duplicates": summary.duplicates,
        "quarantined": summary.quarantined,
        "bad": summary.bad,
    });
    output.write(&counts, |_| String::new())?;
    match (stopped, summary.errors.len()) {
        (Some(error), _) => {
            Err(anyhow::Error::new(error).context("the import stopped; run it again to go on"))
        }
        (None, 0) => Ok(Exit::Found),
        (None, errors) => bail!(
            "not everything was read: {}, see above",
            count(errors as u64, "error")
        ),
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
