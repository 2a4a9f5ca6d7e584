//! Damage: a flipped bit, a cut or a missing file gives the right answer or an error that names the
//! file; never a wrong answer, and never a stop of ingest.

use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use auditql::model::column::Column;
use auditql::model::value::Value;
use auditql::store::filter::{Filter, Pattern, Test};
use auditql::store::{
    self, Budget, CountQuery, EventQuery, Order, SqlColumn, SqlQuery, SqlSink, Store,
};

use crate::support::{self, Server};

/// Bits to flip at random places of each file: `AUDITQL_TEST_FLIPS`, else `default`.
fn flips(default: usize) -> usize {
    std::env::var("AUDITQL_TEST_FLIPS").map_or(default, |flips| {
        flips.parse().expect("AUDITQL_TEST_FLIPS is a number")
    })
}

/// The files of a store whose names begin with `prefix` and end with `suffix`.
fn files(data: &Path, prefix: &str, suffix: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(prefix) && name.ends_with(suffix)
        })
        .collect();
    files.sort();
    files
}

/// A store with the sample sealed into one file.
fn sealed_sample(data: &Path) -> PathBuf {
    let sample = support::sample_path();
    support::local(data, "import", &[sample.to_str().unwrap()]).expect(0);
    let sealed = files(data, "sealed-", ".db");
    assert_eq!(sealed.len(), 1, "{sealed:?}");
    sealed[0].clone()
}

struct Rows(String);

impl SqlSink for Rows {
    fn columns(&mut self, columns: &[SqlColumn]) {
        self.0.push_str(&format!("{columns:?}\n"));
    }

    fn row(&mut self, row: &[Value]) -> ControlFlow<()> {
        self.0.push_str(&format!("{row:?}\n"));
        ControlFlow::Continue(())
    }
}

fn budget() -> Budget {
    Budget::new(Some(Duration::from_secs(20)))
}

