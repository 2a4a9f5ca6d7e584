//! Evidence in quarantine, and events that are not sealed yet, are not altered silently.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::support::{self, Run, Server, cli, event, temp_dir};

/// What a store says of its quarantine and its ingest log.
fn answers(data: &Path) -> Vec<Run> {
    let data = data.to_str().unwrap();
    let questions: [&[&str]; 5] = [
        &["quarantine", "list", "-o", "jsonl"],
        &["quarantine", "export", "--id", "1"],
        &["quarantine", "export", "--id", "2"],
        &["sql", "select * from ingest_log", "-o", "csv"],
        &["query", "--limit", "0", "-o", "raw"],
    ];
    let ask = |question: &[&str]| cli(&[question, &["--data", data]].concat());
    questions.into_iter().map(ask).collect()
}

/// A store with two items in quarantine and an event, sealed or not.
fn store(data: &Path, sealed: bool) {
    let server = Server::start(data, &[]);
    for item in ["first broken item", "second broken item"] {
        server.post("/webhook", item).expect(200);
    }
    server.post("/webhook", event(1)).expect(200);
    if sealed {
        server.post("/api/v1/seal", "").expect(200);
    }
    assert!(server.stop().success());
}

fn active(data: &Path) -> PathBuf {
    let mut entries = std::fs::read_dir(data)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_active = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("active-") && name.ends_with(".db")
    };
    entries.find(is_active).expect("an active segment")
}

#[test]
fn a_changed_row_is_an_error_that_names_it() {
    for sealed in [true, false] {
        for (change, named) in [
            (
                "update quarantine set reason = 'nothing' where id = 1",
                "item 1",
            ),
            (
                "update quarantine set origin = 'elsewhere' where id = 2",
                "item 2",
            ),
            (
                "update quarantine set source = 'file' where id = 2",
                "item 2",
            ),
            (
                "update quarantine set stored_time = stored_time + 1 where id = 1",
                "item 1",
            ),
            (
                "update quarantine_part set data = (select data from quarantine_part where id = 2) where id = 1",
                "item 1",
            ),
            ("delete from quarantine_part where id = 2", "item 2"),
            ("update quarantine set id = 65 where id = 1", "item 65"),
            (
                "update ingest set events = events + 1, duplicates = duplicates - 1",
                "ingest log",
            ),
        ] {
            let dir = temp_dir();
            let data = dir.path();
            store(data, sealed);
            let right = answers(data);
            assert!(right.iter().all(|run| run.code == Some(0)), "{right:?}");
            let file = if sealed {
                data.join("ledger.db")
            } else {
                active(data)
            };
            if !sealed && named == "ingest log" {
                // The sum of all its counts is checked as soon as it is opened.
                continue;
            }
            support::sqlite(&file).execute_batch(change).unwrap();
            let mut noticed = 0;
            for (right, found) in right.iter().zip(answers(data)) {
                if found.code == Some(2) {
                    noticed += 1;
                    assert!(found.stderr.contains(named), "{change}: {}", found.stderr);
                } else {
                    assert_eq!(found.stdout, right.stdout, "{change}");
                }
            }
            assert!(noticed > 0, "{change}");
            // It costs only itself.
            let server = Server::start(data, &[]);
            server.post("/webhook", event(2)).expect(200);
            server.post("/api/v1/seal", "").expect(200);
            assert!(server.stop().success());
            assert_eq!(support::raw_lines(data).len(), 2, "{change}");
            let still = answers(data);
            assert!(
                still.iter().any(|run| run.code == Some(2)),
                "{change}: after sealing"
            );
        }
    }
}

#[test]
fn any_flipped_bit_of_the_ledger_gives_the_right_answer_or_an_error() {
    let dir = temp_dir();
    let data = dir.path();
    store(data, true);
    let right = answers(data);
    let path = data.join("ledger.db");
    let bytes = std::fs::read(&path).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    // Most of the file is free space.
    let used: Vec<usize> = (100..bytes.len()).filter(|&at| bytes[at] != 0).collect();
    let mut rng = fastrand::Rng::with_seed(11);
    let mut noticed = 0;
    for _ in 0..60 {
        let (at, bit) = (used[rng.usize(..used.len())], rng.u8(..8));
        file.write_all_at(&[bytes[at] ^ 1 << bit], at as u64)
            .unwrap();
        for (right, found) in right.iter().zip(answers(data)) {
            match found.code {
                Some(0) => assert_eq!(found.text(), right.text(), "bit {bit} of byte {at}"),
                Some(1) => panic!("bit {bit} of byte {at}: an item is gone: {found:?}"),
                code => {
                    assert_eq!(code, Some(2), "bit {bit} of byte {at}: {found:?}");
                    noticed += 1;
                }
            }
        }
        file.write_all_at(&bytes[at..=at], at as u64).unwrap();
    }
    assert!(noticed > 10, "{noticed}");
}

#[test]
fn a_damaged_active_segment_says_what_to_do_and_that_works() {
    let dir = temp_dir();
    let data = dir.path();
    let server = Server::start(data, &[]);
    server.post("/webhook", event(1)).expect(200);
    server.post("/api/v1/seal", "").expect(200);
    server.post("/webhook", event(2)).expect(200);
    assert!(server.stop().success());
    let file = active(data);
    let name = file.file_name().unwrap().to_str().unwrap();
    support::sqlite(&file)
        .execute_batch("update block set bodies = zeroblob(length(bodies))")
        .unwrap();
    let (status, log) = Server::try_start(data, &[]).err().expect("no server");
    assert_eq!(status.code(), Some(2));
    for part in [
        "has a wrong checksum".to_owned(),
        "from a backup".to_owned(),
        format!("move {name}, {name}-wal, {name}-shm and catalog.db out of the directory"),
    ] {
        assert!(log.contains(&part), "{log}");
    }
    let aside = temp_dir();
    for name in [
        name,
        &format!("{name}-wal"),
        &format!("{name}-shm"),
        "catalog.db",
    ] {
        let moved = std::fs::copy(data.join(name), aside.path().join(name));
        if moved.is_ok() {
            std::fs::remove_file(data.join(name)).unwrap();
        }
    }
    let server = Server::start(data, &[]);
    server.post("/webhook", event(3)).expect(200);
    assert!(server.stop().success());
    assert_eq!(support::raw_lines(data), [event(1), event(3)]);
}
