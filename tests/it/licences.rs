//! What the program is built of: licences that are compatible with its own, and one copy of what
//! must not be there twice.

use std::process::Command;

use super::docs::{read, top};

/// Crates that hold process-wide state or large generated data.
const ONCE: &[&str] = &[
    "libsqlite3-sys",
    "rusqlite",
    "sqlx",
    "zstd-sys",
    "tokio",
    "hyper",
    "axum",
    "chrono",
    "serde",
    "clap",
];

struct Package {
    name: String,
    version: String,
    license: Option<String>,
}

/// Every package that is built for this platform, tests included.
fn packages() -> Vec<Package> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--offline", "--locked"])
        .args(["--filter-platform", &target])
        .current_dir(top())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let package = |package: &serde_json::Value| Package {
        name: text(&package["name"]).unwrap(),
        version: text(&package["version"]).unwrap(),
        license: text(&package["license"]),
    };
    packages.iter().map(package).collect()
}

/// The licences that deny.toml allows.
fn allowed() -> Vec<String> {
    let text = read("deny.toml");
    let list = text.split("allow = [").nth(1).unwrap();
    let list = list.split(']').next().unwrap();
    list.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Whether an SPDX expression can be met with the allowed licences. Both `/` and `OR` offer a choice;
/// `AND` binds tighter; brackets hold choices.
fn is_met(expression: &str, allowed: &[String]) -> bool {
    if let Some((inside, rest)) = expression.strip_prefix('(').and_then(|e| e.split_once(')')) {
        let rest = rest.trim();
        return match rest.strip_prefix("AND ") {
            Some(rest) => is_met(inside, allowed) && is_met(rest, allowed),
            None => is_met(inside, allowed) && rest.is_empty(),
        };
    }
    expression.replace('/', " OR ").split(" OR ").any(|choice| {
        choice
            .split(" AND ")
            .all(|license| allowed.iter().any(|known| known == license.trim()))
    })
}

#[test]
fn licences_are_compatible() {
    let allowed = allowed();
    assert!(allowed.len() > 5);
    let bad: Vec<_> = packages()
        .into_iter()
        .filter(|package| {
            !package
                .license
                .as_deref()
                .is_some_and(|l| is_met(l, &allowed))
        })
        .map(|package| {
            format!(
                "{} {}: {:?}",
                package.name, package.version, package.license
            )
        })
        .collect();
    assert!(bad.is_empty(), "not allowed by deny.toml: {bad:#?}");
}

#[test]
fn some_crates_are_there_once() {
    let packages = packages();
    for name in ONCE {
        let versions: Vec<_> = packages
            .iter()
            .filter(|package| package.name == *name)
            .map(|package| &package.version)
            .collect();
        assert_eq!(versions.len(), 1, "{name}: {versions:?}");
    }
}

#[test]
fn expressions_are_read() {
    let allowed = ["MIT", "Unicode-3.0", "Apache-2.0"].map(str::to_owned);
    for (expression, met) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("MIT/GPL-2.0", true),
        ("MIT AND GPL-3.0", false),
        ("(GPL-3.0 OR Apache-2.0) AND Unicode-3.0", true),
        ("(MIT OR Apache-2.0) AND GPL-3.0", false),
    ] {
        assert_eq!(is_met(expression, &allowed), met, "{expression}");
    }
}
