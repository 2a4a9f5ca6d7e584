//! Webhook load on a server.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::client::Client;
use super::lines::Lines;

/// How the load went.
pub(super) struct Load {
    pub events: u64,
    pub bytes: u64,
    pub elapsed: Duration,
    /// From sending a batch to its acknowledgement, shortest first.
    pub waits: Vec<Duration>,
}

impl Load {
    /// Events per second.
    pub(super) fn rate(&self) -> f64 {
        self.events as f64 / self.elapsed.as_secs_f64()
    }

    /// The wait that `percent` of the batches did not exceed, in milliseconds.
    pub(super) fn wait_ms(&self, percent: usize) -> f64 {
        let at = (self.waits.len() * percent / 100).min(self.waits.len().saturating_sub(1));
        self.waits
            .get(at)
            .map_or(0.0, |wait| wait.as_secs_f64() * 1000.0)
    }
}

/// Posts the next `events` of `lines` in batches over so many connections; each sends its next
/// batch when the one before is acknowledged.
pub(super) fn webhook(
    server: SocketAddr,
    lines: &Mutex<Lines>,
    events: u64,
    batch: u64,
    connections: usize,
) -> anyhow::Result<Load> {
    let left = Mutex::new(events);
    let begin = Instant::now();
    let parts = std::thread::scope(|scope| {
        let connections: Vec<_> = (0..connections)
            .map(|_| scope.spawn(|| connection(server, lines, &left, batch)))
            .collect();
        connections
            .into_iter()
            .map(|one| {
                one.join()
                    .map_err(|_| anyhow::anyhow!("a connection failed"))?
            })
            .collect::<anyhow::Result<Vec<_>>>()
    })?;
    let mut load = Load {
        events: 0,
        bytes: 0,
        elapsed: begin.elapsed(),
        waits: Vec::new(),
    };
    for part in parts {
        load.events += part.events;
        load.bytes += part.bytes;
        load.waits.extend(part.waits);
    }
    load.waits.sort_unstable();
    Ok(load)
}

fn connection(
    server: SocketAddr,
    lines: &Mutex<Lines>,
    left: &Mutex<u64>,
    batch: u64,
) -> anyhow::Result<Load> {
    let mut client = Client::connect(server)?;
    let (mut body, mut line) = (Vec::new(), Vec::new());
    let mut load = Load {
        events: 0,
        bytes: 0,
        elapsed: Duration::ZERO,
        waits: Vec::new(),
    };
    loop {
        let events = {
            let mut left = left
                .lock()
                .map_err(|_| anyhow::anyhow!("a connection failed"))?;
            let mut lines = lines
                .lock()
                .map_err(|_| anyhow::anyhow!("a connection failed"))?;
            let events = lines.batch_into(batch.min(*left), &mut body, &mut line)?;
            *left -= events;
            events
        };
        if events == 0 {
            return Ok(load);
        }
        let begin = Instant::now();
        client.post("/webhook", &body)?;
        load.waits.push(begin.elapsed());
        load.events += events;
        load.bytes += body.len() as u64;
    }
}

/// Posts bodies of `events` events of `event_bytes` each, `bodies` of them at once.
pub(super) fn large_bodies(
    server: SocketAddr,
    bodies: u64,
    events: u64,
    event_bytes: usize,
) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let posts: Vec<_> = (0..bodies)
            .map(|body| scope.spawn(move || large_body(server, body, events, event_bytes)))
            .collect();
        for post in posts {
            match post.join() {
                Ok(posted) => posted?,
                Err(_) => bail!("a connection failed"),
            }
        }
        Ok(begin.elapsed())
    })
}

fn large_body(
    server: SocketAddr,
    body: u64,
    events: u64,
    event_bytes: usize,
) -> anyhow::Result<()> {
    const OPEN: &str =
        r#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":["#;
    // Random digits, so that compression does not make the bodies small.
    let mut random = fastrand::Rng::with_seed(body + 1);
    let data: String = (0..event_bytes)
        .map(|_| char::from(b"0123456789abcdef"[random.usize(..16)]))
        .collect();
    let event = |at: u64| {
        let separator = if at == 0 { "" } else { "," };
        let head = format!(
            r#"{separator}{{"level":"Request","auditID":"b0d1e500-{body:04x}-4000-8000-{at:012x}","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/bench/configmaps/large-{body:04}-{at:06}","verb":"update","user":{{"username":"bench"}},"objectRef":{{"resource":"configmaps","namespace":"bench","name":"large-{body:04}-{at:06}","apiVersion":"v1"}},"responseStatus":{{"metadata":{{}},"code":200}},"requestReceivedTimestamp":"2026-01-05T00:00:00.000000Z","stageTimestamp":"2026-01-05T00:00:00.001000Z","requestObject":{{"data":{{"value":""#
        );
        // Another order of the digits in every event.
        let turn = (at as usize * 7919) % data.len().max(1);
        (head, turn)
    };
    const CLOSE: &str = r#""}}}"#;
    let length: usize = (0..events)
        .map(|at| event(at).0.len() + data.len() + CLOSE.len())
        .sum();
    let length = OPEN.len() + length + "]}".len();
    let mut client = Client::connect(server)?;
    client
        .post_stream("/webhook", length as u64, |stream| {
            stream.write_all(OPEN.as_bytes())?;
            for at in 0..events {
                let (head, turn) = event(at);
                stream.write_all(head.as_bytes())?;
                stream.write_all(&data.as_bytes()[turn..])?;
                stream.write_all(&data.as_bytes()[..turn])?;
                stream.write_all(CLOSE.as_bytes())?;
            }
            stream.write_all(b"]}")
        })
        .context("posting a large body")?;
    Ok(())
}
