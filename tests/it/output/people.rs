//! What is for people alone: terminals, hints after an empty answer, zones.

use std::io::Read;
use std::process::Stdio;

use crate::both::Both;
use crate::pty;
use crate::support::{command, event_at, local};

const SERVICE_ACCOUNT: &str = "system:serviceaccount:kube-system:generic-garbage-collector";

/// An event of this user and stage.
fn of(n: u64, user: &str, stage: &str) -> String {
    event_at(n, &format!("2026-11-20T12:00:{n:02}Z"))
        .replace(&format!("\"user-{}\"", n % 11), &format!("\"{user}\""))
        .replace("ResponseComplete", stage)
}

/// What a command writes to a terminal this wide, stdout and stderr together.
fn on_terminal(columns: u16, args: &[&str], env: &[(&str, &str)]) -> String {
    let (mut ours, theirs) = pty::open(columns);
    let mut child = command(args)
        .env_remove("COLUMNS")
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(theirs.try_clone().unwrap())
        .stderr(theirs)
        .spawn()
        .unwrap();
    let mut written = Vec::new();
    // The end of a terminal is an error once nobody has its other side.
    let _ = ours.read_to_end(&mut written);
    child.wait().unwrap();
    String::from_utf8(written).unwrap().replace("\r\n", "\n")
}

/// Names of events reach files as they were received, and terminals spelled out.
#[test]
fn text_of_events_does_not_reach_a_terminal() {
    let name = "eve\u{1b}[2J\r\n1,root\u{9b}31m\u{202e}";
    let quoted = serde_json::to_string(name).unwrap();
    let both = Both::with_events(&[of(2, &quoted[1..quoted.len() - 1], "ResponseComplete")]);
    let data = both.data().to_str().unwrap();
    let shown = r"eve\u{1b}[2J\r\n1,root\u{9b}31m\u{202e}";
    let listing = [
        "query",
        "--columns",
        "user,verb",
        "--limit",
        "0",
        "--data",
        data,
    ];
    let statement = [
        "sql",
        "select user, 'create' as verb from events",
        "--data",
        data,
    ];
    let hidden = |text: &str| text.contains(['\u{1b}', '\u{9b}', '\u{202e}']);
    let tail = ["tail", "--columns", "user,verb", "--data", data];
    for args in [listing.as_slice(), &statement, &tail] {
        let form = |form: &'static str| [args, &["-o", form]].concat();
        let run = |form_of: &'static str| crate::support::cli(&form(form_of)).expect(0);
        assert_eq!(
            run("csv").text(),
            format!("user,verb\r\n\"{name}\",create\r\n")
        );
        let lines = format!("{{\"user\":{quoted},\"verb\":\"create\"}}\n");
        assert_eq!(run("jsonl").text(), lines);

        let csv = on_terminal(80, &form("csv"), &[]).replace('\r', "");
        assert_eq!(csv, format!("user,verb\n\"{shown}\",create\n"));
        // What goes on has no end that an array needs.
        let forms = if args[0] == "tail" {
            &["jsonl"][..]
        } else {
            &["jsonl", "json"]
        };
        for &json in forms {
            let json = on_terminal(80, &form(json), &[]);
            assert!(!hidden(&json), "{json:?}");
            let value: serde_json::Value = serde_json::from_str(&json).unwrap();
            let value = value.get(0).unwrap_or(&value);
            assert_eq!(value["user"], name);
        }
    }
    // A report's document keeps its lines only.
    let report = [
        "report",
        "subject-access",
        "--data",
        data,
        "--since",
        "all",
        "-o",
        "csv",
    ];
    let report = [&report[..], &["--person", name]].concat();
    let written = crate::support::cli(&report).text().to_owned();
    assert!(hidden(&written), "{written:?}");
    let terminal = on_terminal(80, &report, &[]);
    assert!(
        !hidden(&terminal) && terminal.contains(r"eve\u{1b}[2J"),
        "{terminal:?}"
    );
}

