//! The config file and the environment, as commands find their store by them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use crate::both::Both;
use crate::support::{Run, command, event, finish, temp_dir};

fn file(dir: &Path, mode: u32, text: &str) -> PathBuf {
    let path = dir.join("config.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

fn with(config: &Path, args: &[&str]) -> Command {
    let mut command = command(args);
    command.env("AUDITQL_CONFIG", config);
    command
}

fn run(config: &Path, args: &[&str]) -> Run {
    finish(&mut with(config, args), b"")
}

#[test]
fn profiles_name_a_directory_or_a_server() {
    let both = Both::with_events(&[event(0), event(1)]);
    let dir = temp_dir();
    let text = format!(
        "profile = 'here'\n[profiles.here]\ndata = '{}'\n[profiles.there]\nserver = '{}'\ntoken = 'hush'\n",
        both.data().display(),
        both.server.url()
    );
    let config = file(dir.path(), 0o600, &text);
    let count = ["sql", "select count(*) as n from events", "-o", "csv"];
    for profile in [&[][..], &["--profile", "here"], &["--profile", "there"]] {
        let run = run(&config, &[&count[..], profile].concat()).expect(0);
        assert_eq!(run.text(), "n\r\n2\r\n");
        assert_eq!(run.stderr, "");
    }
    // By its usual place, chosen by the environment.
    let home = temp_dir();
    fs::create_dir(home.path().join("auditql")).unwrap();
    fs::copy(&config, home.path().join("auditql/config.toml")).unwrap();
    let mut command = command(&count);
    command
        .env_remove("AUDITQL_CONFIG")
        .env("XDG_CONFIG_HOME", home.path())
        .env("AUDITQL_PROFILE", "there");
    let run = finish(&mut command, b"").expect(0);
    assert_eq!(run.text(), "n\r\n2\r\n");
}

#[test]
fn what_is_wrong_in_a_config_file_is_told_by_its_line() {
    let dir = temp_dir();
    let config = file(dir.path(), 0o600, "[profiles.a]\nservr = 'x'\n");
    let failed = run(&config, &["stats"]).expect(2);
    let told = format!(
        "error: {}:2: unknown field `servr`, expected one of `data`, `server`, `token`\n",
        config.display()
    );
    assert_eq!(failed.stderr, told);
    // A flag needs no file.
    let other = run(&config, &["stats", "--data", "/nonexistent"]).expect(2);
    assert!(!other.stderr.contains("servr"), "{}", other.stderr);

    let config = file(
        dir.path(),
        0o600,
        "[profiles.prod]\ndata = '/nonexistent'\n",
    );
    let failed = run(&config, &["stats", "--profile", "prd"]).expect(2);
    assert_eq!(
        failed.stderr,
        "error: --profile: unknown profile \"prd\"; did you mean prod?\n"
    );
    let missing = run(&dir.path().join("none.toml"), &["stats"]).expect(2);
    assert!(missing.stderr.contains("none.toml"), "{}", missing.stderr);
}

/// A server that refuses everything; gives the header lines of what it was asked.
fn refuses(listener: TcpListener, requests: usize) -> thread::JoinHandle<Vec<String>> {
    thread::spawn(move || {
        let mut headers = Vec::new();
        for _ in 0..requests {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                headers.push(std::mem::take(&mut line).trim_end().to_owned());
            }
            let answer =
                "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
        }
        headers
    })
}

#[test]
fn the_token_goes_to_its_server_and_nowhere_else() {
    let dir = temp_dir();
    let events = dir.path().join("events.jsonl");
    fs::write(&events, event(0)).unwrap();
    let commands: [&[&str]; 4] = [
        &["stats"],
        &["query"],
        &["sql", "select 1"],
        &["import", events.to_str().unwrap()],
    ];
    for args in commands {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = refuses(listener, 3);
        let text = format!("[profiles.p]\nserver = '{url}'\ntoken = 'hush'\n");
        let config = file(dir.path(), 0o644, &text);
        let by_profile = run(&config, &[args, &["--profile", "p"]].concat()).expect(2);
        let shown = config.display();
        let warning = format!("warning: others can read the token in {shown}; chmod 600 {shown}\n");
        assert!(
            by_profile.stderr.starts_with(&warning),
            "{}",
            by_profile.stderr
        );
        let by_flag = run(&config, &[args, &["--server", &url]].concat()).expect(2);
        let mut by_environment = with(&config, args);
        by_environment
            .env("AUDITQL_PROFILE", "p")
            .env("AUDITQL_TOKEN", "quiet");
        let by_environment = finish(&mut by_environment, b"").expect(2);
        for run in [by_profile, by_flag, by_environment] {
            let told = run.stderr + std::str::from_utf8(&run.stdout).unwrap();
            assert!(told.contains("401"), "{told}");
            assert!(!told.contains("hush") && !told.contains("quiet"), "{told}");
        }
        let headers = server.join().unwrap();
        let sent: Vec<&str> = headers
            .iter()
            .filter_map(|line| line.strip_prefix("authorization: "))
            .collect();
        assert_eq!(
            sent,
            ["Bearer hush", "Bearer quiet"],
            "{args:?}: {headers:?}"
        );
    }
}
