//! The README's and the API's examples: every `console` block is run, and its output compared.

use std::path::Path;
use std::process::Command;

use super::docs::{read, top};
use crate::both::{Both, recorded};

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
        .env_remove("AUDITQL_PROFILE")
        .env_remove("AUDITQL_TOKEN")
        .env("AUDITQL_CONFIG", "/dev/null")
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

/// `text` with the word that follows a mark which differs from run to run taken out.
fn settled(text: &str) -> String {
    let mut settled = text.trim_end().replace("\r\n", "\n");
    for mark in ["\"elapsed_us\":", "\"request_id\":\"", "\"next\":\""] {
        let parts: Vec<_> = settled.split(mark).collect();
        let rest = |part: &str| {
            part.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "-_".contains(c))
                .to_owned()
        };
        let rests = parts[1..].iter().map(|part| rest(part));
        settled = std::iter::once(parts[0].to_owned())
            .chain(rests)
            .collect::<Vec<_>>()
            .join(mark);
    }
    settled
}

/// The argument of an example's `curl` in quotes behind `flag`.
fn quoted<'a>(command: &'a str, flag: &str) -> Option<&'a str> {
    command
        .split_once(flag)?
        .1
        .split_once('\'')
        .map(|(text, _)| text)
}

#[test]
fn examples_answer_what_the_api_document_says() {
    let both = Both::imported(&[&recorded("sample.jsonl")]);
    let mut ran = 0;
    // What takes events comes first in the document, and would change the answers after it.
    let (taking, asking): (Vec<_>, Vec<_>) = examples(&read("docs/API.md"))
        .into_iter()
        .partition(|example| example.command.contains("/webhook"));
    for Example { command, output } in asking.into_iter().chain(taking) {
        let path = quoted(&command, "'127.0.0.1:9770").expect(&command);
        let body = quoted(&command, " -d '");
        let answer = match body {
            None if !command.contains("-X POST") => both.server.get(path),
            _ => both.server.post(path, body.unwrap_or_default()),
        };
        assert_eq!(settled(&answer.text()), settled(&output), "$ {command}");
        ran += 1;
    }
    assert!(ran >= 9, "docs/API.md has {ran} examples");
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
