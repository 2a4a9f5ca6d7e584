//! A crash at any step, a lost catalog, other versions, other writers, and directories that cannot
//! be written: the store comes back whole, or says what is wrong.

use std::path::Path;

use crate::support::{self, Server};

/// Copies a store's files.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Runs `auditql ARGS...` and kills it when one of its threads enters the `when`-th of `calls`;
/// false when it ended before that.
fn killed_at(calls: &str, when: u32, args: &[&str]) -> bool {
    let mut command = std::process::Command::new("strace");
    command.args(["-f", "-o", "/dev/null", "-e"]);
    command.arg(format!("trace={calls}"));
    command.args(["-e", &format!("inject={calls}:signal=SIGKILL:when={when}")]);
    command.arg(support::AUDITQL).args(args);
    let run = support::finish(&mut command, b"");
    match run.code {
        Some(0) => false,
        None | Some(137) => true,
        Some(code) => panic!("exit {code}: {}", run.stderr),
    }
}

/// Kills `auditql ARGS... --data COPY` at each step of `store`; afterwards readers, a writer, and a
/// writer that lost its catalog see `expected`.
fn crash_at_each_step(store: &Path, args: &[&str], expected: &dyn Fn(&[String], bool)) {
    let mut steps = 0;
    // The number of each kind of call is counted per thread, so each kind has its own loop.
    for (calls, stride) in [
        ("rename", 1),
        ("unlink", 1),
        ("fsync,fdatasync", 1),
        ("ftruncate", 1),
        ("pwrite64", 17),
    ] {
        for when in (1..).step_by(stride) {
            let dir = support::temp_dir();
            let data = dir.path().join("data");
            copy(store, &data);
            let mut all = args.to_vec();
            all.extend(["--data", data.to_str().unwrap()]);
            let killed = killed_at(calls, when, &all);
            steps += u32::from(killed);
            expected(&support::raw_lines(&data), killed);
            let lost = dir.path().join("lost");
            copy(&data, &lost);
            std::fs::remove_file(lost.join("catalog.db")).unwrap();
            let _ = std::fs::remove_file(lost.join("catalog.db-journal"));
            for data in [&data, &lost] {
                support::local(data, "seal", &[]).expect(0);
                expected(&support::raw_lines(data), killed);
                let unfinished = std::fs::read_dir(data).unwrap().any(|entry| {
                    let name = entry.unwrap().file_name();
                    name.to_str().unwrap().contains(".new")
                });
                assert!(
                    !unfinished,
                    "half-written files are left in {}",
                    data.display()
                );
            }
            if !killed {
                break;
            }
        }
    }
    assert!(steps > 10, "only {steps} steps were tried");
}

/// A store of several sealed segments, and some events in the active one.
fn small_store(data: &Path, events: &[String]) {
    let (sealed, active) = events.split_at(events.len() * 3 / 4);
    for part in sealed.chunks(sealed.len() / 4) {
        let import = ["import", "--data", data.to_str().unwrap(), "-"];
        support::cli_with(&import, part.join("\n").as_bytes()).expect(0);
    }
    let server = Server::start(data, &[]);
    server.post("/webhook", active.join("\n")).expect(200);
    server.post("/webhook", "broken {").expect(200);
    assert!(server.stop().success());
}

fn two_days(count: u64) -> Vec<String> {
    let time = |n| format!("2026-11-{:02}T10:00:{:02}.{n:06}Z", 3 + n % 2, n % 60);
    let mut events: Vec<String> = (0..count).map(|n| support::event_at(n, &time(n))).collect();
    events.sort_unstable();
    events
}

#[test]
fn a_crash_at_any_step_of_sealing_and_merging_changes_nothing() {
    if !support::strace_works("a_crash_at_any_step_of_sealing_and_merging_changes_nothing") {
        return;
    }
    let dir = support::temp_dir();
    let store = dir.path().join("store");
    let events = two_days(80);
    small_store(&store, &events);
    crash_at_each_step(&store, &["seal"], &|stored, _| assert_eq!(stored, events));
}

#[test]
fn a_crash_at_any_step_of_pruning_takes_only_what_is_old() {
    if !support::strace_works("a_crash_at_any_step_of_pruning_takes_only_what_is_old") {
        return;
    }
    let dir = support::temp_dir();
    let store = dir.path().join("store");
    let events = two_days(80);
    small_store(&store, &events);
    let cutoff = "2026-11-03T10:00:30Z";
    let is_old = |event: &str| {
        event.contains("2026-11-03T10:00:0")
            || event.contains("2026-11-03T10:00:1")
            || event.contains("2026-11-03T10:00:2")
    };
    let kept: Vec<&String> = events.iter().filter(|event| !is_old(event)).collect();
    assert!(kept.len() > 50 && kept.len() < events.len() - 10);
    crash_at_each_step(&store, &["prune", "--before", cutoff], &|stored, killed| {
        let young: Vec<&String> = stored.iter().filter(|event| !is_old(event)).collect();
        assert_eq!(young, kept);
        assert!(
            stored.windows(2).all(|pair| pair[0] != pair[1]),
            "an event is there twice"
        );
        assert!(killed || stored.len() == kept.len());
    });
}

