//! What commands write: formats, order, notes and exit codes.

mod filters;
mod people;

use std::io::Read;
use std::process::Stdio;

use serde_json::Value;

use crate::both::{Both, recorded};
use crate::support::{Run, cli, command, event, event_at, local, sample, sample_path, temp_dir};

/// An event of this user, `n` seconds after noon.
fn of(n: u64, user: &str) -> String {
    let user = serde_json::to_string(user).unwrap();
    event_at(n, &format!("2026-11-20T12:00:{n:02}Z"))
        .replace(&format!("\"user-{}\"", n % 11), &user)
}

#[test]
fn csv_has_a_header_and_no_formulas() {
    let users = [
        "=1+1", "+1", "-1", "@sum(a1)", "\tx", "a,b", "a\"b", "a\nb", "plain", "＝1",
    ];
    let events: Vec<String> = users
        .iter()
        .enumerate()
        .map(|(n, user)| of(n as u64, user))
        .collect();
    let both = Both::with_events(&events);
    let run = both
        .ask(
            "query",
            &["-o", "csv", "--reverse", "--columns", "user,code"],
        )
        .expect(0);
    assert_eq!(
        run.text(),
        "user,code\r\n'=1+1,200\r\n'+1,201\r\n'-1,403\r\n'@sum(a1),404\r\n'\tx,200\r\n\
         \"a,b\",201\r\n\"a\"\"b\",403\r\n\"a\nb\",404\r\nplain,200\r\n'＝1,201\r\n"
    );
    let run = both
        .ask(
            "sql",
            &["-o", "csv", "select -5 as \"=n\", null, '-5' as t, 1.5"],
        )
        .expect(0);
    assert_eq!(run.text(), "'=n,null,t,1.5\r\n-5,,'-5,1.5\r\n");
    let none = both.ask(
        "query",
        &["-o", "csv", "--columns", "id,user", "--user", "nobody"],
    );
    assert_eq!((none.code, none.text()), (Some(1), "id,user\r\n"));
    let api = both
        .server
        .get("/api/v1/events?format=csv&columns=user,code&reverse=true")
        .expect(200);
    let run = both.ask(
        "query",
        &["-o", "csv", "--reverse", "--columns", "user,code"],
    );
    assert_eq!(api.text(), run.text());
}

#[test]
fn tables_cannot_move_the_cursor() {
    let both = Both::with_events(&[
        of(1, "\u{1b}[2J\u{1b}[31mroot"),
        of(2, "abc\u{202e}txt.exe\u{200b}"),
        of(3, "two\nlines\ttab\r"),
        of(4, "\u{9b}31m\u{7f}"),
    ]);
    for format in ["table", "wide"] {
        let run = both.ask("query", &["-o", format]).expect(0);
        let text = run.text();
        assert_eq!(text.lines().count(), 5, "{text}");
        let shown = |letter: char| letter == '\n' || !(letter.is_control() || letter == '\u{202e}');
        assert!(text.chars().all(shown), "{text:?}");
        for cell in [
            "\\u{1b}[2J\\u{1b}[31mroot",
            "\\u{202e}txt.exe\\u{200b}",
            "two\\nlines\\ttab\\r",
        ] {
            assert!(text.contains(cell), "{cell}: {text}");
        }
    }
    // Bytes for programs stay as they are.
    let run = both
        .ask(
            "query",
            &["-o", "jsonl", "--columns", "user", "--limit", "1"],
        )
        .expect(0);
    assert_eq!(run.text(), "{\"user\":\"\u{9b}31m\u{7f}\"}\n");
    // Messages show what was typed; it cannot reach the terminal either.
    let run = local(both.data(), "query", &["--stage", "\u{1b}[31m"]).expect(2);
    assert!(!run.stderr.contains('\u{1b}'), "{:?}", run.stderr);
}

