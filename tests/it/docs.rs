//! The documents against the program: nothing missing, nothing that is no more.
//!
//! What is generated is written anew with `AUDITQL_WRITE_DOCS=1 cargo test --test it docs`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use auditql::cli::Cli;
use auditql::model::column::{Column, Kind};
use auditql::model::outcome::Outcome;
use auditql::query;
use auditql::query::library::{GROUPS, Library};
use auditql::query::params::FilterParams;
use auditql::query::schema::TABLES;
use clap::CommandFactory;

use crate::support::{local, sample_path};

/// The top of the repository.
pub(crate) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compares a generated text with what stands in the file, or writes it there.
fn fresh(path: &str, expected: &str) {
    if std::env::var_os("AUDITQL_WRITE_DOCS").is_some() {
        fs::write(top().join(path), expected).unwrap();
        return;
    }
    assert!(
        read(path) == expected,
        "{path} is out of date: write it anew with `AUDITQL_WRITE_DOCS=1 cargo test --test it docs`"
    );
}

/// `text` with what stands between the marks of `name` replaced.
fn with_part(text: &str, name: &str, part: &str) -> String {
    let (begin, end) = (format!("<!-- {name}: generated -->\n"), "<!-- end -->");
    let from = text.find(&begin).unwrap_or_else(|| panic!("no {begin}")) + begin.len();
    let until = from + text[from..].find(end).unwrap_or_else(|| panic!("no {end}"));
    format!("{}{part}{}", &text[..from], &text[until..])
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "integer",
        Kind::Bool => "0 or 1",
        Kind::Time => "time",
        Kind::Text => "text",
        Kind::Json => "JSON text",
        Kind::Bytes => "blob",
    }
}

fn columns_table() -> String {
    let mut table = String::from("| column | type | what |\n|---|---|---|\n");
    for column in Column::ALL {
        let kind = kind_name(column.kind());
        let doc = column.doc().replace('|', "\\|");
        writeln!(table, "| `{}` | {kind} | {doc} |", column.name()).unwrap();
    }
    table
}

fn outcomes_table() -> String {
    let mut table = String::from("| outcome | when |\n|---|---|\n");
    for outcome in Outcome::ALL {
        writeln!(table, "| `{}` | {} |", outcome.as_str(), outcome.doc()).unwrap();
    }
    table
}

#[test]
fn columns_and_outcomes_are_documented() {
    let path = "docs/SQL.md";
    let text = with_part(&read(path), "events", &columns_table());
    fresh(path, &with_part(&text, "outcomes", &outcomes_table()));
}

/// The sections of every table but `events`.
fn tables() -> String {
    let mut text = String::new();
    for table in TABLES.iter().filter(|table| table.name != "events") {
        write!(text, "\n### `{}`\n\n{}\n\n", table.name, wrapped(table.doc)).unwrap();
        text.push_str("| column | type | what |\n|---|---|---|\n");
        for column in table.columns() {
            let kind = kind_name(column.kind);
            let doc = column.doc.replace('|', "\\|");
            let row = format!("| `{}` | {kind} | {doc}", column.name);
            writeln!(text, "{} |", row.trim_end()).unwrap();
        }
        if !table.note.is_empty() {
            write!(text, "\n{}\n", wrapped(table.note)).unwrap();
        }
    }
    text.push('\n');
    text
}

/// Lines of at most 100 letters.
fn wrapped(text: &str) -> String {
    let mut wrapped = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        if width > 0 && width + 1 + word.len() > 100 {
            wrapped.push('\n');
            width = 0;
        } else if width > 0 {
            wrapped.push(' ');
            width += 1;
        }
        wrapped.push_str(word);
        width += word.len();
    }
    wrapped
}

