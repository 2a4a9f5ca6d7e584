//! The rules of the source tree that no compiler checks: here the arrows between modules, in `text`
//! what stands in the files.

mod text;

use std::fs;
use std::path::{Path, PathBuf};

/// What each module may use of the crate besides itself.
const ARROWS: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("model", &["limits"]),
    ("generate", &["model", "limits"]),
    ("store", &["model", "limits"]),
    ("intake", &["store", "model", "limits"]),
    ("query", &["store", "model", "limits"]),
    ("generate", &["model", "limits"]),
    ("report", &["query", "store", "model", "limits"]),
    (
        "http",
        &["intake", "report", "query", "store", "model", "limits"],
    ),
    (
        "cli",
        &[
            "generate", "intake", "report", "query", "store", "model", "limits",
        ],
    ),
];

/// Commands that start the server, and those that measure or show the whole.
const STARTS_THE_SERVER: &[&str] = &["src/cli/serve.rs", "src/cli/demo", "src/cli/bench"];

/// The crates of the storage engine, and where they may stand.
const SQL_CRATES: &[&str] = &["rusqlite", "sqlx", "libsqlite3_sys"];
const SQL_HOME: &str = "src/store/sqlite/";

struct Source {
    /// From the top of the repository, with forward slashes.
    path: String,
    text: String,
}

impl Source {
    /// `model` for src/model/json.rs and for src/model.rs.
    fn module(&self) -> &str {
        let inner = self.path.strip_prefix("src/").unwrap_or("");
        let first = inner.split('/').next().unwrap_or("");
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// The lines of code with their numbers; comments are blank.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(at, line)| {
            let code = line.trim_start();
            (at + 1, if code.starts_with("//") { "" } else { code })
        })
    }
}

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(dir: &str, extensions: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    walk(&top().join(dir), &mut |path| {
        let wanted = path
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| extensions.contains(&extension));
        if wanted {
            let relative = path.strip_prefix(top()).unwrap();
            found.push(Source {
                path: relative.to_str().unwrap().replace('\\', "/"),
                text: fs::read_to_string(path).unwrap(),
            });
        }
    });
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn walk(dir: &Path, visit: &mut dyn FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, visit);
        } else {
            visit(&path);
        }
    }
}

fn rust() -> Vec<Source> {
    let sources = files("src", &["rs"]);
    assert!(sources.len() > 50, "the sources are not where they were");
    sources
}

/// Texts for people and machines: sources, queries, documents, settings.
fn everything() -> Vec<Source> {
    let mut all = rust();
    for dir in [
        "tests/it",
        "migrations",
        "queries",
        "docs",
        "examples",
        ".ci",
    ] {
        all.extend(files(
            dir,
            &["rs", "sql", "md", "toml", "sh", "yaml", "json"],
        ));
    }
    for name in [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "Cargo.toml",
        ".ci/run",
    ] {
        if let Ok(text) = fs::read_to_string(top().join(name)) {
            let path = name.to_owned();
            all.push(Source { path, text });
        }
    }
    all
}

/// Identifier-like words of a line.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
}

/// The modules that follow `crate::` in a line, braces included.
fn used_modules(line: &str) -> Vec<String> {
    let mut used = Vec::new();
    for after in line.split("crate::").skip(1) {
        let list = match after.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or(list),
            None => after
                .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
                .next()
                .unwrap_or(""),
        };
        used.extend(
            list.split(',')
                .filter_map(|item| words(item).next().map(str::to_owned)),
        );
    }
    used
}

fn report(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

#[test]
fn modules_are_read_from_use_lines() {
    for (line, expected) in [
        ("use crate::model::event::Event;", &["model"][..]),
        ("use crate::{limits, store::Store};", &["limits", "store"]),
        ("let a = crate::http::x(crate::cli::y);", &["http", "cli"]),
        ("use super::x;", &[]),
    ] {
        assert_eq!(used_modules(line), expected, "{line}");
    }
}

#[test]
fn arrows_point_one_way() {
    let mut wrong = Vec::new();
    for source in rust() {
        let module = source.module().to_owned();
        if matches!(module.as_str(), "lib" | "main") {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!(
                "{}: the module has no place in ARROWS",
                source.path
            ));
            continue;
        };
        let starts = STARTS_THE_SERVER
            .iter()
            .any(|start| source.path.starts_with(start));
        for (line, code) in source.code() {
            for used in used_modules(code) {
                let module_like = ARROWS.iter().any(|(name, _)| *name == used);
                let fine = used == module
                    || allowed.contains(&used.as_str())
                    || (used == "http" && starts);
                if module_like && !fine {
                    wrong.push(format!("{}:{line}: {module} uses {used}", source.path));
                }
            }
        }
    }
    report("arrows that point the wrong way", &wrong);
}

/// A chain of `super` must not climb out of a top-level module: what it finds there has no arrow.
#[test]
fn no_path_climbs_out_of_its_module() {
    let mut wrong = Vec::new();
    for source in rust() {
        let depth = source.path.matches('/').count();
        for (line, code) in source.code() {
            let climbs = code
                .match_indices("super::super")
                .map(|(at, _)| {
                    code[at..]
                        .split("::")
                        .take_while(|part| *part == "super")
                        .count()
                })
                .max()
                .unwrap_or(0);
            if climbs > depth {
                wrong.push(format!("{}:{line}", source.path));
            }
        }
    }
    report("paths that climb out of their module", &wrong);
}

#[test]
fn only_the_storage_engine_knows_the_sql_crates() {
    let mut wrong = Vec::new();
    for source in rust() {
        if source.path.starts_with(SQL_HOME) {
            continue;
        }
        for (line, code) in source.code() {
            if let Some(name) = words(code).find(|word| SQL_CRATES.contains(word)) {
                wrong.push(format!("{}:{line}: {name}", source.path));
            }
        }
    }
    report("SQL crates outside of the storage engine", &wrong);
}

#[test]
fn the_command_line_alone_uses_anyhow() {
    let mut wrong = Vec::new();
    for source in rust() {
        if source.module() == "cli" {
            continue;
        }
        for (line, code) in source.code() {
            if words(code).any(|word| word == "anyhow") {
                wrong.push(format!("{}:{line}", source.path));
            }
        }
    }
    report("layers have typed errors, anyhow is for commands", &wrong);
}

/// A file that no `mod` line names is never compiled.
#[test]
fn every_source_file_belongs_to_a_module() {
    let sources = rust();
    let mut wrong = Vec::new();
    let mut all = sources;
    all.extend(files("tests/it", &["rs"]));
    for source in &all {
        let path = Path::new(&source.path);
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if matches!(stem, "lib" | "main") {
            continue;
        }
        let dir = path.parent().unwrap();
        let (name, parent) = match stem {
            "mod" => (
                dir.file_name().unwrap().to_str().unwrap(),
                dir.parent().unwrap(),
            ),
            stem => (stem, dir),
        };
        let here = [
            parent.join("mod.rs"),
            parent.join("lib.rs"),
            parent.join("main.rs"),
            parent.with_extension("rs"),
        ];
        let line = format!("mod {name};");
        let named = all.iter().any(|other| {
            here.iter()
                .any(|path| path.to_str() == Some(other.path.as_str()))
                && other
                    .text
                    .lines()
                    .any(|text| text.trim_end().ends_with(&line))
        });
        if !named {
            wrong.push(source.path.clone());
        }
    }
    report("files without a mod line", &wrong);
}