#[test]
fn a_table_fits_the_terminal_by_what_counts() {
    let both = Both::with_events(&[
        of(2, SERVICE_ACCOUNT, "ResponseComplete"),
        of(4, "al", "ResponseComplete"),
    ]);
    let data = both.data().to_str().unwrap();
    let args = ["query", "--data", data];
    assert_eq!(
        on_terminal(80, &args, &[]),
        "\u{1b}[1m11-20 UTC  USER                 VERB    RESOURCE  NAMESPACE  NAME   OUTCOME\u{1b}[0m\n\
         12:00:04   al                   patch   pods      ns4        pod-4  success\n\
         12:00:02   …-garbage-collector  create  pods      ns2        pod-2  \u{1b}[31mdenied_other\u{1b}[0m\n"
    );
    let wide = on_terminal(200, &args, &[]);
    assert!(wide.starts_with("\u{1b}[1mTIME (UTC)  "), "{wide}");
    for shown in ["2026-11-20 12:00:04.000000  ", SERVICE_ACCOUNT, "10.0.0.2"] {
        assert!(wide.contains(shown), "{shown}: {wide}");
    }
    for env in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let plain = on_terminal(80, &args, &[env]);
        assert!(!plain.contains('\u{1b}'), "{plain:?}");
    }
    let told = on_terminal(200, &args, &[("COLUMNS", "80")]);
    assert!(told.starts_with("\u{1b}[1m11-20 UTC  "), "{told}");
    // What was asked for is never left out, and files get everything whole.
    let asked = [&args[..], &["--columns", "time,user,source_ip"]].concat();
    let asked = on_terminal(40, &asked, &[]);
    assert!(asked.contains("SOURCE_IP"), "{asked}");
    let file = both.ask("query", &["-l", "1"]).expect(0);
    assert!(
        file.text().contains("2026-11-20T12:00:04.000000Z"),
        "{}",
        file.text()
    );
}

#[test]
fn stages_are_shown_when_there_are_several() {
    let both = Both::with_events(&[
        of(1, "al", "RequestReceived"),
        of(1, "al", "ResponseComplete"),
    ]);
    let run = both.ask("query", &[]).expect(0);
    assert!(run.text().contains("  STAGE  "), "{}", run.text());
    let note = "note: a request has a row per stage; --final shows one per request\n";
    assert_eq!(run.stderr, note);
    for args in [&["--final"][..], &["--stage", "ResponseComplete"]] {
        let run = both.ask("query", args).expect(0);
        assert!(!run.text().contains("STAGE"), "{}", run.text());
        assert_eq!(run.stderr, "");
    }
    let wide = both.ask("query", &["--final", "-o", "wide"]).expect(0);
    assert!(wide.text().contains("ResponseComplete"), "{}", wide.text());
}

#[test]
fn the_impersonated_user_has_a_column_of_the_wide_table() {
    let event = of(1, "al", "ResponseComplete").replace(
        "\"level\"",
        r#""impersonatedUser":{"username":"root"},"level""#,
    );
    let both = Both::with_events(&[event]);
    let wide = both.ask("query", &["-o", "wide"]).expect(0);
    assert!(
        wide.text().contains("USER  IMPERSONATED_USER"),
        "{}",
        wide.text()
    );
    assert!(wide.text().contains("al    root"), "{}", wide.text());
}

