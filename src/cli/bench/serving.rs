//! Answers of any length, and events as they arrive: exports, pages and listeners.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::client::Client;
use super::lines::Lines;
use super::process::{self, Server};
use super::{Bench, MIB, lines, print, utf8};
use crate::generate::Options;
use crate::limits::PAGE_ROWS_MAX;
use crate::store::Stats;

/// Clients that listen at once, and the events that each of them sees.
const LISTENERS: usize = 100;
const SEEN: usize = 100;

/// Between two events for listeners.
const PACE: Duration = Duration::from_millis(30);

#[derive(Deserialize)]
struct Page {
    rows: Vec<(i64,)>,
    next: Option<String>,
}

impl Bench {
    /// All events as JSON lines, CSV and bytes, over HTTP and by the command line.
    pub(super) fn export(&mut self) -> anyhow::Result<()> {
        for (what, query) in [
            ("jsonl", "format=jsonl"),
            (
                "jsonl of six columns",
                "format=jsonl&columns=time,user,verb,resource,name,code",
            ),
            ("csv", "format=csv"),
            ("raw", "format=raw"),
        ] {
            // Each from a fresh server, so that the memory is its own.
            let server = self.serve_kept()?;
            let events = self.report.events;
            let path = format!("/api/v1/events?limit=0&timeout_ms=0&{query}");
            let (mut newlines, mut bytes) = (0, 0);
            let (before, client) = (server.usage().cpu, process::own_usage().cpu);
            let begin = Instant::now();
            Client::connect(server.address)?.get_each(&path, |piece| {
                newlines += memchr::memchr_iter(b'\n', piece).count() as u64;
                bytes += piece.len();
            })?;
            let seconds = begin.elapsed().as_secs_f64();
            let header = u64::from(what == "csv");
            ensure!(
                newlines - header == events || header == 1 && newlines > events,
                "{newlines} lines of {what} for {events} events"
            );
            let each = |cpu: f64| cpu * 1e6 / events as f64;
            let note = format!(
                "{} MB/s, {:.1} us of processor time each, {:.1} the client's",
                (bytes as f64 / seconds / 1e6).round(),
                each(server.usage().cpu - before),
                each(process::own_usage().cpu - client),
            );
            let rate = events as f64 / seconds;
            let peak = server.stop()?.peak_rss as f64 / MIB;
            let report = &mut self.report;
            report.add_noted("export", what, rate, "events/s", note);
            report.add("export", &format!("{what}, peak memory"), peak, "MiB");
        }

        let events = self.report.events;
        let data = self.directory.join("import");
        for format in ["jsonl", "raw"] {
            let data = utf8(&data)?;
            let arguments = ["query", "--data", data, "--limit", "0", "-o", format];
            let (elapsed, usage) = process::run(&arguments)?;
            let rate = events as f64 / elapsed.as_secs_f64();
            let cpu = usage.cpu * 1e6 / events as f64;
            let note = format!(
                "{} MiB, {cpu:.1} us of processor time each",
                (usage.peak_rss as f64 / MIB).round()
            );
            let what = format!("query -o {format}");
            self.report
                .add_noted("export", &what, rate, "events/s", note);
        }
        Ok(())
    }

    /// All events in pages, while others come in.
    pub(super) fn pages(&mut self) -> anyhow::Result<()> {
        let server = self.serve_kept()?;
        let address = server.address;
        let events = self.stats_of(address)?.events;
        let options = self.others();
        let stop = AtomicBool::new(false);
        let (mut ids, mut waits) = (Vec::new(), Vec::new());
        let sent = std::thread::scope(|scope| {
            let sender = scope.spawn(|| send_until(address, options, &stop));
            let paged = (|| {
                let mut client = Client::connect(address)?;
                let path = format!("/api/v1/events?columns=id&limit={PAGE_ROWS_MAX}");
                let mut next = Some(String::new());
                while let Some(cursor) = next {
                    let begin = Instant::now();
                    let page: Page =
                        serde_json::from_slice(&client.get(&format!("{path}{cursor}"))?)?;
                    waits.push(begin.elapsed());
                    ids.extend(page.rows.iter().map(|(id,)| *id));
                    next = page.next.map(|word| format!("&cursor={word}"));
                }
                anyhow::Ok(())
            })();
            stop.store(true, Ordering::Relaxed);
            let sent = sender
                .join()
                .map_err(|_| anyhow::anyhow!("the sender failed"))?;
            paged.and(sent)
        })?;
        let pages = waits.len();
        let seen = ids.len() as u64;
        ids.sort_unstable();
        ids.dedup();
        // The first page may be asked for after the first batches of the sender were stored.
        ensure!(
            ids.len() as u64 == seen && (events..=events + sent).contains(&seen),
            "{} different of {seen} ids for {events} events",
            ids.len()
        );
        let note = format!(
            "{} while {} came in",
            print::count(pages as u64, "page"),
            print::count(sent, "event")
        );
        waits.sort_unstable();
        let report = &mut self.report;
        report.add_noted(
            "pages",
            "a page of 10,000, 50 %",
            millis(&waits, 50),
            "ms",
            note,
        );
        report.add(
            "pages",
            "a page of 10,000, slowest",
            millis(&waits, 100),
            "ms",
        );
        server.stop()?;
        Ok(())
    }

