//! Acknowledged means durable: kill -9 at any moment loses nothing and doubles nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::support::{self, Client, Server};

const CONNECTIONS: u64 = 4;
const BATCH: u64 = 20;
/// Acknowledged batches before each kill.
const ACKNOWLEDGED_MIN: u64 = 20;
/// Events before this are the ones that pruning takes; it lies within a day and a partition.
const CUTOFF: &str = "2026-10-15T12:00:00Z";

/// How often to kill: `AUDITQL_TEST_ROUNDS`, else `default`.
fn rounds(default: u64) -> u64 {
    std::env::var("AUDITQL_TEST_ROUNDS").map_or(default, |rounds| {
        rounds.parse().expect("AUDITQL_TEST_ROUNDS is a number")
    })
}

/// What was sent and what became of it.
#[derive(Default)]
struct Sent {
    acknowledged: Vec<Vec<String>>,
    /// Answered by nothing: each is in the store whole, or not at all.
    unknown: Vec<Vec<String>>,
}

/// Sends batches over a connection until the server is gone or `stop`.
fn load(
    server: &str,
    next: &AtomicU64,
    make: impl Fn(u64) -> String,
    sent: &Mutex<Sent>,
    stop: &AtomicBool,
) {
    let Ok(mut client) = Client::connect(server) else {
        return;
    };
    while !stop.load(Ordering::Relaxed) {
        let first = next.fetch_add(BATCH, Ordering::Relaxed);
        let batch: Vec<String> = (first..first + BATCH).map(&make).collect();
        match client.post("/webhook", support::event_list(&batch).as_bytes()) {
            Ok(answer) if answer.status == 200 => {
                assert_eq!(answer.json()["stored"], BATCH, "{}", answer.text());
                sent.lock().unwrap().acknowledged.push(batch);
            }
            Ok(answer) => panic!("{}: {}", answer.status, answer.text()),
            Err(_) => {
                sent.lock().unwrap().unknown.push(batch);
                return;
            }
        }
    }
}

/// A server with small segments, so that sealing runs all the time.
fn start(data: &Path) -> Server {
    Server::start(data, &["--segment-events", "150"])
}

/// Kills a server while events are sent to it and the requests `beside` are made again and again,
/// once enough batches are acknowledged.
fn kill_under_load(
    data: &Path,
    round: u64,
    make: impl Fn(u64) -> String + Copy + Send,
    (next, sent): (&AtomicU64, &Mutex<Sent>),
    beside: &[(&str, &str)],
) {
    let server = start(data);
    let stop = AtomicBool::new(false);
    let address = server.address.clone();
    let acknowledged = || sent.lock().unwrap().acknowledged.len();
    let enough = acknowledged() + (ACKNOWLEDGED_MIN + 13 * (round % 7)) as usize;
    std::thread::scope(|scope| {
        let (address, stop) = (&address, &stop);
        for _ in 0..CONNECTIONS {
            scope.spawn(move || load(address, next, make, sent, stop));
        }
        for &(path, body) in beside {
            scope.spawn(move || upkeep(address, path, body));
        }
        support::wait_until("enough batches are acknowledged", || {
            acknowledged() >= enough
        });
        server.kill();
    });
}

/// The store holds what was acknowledged, once, and of the rest whole batches only. Batches found
/// there count as acknowledged from now on.
#[track_caller]
fn check(stored: &[String], sent: &mut Sent) {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for line in stored {
        *counts.entry(line).or_default() += 1;
    }
    for (line, count) in &counts {
        assert_eq!(*count, 1, "stored more than once: {line}");
    }
    let mut accounted = 0;
    for event in sent.acknowledged.iter().flatten() {
        assert!(counts.contains_key(event.as_str()), "lost: {event}");
        accounted += 1;
    }
    let mut found = Vec::new();
    sent.unknown.retain(|batch| {
        let there = batch
            .iter()
            .filter(|event| counts.contains_key(event.as_str()))
            .count();
        assert!(
            there == 0 || there == batch.len(),
            "{there} of a batch of {} are stored",
            batch.len()
        );
        if there > 0 {
            found.push(batch.clone());
        }
        there == 0
    });
    accounted += found.iter().map(Vec::len).sum::<usize>();
    sent.acknowledged.extend(found);
    assert_eq!(stored.len(), accounted, "events that nobody sent");
}

/// A new event: its time lies on either side of the cutoff, or much later.
fn spread(n: u64) -> String {
    let minute = n / 60 % 60;
    let time = match n % 4 {
        0 => format!("2026-10-15T11:{minute:02}:{:02}.000001Z", n % 60),
        1 => format!("2026-10-15T13:{minute:02}:{:02}.000001Z", n % 60),
        2 => format!("2026-11-0{}T01:{minute:02}:00.000000Z", n % 9 + 1),
        _ => return support::event(n),
    };
    support::event_at(n, &time)
}

fn is_old(event: &str) -> bool {
    event.contains("2026-10-15T11:")
}

