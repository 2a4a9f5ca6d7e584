//! Loads out of the ordinary: enormous bodies, and a store that has grown.

use std::sync::Mutex;
use std::time::Duration;

use super::lines::Lines;
use super::{Bench, MIB, load};

/// Events of the first and the last part of a growing store, whose rates are compared.
const GROWTH_PART: u64 = 1_000_000;

impl Bench {
    /// Bodies as large as a batch of the largest events.
    pub(super) fn bodies(&mut self) -> anyhow::Result<()> {
        let server = self.serve_new("bodies")?;
        let elapsed: Duration = load::large_bodies(server.address, 4, 400, 1_000_000)?;
        self.report.events = 1600;
        self.report.bytes_per_event = 1e6;
        let report = &mut self.report;
        report.add("bodies", "four of 400 MB", elapsed.as_secs_f64(), "s");
        let usage = server.usage();
        report.add(
            "bodies",
            "peak resident memory",
            usage.peak_rss as f64 / MIB,
            "MiB",
        );
        report.add("bodies", "processor time", usage.cpu, "s");
        server.stop()?;
        Ok(())
    }

    /// The webhook's rate at first and when much is stored.
    pub(super) fn growth(&mut self) -> anyhow::Result<()> {
        let part = GROWTH_PART.min(self.args.events / 2);
        let server = self.serve_new("growth")?;
        let lines = Mutex::new(match &self.args.file {
            Some(file) => Lines::open(file)?,
            None => Lines::generated(self.options()),
        });
        let post = |events: u64| -> anyhow::Result<f64> {
            let connections = usize::from(self.args.connections);
            let load = load::webhook(server.address, &lines, events, self.args.batch, connections)?;
            anyhow::ensure!(
                load.events == events,
                "the file has too few events for --events"
            );
            Ok(load.rate())
        };
        let first = post(part)?;
        let between = match self.args.events - 2 * part {
            0 => None,
            events => Some(post(events)?),
        };
        let last = post(part)?;
        let report = &mut self.report;
        report.add("growth", "first rate", first, "events/s");
        if let Some(between) = between {
            report.add("growth", "rate between", between, "events/s");
        }
        report.add("growth", "last rate", last, "events/s");
        report.add("growth", "last rate / first rate", last / first, "");
        let usage = server.stop()?;
        let peak = usage.peak_rss as f64 / MIB;
        self.report
            .add("growth", "peak resident memory", peak, "MiB");
        Ok(())
    }
}
