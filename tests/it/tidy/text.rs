//! What may stand in a file, and how long it may be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::{everything, files, report, rust, top, words};

/// No file is longer.
const LINES_MAX: usize = 700;

/// What a source file should stay within, so that it has one idea; and those that do not, with what
/// they may have at most. An entry goes down when its file does, and out when the file is short.
const LINES_WANTED: usize = 400;
const LONGER: &[(&str, usize)] = &[
    ("src/intake/split.rs", 700),
    ("src/intake/split/tests.rs", 620),
    ("src/model/json.rs", 460),
    ("src/model/normalise/fields.rs", 500),
    ("src/model/normalise/tests.rs", 600),
    ("src/model/outcome/tests.rs", 460),
    ("src/store/sqlite/cursor.rs", 460),
    ("src/store/sqlite/sealed.rs", 600),
    ("src/store/sqlite/sql/escape_tests.rs", 560),
    ("src/store/sqlite/sql/requests.rs", 480),
    ("src/store/sqlite/sql/tests.rs", 640),
];

#[test]
fn files_are_short() {
    let mut wrong = Vec::new();
    let allowed: BTreeMap<&str, usize> = LONGER.iter().copied().collect();
    let sources = rust();
    for source in &sources {
        let lines = source.text.lines().count();
        let most = allowed.get(source.path.as_str()).copied();
        if lines > LINES_MAX.max(most.unwrap_or(0)) {
            wrong.push(format!(
                "{} has {lines} lines, more than {LINES_MAX}",
                source.path
            ));
        } else if lines > most.unwrap_or(LINES_WANTED) {
            wrong.push(format!(
                "{} has {lines} lines, more than {}",
                source.path,
                most.unwrap_or(LINES_WANTED)
            ));
        } else if most.is_some() && lines <= LINES_WANTED {
            wrong.push(format!(
                "{} is short now; take it out of LONGER",
                source.path
            ));
        }
    }
    for source in files("tests/it", &["rs"]) {
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!(
                "{} has {lines} lines, more than {LINES_MAX}",
                source.path
            ));
        }
    }
    for path in allowed.keys() {
        if !sources.iter().any(|source| source.path == *path) {
            wrong.push(format!("{path} is gone; take it out of LONGER"));
        }
    }
    report("file sizes", &wrong);
}

#[test]
fn nothing_is_left_unfinished() {
    // In pieces, so that this file does not find itself.
    let macros = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!"));
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["HA", "CK"]].map(|mark| mark.concat());
    let mut wrong = Vec::new();
    for source in everything() {
        for (at, line) in source.text.lines().enumerate() {
            let unfinished = macros.iter().any(|name| line.contains(name.as_str()))
                || words(line).any(|word| marks.iter().any(|mark| mark == word));
            if unfinished {
                wrong.push(format!("{}:{}: {}", source.path, at + 1, line.trim()));
            }
        }
    }
    report("unfinished", &wrong);
}

#[test]
fn no_tabs_and_no_trailing_spaces() {
    let mut wrong = Vec::new();
    for source in everything() {
        for (at, line) in source.text.lines().enumerate() {
            // Two spaces at the end break a line in a document.
            let trailing = line.ends_with(' ') && !source.path.ends_with(".md");
            if line.contains('\t') || line.ends_with('\r') || trailing {
                wrong.push(format!("{}:{}", source.path, at + 1));
            }
        }
        if !source.text.is_empty() && !source.text.ends_with('\n') {
            wrong.push(format!("{}: no newline at the end", source.path));
        }
    }
    report("whitespace", &wrong);
}

#[test]
fn sql_files_are_lower_case() {
    let mut sources = files("migrations", &["sql"]);
    assert!(!sources.is_empty());
    sources.extend(files("queries", &["sql"]));
    let mut wrong = Vec::new();
    for source in sources {
        let mut quoted = false;
        // A question's header is prose.
        let header = match source.text.starts_with("/*") {
            true => source.text.lines().take_while(|line| *line != "*/").count(),
            false => 0,
        };
        for (at, line) in source.text.lines().enumerate().skip(header) {
            let code = line.split("--").next().unwrap_or("");
            let mut upper = false;
            for letter in code.chars() {
                quoted ^= letter == '\'';
                upper |= letter.is_ascii_uppercase() && !quoted;
            }
            if upper {
                wrong.push(format!("{}:{}: {line}", source.path, at + 1));
            }
        }
    }
    report("SQL is written in lower case", &wrong);
}

#[test]
fn no_machine_and_no_mirror_is_named() {
    // In pieces, so that this file does not find itself.
    let places = [
        ["/wo", "rk/"],
        ["/ho", "me/"],
        ["/ro", "ot/"],
        ["/Us", "ers/"],
        ["crates", ".io"],
        ["docker", ".io"],
        ["registry", ".k8s"],
        ["gcr", ".io"],
        ["ghcr", ".io"],
        ["pypi", ".org"],
        ["proxy.golang", ".org"],
    ]
    .map(|place| place.concat());
    let mut wrong = Vec::new();
    let mut sources = everything();
    sources.extend(files("tests/data", &["md"]));
    for source in sources {
        for (at, line) in source.text.lines().enumerate() {
            if let Some(place) = places.iter().find(|place| line.contains(place.as_str())) {
                wrong.push(format!("{}:{}: {place}", source.path, at + 1));
            }
        }
    }
    report("names of machines", &wrong);
}

#[test]
fn every_limit_is_in_force() {
    let limits = fs::read_to_string(top().join("src/limits.rs")).unwrap();
    let mut names: BTreeSet<String> = limits
        .lines()
        .filter_map(|line| line.strip_prefix("pub const "))
        .filter_map(|rest| rest.split(':').next())
        .map(str::to_owned)
        .collect();
    assert!(names.len() > 20);
    for source in rust() {
        if source.module() == "limits" {
            continue;
        }
        for (_, code) in source.code() {
            for word in words(code) {
                names.remove(word);
            }
        }
    }
    let unused: Vec<String> = names.into_iter().collect();
    report("limits that nothing uses", &unused);
}
