//! The demo's commands find what it says they find.

use std::process::{Command, Stdio};

#[test]
fn the_demo_finds_its_incident() {
    let output = Command::new(env!("CARGO_BIN_EXE_auditql"))
        .args([
            "demo",
            "--once",
            "--events",
            "3000",
            "--listen",
            "127.0.0.1:0",
        ])
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(text.matches("\n-> found: ").count(), 5, "{text}");
}