#[test]
fn an_empty_answer_says_why() {
    let both = Both::with_events(&[
        of(1, "alice", "ResponseComplete"),
        of(5, "bob@corp.example", "ResponseComplete"),
    ]);
    let held = "no events match; the store holds 2 events from 2026-11-20 12:00:01Z to \
                2026-11-20 12:00:05Z\n";
    for (args, hints) in [
        (
            &["--user", "alcie"][..],
            "hint: no event of the store has --user alcie; did you mean alice?\n",
        ),
        (
            &["--user", "bob"],
            "hint: no event of the store has --user bob; did you mean bob@corp.example?\n",
        ),
        (
            &["--verb", "delte"],
            "hint: no event of the store has --verb delte; did you mean delete?\n",
        ),
        (
            &["-n", "xyzzy", "--user", "alice"],
            "hint: no event of the store has --namespace xyzzy\n",
        ),
        (
            &["--since", "2026-11-21"],
            "hint: --since is after the newest event\n",
        ),
        (
            &["--until", "2026-11-20"],
            "hint: --until is not after the oldest event\n",
        ),
        (
            &["--since", "2026-11-20 12:00:03", "--user", "alice"],
            "hint: without --since and --until events match, the newest at 2026-11-20 12:00:01Z\n",
        ),
        (&["--user", "alice", "--name", "pod-5"], ""),
        (&["--user", "!*"], ""),
    ] {
        for run in [
            local(both.data(), "query", args),
            both.server.cli("query", args),
            local(both.data(), "top", &[&["verb"], args].concat()),
        ] {
            let run = run.expect(1);
            assert_eq!(
                (run.text(), run.stderr.as_str()),
                ("", format!("{held}{hints}").as_str()),
                "{args:?}"
            );
        }
    }
    for (command, args, told) in [
        (
            "show",
            "nope",
            "no event has the audit ID nope; the store holds 2 events",
        ),
        (
            "sql",
            "select 1 where 0",
            "no rows; the store holds 2 events",
        ),
    ] {
        let run = both.ask(command, &[args]).expect(1);
        assert!(run.stderr.starts_with(told), "{}", run.stderr);
    }
    let run = both.ask_quarantine("list", &[]).expect(1);
    assert_eq!(run.stderr, "nothing is in quarantine\n");
    let empty = Both::empty().ask("query", &["--user", "al"]).expect(1);
    assert_eq!(empty.stderr, "no events match; the store is empty\n");
}

#[test]
fn times_are_in_the_zone_that_was_asked_for() {
    let both = Both::with_events(&[of(1, "al", "ResponseComplete")]);
    let data = both.data().to_str().unwrap();
    let url = both.server.url();
    for place in [["--data", data], ["--server", &url]] {
        let run = |args: &[&str]| {
            let args = [&["query"], &place[..], args].concat();
            let output = command(&args).env("TZ", "IST-5:30").output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let day = ["--since", "2026-11-20 17:30", "--until", "2026-11-20 17:31"];
        let shown = run(&[&day[..], &["--local"]].concat());
        assert!(
            shown.contains("2026-11-20T17:30:01.000000+05:30"),
            "{shown}"
        );
        assert_eq!(run(&day), "");
        assert_eq!(run(&[&day[..], &["--utc"]].concat()), "");
        // Programs get UTC.
        let json = run(&["--local", "-o", "jsonl", "--columns", "time"]);
        assert_eq!(json, "{\"time\":\"2026-11-20T12:00:01.000000Z\"}\n");
        let wrong = run(&["--local", "--utc"]);
        assert_eq!(wrong, "");
    }
    let terminal = ["query", "--data", data, "--local"];
    let shown = on_terminal(80, &terminal, &[("TZ", "IST-5:30")]);
    assert!(
        shown.starts_with("11-20 +05:30  ") || shown.contains("TIME (+05:30)"),
        "{shown}"
    );
    let error = local(both.data(), "query", &["--since", "soon"]).expect(2);
    for form in [
        "2h",
        "14:00",
        "yesterday",
        "2026-11-20",
        "'2026-11-20 14:00'",
    ] {
        assert!(error.stderr.contains(form), "{form}: {}", error.stderr);
    }
}

#[test]
fn top_counts_requests_too() {
    let both = Both::with_events(&[
        of(1, "al", "RequestReceived"),
        of(1, "al", "ResponseComplete"),
        of(2, "al", "RequestReceived"),
        of(3, "bo", "ResponseComplete"),
    ]);
    let counts = |args: &[&str]| {
        let run = both.ask("top", &[&["user", "-o", "csv"], args].concat());
        run.expect(0).text().replace("\r\n", " ")
    };
    assert_eq!(counts(&[]), "user,count al,3 bo,1 ");
    assert_eq!(counts(&["--final"]), "user,count al,2 bo,1 ");
    // The filter does not make an earlier stage the last.
    assert_eq!(
        counts(&["--final", "--stage", "RequestReceived"]),
        "user,count al,1 "
    );
    let api = both
        .server
        .get("/api/v1/top/stage?final=true")
        .expect(200)
        .json();
    let rows = serde_json::json!([["ResponseComplete", 2], ["RequestReceived", 1]]);
    assert_eq!(api["rows"], rows);
}