#[test]
fn every_table_is_documented_as_a_statement_sees_it() {
    let path = "docs/SQL.md";
    fresh(path, &with_part(&read(path), "tables", &tables()));
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("store");
    local(&data, "import", &[sample_path().to_str().unwrap()]).expect(0);
    for table in TABLES {
        let asked = format!("select name, type from pragma_table_info('{}')", table.name);
        let run = local(&data, "sql", &[&asked, "-o", "csv"]).expect(0);
        let seen: Vec<_> = run.text().lines().skip(1).collect();
        let told: Vec<_> = table
            .columns()
            .iter()
            .map(|column| {
                let kind = match column.kind {
                    Kind::Int => "INTEGER",
                    Kind::Bool => "BOOLEAN INTEGER",
                    Kind::Time => "TIME TEXT",
                    Kind::Text => "TEXT",
                    Kind::Json => "JSON TEXT",
                    Kind::Bytes => "BLOB",
                };
                let name = column.name;
                format!("{name},{kind}")
            })
            .collect();
        assert_eq!(told, seen, "{}", table.name);
    }
}

#[test]
fn every_endpoint_is_documented() {
    let described = auditql::http::openapi();
    let mut routes: BTreeSet<String> = BTreeSet::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            routes.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    assert!(routes.len() > 10, "{routes:?}");
    let text = read("docs/API.md");
    let documented: BTreeSet<String> = text
        .split('`')
        .filter(|code| code.starts_with("GET /") || code.starts_with("POST /"))
        .map(str::to_owned)
        .collect();
    assert_eq!(documented, routes);
}

#[test]
fn every_parameter_of_the_api_is_documented() {
    let text = read("docs/API.md");
    let described = auditql::http::openapi();
    let mut names: BTreeSet<String> = BTreeSet::new();
    for (_, name) in parameters(&described) {
        names.insert(name);
    }
    for filter in FilterParams::NAMES {
        assert!(names.contains(*filter), "the description lacks {filter}");
    }
    for name in names {
        assert!(
            text.contains(&format!("`{name}`")),
            "docs/API.md lacks `{name}`"
        );
    }
}

/// Path and name of every parameter that is described.
fn parameters(described: &serde_json::Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        for operation in methods.as_object().unwrap().values() {
            for parameter in operation["parameters"].as_array().unwrap() {
                if parameter["in"] != "path" && parameter["name"] != "parameters" {
                    let name = parameter["name"].as_str().unwrap().to_owned();
                    found.push((path.clone(), name));
                }
            }
        }
    }
    found
}

#[test]
fn the_description_of_the_api_is_the_one_that_is_served() {
    let described = auditql::http::openapi();
    let text = serde_json::to_string_pretty(&described).unwrap() + "\n";
    fresh("docs/openapi.json", &text);
    let dir = crate::support::temp_dir();
    let server = crate::support::Server::start(dir.path(), &[]);
    let served = server.get("/api/v1/openapi.json").expect(200).json();
    assert_eq!(served, described);
    // What is described is there: no path answers 404 for want of a route, and every parameter
    // is known to its handler.
    for path in described["paths"].as_object().unwrap().keys() {
        let known = path.replace("{field}", "user").replace("{id}", "1");
        let answer = server.post(&format!("{known}?x=1"), "");
        assert!(!answer.text().contains("nothing at"), "{path}");
    }
    for (path, name) in parameters(&described) {
        let known = path
            .replace("reports/{name}", "reports/pci-dss")
            .replace("{field}", "user")
            .replace("{name}", "who-deleted");
        if name != "Last-Event-ID" && !known.ends_with("/stream") {
            let answer = server.get(&format!("{known}?{name}="));
            assert!(
                !answer.text().contains("unknown parameter"),
                "{path} {name}"
            );
        }
    }
}

/// The program with every text the same wherever it is shown.
fn program() -> clap::Command {
    fn settle(command: clap::Command) -> clap::Command {
        command
            .term_width(100)
            .mut_args(|argument| argument.hide_env_values(true))
            .mut_subcommands(settle)
    }
    let mut program = settle(Cli::command());
    program.build();
    program
}