    /// How soon a hundred listeners see an event that was acknowledged.
    pub(super) fn live(&mut self) -> anyhow::Result<()> {
        let server = self.serve_kept()?;
        let address = server.address;
        let mut lines = Lines::generated(self.others());
        let mut waits = std::thread::scope(|scope| {
            let (ready, heard) = mpsc::channel();
            let listeners: Vec<_> = (0..LISTENERS)
                .map(|_| {
                    let ready = ready.clone();
                    scope.spawn(move || listen(address, &ready))
                })
                .collect();
            for _ in 0..LISTENERS {
                heard.recv().context("a listener failed")?;
            }
            let mut client = Client::connect(address)?;
            let (mut body, mut line, mut stored) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..SEEN {
                ensure!(
                    lines.batch_into(1, &mut body, &mut line)? == 1,
                    "too few events"
                );
                client.post("/webhook", &body)?;
                stored.push(Instant::now());
                std::thread::park_timeout(PACE);
            }
            let mut waits = Vec::new();
            for listener in listeners {
                let seen = listener
                    .join()
                    .map_err(|_| anyhow::anyhow!("a listener failed"))??;
                let wait =
                    |(seen, stored): (&Instant, &Instant)| seen.saturating_duration_since(*stored);
                waits.extend(seen.iter().zip(&stored).map(wait));
            }
            anyhow::Ok(waits)
        })?;
        waits.sort_unstable();
        ensure!(waits.len() == LISTENERS * SEEN, "events are missing");
        for (what, percent) in [("50 %", 50), ("99 %", 99), ("slowest", 100)] {
            let what = format!("seen by 100 listeners after it was acknowledged, {what}");
            self.report
                .add("live", &what, millis(&waits, percent), "ms");
        }
        server.stop()?;
        Ok(())
    }

    /// A server on the imported store, which is made if it is not there.
    pub(super) fn serve_kept(&mut self) -> anyhow::Result<Server> {
        let data = self.directory.join("import");
        if !data.exists() {
            if self.args.file.is_none() {
                lines::write(self.options(), &self.events_file)?;
            }
            let (events, _) = lines::count(&self.events_file)?;
            self.import(events)?;
        }
        let server = Server::start(&data, self.args.segment_events.as_deref())?;
        let stats = self.stats_of(server.address)?;
        self.report.events = stats.events;
        self.report.bytes_per_event = stats.raw_bytes as f64 / stats.events as f64;
        Ok(server)
    }

    pub(super) fn stats_of(&self, server: SocketAddr) -> anyhow::Result<Stats> {
        let stats = Client::connect(server)?.get("/api/v1/stats")?;
        serde_json::from_slice(&stats).context("reading the server's stats")
    }

    /// Events that the store does not hold: their seed is of its size, which they change.
    pub(super) fn others(&self) -> Options {
        Options {
            seed: self.args.seed + self.report.events,
            ..self.options()
        }
    }
}

/// Posts events until `stop` is set, or there are no more; gives their number.
fn send_until(server: SocketAddr, options: Options, stop: &AtomicBool) -> anyhow::Result<u64> {
    let mut lines = Lines::generated(options);
    let mut client = Client::connect(server)?;
    let (mut body, mut line, mut sent) = (Vec::new(), Vec::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        let events = lines.batch_into(400, &mut body, &mut line)?;
        if events == 0 {
            break;
        }
        client.post("/webhook", &body)?;
        sent += events;
    }
    Ok(sent)
}

/// Listens until [`SEEN`] events came; gives when each of them did.
fn listen(server: SocketAddr, ready: &mpsc::Sender<()>) -> anyhow::Result<Vec<Instant>> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let head = format!("GET /api/v1/events/stream?columns=id HTTP/1.1\r\nHost: {server}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let (mut line, mut seen) = (String::new(), Vec::with_capacity(SEEN));
    while seen.len() < SEEN {
        line.clear();
        ensure!(reader.read_line(&mut line)? > 0, "the stream ended");
        if line.starts_with("data: ") {
            seen.push(Instant::now());
        } else if line.starts_with("retry: ") {
            // From here on it misses nothing.
            let _ = ready.send(());
        }
    }
    Ok(seen)
}

/// The wait that `percent` of them did not exceed, of sorted ones.
fn millis(waits: &[Duration], percent: usize) -> f64 {
    let at = (waits.len() * percent / 100).min(waits.len().saturating_sub(1));
    waits
        .get(at)
        .map_or(0.0, |wait| wait.as_secs_f64() * 1000.0)
}
