use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::*;
use crate::intake::files::expand;
use crate::intake::testing::{self, Committed, Recording};

fn line(number: usize) -> String {
    format!(
        "{{\"level\":\"Metadata\",\"auditID\":\"{number}\",\"pad\":\"{}\"}}\n",
        "x".repeat(900)
    )
}

fn lines(numbers: Range<usize>) -> String {
    numbers.map(line).collect()
}

fn run(paths: &[PathBuf], recording: &Recording) -> Result<Summary, Stopped> {
    let sink = LocalSink::with(testing::normalise, "c", || recording.open());
    let options = Options {
        workers: 3,
        limits: Limits {
            item_bytes_max: 100_000,
            ..Limits::default()
        },
    };
    import(&expand(paths), &sink, &options, &mut |_| {})
}

fn import_all(dir: &Path) -> (Summary, Committed) {
    let recording = Recording::default();
    let summary = run(&[dir.to_owned()], &recording).unwrap();
    (summary, recording.committed())
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_event_of_every_file_arrives_once() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.log"), lines(0..20_000)).unwrap();
    fs::write(dir.path().join("b.log.gz"), gzip(&lines(20_000..25_000))).unwrap();
    let packed = zstd::encode_all(lines(25_000..26_000).as_bytes(), 1).unwrap();
    fs::write(dir.path().join("c"), packed).unwrap();
    let recording = Recording::default();
    let mut last = Progress::default();
    let sink = LocalSink::with(testing::normalise, "c", || recording.open());
    let inputs = expand(&[dir.path().to_owned()]);
    let summary = import(&inputs, &sink, &Options::default(), &mut |progress| {
        last = progress;
    })
    .unwrap();
    let mut committed = recording.committed();
    assert_eq!(
        (summary.read, summary.stored, summary.bad, summary.inputs),
        (26_000, 26_000, 0, 3)
    );
    assert_eq!(summary.bytes, lines(0..26_000).len() as u64);
    assert_eq!(last.items, 26_000);
    assert_eq!(Some(last.bytes_read), last.bytes_total);
    assert!(committed.commits < 20, "{} commits", committed.commits);
    let mut expected: Vec<Vec<u8>> = (0..26_000)
        .map(|number| line(number).trim_end().into())
        .collect();
    expected.sort();
    committed.events.sort();
    assert!(committed.events == expected);
}

#[test]
fn bad_items_are_counted_kept_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let big = "y".repeat(200_000);
    let broken = format!(
        "{}broken\n{}{{\"x\":1}}\n{big}\n{}{{\"auditID\":\"cu",
        line(1),
        line(2),
        line(3)
    );
    fs::write(dir.path().join("a.log"), &broken).unwrap();
    fs::write(dir.path().join("b.log"), "bad\n".to_owned() + &line(4)).unwrap();
    let (summary, committed) = import_all(dir.path());
    assert_eq!((summary.read, summary.stored), (9, 4));
    assert_eq!((summary.bad, summary.quarantined), (5, 5));
    let named: Vec<(u64, &str)> = summary
        .first_bad
        .iter()
        .map(|bad| (bad.at.line, bad.reason.as_str()))
        .collect();
    assert_eq!(named.len(), 5);
    assert_eq!(named[0].0, 2);
    assert_eq!(named[1], (4, "no auditID"));
    assert!(
        named[3].1.starts_with("unexpected end of JSON"),
        "{named:?}"
    );
    assert_eq!(named[4].0, 1);
    let message = summary.first_bad[0].to_string();
    assert!(message.contains("a.log: line 2 (byte "), "{message}");
    assert!(
        committed
            .quarantine
            .iter()
            .any(|(bytes, ..)| bytes == big.as_bytes())
    );
    assert!(summary.errors.is_empty() && summary.warnings.is_empty());
}

#[test]
fn a_cut_file_is_read_up_to_the_cut_and_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let text: String = (0..500)
        .map(|_| {
            let noise: String = (0..300).map(|_| random.alphanumeric()).collect();
            format!("{{\"auditID\":\"{noise}\"}}\n")
        })
        .collect();
    let packed = gzip(&text);
    fs::write(dir.path().join("cut.gz"), &packed[..packed.len() / 2]).unwrap();
    let (summary, committed) = import_all(dir.path());
    assert!(
        summary.errors[0].contains("cut short"),
        "{:?}",
        summary.errors
    );
    assert!(summary.stored > 100, "{}", summary.stored);
    assert_eq!(summary.bad, 1);
    let stored = committed.events.concat().len() + committed.events.len();
    assert_eq!(
        summary.bytes as usize,
        stored + committed.quarantine[0].0.len()
    );
}

#[test]
fn what_cannot_be_read_is_an_error_and_the_rest_is_imported() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.log"), line(1)).unwrap();
    let recording = Recording::default();
    let paths = ["none", "a.log", "*.zst"].map(|name| dir.path().join(name));
    let summary = run(&paths, &recording).unwrap();
    assert_eq!(summary.stored, 1);
    assert_eq!(summary.errors.len(), 2);
}

#[test]
fn a_failing_store_stops_the_import() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.log"), lines(0..60_000)).unwrap();
    let recording = Recording::default();
    recording.0.lock().unwrap().fail_at = Some(2);
    let stopped = run(&[dir.path().to_owned()], &recording).unwrap_err();
    assert_eq!(stopped.to_string(), "the disk is full");
    assert_eq!(
        stopped.summary.stored as usize,
        recording.committed().events.len()
    );
}
