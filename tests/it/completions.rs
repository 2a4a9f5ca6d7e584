//! Proposals of the shell, asked for as bash and kubectl do.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::both::Both;
use crate::pty::Terminal;
use crate::support::{AUDITQL, Run, cli, command, event, finish, temp_dir};

const ACCOUNT: &str = "system:serviceaccount:kube-system:generic-garbage-collector";

fn store() -> Both {
    let account = event(100).replace("user-1\"", &format!("{ACCOUNT}\""));
    let events: Vec<_> = (0..20).map(event).chain([account]).collect();
    Both::with_events(&events)
}

/// The words that bash makes of a line: it takes them apart at `:` and `=` too.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut breaks = false;
    for letter in line.chars() {
        let is_break = letter == ':' || letter == '=';
        let last = words.last_mut().unwrap();
        if letter == ' ' || ((is_break != breaks) && !last.is_empty()) {
            words.push(String::new());
        }
        if letter != ' ' {
            words.last_mut().unwrap().push(letter);
        }
        breaks = is_break;
    }
    words
}

/// A directory with the program under its name, and a PATH that finds it there.
fn path_with(dir: &Path) -> String {
    let _ = symlink(AUDITQL, dir.join("auditql"));
    format!("{}:{}", dir.display(), std::env::var("PATH").unwrap())
}

/// Whether a shell is there; `AUDITQL_TEST_SHELLS=required` says that each must be.
fn has(shell: &str) -> bool {
    let found = Command::new(shell).arg("--version").output().is_ok();
    let required = std::env::var_os("AUDITQL_TEST_SHELLS").is_some_and(|value| value == "required");
    assert!(found || !required, "{shell} is not installed");
    found
}

/// What bash proposes at the end of a line.
fn bash(line: &str, data: &Path, config: &Path) -> Vec<String> {
    let dir = temp_dir();
    let script = "source <(auditql completions bash)\n\
                  COMP_LINE=$1; COMP_POINT=${#1}; shift\n\
                  COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1))\n\
                  COMP_WORDBREAKS=$' \\t\\n\"\\'><=;|&(:'\n\
                  _auditql auditql\n\
                  [[ ${#COMPREPLY[@]} == 0 ]] || printf '%s\\n' \"${COMPREPLY[@]}\"";
    // As the program is started elsewhere in the tests, but by bash.
    let mut start = command::<&str>(&[]);
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", script, "bash", line])
        .args(words(line));
    for (name, value) in start.env_remove("NO_COLOR").get_envs() {
        match value {
            Some(value) => bash.env(name, value),
            None => bash.env_remove(name),
        };
    }
    bash.env("PATH", path_with(dir.path()))
        .env("AUDITQL_DATA", data)
        .env("AUDITQL_CONFIG", config);
    let run = finish(&mut bash, b"").expect(0);
    assert_eq!(run.stderr, "", "{line}");
    run.text().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_flags_and_values() {
    if !has("bash") {
        return;
    }
    let both = store();
    let dir = temp_dir();
    let config = dir.path().join("config.toml");
    fs::write(
        &config,
        "[profiles.prod]\nserver = 's'\n[profiles.lab]\ndata = '/l'",
    )
    .unwrap();
    let server = both.server.url();
    let by_server = format!("auditql query --data /none --server {server} --user user-1");
    for (line, expected) in [
        ("auditql que", &["query"][..]),
        ("auditql query --imp", &[]),
        ("auditql query --resou", &["--resource"]),
        ("auditql query --namespace ns1", &["ns1"]),
        ("auditql query -n ns1", &["ns1"]),
        (
            "auditql query --verb get,del",
            &["get,delete", "get,deletecollection"],
        ),
        ("auditql query --verb '!del", &[]),
        ("auditql query --verb=del", &["delete", "deletecollection"]),
        // What stands before the last : is there already.
        (
            "auditql query --user system:s",
            &[&ACCOUNT["system:".len()..]],
        ),
        (
            "auditql query --user=system:serviceaccount:k",
            &["kube-system:generic-garbage-collector"],
        ),
        (
            "auditql query --outcome denied",
            &["denied_authn", "denied_authz"],
        ),
        ("auditql query --columns time,ver", &["time,verb"]),
        ("auditql query --profile ", &["lab", "prod"]),
        ("auditql top impersonated_u", &["impersonated_user"]),
        ("auditql ask who-del", &["who-deleted"]),
        ("auditql ask who-deleted --nam", &["--name", "--namespace"]),
        ("auditql ask who-deleted -n ns1", &["ns1"]),
        (
            "auditql ask all-by-user --columns time,user_a",
            &["time,user_agent"],
        ),
        ("auditql query --data /nonexistent --user u", &[]),
        ("auditql query --profile nothing --user u", &[]),
        (&by_server, &[]),
    ] {
        let mut found = bash(line, both.data(), &config);
        found.sort_unstable();
        let outcomes = line.contains("--outcome");
        if outcomes {
            assert!(
                expected
                    .iter()
                    .any(|one| found.contains(&(*one).to_owned())),
                "{found:?}"
            );
            assert!(
                found.iter().all(|one| one.starts_with("denied")),
                "{found:?}"
            );
        } else {
            assert_eq!(found, expected, "{line}");
        }
    }
    let by_server = format!("auditql query --server {server} --user user-1");
    let mut found = bash(&by_server, Path::new("/nonexistent"), &config);
    found.sort_unstable();
    assert_eq!(found, ["user-1", "user-10"]);
}

#[test]
fn tab_in_bash_puts_a_whole_value_into_the_line() {
    if !has("bash") {
        return;
    }
    let both = store();
    let dir = temp_dir();
    let mut bash = Command::new("bash");
    bash.args(["--norc", "--noprofile", "-i"])
        .env("PATH", path_with(dir.path()))
        .env("HOME", dir.path())
        .env("INPUTRC", "/dev/null")
        .env("HISTFILE", "/dev/null")
        .env("PS1", "prompt> ")
        .env("AUDITQL_CONFIG", "/dev/null")
        .env("AUDITQL_DATA", both.data());
    let mut terminal = Terminal::start(&mut bash, 200);
    terminal.expect("prompt> ");
    terminal.type_in("source <(auditql completions bash)\r");
    terminal.expect("prompt> ");
    terminal.type_in("auditql query --user system:\t --limit 1 -o csv --columns user\r");
    terminal.expect("\ruser\r");
    terminal.expect(ACCOUNT);
    terminal.expect("prompt> ");
    terminal.type_in("exit\r");
    terminal.end();
}

#[test]
fn tab_in_zsh_puts_a_whole_value_into_the_line() {
    if !has("zsh") {
        return;
    }
    let both = store();
    let dir = temp_dir();
    let mut zsh = Command::new("zsh");
    // Without the files of the system and of the account, which may set another PATH.
    zsh.args(["-f", "-d", "-i"])
        .env("PATH", path_with(dir.path()))
        .env("HOME", dir.path())
        .env("AUDITQL_CONFIG", "/dev/null")
        .env("AUDITQL_DATA", both.data());
    let mut terminal = Terminal::start(&mut zsh, 200);
    let path = path_with(dir.path());
    terminal.type_in(&format!(
        "export PATH='{path}'; autoload -U compinit; compinit -u -D; \
         source <(auditql completions zsh); PS1='prompt''> '\r"
    ));
    terminal.expect("prompt> ");
    terminal.type_in("auditql query --user system:\t--limit 1 -o csv --columns user\r");
    terminal.expect("\nuser\r");
    terminal.expect(ACCOUNT);
    terminal.expect("prompt> ");
    terminal.type_in("exit\r");
    terminal.end();
}

#[test]
fn fish_completes_commands_flags_and_values() {
    if !has("fish") {
        return;
    }
    let both = store();
    let dir = temp_dir();
    for (line, expected) in [
        ("auditql que", "query\tList events, newest first\n"),
        ("auditql query --resou", "--resource\t"),
        ("auditql query -n ns1", "ns1\n"),
        (
            "auditql query --verb get,del",
            "get,delete\nget,deletecollection\n",
        ),
        ("auditql query --user system:s", &format!("{ACCOUNT}\n")),
        ("auditql ask who-del", "who-deleted\t"),
        ("auditql query --data /nonexistent --user u", ""),
    ] {
        let mut fish = Command::new("fish");
        fish.args(["--no-config", "-c"])
            .arg("auditql completions fish | source; complete -C $argv[1]")
            .arg(line)
            .env("PATH", path_with(dir.path()))
            .env("HOME", dir.path())
            .env("AUDITQL_CONFIG", "/dev/null")
            .env("AUDITQL_DATA", both.data());
        let run = finish(&mut fish, b"").expect(0);
        assert!(run.text().starts_with(expected), "{line}: {}", run.text());
        let lines = |text: &str| text.lines().count();
        assert_eq!(lines(run.text()), lines(expected), "{line}: {}", run.text());
    }
}

#[test]
fn every_shell_has_its_script() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let run = cli(&["completions", shell]).expect(0);
        assert!(run.text().contains("AUDITQL_COMPLETE"), "{shell}");
        assert!(run.text().contains("auditql"), "{shell}");
    }
    let unknown = cli(&["completions", "tcsh"]).expect(2);
    assert!(
        unknown.stderr.contains("invalid value 'tcsh'"),
        "{}",
        unknown.stderr
    );
}

