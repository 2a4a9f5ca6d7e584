//! The benchmark in small: every part runs, and every answer is checked.

use std::process::{Command, Stdio};

use auditql::generate::{Generator, Options};
use auditql::model::normalise::normalise;
use auditql::store::{OpenOptions, open_write};

use crate::support::{AUDITQL, temp_dir};

#[test]
fn the_benchmark_runs_and_its_answers_are_right() {
    let output = Command::new(AUDITQL)
        .args([
            "bench", "--events", "3000", "--batch", "100", "--repeat", "1",
        ])
        .args(["--segment-events", "700", "-o", "json"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let figures = report["figures"].as_array().unwrap();
    let has = |part: &str, what: &str| {
        figures
            .iter()
            .any(|f| f["part"] == part && f["what"] == what && f["value"].as_f64() > Some(0.0))
    };
    for (part, what) in [
        ("webhook", "rate"),
        ("webhook", "peak resident memory"),
        ("import", "rate"),
        ("import", "stored"),
        ("query", "who deleted an object"),
        ("query", "a text only in a request body"),
    ] {
        assert!(has(part, what), "no {part}: {what} in {report:#}");
    }
}

#[test]
fn exports_pages_and_listeners_are_measured_on_a_kept_store() {
    let dir = temp_dir();
    let data = dir.path().to_str().unwrap();
    for (part, what) in [
        ("export", "jsonl"),
        ("export", "query -o raw"),
        ("pages", "a page of 10,000, slowest"),
        (
            "live",
            "seen by 100 listeners after it was acknowledged, 99 %",
        ),
        ("reports", "incident"),
        ("reports", "webhook alone"),
        ("reports", "against alone"),
    ] {
        let output = Command::new(AUDITQL)
            .args(["bench", "--events", "3000", "--data", data])
            .args(["--only", part, "-o", "json"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let figures = report["figures"].as_array().unwrap();
        let found = figures.iter().find(|figure| figure["what"] == what);
        let value = found.map(|figure| figure["value"].as_f64());
        assert!(value.is_some(), "no {part}: {what} in {report:#}");
    }
}

/// A merge's inputs must not count as stored any more when it is said to be done.
#[test]
fn merged_files_are_gone_when_sealing_has_ended() {
    let dir = temp_dir();
    let options = OpenOptions {
        segment_events: 500,
        ..OpenOptions::default()
    };
    let store = open_write(dir.path(), &options).unwrap();
    let mut generator = Generator::new(Options {
        events: 4000,
        ..Options::default()
    });
    let mut line = Vec::new();
    for _ in 0..40 {
        let mut batch = store.batch("default", "webhook");
        for _ in 0..100 {
            line.clear();
            assert!(generator.next_into(&mut line));
            line.pop();
            let (event, content) = normalise("default", &line).unwrap();
            batch.event(&event, &line, content);
        }
        batch.commit().unwrap();
    }
    store.seal(true).unwrap();
    let sealed = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("sealed-"))
        .count();
    assert_eq!(store.stats().unwrap().segments, 2, "one sealed, one active");
    assert_eq!(sealed, 1);
    store.close().unwrap();
}
