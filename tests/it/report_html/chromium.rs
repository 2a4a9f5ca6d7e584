//! A browser without a window: lays documents out, measures them and prints them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::support::{Run, finish, temp_dir};

const NAMES: &[&str] = &[
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome-headless-shell",
];

/// Seconds after which a browser hangs.
const PATIENCE: &str = "300";

/// A program on the path.
fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|dir| names.iter().map(move |name| dir.join(name)))
        .find(|file| file.is_file())
}

/// Whether these programs are there. Without them a test ends, but where
/// `AUDITQL_TEST_CHROMIUM=required` says that they must be.
pub fn there(test: &str, tools: &[&str]) -> bool {
    let mut missing: Vec<&str> = Vec::new();
    if find(NAMES).is_none() {
        missing.push("chromium");
    }
    missing.extend(tools.iter().filter(|tool| find(&[tool]).is_none()));
    if missing.is_empty() {
        return true;
    }
    let required =
        std::env::var_os("AUDITQL_TEST_CHROMIUM").is_some_and(|value| value == "required");
    assert!(!required, "{} is not on the path", missing.join(", "));
    eprintln!("SKIPPED {test}: {} is not on the path", missing.join(", "));
    false
}

/// Runs the browser on a file.
fn browse(file: &Path, what: &str) -> Run {
    let profile = temp_dir();
    let mut command = Command::new("timeout");
    command
        .arg(PATIENCE)
        .arg(find(NAMES).expect("looked for before"))
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--no-pdf-header-footer",
            what,
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", file.display()));
    finish(&mut command, b"").expect(0)
}

/// The page after its scripts ran.
pub fn dump(file: &Path) -> String {
    String::from_utf8(browse(file, "--dump-dom").stdout).unwrap()
}

/// Prints the file to `pdf`.
pub fn print(file: &Path, pdf: &Path) {
    browse(file, &format!("--print-to-pdf={}", pdf.display()));
}

/// What a program of poppler says about a file.
pub fn poppler(tool: &str, args: &[&str], pdf: &Path) -> String {
    let mut command = Command::new(tool);
    command.args(args).arg(pdf);
    if tool == "pdftotext" {
        command.arg("-");
    }
    finish(&mut command, b"").expect(0).text().to_owned()
}
