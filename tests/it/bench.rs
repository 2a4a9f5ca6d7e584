//! The benchmark in small: every part runs, and every answer is checked.

use std::process::{Command, Stdio};

use crate::support::AUDITQL;

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