#[test]
fn what_a_crash_left_unpruned_counts_once_when_it_is_pruned() {
    if !support::strace_works("what_a_crash_left_unpruned_counts_once_when_it_is_pruned") {
        return;
    }
    let dir = support::temp_dir();
    let store = dir.path().join("store");
    let events = two_days(80);
    small_store(&store, &events);
    support::local(&store, "seal", &[]).expect(0);
    let cutoff = "2026-11-03T10:00:30Z";
    let mut steps = 0;
    for calls in ["rename", "unlink", "fsync,fdatasync"] {
        for when in 1.. {
            let data = dir.path().join(format!("{}-{when}", &calls[..5]));
            copy(&store, &data);
            let prune = [
                "prune",
                "--before",
                cutoff,
                "--data",
                data.to_str().unwrap(),
            ];
            let killed = killed_at(calls, when, &prune);
            // Another segment of the same day, so that the one that is left is merged away.
            let more = support::event_at(9_999, "2026-11-03T10:01:00Z");
            let import = ["import", "--data", data.to_str().unwrap(), "-"];
            support::cli_with(&import, more.as_bytes()).expect(0);
            support::local(&data, "seal", &[]).expect(0);
            support::local(&data, "prune", &["--before", cutoff]).expect(0);
            let stats = support::local(&data, "stats", &["-o", "json"]).expect(0);
            let stats: serde_json::Value = serde_json::from_str(stats.text()).unwrap();
            let left = stats["events"].as_u64().unwrap();
            let pruned = stats["pruned"].as_u64().unwrap();
            assert_eq!(left + pruned, 81, "{calls} {when}");
            if !killed {
                break;
            }
            steps += 1;
        }
    }
    assert!(steps > 5, "only {steps} steps were tried");
}

#[test]
fn a_server_logs_what_it_pruned() {
    let dir = support::temp_dir();
    let server = Server::start(dir.path(), &[]);
    server.post("/webhook", two_days(80).join("\n")).expect(200);
    let body = r#"{"before":"2026-11-03T10:00:30Z"}"#;
    let answer = server.post("/api/v1/prune", body).expect(200).json();
    let events = format!("events={}", answer["events"]);
    support::wait_until("the line is logged", || {
        server.log().lines().any(|line| {
            ["pruned", &events, "bytes_freed=", "from=", "before="]
                .iter()
                .all(|part| line.contains(part))
        })
    });
}

#[test]
fn a_lost_catalog_is_rebuilt_and_ids_go_on() {
    let dir = support::temp_dir();
    let data = dir.path().join("data");
    let events = two_days(40);
    small_store(&data, &events);
    support::local(&data, "seal", &[]).expect(0);
    // The last ids that were given are those of quarantined items, which the ledger holds.
    let server = Server::start(&data, &[]);
    for item in 0..5 {
        server
            .post("/webhook", format!("no event {item}"))
            .expect(200);
    }
    server.post("/api/v1/seal", "").expect(200);
    assert!(server.stop().success());
    let listing = ["--limit", "0", "-o", "jsonl"];
    let before = support::local(&data, "query", &listing).expect(0);
    let stats_before = support::local(&data, "stats", &["-o", "json"]).expect(0);

    std::fs::remove_file(data.join("catalog.db")).unwrap();
    let told = support::local(&data, "query", &[]).expect(2);
    assert!(
        told.stderr.contains("catalog.db is missing"),
        "{}",
        told.stderr
    );
    let server = Server::start(&data, &[]);
    let after = support::local(&data, "query", &listing).expect(0);
    assert_eq!(before.text(), after.text());
    let counts = |stats: &str| {
        let stats: serde_json::Value = serde_json::from_str(stats).unwrap();
        [
            "events",
            "received",
            "duplicates",
            "quarantined",
            "pruned",
            "raw_bytes",
        ]
        .map(|key| stats[key].clone())
    };
    let stats_after = support::local(&data, "stats", &["-o", "json"]).expect(0);
    assert_eq!(counts(stats_before.text()), counts(stats_after.text()));
    // New items get ids that nothing had, so that sealing them works.
    for item in 5..9 {
        server
            .post("/webhook", format!("no event {item}"))
            .expect(200);
    }
    server.post("/webhook", support::event(77_777)).expect(200);
    server.post("/api/v1/seal", "").expect(200);
    let stats: serde_json::Value = server.get("/api/v1/stats").json();
    assert_eq!(stats["quarantined"], 10);
    assert_eq!(stats["events"], 41);
}