#[test]
fn kill_9_under_webhook_load_loses_and_doubles_nothing() {
    let dir = support::temp_dir();
    let next = AtomicU64::new(0);
    let sent = Mutex::new(Sent::default());
    for round in 0..rounds(6) {
        // In every other round merging too.
        let beside = [("/api/v1/seal", "")];
        let beside = &beside[..(round % 2) as usize];
        kill_under_load(dir.path(), round, support::event, (&next, &sent), beside);
        // Once without recovery by a writer, once after it.
        let mut sent = sent.lock().unwrap();
        check(&support::raw_lines(dir.path()), &mut sent);
        let server = start(dir.path());
        // kube-apiserver sends again what was not answered.
        if let Some(batch) = sent.unknown.pop() {
            let body = support::event_list(&batch);
            server.post("/webhook", body).expect(200);
            sent.acknowledged.push(batch);
        }
        let again = support::event_list(&sent.acknowledged[0]);
        let again = server.post("/webhook", again).expect(200).json();
        assert_eq!(
            (&again["stored"], &again["duplicates"]),
            (&0.into(), &BATCH.into())
        );
        let listed = server
            .cli("query", &["--limit", "0", "-o", "raw"])
            .expect(0);
        check(&listed.sorted_lines(), &mut sent);
        assert!(server.stop().success());
    }
    let sealed = sealed_files(dir.path());
    assert!(sealed > 0, "nothing was sealed");
}

#[test]
fn kill_9_while_pruning_takes_only_what_is_old() {
    let dir = support::temp_dir();
    let next = AtomicU64::new(0);
    let sent = Mutex::new(Sent::default());
    for round in 0..rounds(6) {
        let body = format!(r#"{{"before":"{CUTOFF}"}}"#);
        let beside = [("/api/v1/prune", body.as_str()), ("/api/v1/seal", "")];
        let beside = &beside[..1 + (round % 2) as usize];
        kill_under_load(dir.path(), round, spread, (&next, &sent), beside);
        let server = start(dir.path());
        server.post("/api/v1/prune", body).expect(200);
        let stored = support::raw_lines(dir.path());
        assert!(!stored.iter().any(|event| is_old(event)));
        // What stays of each batch is what is not old.
        let mut sent = sent.lock().unwrap();
        let young = |batches: &[Vec<String>]| -> Vec<Vec<String>> {
            let keep = |batch: &Vec<String>| batch.iter().filter(|e| !is_old(e)).cloned().collect();
            batches.iter().map(keep).collect()
        };
        let mut kept = Sent {
            acknowledged: young(&sent.acknowledged),
            unknown: young(&sent.unknown),
        };
        check(&stored, &mut kept);
        // Whole batches only: the prune has taken the old ones of those that are there.
        let known: std::collections::HashSet<&String> = stored.iter().collect();
        let unknown = std::mem::take(&mut sent.unknown);
        for batch in unknown {
            let there = batch.iter().any(|event| known.contains(event));
            if there {
                sent.acknowledged.push(batch);
            } else {
                sent.unknown.push(batch);
            }
        }
        let stats = server.get("/api/v1/stats").expect(200).json();
        let old = sent
            .acknowledged
            .iter()
            .flatten()
            .filter(|e| is_old(e))
            .count() as u64;
        // A crash between the record and the removal may count a segment's events again.
        let pruned = stats["pruned"].as_u64().unwrap();
        assert!(pruned >= old, "{pruned} counted as pruned, {old} are gone");
        assert_eq!(stats["events"], stored.len() as u64);
        assert!(server.stop().success());
    }
}

/// Asks for the same work again and again until the server is gone.
fn upkeep(address: &str, path: &str, body: &str) {
    let Ok(mut client) = Client::connect(address) else {
        return;
    };
    while let Ok(answer) = client.post(path, body.as_bytes()) {
        assert!(matches!(answer.status, 200 | 503), "{}", answer.text());
    }
}

fn sealed_files(data: &Path) -> usize {
    let entries = std::fs::read_dir(data).unwrap();
    entries
        .filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_str().unwrap().starts_with("sealed-")
        })
        .count()
}

#[test]
fn a_killed_import_runs_again_to_the_same_store() {
    let dir = support::temp_dir();
    let log = dir.path().join("audit.log");
    let events: Vec<String> = (0..20_000).map(spread).collect();
    std::fs::write(&log, events.join("\n")).unwrap();
    let data = dir.path().join("data");
    let import = ["--segment-events", "500", log.to_str().unwrap()];
    let mut killed = 0;
    for round in 0..rounds(6) {
        let mut args = vec!["import", "--data", data.to_str().unwrap()];
        args.extend(import);
        let mut child = support::command(&args)
            .stderr(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let files = 2 + 3 * round as usize;
        support::wait_until("the import is under way", || {
            let names = std::fs::read_dir(&data).map_or(0, Iterator::count);
            names >= files || child.try_wait().unwrap().is_some()
        });
        child.kill().unwrap();
        killed += u32::from(child.wait().unwrap().code().is_none());
    }
    assert!(killed > 0, "every import ended before it was killed");
    support::local(&data, "import", &import).expect(0);
    let mut sorted = events;
    sorted.sort_unstable();
    assert_eq!(support::raw_lines(&data), sorted);
    let again = support::local(&data, "import", &import).expect(0);
    assert!(
        again.stderr.contains(" 0 stored, 20,000 duplicate"),
        "{}",
        again.stderr
    );
}