/// The program under another name.
fn named(name: &str, args: &[&str], data: &Path) -> Run {
    let dir = temp_dir();
    let program = dir.path().join(name);
    symlink(AUDITQL, &program).unwrap();
    let mut command = Command::new(&program);
    command
        .args(args)
        .env_remove("AUDITQL_SERVER")
        .env("AUDITQL_CONFIG", "/dev/null")
        .env("AUDITQL_DATA", data);
    finish(&mut command, b"")
}

#[test]
fn kubectl_has_a_plugin_that_completes() {
    let both = store();
    let plugin = |args: &[&str]| named("kubectl-auditql", args, both.data());
    let help = plugin(&["query", "--help"]).expect(0);
    assert!(
        help.text()
            .contains("Usage: kubectl auditql query [OPTIONS]"),
        "{}",
        help.text()
    );
    let wrong = plugin(&["query", "--verbs", "get"]).expect(2);
    assert!(
        wrong.stderr.contains("Usage: kubectl auditql query"),
        "{}",
        wrong.stderr
    );
    assert!(wrong.stderr.contains("'--verb'"), "{}", wrong.stderr);
    assert!(
        plugin(&["query", "--user", "user-3"])
            .expect(0)
            .text()
            .contains("user-3")
    );

    let complete = |words: &[&str]| named("kubectl_complete-auditql", words, both.data());
    let found = complete(&["que"]).expect(0);
    assert_eq!(found.text(), "query\tList events, newest first\n:4\n");
    let found = complete(&["query", "--user", "system:"]).expect(0);
    assert_eq!(found.text(), format!("{ACCOUNT}\n:4\n"));
    assert_eq!(complete(&["query", "--nothing", ""]).expect(0).stderr, "");
}