#[test]
fn files_of_a_newer_version_are_refused() {
    let dir = support::temp_dir();
    let store = dir.path().join("store");
    let events = two_days(40);
    small_store(&store, &events);
    let names: Vec<String> = std::fs::read_dir(&store)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".db"))
        .collect();
    assert!(names.len() >= 4, "{names:?}");
    for name in names {
        let data = dir.path().join(format!("newer-{name}"));
        copy(&store, &data);
        let newer = support::sqlite(&data.join(&name));
        if name == "catalog.db" {
            newer
                .execute_batch(
                    "insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (9999, 'newer', 1, x'00', 0)",
                )
                .unwrap();
        } else {
            newer.execute_batch("pragma user_version = 999").unwrap();
        }
        drop(newer);
        let mut runs = vec![support::local(&data, "query", &["--limit", "0"])];
        if !name.starts_with("sealed-") {
            // Ingest goes on beside a sealed segment that cannot be read.
            let (status, stderr) = Server::try_start(&data, &[]).err().expect("no server");
            runs.push(support::Run {
                code: status.code(),
                stdout: Vec::new(),
                stderr,
            });
        }
        for run in runs {
            assert_eq!(run.code, Some(2), "{name}: {run:?}");
            assert!(run.stderr.contains(&name), "{name}: {}", run.stderr);
            assert!(run.stderr.contains("version"), "{name}: {}", run.stderr);
            assert!(run.stdout.is_empty());
        }
    }
}

#[test]
fn a_second_writer_is_refused_and_the_first_goes_on() {
    let dir = support::temp_dir();
    let server = Server::start(dir.path(), &[]);
    server.post("/webhook", support::event(1)).expect(200);
    let (status, log) = Server::try_start(dir.path(), &[])
        .err()
        .expect("one server only");
    assert_eq!(status.code(), Some(2));
    assert!(log.contains("another process writes this store"), "{log}");
    let sample = support::sample_path();
    let import = support::local(dir.path(), "import", &[sample.to_str().unwrap()]).expect(2);
    assert!(
        import.stderr.contains("another process writes"),
        "{}",
        import.stderr
    );
    server.post("/webhook", support::event(2)).expect(200);
    assert_eq!(support::raw_lines(dir.path()).len(), 2);
    assert!(server.stop().success());
}

#[test]
fn readers_see_everything_acknowledged_while_a_server_works() {
    let dir = support::temp_dir();
    let server = Server::start(dir.path(), &["--segment-events", "150"]);
    let acknowledged = std::sync::Mutex::new(Vec::new());
    let done = std::sync::atomic::AtomicBool::new(false);
    let is_done = || done.load(std::sync::atomic::Ordering::Relaxed);
    // So many come in during each check: a slow machine has no more to check than a fast one.
    let batches_per_check = 40;
    let (allow, allowed) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = server.connect();
            for (first, ()) in (0..).step_by(20).zip(allowed) {
                let batch: Vec<String> = (first..first + 20).map(support::event).collect();
                let body = support::event_list(&batch);
                let answer = client.post("/webhook", body.as_bytes()).unwrap();
                assert_eq!(answer.status, 200, "{}", answer.text());
                acknowledged.lock().unwrap().extend(batch);
            }
        });
        for (path, body) in [
            ("/api/v1/seal", ""),
            ("/api/v1/prune", r#"{"before":"2026-11-01"}"#),
        ] {
            let (server, is_done) = (&server, &is_done);
            scope.spawn(move || {
                let mut client = server.connect();
                while !is_done() {
                    let answer = client.post(path, body.as_bytes()).unwrap();
                    assert!(matches!(answer.status, 200 | 503), "{}", answer.text());
                    // Something to prune.
                    let old = support::event_at(1_000_000, "2026-10-01T00:00:00Z");
                    client.post("/webhook", old.as_bytes()).unwrap();
                }
            });
        }
        // A failed check ends the others too.
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..25 {
                (0..batches_per_check).for_each(|_| allow.send(()).unwrap());
                let before = acknowledged.lock().unwrap().clone();
                let mut lines = support::raw_lines(dir.path());
                lines.retain(|line| !line.contains("2026-10-01"));
                assert!(
                    lines.windows(2).all(|pair| pair[0] != pair[1]),
                    "an event twice"
                );
                let seen: std::collections::HashSet<&String> = lines.iter().collect();
                let lost = before.iter().find(|event| !seen.contains(event));
                assert_eq!(lost, None, "of {} acknowledged", before.len());
                assert_eq!(lines.len() % 20, 0, "a part of a batch");
                let young = "select count(*) from events where time >= '2026-11-01'";
                let count = support::local(dir.path(), "sql", &[young, "-o", "csv"]).expect(0);
                let count: usize = count.text().lines().nth(1).unwrap().parse().unwrap();
                assert!(
                    count >= lines.len() && count.is_multiple_of(20),
                    "{count} of {}",
                    lines.len()
                );
                support::local(dir.path(), "stats", &[]).expect(0);
            }
        }));
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        drop(allow);
        if let Err(panic) = checked {
            std::panic::resume_unwind(panic);
        }
    });
    assert!(server.stop().success());
}
