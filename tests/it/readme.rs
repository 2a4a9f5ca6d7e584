//! The README's examples: every `console` block is run, and its output compared.

use std::path::Path;
use std::process::Command;

use super::docs::{read, top};

/// A command of an example and what the README says it prints.
struct Example {
    command: String,
    output: String,
}

/// The examples of all `console` blocks: a line `$ COMMAND`, then what it prints.
fn examples(markdown: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut inside = false;
    for line in markdown.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let (true, Some(command)) = (inside, line.strip_prefix("$ ")) {
            examples.push(Example {
                command: command.to_owned(),
                output: String::new(),
            });
        } else if inside {
            let example = examples.last_mut().expect("a block begins with a command");
            example.output.push_str(line);
            example.output.push('\n');
        }
    }
    examples
}

/// Runs a command as a reader would, in `dir`; what stdout and stderr say.
fn run(command: &str, dir: &Path, env: &[(String, String)]) -> String {
    let bin = Path::new(env!("CARGO_BIN_EXE_auditql")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", &format!("{{ {command}\n}} 2>&1")])
        .current_dir(dir)
        .env_remove("AUDITQL_DATA")
        .env_remove("AUDITQL_SERVER")
        .env("PATH", path)
        .envs(env.iter().cloned())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn examples_print_what_the_readme_says() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(top().join("tests"), dir.path().join("tests")).unwrap();
    let mut env = Vec::new();
    let mut ran = 0;
    for Example { command, output } in examples(&read("README.md")) {
        if let Some((name, value)) = command
            .strip_prefix("export ")
            .and_then(|s| s.split_once('='))
        {
            env.push((name.to_owned(), value.to_owned()));
            continue;
        }
        assert_eq!(run(&command, dir.path(), &env), output, "$ {command}");
        ran += 1;
    }
    assert!(ran >= 4, "the README has {ran} examples");
}

#[test]
fn the_ci_runs_the_readmes_commands() {
    let readme = read("README.md");
    let block = readme.split("```sh\n").nth(1).unwrap();
    let block = block.split("```").next().unwrap();
    let commands: Vec<_> = block
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .collect();
    let [demo, test] = commands[..] else {
        panic!("the README begins with two commands, not {commands:?}");
    };
    let ci = read(".ci/run");
    let lines: Vec<_> = ci.lines().collect();
    assert!(lines.contains(&&*format!("{demo} --once")), "{demo}");
    assert_eq!(lines.last(), Some(&test));
}
