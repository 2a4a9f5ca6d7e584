//! What the kernel is asked for: every acknowledgement comes after a sync of the log.

use std::collections::HashMap;
use std::path::Path;

use crate::support::{self, Server};

const SENDS: [&str; 4] = ["write", "writev", "sendto", "sendmsg"];

/// A system call as strace wrote it, complete: `name(arguments) = result`.
struct Call<'a> {
    name: &'a str,
    text: String,
}

/// The calls of a trace in the order of their completion, those that send in the order of their
/// beginning. One that another thread interrupted is put together again.
fn calls(trace: &str) -> Vec<Call<'_>> {
    let mut unfinished: HashMap<&str, &str> = HashMap::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else {
            continue;
        };
        let call = call.trim_start();
        if let Some(begun) = call.strip_suffix(" <unfinished ...>") {
            let name = begun.split('(').next().unwrap_or("");
            if SENDS.contains(&name) {
                calls.push(Call {
                    name,
                    text: begun.to_owned(),
                });
            } else {
                unfinished.insert(thread, begun);
            }
        } else if let Some(rest) = call.strip_prefix("<... ") {
            let (Some(begun), Some((_, end))) =
                (unfinished.remove(thread), rest.split_once(" resumed>"))
            else {
                continue;
            };
            let name = begun.split('(').next().unwrap_or("");
            calls.push(Call {
                name,
                text: format!("{begun}{end}"),
            });
        } else if let Some((name, _)) = call.split_once('(') {
            calls.push(Call {
                name,
                text: call.to_owned(),
            });
        }
    }
    calls
}

fn file_of(call: &Call<'_>) -> String {
    let start = call.text.find('<').map_or(0, |at| at + 1);
    let end = call.text[start..].find('>').map_or(start, |at| start + at);
    call.text[start..end].to_owned()
}

fn result_of(call: &Call<'_>) -> i64 {
    let result = call.text.rsplit_once(" = ").map_or("-1", |(_, end)| end);
    result.split(' ').next().unwrap_or("").parse().unwrap_or(-1)
}

/// For every answer 200 to a POST: after the last byte of its body arrived, the log of the active
/// segment was written and then synced, before the answer was sent. Returns how many were seen.
fn check(trace: &str) -> usize {
    #[derive(Default, Clone, Copy)]
    struct Since {
        written: bool,
        synced: bool,
    }
    let mut open: HashMap<String, Since> = HashMap::new();
    let mut seen = 0;
    for call in calls(trace) {
        let file = file_of(&call);
        let is_log = file.ends_with(".db-wal") && file.contains("/active-");
        match call.name {
            "recvfrom" | "read" if file.starts_with("socket:") && result_of(&call) > 0 => {
                open.insert(file, Since::default());
            }
            "pwrite64" if is_log => open.values_mut().for_each(|since| since.written = true),
            "fdatasync" | "fsync" if is_log && result_of(&call) == 0 => open
                .values_mut()
                .for_each(|since| since.synced |= since.written),
            name if SENDS.contains(&name) && call.text.contains("HTTP/1.1 200") => {
                let since = open.get(&file).copied().unwrap_or_default();
                assert!(since.synced, "acknowledged without a sync: {}", call.text);
                seen += 1;
            }
            _ => {}
        }
    }
    seen
}

fn traced(data: &Path, trace: &Path, args: &[&str]) -> Server {
    let wrapper = [
        "strace",
        "-D",
        "-f",
        "-y",
        "-s",
        "24",
        "-o",
        trace.to_str().unwrap(),
        "-e",
        "trace=recvfrom,read,write,writev,sendto,sendmsg,pwrite64,fsync,fdatasync",
    ];
    match Server::try_start_under(&wrapper, data, args) {
        Ok(server) => server,
        Err((status, log)) => panic!("{status}: {log}"),
    }
}

#[test]
fn every_200_follows_a_sync_of_the_log() {
    if !support::strace_works("every_200_follows_a_sync_of_the_log") {
        return;
    }
    let dir = support::temp_dir();
    let trace = dir.path().join("trace");
    let server = traced(
        &dir.path().join("data"),
        &trace,
        &["--segment-events", "100"],
    );
    std::thread::scope(|scope| {
        for connection in 0..4 {
            let mut client = server.connect();
            scope.spawn(move || {
                for batch in 0..12u64 {
                    let first = connection * 1000 + batch * 10;
                    let events: Vec<String> = (first..first + 10).map(support::event).collect();
                    let body = support::event_list(&events);
                    let answer = client.post("/webhook", body.as_bytes()).unwrap();
                    assert_eq!(answer.status, 200, "{}", answer.text());
                }
                // A duplicate and what goes to quarantine are promises as well.
                let events: Vec<String> = (0..3).map(support::event).collect();
                let body = support::event_list(&events);
                assert_eq!(
                    client.post("/webhook", body.as_bytes()).unwrap().status,
                    200
                );
                let broken = format!("broken {connection}");
                assert_eq!(
                    client.post("/webhook", broken.as_bytes()).unwrap().status,
                    200
                );
            });
        }
    });
    assert!(server.stop().success());
    let mut text = String::new();
    support::wait_until("the trace is complete", || {
        text = String::from_utf8_lossy(&std::fs::read(&trace).unwrap()).into_owned();
        text.contains("+++ exited with 0 +++")
            && !text.lines().last().unwrap_or("").contains("unfinished")
    });
    assert_eq!(check(&text), 4 * 14);
}

#[test]
#[should_panic(expected = "acknowledged without a sync")]
fn an_answer_before_the_sync_is_noticed() {
    check(
        "7 recvfrom(5<socket:[1]>, \"POST\", 9) = 9\n\
         8 pwrite64(6</d/active-00000001.db-wal>, \"\", 1, 0) = 1\n\
         8 fsync(6</d/active-00000001.db-wal> <unfinished ...>\n\
         7 writev(5<socket:[1]>, [\"HTTP/1.1 200 OK\"], 2) = 9\n\
         8 <... fsync resumed>) = 0\n",
    );
}