fn list(store: &dyn Store, filter: Filter, order: Order, limit: u64) -> store::Result<String> {
    let query = EventQuery {
        filter,
        order,
        limit,
        columns: Column::ALL.to_vec(),
        ..EventQuery::default()
    };
    let mut rows = String::new();
    store.events(&query, &budget(), &mut |row| {
        rows.push_str(&format!("{row:?}\n"));
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}

fn text(column: Column, value: &str) -> Filter {
    let mut filter = Filter::default();
    filter.push(Test::Text {
        column,
        any: vec![Pattern::parse(value)],
    });
    filter
}

const HOUR_US: i64 = 3_600_000_000;
/// 2026-11-21T03:00:00Z: the sample lies in the hour that begins then.
const FIRST_HOUR: i64 = 1_795_230_000_000_000;

/// What a store says to a fixed set of questions that between them read everything it holds.
fn answers(data: &Path) -> Vec<Result<String, String>> {
    let store = match store::open_read(data) {
        Ok(store) => store,
        Err(error) => return vec![Err(error.to_string())],
    };
    let store = &*store;
    let mut answers = vec![list(store, Filter::default(), Order::NewestFirst, 0)];
    let mut contains = Filter::default();
    contains.push(Test::Contains {
        any: vec![b"kube-system".as_slice().into()],
    });
    for filter in [
        text(Column::Verb, "create"),
        text(Column::User, "system:serviceaccount:*"),
        text(Column::Namespace, "kube-system"),
        text(Column::AuditId, "5ecb2519-9220-4857-87e2-12168a0e0e0e"),
        text(Column::Outcome, "denied*"),
        contains,
        // Such questions leave segments out by what the catalog says of their times.
        Filter {
            since: Some(FIRST_HOUR),
            until: Some(FIRST_HOUR + HOUR_US),
            terms: Vec::new(),
        },
        Filter {
            since: None,
            until: Some(FIRST_HOUR),
            terms: Vec::new(),
        },
        Filter {
            since: Some(FIRST_HOUR + HOUR_US),
            until: None,
            terms: Vec::new(),
        },
    ] {
        answers.push(list(store, filter, Order::OldestFirst, 20));
    }
    for (by, step) in [
        (vec![Column::Verb], None),
        (vec![Column::User], None),
        (vec![Column::Resource], None),
        (vec![Column::SourceIp], None),
        // From rollups.
        (vec![], Some(HOUR_US)),
        (vec![Column::User, Column::Outcome], None),
        (vec![Column::Resource, Column::Verb], Some(HOUR_US)),
    ] {
        let mut rows = String::new();
        let query = CountQuery {
            by,
            step,
            ..CountQuery::default()
        };
        let top = store.count(&query, &budget(), &mut |row| {
            rows.push_str(&format!("{row:?}\n"));
            ControlFlow::Continue(())
        });
        answers.push(top.map(|_| rows));
    }
    for sql in [
        "select count(*) from events",
        "select verb, code, count(*) from events group by verb, code order by 1, 2",
        "select name, raw from events where resource = 'pods' order by id",
        "select resource, verb, outcome, sum(events) from event_counts group by 1, 2, 3 order by 1, 2, 3",
        "select hour, name, source_ip, events from event_counts order by 1, 2, 3",
        "select * from users order by 1",
    ] {
        let query = SqlQuery {
            sql: sql.to_owned(),
            params: Vec::new(),
            limit: 0,
            skip_damaged: false,
        };
        let mut rows = Rows(String::new());
        answers.push(store.sql(&query, &budget(), &mut rows).map(|_| rows.0));
    }
    answers
        .into_iter()
        .map(|answer| answer.map_err(|error| error.to_string()))
        .collect()
}

/// Offsets that decide how a database file is read: its header, and the header and first cells of
/// each page.
fn structural(length: usize) -> Vec<usize> {
    let mut offsets: Vec<usize> = (0..100.min(length)).step_by(3).collect();
    for page in (0..length).step_by(4096) {
        offsets.extend(page..(page + 14).min(length));
    }
    offsets
}

/// Flips bits of `file` one at a time; whatever `data` answers then is right or an error. Returns
/// how many flips gave an error.
#[track_caller]
fn flip_bits(data: &Path, file: &Path, random: usize) -> usize {
    let right = answers(data);
    assert!(right.iter().all(Result::is_ok), "{right:?}");
    let bytes = std::fs::read(file).unwrap();
    let mut rng = fastrand::Rng::with_seed(0x5EED);
    let mut places: Vec<(usize, u8)> = Vec::new();
    for offset in structural(bytes.len()) {
        places.push((offset, rng.u8(..8)));
    }
    places.extend((0..random).map(|_| (rng.usize(..bytes.len()), rng.u8(..8))));
    let handle = std::fs::File::options().write(true).open(file).unwrap();
    let mut noticed = 0;
    for (offset, bit) in places {
        let flipped = bytes[offset] ^ (1 << bit);
        handle.write_all_at(&[flipped], offset as u64).unwrap();
        let found = answers(data);
        for (number, answer) in found.iter().enumerate() {
            match answer {
                Ok(rows) => assert!(
                    *rows == *right[number].as_ref().unwrap(),
                    "bit {bit} of byte {offset} of {}: question {number} has another answer",
                    file.display()
                ),
                Err(error) => assert!(
                    !error.contains("time limit"),
                    "bit {bit} of byte {offset}: question {number} hangs"
                ),
            }
        }
        noticed += usize::from(found.iter().any(Result::is_err));
        handle
            .write_all_at(&[bytes[offset]], offset as u64)
            .unwrap();
    }
    noticed
}

#[test]
fn any_flipped_bit_of_a_sealed_file_gives_the_right_answer_or_an_error() {
    let dir = support::temp_dir();
    let sealed = sealed_sample(dir.path());
    let noticed = flip_bits(dir.path(), &sealed, flips(120));
    assert!(noticed > 30, "only {noticed} flips were noticed");
}

#[test]
fn any_flipped_bit_of_the_catalog_gives_the_right_answer_or_an_error() {
    let dir = support::temp_dir();
    sealed_sample(dir.path());
    let server = Server::start(dir.path(), &[]);
    server.post("/webhook", support::event(1)).expect(200);
    assert!(server.stop().success());
    let noticed = flip_bits(dir.path(), &dir.path().join("catalog.db"), flips(120));
    assert!(noticed > 10, "only {noticed} flips were noticed");
}

/// A store whose events are all in the active segment.
fn unsealed_sample(data: &Path) -> Server {
    let server = Server::start(data, &[]);
    for lines in support::sample().chunks(30) {
        server.post("/webhook", lines.join("\n")).expect(200);
    }
    server
}

#[test]
fn any_flipped_bit_of_the_active_file_gives_the_right_answer_or_an_error() {
    let dir = support::temp_dir();
    let server = unsealed_sample(dir.path());
    assert!(server.stop().success());
    let active = files(dir.path(), "active-", ".db");
    assert_eq!(active.len(), 1);
    // Into the file with what stands in the log.
    let connection = support::sqlite(&active[0]);
    let checkpoint = "pragma wal_checkpoint(truncate)";
    connection.query_row(checkpoint, [], |_| Ok(())).unwrap();
    connection.close().unwrap();
    let noticed = flip_bits(dir.path(), &active[0], flips(80));
    assert!(noticed > 10, "only {noticed} flips were noticed");
}

/// SQLite takes a frame of the log with a wrong checksum, and all after it, for not committed: so a
/// flipped bit there may hide the newest commits (a torn tail looks the same), but shows no wrong
/// event, and hides nothing that came before it.
#[test]
fn a_flipped_bit_of_the_log_hides_only_what_came_after() {
    let dir = support::temp_dir();
    let crashed = dir.path().join("crashed");
    unsealed_sample(&crashed).kill();
    let log = files(&crashed, "active-", ".db-wal");
    assert_eq!(log.len(), 1);
    let bytes = std::fs::read(&log[0]).unwrap();
    let sample = support::sample();
    let mut rng = fastrand::Rng::with_seed(0x5EED);
    let mut shortened = 0;
    for _ in 0..flips(60) {
        let (offset, bit) = (rng.usize(..bytes.len()), rng.u8(..8));
        let mut flipped = bytes.clone();
        flipped[offset] ^= 1 << bit;
        std::fs::write(&log[0], &flipped).unwrap();
        let shared_memory = files(&crashed, "active-", ".db-shm");
        shared_memory
            .iter()
            .for_each(|file| std::fs::remove_file(file).unwrap());
        let Ok(store) = store::open_read(&crashed) else {
            continue;
        };
        let query = EventQuery {
            order: Order::OldestFirst,
            columns: vec![Column::Id, Column::Raw],
            ..EventQuery::default()
        };
        let mut rows = Vec::new();
        let listed = store.events(&query, &budget(), &mut |row| {
            if let [Value::Int(id), Value::Bytes(raw)] = row {
                rows.push((*id, raw.to_vec()));
            }
            ControlFlow::Continue(())
        });
        if listed.is_err() {
            continue;
        }
        rows.sort_unstable();
        // Whole batches, from the first one on.
        assert!(
            rows.len() % 30 == 0 || rows.len() == sample.len(),
            "{}",
            rows.len()
        );
        for ((_, raw), sent) in rows.iter().zip(&sample) {
            assert_eq!(raw, sent.as_bytes());
        }
        shortened += usize::from(rows.len() < sample.len());
    }
    assert!(shortened > 0);
}

/// Two days in two sealed segments, with the first one spoilt by `spoil`.
fn with_a_bad_day(spoil: impl Fn(&Path)) {
    let dir = support::temp_dir();
    let data = dir.path();
    let day = |day: u64| -> Vec<String> {
        let time = |n| format!("2026-11-{day:02}T10:00:{:02}.000000Z", n % 60);
        (0..50)
            .map(|n| support::event_at(day * 1000 + n, &time(n)))
            .collect()
    };
    for events in [day(10), day(11)] {
        let import = ["import", "--data", data.to_str().unwrap(), "-"];
        support::cli_with(&import, events.join("\n").as_bytes()).expect(0);
    }
    let sealed = files(data, "sealed-", ".db");
    assert_eq!(sealed.len(), 2);
    spoil(&sealed[0]);
    let name = sealed[0].file_name().unwrap().to_str().unwrap();

    let server = Server::start(data, &[]);
    let ask = |args: &[&str]| {
        [
            support::local(data, "query", args),
            server.cli("query", args),
        ]
    };
    for run in ask(&["--limit", "0", "-o", "raw"]) {
        let run = run.expect(2);
        assert!(run.stderr.contains(name), "{}", run.stderr);
    }
    for run in ask(&["--limit", "0", "-o", "raw", "--skip-damaged"]) {
        let run = run.expect(0);
        assert_eq!(run.text().lines().count(), 50);
        assert!(run.stderr.contains(name), "{}", run.stderr);
    }
    for run in ask(&["--limit", "0", "-o", "raw", "--since", "2026-11-11"]) {
        assert_eq!(run.expect(0).text().lines().count(), 50);
    }
    let skipped = server
        .get("/api/v1/events?limit=0&skip_damaged=true")
        .expect(200);
    assert!(
        skipped.json()["coverage"]["damaged"][0]
            .as_str()
            .unwrap()
            .contains(name)
    );
    let by_name = [
        "select name, count(*) events from events group by name order by name",
        "select name, events from event_counts order by name",
    ];
    let answers = by_name.map(|sql| {
        let failed = support::local(data, "sql", &[sql]).expect(2);
        assert!(
            failed.stderr.contains("--skip-damaged"),
            "{}",
            failed.stderr
        );
        let skipped = support::local(data, "sql", &[sql, "--skip-damaged", "-o", "csv"]).expect(0);
        assert!(skipped.stderr.contains(name), "{}", skipped.stderr);
        skipped.text().to_owned()
    });
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].lines().count(), 51);
    let failed = server.get("/api/v1/top/verb?limit=0");
    assert_ne!(failed.status, 200, "{}", failed.text());

    // Ingest goes on, also for the day whose duplicates cannot be looked up.
    let mut new = day(10);
    new.truncate(3);
    new.push(support::event_at(5, "2026-11-10T10:00:30.000000Z"));
    let answer = server
        .post("/webhook", support::event_list(&new))
        .expect(200);
    assert_eq!(answer.json()["quarantined"], 0);
    let today = support::event_at(6, "2026-11-12T00:00:00.000000Z");
    server.post("/webhook", &today).expect(200);
    // So does keeping house: what is damaged stays, the rest is sealed and merged and pruned.
    server.post("/api/v1/seal", "").expect(200);
    let before = files(data, "sealed-", ".db").len();
    let more: Vec<String> = day(12);
    server.post("/webhook", more.join("\n")).expect(200);
    server.post("/api/v1/seal", "").expect(200);
    assert_eq!(
        files(data, "sealed-", ".db").len(),
        before,
        "nothing was merged"
    );
    let later = server.cli(
        "query",
        &["--limit", "0", "-o", "raw", "--since", "2026-11-12"],
    );
    assert!(later.expect(0).text().contains(&today));
    server
        .post("/api/v1/prune", r#"{"before":"2026-11-11"}"#)
        .expect(200);
    let rest = server
        .cli("query", &["--limit", "0", "-o", "raw"])
        .expect(0);
    assert_eq!(rest.text().lines().count(), 101);
    assert!(server.stop().success());
}

#[test]
fn a_missing_segment_costs_only_itself() {
    with_a_bad_day(|file| std::fs::remove_file(file).unwrap());
}

#[test]
fn a_truncated_segment_costs_only_itself() {
    with_a_bad_day(|file| {
        let opened = std::fs::File::options().write(true).open(file).unwrap();
        opened
            .set_len(opened.metadata().unwrap().len() / 2)
            .unwrap();
    });
}

#[test]
fn an_overwritten_segment_costs_only_itself() {
    with_a_bad_day(|file| {
        let length = std::fs::metadata(file).unwrap().len() as usize;
        std::fs::write(file, vec![0xA5; length]).unwrap();
    });
}

#[test]
fn a_segment_with_damaged_insides_costs_only_itself() {
    with_a_bad_day(|file| {
        let length = std::fs::metadata(file).unwrap().len() as usize;
        let opened = std::fs::File::options().write(true).open(file).unwrap();
        for page in (3 * 4096..length - 4096).step_by(4096) {
            opened
                .write_all_at(&[0x5A; 64], page as u64 + 2048)
                .unwrap();
        }
    });
}
