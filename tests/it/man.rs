//! Manual pages.

use std::collections::BTreeSet;
use std::fs;

use auditql::cli::Cli;
use clap::CommandFactory;

use crate::support::{cli, temp_dir};

/// The pages of a command and those below it.
fn pages(command: &clap::Command, name: &str, pages: &mut BTreeSet<String>) {
    pages.insert(format!("{name}.1"));
    for inner in command.get_subcommands() {
        if inner.get_name() != "help" && !inner.is_hide_set() {
            self::pages(inner, &format!("{name}-{}", inner.get_name()), pages);
        }
    }
}

#[test]
fn every_command_and_question_has_a_page() {
    let dir = temp_dir();
    let out = dir.path().join("share/man1");
    cli(&["man", "--out", out.to_str().unwrap()]).expect(0);
    let written: BTreeSet<String> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut program = Cli::command();
    program.build();
    let mut expected = BTreeSet::new();
    pages(&program, "auditql", &mut expected);
    assert_eq!(written, expected);
    assert!(written.contains("auditql-ask-who-deleted.1"), "{written:?}");
    let page = fs::read_to_string(out.join("auditql-query.1")).unwrap();
    assert!(page.contains(".TH auditql-query 1"), "{page}");
    assert!(page.contains("\\-\\-source\\-ip"), "{page}");
}
