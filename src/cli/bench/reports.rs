//! Reports over all of a store: their time and memory, and what ingest loses beside them.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::client::Client;
use super::lines::Lines;
use super::{Bench, MIB, load, process, utf8};

/// Parts of the generated events that are posted: alone, and beside each way to make reports.
const PARTS: u64 = 3;

/// Whom reports on somebody are about: accounts, which have the most events.
const ACCOUNTS: &str = "/api/v1/count?by=user&limit=10&user=system:serviceaccount:*";

#[derive(Deserialize)]
struct Accounts {
    rows: Vec<(String, u64)>,
}

#[derive(Deserialize)]
struct Known {
    reports: Vec<KnownReport>,
}

#[derive(Deserialize)]
struct KnownReport {
    name: String,
    params: Vec<KnownParam>,
}

#[derive(Deserialize)]
struct KnownParam {
    name: String,
}

/// A report over all of the store, on somebody if it is on anybody.
struct Asked {
    name: String,
    on: Option<(String, String)>,
}

impl Asked {
    fn arguments<'a>(&'a self, data: &'a str, on: &'a mut String) -> Vec<&'a str> {
        let mut arguments = vec!["report", &self.name, "--since", "all", "-o", "json"];
        arguments.extend(["--timeout", "10m", "--data", data]);
        if let Some((flag, who)) = &self.on {
            *on = format!("--{flag}={who}");
            arguments.push(on);
        }
        arguments
    }

    fn path(&self) -> String {
        let name = &self.name;
        let on = self.on.as_ref();
        let on = on.map_or_else(String::new, |(flag, who)| format!("&{flag}={who}"));
        format!("/api/v1/reports/{name}?format=json&since=all&timeout_ms=600000{on}")
    }
}

impl Bench {
    /// Every report as a process of its own, then the webhook alone and beside the slowest.
    pub(super) fn reports(&mut self) -> anyhow::Result<()> {
        let server = self.serve_kept()?;
        let address = server.address;
        let data = self.directory.join("import");
        let data = utf8(&data)?;
        let mut slowest = None;
        for asked in all(address)? {
            let (elapsed, usage) = process::run(&asked.arguments(data, &mut String::new()))?;
            let mut note = format!(
                "{:.1} s of processor time, {} MiB",
                usage.cpu,
                (usage.peak_rss as f64 / MIB).round()
            );
            if let Some((_, who)) = &asked.on {
                note = format!("{note}, {who}");
            }
            let seconds = elapsed.as_secs_f64();
            self.report
                .add_noted("reports", &asked.name, seconds, "s", note);
            if slowest.as_ref().is_none_or(|(most, _)| seconds > *most) {
                slowest = Some((seconds, asked));
            }
        }
        let (_, slowest) = slowest.context("the server knows no report")?;

        let lines = Mutex::new(Lines::generated(self.others()));
        let served = || Client::connect(address)?.get(&slowest.path()).map(drop);
        let apart = || process::run(&slowest.arguments(data, &mut String::new())).map(drop);
        let alone = self.posted(address, &lines, "webhook alone", None)?;
        let what = format!("webhook beside the server's {}", slowest.name);
        let beside = self.posted(address, &lines, &what, Some(&served))?;
        self.report
            .add("reports", "against alone", beside / alone, "");
        let what = format!("webhook beside another process's {}", slowest.name);
        let beside = self.posted(address, &lines, &what, Some(&apart))?;
        self.report
            .add("reports", "against alone", beside / alone, "");
        let peak = server.stop()?.peak_rss as f64 / MIB;
        self.report
            .add("reports", "server's peak resident memory", peak, "MiB");
        Ok(())
    }

    /// The webhook's rate, in events/s, while `other` is done again and again.
    fn posted(
        &mut self,
        server: SocketAddr,
        lines: &Mutex<Lines>,
        what: &str,
        other: Option<&(dyn Fn() -> anyhow::Result<()> + Sync)>,
    ) -> anyhow::Result<f64> {
        let stop = AtomicBool::new(false);
        let again = || {
            while let Some(other) = other.filter(|_| !stop.load(Ordering::Relaxed)) {
                other()?;
            }
            anyhow::Ok(())
        };
        let events = self.args.events / PARTS;
        let connections = usize::from(self.args.connections);
        let load = std::thread::scope(|scope| {
            let others = scope.spawn(again);
            let load = load::webhook(server, lines, events, self.args.batch, connections);
            stop.store(true, Ordering::Relaxed);
            others
                .join()
                .map_err(|_| anyhow::anyhow!("the reports failed"))??;
            load
        })?;
        self.report.add("reports", what, load.rate(), "events/s");
        Ok(load.rate())
    }
}

/// Every report that the server knows; those on somebody for the busiest account and the tenth.
fn all(server: SocketAddr) -> anyhow::Result<Vec<Asked>> {
    let mut client = Client::connect(server)?;
    let accounts: Accounts = serde_json::from_slice(&client.get(ACCOUNTS)?)?;
    let known: Known = serde_json::from_slice(&client.get("/api/v1/reports")?)?;
    let mut busy = accounts.rows;
    ensure!(!busy.is_empty(), "no service account has events");
    if busy.len() > 2 {
        busy.drain(1..busy.len() - 1);
    }
    let mut asked = Vec::new();
    for report in known.reports {
        let on = ["user", "person"]
            .into_iter()
            .find(|name| report.params.iter().any(|param| param.name == *name));
        let Some(flag) = on else {
            let name = report.name;
            asked.push(Asked { name, on: None });
            continue;
        };
        asked.extend(busy.iter().map(|(who, _)| Asked {
            name: report.name.clone(),
            on: Some((flag.to_owned(), who.clone())),
        }));
    }
    Ok(asked)
}