#[test]
fn a_table_shows_what_people_ask_for() {
    let event = |n: u64, more: &str| {
        event_at(n, &format!("2026-11-20T12:00:{n:02}Z"))
            .replace("\"level\"", &format!("{more},\"level\""))
    };
    let both = Both::with_events(&[
        event(1, r#""impersonatedUser":{"username":"root"}"#),
        event(2, r#""x":1"#).replace("\"namespace\":\"ns2\",", "\"subresource\":\"exec\","),
    ]);
    let run = both.ask("query", &[]).expect(0);
    assert_eq!(
        run.text(),
        "TIME                         USER            VERB    RESOURCE   NAMESPACE  NAME   CODE  OUTCOME       SOURCE_IP\n\
         2026-11-20T12:00:02.000000Z  user-2          create  pods/exec  -          pod-2   403  denied_other  10.0.0.2\n\
         2026-11-20T12:00:01.000000Z  user-1 as root  list    pods       ns1        pod-1   201  success       10.0.0.1\n"
    );
    assert!(run.stderr.is_empty(), "{}", run.stderr);
    let run = both.ask("top", &["verb"]).expect(0);
    assert_eq!(run.text(), "VERB    COUNT\ncreate      1\nlist        1\n");
    let none = both.ask("query", &["--user", "nobody"]);
    assert_eq!((none.code, none.text()), (Some(1), ""));
}

#[test]
fn raw_is_the_exact_bytes_each_ended_by_one_newline() {
    let both = Both::empty();
    let plain = of(1, "a");
    let spaced = format!("{{ \"x\" : [ 1 , 2.50 ] ,\t{}", &of(2, "é\\u00e9")[1..]);
    let escaped = of(3, "b").replace("pods", "p\\u006fds");
    let pretty = serde_json::from_str::<Value>(&of(4, "c")).unwrap();
    let pretty = serde_json::to_string_pretty(&pretty).unwrap();
    for body in [&plain, &spaced, &escaped, &pretty] {
        both.server
            .post("/webhook", format!("  {body}\n\n"))
            .expect(200);
    }
    let expected = format!("{plain}\n{spaced}\n{escaped}\n{pretty}\n");
    let run = both.ask("query", &["-o", "raw", "--reverse"]).expect(0);
    assert_eq!(run.text(), expected);
    assert_eq!(
        both.server
            .get("/api/v1/events?format=raw&reverse=1")
            .expect(200)
            .text(),
        expected
    );
    both.server.cli("seal", &[]).expect(0);
    assert_eq!(
        both.ask("query", &["-o", "raw", "--reverse", "--columns", "id"])
            .text(),
        expected
    );

    let row = &both.objects("query", &["--name", "pod-3", "--columns", "id,resource"])[0];
    assert_eq!(row["resource"], "pods", "read through the escape");
    let id = row["id"].as_i64().unwrap();
    assert_eq!(
        both.server
            .get(&format!("/api/v1/events/{id}/raw"))
            .expect(200)
            .text(),
        escaped
    );
    let one = both
        .server
        .get(&format!("/api/v1/events/{id}"))
        .expect(200)
        .json();
    assert_eq!(one["name"], "pod-3");
    let hashes = both.rows("select sha256 from events order by time");
    let digest = |text: &str| {
        use sha2::Digest;
        let hash = sha2::Sha256::digest(text.as_bytes());
        hash.iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    assert_eq!(
        hashes,
        [&plain, &spaced, &escaped, &pretty].map(|text| digest(text))
    );
}

#[test]
fn json_is_an_array_or_lines() {
    let both = Both::with_events(&[of(1, "a"), of(2, "b")]);
    let columns = ["--columns", "user,code,dry_run,source_ips,user_extra,time"];
    let run = both
        .ask("query", &[&["-o", "json"], &columns[..]].concat())
        .expect(0);
    let array: Vec<Value> = serde_json::from_str(run.text()).unwrap();
    let lines = both.objects("query", &columns);
    assert_eq!(array, lines);
    assert_eq!(
        serde_json::to_string(&lines[0]).unwrap(),
        r#"{"user":"b","code":403,"dry_run":0,"source_ips":["10.0.0.2"],"user_extra":null,"time":"2026-11-20T12:00:02.000000Z"}"#
    );
    let none = both.ask("query", &["-o", "json", "--user", "nobody"]);
    assert_eq!((none.code, none.text()), (Some(1), "[]\n"));
    let all = &both.objects("query", &["--columns", "all", "--limit", "1"])[0];
    assert_eq!(all["raw"], of(2, "b").as_str());
    // Names that stand twice in an answer stay apart.
    let run = both
        .ask("sql", &["-o", "jsonl", "select 1 as a, 2 as a"])
        .expect(0);
    let keys: Value = serde_json::from_str(run.text()).unwrap();
    assert_eq!(keys.as_object().unwrap().len(), 2, "{keys}");
}

#[test]
fn exit_codes_tell_found_nothing_and_error() {
    let both = Both::with_events(&[event(1)]);
    for (command, args, code) in [
        ("query", &["--user", "user-1"][..], 0),
        ("query", &["--user", "nobody"], 1),
        ("query", &["--stage", "nope"], 2),
        ("query", &["--code", "4x"], 2),
        ("query", &["--since", "soon"], 2),
        (
            "query",
            &["--since", "2026-11-21", "--until", "2026-11-20"],
            2,
        ),
        ("query", &["--columns", "nope"], 2),
        ("query", &["--nope"], 2),
        ("query", &["-o", "yaml"], 2),
        ("top", &["user"], 0),
        ("top", &["user", "--user", "nobody"], 1),
        ("top", &["raw"], 2),
        ("top", &["nope"], 2),
        ("show", &["nope"], 1),
        ("sql", &["select 1"], 0),
        ("sql", &["select 1 where 0"], 1),
        ("sql", &["select"], 2),
        ("seal", &["--nope"], 2),
    ] {
        let run = both.ask(command, args);
        assert_eq!(run.code, Some(code), "{command} {args:?}: {}", run.stderr);
        assert_eq!(
            code == 2,
            run.stderr.contains("error: "),
            "{command} {args:?}: {}",
            run.stderr
        );
        assert!(code != 2 || run.stdout.is_empty(), "{command} {args:?}");
    }
    let empty = Both::empty();
    for (command, args) in [("query", &[][..]), ("top", &["user"]), ("stats", &[])] {
        assert_eq!(empty.ask(command, args).code, Some(1), "{command}");
    }
    assert_eq!(
        empty.ask("sql", &["select count(*) from events"]).code,
        Some(0)
    );
    let gone = crate::support::cli(&["query", "--server", "127.0.0.1:1"]).expect(2);
    assert!(
        gone.stderr.contains("is auditql serve running there?"),
        "{}",
        gone.stderr
    );
    let help = crate::support::cli(&["query", "--help"]).expect(0);
    assert!(help.text().contains("--source-ip") && help.text().contains("Examples:"));
    crate::support::cli(&["--version"]).expect(0);
    crate::support::cli::<&str>(&[]).expect(2);
}

/// Runs a command whose reader takes a few bytes and goes away.
fn read_a_little(place: &[&str], args: &[&str]) -> Run {
    let mut child = command(&[&args[..1], place, &args[1..]].concat())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut first = vec![0; 100];
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    Run {
        code: output.status.code(),
        stdout: first,
        stderr,
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let both = Both::imported(&[&recorded("recorded.jsonl.zst")]);
    let data = both.data().to_str().unwrap();
    let url = both.server.url();
    for place in [["--data", data], ["--server", &url]] {
        for args in [
            &["query", "--limit", "0", "-o", "raw"][..],
            &["query", "--limit", "0"],
            &["query", "--limit", "0", "-o", "csv"],
            &[
                "sql",
                "--limit",
                "0",
                "-o",
                "jsonl",
                "select request_uri, raw from events",
            ],
        ] {
            let run = read_a_little(&place, args);
            assert_eq!(
                (run.code, run.stderr.as_str()),
                (Some(0), ""),
                "{place:?} {args:?}"
            );
        }
    }
    assert_eq!(both.server.get("/readyz").status, 200);
}

#[test]
fn what_an_answer_leaves_out_stands_on_stderr() {
    let events: Vec<String> = (0..130).map(event).collect();
    let both = Both::with_events(&events);
    let run = both.ask("query", &["-o", "jsonl"]).expect(0);
    assert_eq!(run.text().lines().count(), 100);
    let note = "note: more events match; --limit 0 shows all\n";
    assert_eq!(run.stderr, note);
    for (limit, lines, told) in [
        ("0", 130, ""),
        ("130", 130, ""),
        ("129", 129, note),
        ("1", 1, note),
    ] {
        let run = both.ask("query", &["-o", "jsonl", "-l", limit]).expect(0);
        assert_eq!(
            (run.text().lines().count(), run.stderr.as_str()),
            (lines, told),
            "{limit}"
        );
        let url = format!("/api/v1/events?limit={limit}");
        let answer = both.server.get(&url).expect(200).json();
        assert_eq!(answer["truncated"], !told.is_empty());
    }
    let run = both.ask("top", &["name", "--limit", "5"]).expect(0);
    assert_eq!(
        run.stderr,
        "note: there are more values; --limit 0 shows all\n"
    );

    let cut = event(500).replace(
        "\"level\"",
        "\"annotations\":{\"audit.k8s.io/truncated\":\"true\"},\"level\"",
    );
    both.server
        .post("/webhook", format!("{cut}\nbroken\nworse\n"))
        .expect(200);
    let pruned = both
        .server
        .cli("prune", &["--before", "2026-11-20T00:01:00Z", "--dry-run"])
        .expect(0);
    assert!(
        pruned
            .stderr
            .starts_with("would remove 60 events before 2026-11-20T00:01:00.000000Z"),
        "{}",
        pruned.stderr
    );
    assert_eq!(both.count(&[]), 131);
    let pruned = both
        .server
        .cli("prune", &["--before", "2026-11-20T00:01:00Z"])
        .expect(0);
    assert!(
        pruned.stderr.starts_with("removed 60 events before"),
        "{}",
        pruned.stderr
    );
    let run = both
        .ask("query", &["--limit", "0", "-o", "jsonl"])
        .expect(0);
    assert_eq!(run.text().lines().count(), 71);
    for told in [
        "note: 60 events before 2026-11-20T00:01:00.000000Z removed by retention\n",
        "note: 2 items in quarantine: auditql quarantine list\n",
        "note: 1 event in the store with bodies cut off by the apiserver\n",
    ] {
        assert!(run.stderr.contains(told), "{told}: {}", run.stderr);
    }
    let answer = both.server.get("/api/v1/events?limit=1").expect(200).json();
    assert_eq!(answer["coverage"]["pruned_events"], 60);
    assert_eq!(answer["coverage"]["quarantined"], 2);
}

#[test]
fn statistics_add_up() {
    let both = Both::imported(&[&recorded("recorded.jsonl.zst")]);
    both.server.post("/webhook/prod", "broken").expect(200);
    both.server.post("/webhook/prod", event(1)).expect(200);
    both.server.post("/webhook/prod", event(1)).expect(200);
    let read = |run: Run| serde_json::from_str::<Value>(run.expect(0).text()).unwrap();
    let near = read(local(both.data(), "stats", &["-o", "json"]));
    let far = read(both.server.cli("stats", &["-o", "json"]));
    let api = both.server.get("/api/v1/stats").expect(200).json();
    for stats in [&near, &far, &api] {
        assert_eq!(stats["events"], 3084);
        assert_eq!(stats["received"], 3086);
        assert_eq!(stats["duplicates"], 1);
        assert_eq!(stats["quarantined"], 1);
        assert_eq!(stats["pruned"], 0);
        assert_eq!(
            stats["clusters"],
            serde_json::json!([["default", 3083], ["prod", 1]])
        );
        let parts: u64 = stats["components"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part[1].as_u64().unwrap())
            .sum();
        assert!(parts <= stats["stored_bytes"].as_u64().unwrap(), "{stats}");
        assert_eq!(
            stats["raw_bytes"].as_u64().unwrap(),
            both.number("select sum(length(raw)) from events")
        );
        assert_eq!(stats["oldest"], near["oldest"]);
    }
    let lines = local(both.data(), "stats", &[]).expect(0);
    assert!(lines.text().contains("3,084"), "{}", lines.text());
}

#[test]
fn a_directory_that_is_no_store_is_an_error() {
    let dir = temp_dir();
    let none = local(&dir.path().join("none"), "query", &[]).expect(2);
    assert!(none.stderr.contains("--data"), "{}", none.stderr);
    let both = Both::with_events(&[event(1)]);
    let held = local(both.data(), "seal", &[]).expect(2);
    assert!(held.stderr.contains("error: "), "{}", held.stderr);
    let held = local(
        both.data(),
        "import",
        &[recorded("sample.jsonl").to_str().unwrap()],
    )
    .expect(2);
    assert!(held.stderr.contains("error: "), "{}", held.stderr);
    assert_eq!(both.count(&[]), 1);
}

#[test]
fn every_answer_comes_as_json_lines() {
    let both = Both::imported(&[&sample_path()]);
    let commands: [&[&str]; 8] = [
        &["query", "--limit", "2"],
        &["show", "00000000-0000-4000-8000-000000000000"],
        &["top", "user"],
        &["ask"],
        &["ask", "who-deleted"],
        &["sql", "select 1 as n"],
        &["stats"],
        &["quarantine", "list"],
    ];
    for args in commands {
        for place in [
            ["--data", both.data().to_str().unwrap()],
            ["--server", &both.server.url()],
        ] {
            let run = cli(&[args, &place, &["-o", "jsonl"]].concat());
            assert_ne!(run.code, Some(2), "{args:?}: {}", run.stderr);
            for line in run.text().lines() {
                let object: serde_json::Value = serde_json::from_str(line).unwrap();
                assert!(object.is_object(), "{args:?}: {line}");
            }
        }
    }
    // What changes the store says so too.
    let dir = temp_dir();
    let path = sample_path();
    let change = |command: &str, args: &[&str]| {
        let run = local(dir.path(), command, &[args, &["-o", "jsonl"]].concat()).expect(0);
        serde_json::from_str::<serde_json::Value>(run.text()).unwrap()
    };
    let imported = change("import", &[path.to_str().unwrap()]);
    assert_eq!(imported["stored"], sample().len());
    assert_eq!(imported["duplicates"], 0);
    assert_eq!(change("seal", &[])["events"], 0);
    let pruned = change("prune", &["--before", "2000-01-01", "--dry-run"]);
    assert_eq!(
        (&pruned["events"], &pruned["dry_run"]),
        (&0.into(), &true.into())
    );
}