fn write_help(command: &mut clap::Command, path: &str, out: &mut String) {
    let help = command.render_long_help().to_string();
    let help: Vec<_> = help.lines().map(str::trim_end).collect();
    write!(
        out,
        "\n## {path}\n\n```text\n{}\n```\n",
        help.join("\n").trim_end()
    )
    .unwrap();
    // Questions and reports are listed there; they have help of their own.
    if matches!(command.get_name(), "ask" | "report") {
        return;
    }
    for inner in command.get_subcommands_mut() {
        if inner.get_name() != "help" && !inner.is_hide_set() {
            write_help(
                inner,
                &format!("{path} {}", inner.get_name().to_owned()),
                out,
            );
        }
    }
}

#[test]
fn the_help_of_every_command_is_documented() {
    let mut text = String::from(
        "# Command line\n\nGenerated: what `auditql COMMAND --help` says. \
         Exit codes: 0 found, 1 nothing found, 2 error.\n",
    );
    write_help(&mut program(), "auditql", &mut text);
    fresh("docs/CLI.md", &text);
}

#[test]
fn every_question_of_the_library_is_documented() {
    let mut text = String::from(
        "# Questions\n\nGenerated from `queries/`; [OWN_QUESTIONS.md](OWN_QUESTIONS.md) says how to add your own. Ask with `auditql ask NAME` or \
         `GET /api/v1/queries/NAME`; parameters marked LIST take the words of a filter, those marked NAMES such as leave nothing out.\n",
    );
    for (group, title) in GROUPS {
        writeln!(text, "\n## {title}").unwrap();
        let questions = Library::shipped().questions().iter();
        for question in questions.filter(|question| question.group == group) {
            write!(
                text,
                "\n### {}\n\n**{}.** {}\n\nCannot see: {}\n\nNeeds audit level {} or more.",
                question.name,
                question.title,
                question.answers,
                question.cannot_see,
                question.level
            )
            .unwrap();
            if !question.one_of.is_empty() {
                let names = question.one_of.iter().map(|name| format!("`{name}`"));
                let names: Vec<String> = names.collect();
                write!(text, " Needs one of {}.", names.join(", ")).unwrap();
            }
            if !question.tags.is_empty() {
                write!(text, " Tags: {}.", question.tags.join(", ")).unwrap();
            }
            text.push_str("\n\n| parameter | takes | what |\n|---|---|---|\n");
            for param in &question.params {
                let takes = match param.kind {
                    query::library::Kind::Words => "LIST".to_owned(),
                    other => format!("{other:?}").to_uppercase(),
                };
                let mut help = param.help.replace('|', "\\|");
                if let Some(default) = &param.default {
                    write!(help, "; default {default}").unwrap();
                }
                if param.required {
                    help.push_str("; required");
                }
                writeln!(text, "| `{}` | {takes} | {help} |", param.name).unwrap();
            }
            text.push_str("\n| column | what |\n|---|---|\n");
            for column in &question.columns {
                writeln!(
                    text,
                    "| `{}` | {} |",
                    column.name,
                    column.doc.replace('|', "\\|")
                )
                .unwrap();
            }
        }
    }
    fresh("docs/QUERIES.md", &text);
}

#[test]
fn the_readme_lists_every_flag_of_serve() {
    let readme = read("README.md");
    let program = program();
    let serve = program.find_subcommand("serve").unwrap();
    for flag in serve.get_arguments().filter_map(clap::Arg::get_long) {
        if flag != "help" {
            assert!(
                readme.contains(&format!("| `--{flag}`")),
                "the README lacks --{flag}"
            );
        }
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = Vec::new();
    let mut documents: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
        .map(|name| top().join(name))
        .to_vec();
    let docs = fs::read_dir(top().join("docs")).unwrap();
    documents.extend(docs.map(|entry| entry.unwrap().path()));
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if link.contains("://") {
                continue;
            }
            let target = match file {
                "" => document.clone(),
                _ => document.parent().unwrap().join(file),
            };
            let found = fs::read_to_string(&target).is_ok_and(|text| {
                anchor.is_empty() || text.lines().any(|line| anchor_of(line) == anchor)
            });
            if !found {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// What a heading is linked as.
fn anchor_of(heading: &str) -> String {
    if !heading.starts_with('#') {
        return String::new();
    }
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}
