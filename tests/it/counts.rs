//! `count`, `histogram`, `facets`: numbers, counted here from the raw lines by themselves.

mod foremost;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::both::{Both, cells};
use crate::support::{cli_with, event, event_at, local, sqlite, temp_dir};

/// An event of `user` every seven minutes from midnight, some of them denied.
fn day() -> Vec<String> {
    let event = |n: u64| {
        let (hour, minute) = (n * 7 / 60, n * 7 % 60);
        let code = if n.is_multiple_of(5) { 403 } else { 200 };
        event_at(n, &format!("2026-11-20T{hour:02}:{minute:02}:00Z"))
            .replace("\"code\":200", &format!("\"code\":{code}"))
    };
    (0..200).map(event).collect()
}

fn field<'v>(event: &'v Value, pointer: &str) -> &'v str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn parsed(lines: &[String]) -> Vec<Value> {
    let parse = |line: &String| serde_json::from_str(line).unwrap();
    lines.iter().map(parse).collect()
}

/// Counts of what `key` says of each event, as rows of text in order of the keys.
fn expected(events: &[Value], key: impl Fn(&Value) -> String) -> Vec<String> {
    let mut counts = BTreeMap::<String, u64>::new();
    for event in events {
        *counts.entry(key(event)).or_default() += 1;
    }
    counts
        .into_iter()
        .map(|(key, count)| format!("{key}|{count}"))
        .collect()
}

#[track_caller]
fn rows(both: &Both, command: &str, args: &[&str]) -> Vec<String> {
    let run = both
        .ask(command, &[args, &["-o", "csv"]].concat())
        .expect(0);
    cells(&run).iter().map(|row| row.join("|")).collect()
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort_unstable();
    rows
}

#[test]
fn counts_are_those_of_the_raw_lines() {
    let lines = day();
    let events = parsed(&lines);
    let both = Both::with_events(&lines);
    for sealed in [false, true] {
        if sealed {
            both.server.post("/api/v1/seal", "").expect(200);
        }
        assert_eq!(rows(&both, "count", &[]), ["200"]);
        let denied = events
            .iter()
            .filter(|event| event["responseStatus"]["code"] == 403);
        assert_eq!(
            rows(&both, "count", &["--code", "403"]),
            [denied.count().to_string()]
        );
        assert_eq!(
            sorted(rows(&both, "count", &["--by", "user,code", "--limit", "0"])),
            expected(&events, |event| {
                format!(
                    "{}|{}",
                    field(event, "/user/username"),
                    event["responseStatus"]["code"]
                )
            })
        );
        // Ranges that cut an hour.
        let (since, until) = ("2026-11-20T03:14:00Z", "2026-11-20T09:35:00Z");
        let within: Vec<Value> = events
            .iter()
            .filter(|event| (since..until).contains(&field(event, "/stageTimestamp")))
            .cloned()
            .collect();
        assert_eq!(
            sorted(rows(
                &both,
                "count",
                &["--by", "verb", "--since", since, "--until", until]
            )),
            expected(&within, |event| field(event, "/verb").to_owned())
        );
        let hour =
            |event: &Value| format!("{}:00:00.000000Z", &field(event, "/stageTimestamp")[..13]);
        assert_eq!(
            rows(&both, "count", &["--step", "1h"]),
            expected(&events, hour)
                .into_iter()
                .map(|row| format!("{row}|0"))
                .collect::<Vec<_>>()
        );
        assert_eq!(
            sorted(rows(&both, "facets", &["verb", "code", "--limit", "0"])),
            sorted(
                [
                    expected(&events, |event| format!("verb|{}", field(event, "/verb"))),
                    expected(&events, |event| format!(
                        "code|{}",
                        event["responseStatus"]["code"]
                    )),
                ]
                .concat()
            )
        );
    }
}

#[test]
fn a_histogram_shows_silence_and_what_was_pruned() {
    let mut lines = day();
    // Nothing happens from 06:00 to 09:00.
    lines.retain(|line| {
        !["T06:", "T07:", "T08:"]
            .iter()
            .any(|hour| line.contains(hour))
    });
    let both = Both::with_events(&lines);
    let shown = rows(&both, "histogram", &["--step", "3h"]);
    let begins: Vec<&str> = shown.iter().map(|row| &row[11..13]).collect();
    assert_eq!(begins, ["00", "03", "06", "09", "12", "15", "18", "21"]);
    assert_eq!(shown[2], "2026-11-20T06:00:00.000000Z|0|0");
    assert!(shown.iter().all(|row| row.ends_with("|0")));
    // A filter's range bounds the buckets.
    let shown = rows(
        &both,
        "histogram",
        &[
            "--step",
            "1h",
            "--since",
            "2026-11-20T05:30:00Z",
            "--until",
            "2026-11-20T08:00:00Z",
        ],
    );
    let begins: Vec<&str> = shown.iter().map(|row| &row[11..13]).collect();
    assert_eq!(begins, ["05", "06", "07"]);
    let cutoff = r#"{"before": "2026-11-20T04:00:00Z"}"#;
    both.server.post("/api/v1/prune", cutoff).expect(200);
    let shown = rows(&both, "histogram", &["--step", "3h"]);
    assert!(
        shown[0].starts_with("2026-11-20T03") && shown[0].ends_with("|1"),
        "{shown:?}"
    );
    assert!(shown[1].ends_with("|0"), "{shown:?}");
    // The automatic step fits the range, and a table has bars.
    let table = both.ask("histogram", &[]).expect(0);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.lines().count() <= 61, "{table}");
    assert!(table.contains('#'), "{table}");
}

#[test]
fn counts_find_nothing_or_say_what_is_wrong() {
    let both = Both::with_events(&day());
    both.ask("count", &["--user", "nobody"]).expect(1);
    both.ask("histogram", &["--user", "nobody", "-o", "json"])
        .expect(1);
    both.ask("facets", &["user", "--user", "nobody"]).expect(1);
    for (command, args, told) in [
        ("count", ["--by", "usr"], "did you mean user?"),
        (
            "count",
            ["--by", "user,verb,code,name,stage"],
            "4 is the most",
        ),
        (
            "count",
            ["--by", "source_ips,user_groups"],
            "count by one of them",
        ),
        ("histogram", ["--step", "1ms"], "use a longer"),
        ("histogram", ["--step", "soon"], "step \"soon\""),
        ("facets", ["user", "user"], "user is given twice"),
    ] {
        let run = both.ask(command, &args).expect(2);
        assert!(
            run.stderr.contains(told),
            "{command} {args:?}: {}",
            run.stderr
        );
    }
    for (path, told) in [
        ("count?by=user&by=verb", "one comma list"),
        ("histogram?reverse=true", "no meaning"),
        ("facets?by=user", "unknown parameter"),
    ] {
        let problem = both.server.get(&format!("/api/v1/{path}")).expect(400);
        assert!(problem.text().contains(told), "{path}: {}", problem.text());
    }
}

/// Of a segment with a damaged piece a count has everything or nothing: what was read before the
/// damage was found is in no answer.
#[test]
fn a_damaged_segment_is_counted_wholly_or_not_at_all() {
    const ROWS: u64 = 4500;
    let dir = temp_dir();
    let data = dir.path();
    for (day, rows) in [(10, ROWS), (12, 30)] {
        let line = |n: u64| {
            let (minute, second) = (n / 60 % 60, n % 60);
            let time = format!("2026-11-{day}T10:{minute:02}:{second:02}.{n:06}Z");
            event_at(day * 10_000 + n, &time)
        };
        let lines: Vec<String> = (0..rows).map(line).collect();
        let import = ["import", "--data", data.to_str().unwrap(), "-"];
        cli_with(&import, lines.join("\n").as_bytes()).expect(0);
    }
    let mut sealed: Vec<_> = std::fs::read_dir(data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains("sealed-"))
        .collect();
    sealed.sort();
    assert_eq!(sealed.len(), 2);
    let pieces = |table: &str, column: i64| -> Vec<i64> {
        let connection = sqlite(&sealed[0]);
        let sql = format!("select id from {table} where id >> 32 & 255 = {column} order by id");
        let mut select = connection.prepare(&sql).unwrap();
        let ids = select.query_map([], |row| row.get(0)).unwrap();
        ids.map(Result::unwrap).collect()
    };
    // The last piece of names, and of the column of their ids (18): much was read before either.
    let (names, ids) = (pieces("strings", 18), pieces("chunk", 18));
    assert!(names.len() > 10 && ids.len() == 2, "{names:?} {ids:?}");
    let questions: [&[&str]; 5] = [
        &["top", "name"],
        &["count", "--by", "name,verb"],
        &["count", "--by", "name", "--step", "1h"],
        &[
            "count",
            "--by",
            "name",
            "--verb",
            "get,list,create,update,patch,delete",
        ],
        &["count", "--by", "name", "--since", "2026-11-10T10:00:01Z"],
    ];
    let count = |question: &[&str], skip: &[&str]| {
        let args = [&question[1..], &["--limit", "0", "-o", "jsonl"], skip].concat();
        let run = local(data, question[0], &args);
        let rows = run.text().lines().map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            row["count"].as_u64().unwrap()
        });
        (rows.sum::<u64>(), run)
    };
    let whole: Vec<u64> = questions.map(|question| count(question, &[]).0).to_vec();
    assert_eq!(whole[0], ROWS + 30);
    let mut left_out = 0;
    for (table, piece) in [
        ("strings", names[names.len() / 2]),
        ("strings", names[names.len() - 1]),
        ("chunk", ids[0]),
        ("chunk", ids[1]),
    ] {
        let flip = format!("update {table} set checksum = checksum + ?1 where id = {piece}");
        sqlite(&sealed[0]).execute(&flip, [1]).unwrap();
        for (question, whole) in questions.iter().zip(&whole) {
            let (found, run) = count(question, &["--skip-damaged"]);
            let run = run.expect(0);
            assert!(
                found == *whole || found == 30,
                "{question:?} with a damaged {table} {piece}: {found} of {whole}"
            );
            if found == 30 {
                left_out += 1;
                assert!(run.stderr.contains("left out as damaged"), "{}", run.stderr);
                count(question, &[]).1.expect(2);
            }
        }
        sqlite(&sealed[0]).execute(&flip, [-1]).unwrap();
    }
    assert!(left_out >= 12, "{left_out}");
}

#[test]
fn since_all_is_what_it_is_for_every_command() {
    let both = Both::with_events(&(0..20).map(event).collect::<Vec<_>>());
    for question in [
        &["count"][..],
        &["count", "--by", "verb"],
        &["top", "user"],
        &["query", "--limit", "0"],
    ] {
        let asked = |more: &[&str]| {
            let args = [&question[1..], &["-o", "jsonl"], more].concat();
            let run = local(both.data(), question[0], &args).expect(0);
            let remote = both.server.cli(question[0], &args);
            assert_eq!(remote.text(), run.text());
            run.text().to_owned()
        };
        let whole = asked(&["--since", "2020-01-01"]);
        assert!(!whole.is_empty());
        assert_eq!(asked(&["--since", "all"]), whole, "{question:?}");
    }
}

#[test]
fn the_api_names_parameters_where_the_command_line_names_flags() {
    let both = Both::with_events(&[event(1)]);
    let detail = |path: &str| {
        let answer = both.server.get(path).expect(400).json();
        answer["detail"].as_str().unwrap().to_owned()
    };
    for path in [
        "/api/v1/events",
        "/api/v1/count",
        "/api/v1/queries/who-deleted",
        "/api/v1/reports/pci-dss",
    ] {
        let since = detail(&format!("{path}?since=soon"));
        assert!(since.starts_with("since"), "{since}");
        let order = detail(&format!("{path}?since=2026-11-20&until=2026-11-19"));
        assert!(order.starts_with("since 2026-11-20"), "{order}");
        assert!(order.contains(" is not before until 2026-11-19"), "{order}");
        let output = detail(&format!("{path}?output=csv"));
        assert!(output.ends_with("did you mean format?"), "{output}");
    }
}

#[test]
fn event_counts_counts_each_event_of_an_or_once() {
    let lines = day();
    let events = parsed(&lines);
    let both = Both::with_events(&lines);
    let user = |event: &Value| field(event, "/user/username").to_owned();
    let code = |event: &Value| event["responseStatus"]["code"].as_u64();
    let of = |condition: &dyn Fn(&Value) -> bool| events.iter().filter(|e| condition(e)).count();
    for (condition, expected) in [
        (
            "(user = 'user-1' and code = 200) or (user = 'user-2' and code = 403)",
            of(&|e| {
                (user(e) == "user-1" && code(e) == Some(200))
                    || (user(e) == "user-2" && code(e) == Some(403))
            }),
        ),
        // Some events are of both.
        (
            "user in ('user-1', 'user-2', 'user-3') or code = 403",
            of(&|e| ["user-1", "user-2", "user-3"].contains(&&*user(e)) || code(e) == Some(403)),
        ),
    ] {
        assert!(expected > 1, "{condition}");
        let limits = "time >= '2026-11-20' and time < '2026-11-21'";
        let sql =
            format!("select sum(events) as n from event_counts where ({condition}) and {limits}");
        assert_eq!(rows(&both, "sql", &[&sql]), [expected.to_string()], "{sql}");
    }
    // Nothing tells a group from those of another count.
    let run = both
        .ask("sql", &["select rowid from event_counts"])
        .expect(2);
    assert!(run.stderr.contains("have no rowid"), "{}", run.stderr);
}

/// What a `select` around it leaves unread makes groups all the same, and a table that stands twice in
/// a statement is counted by the columns of each place.
#[test]
fn event_counts_has_a_row_per_combination_of_what_its_select_names() {
    let lines = day();
    let events = parsed(&lines);
    let both = Both::with_events(&lines);
    let mut users: BTreeMap<String, u64> = BTreeMap::new();
    for event in &events {
        let user = field(event, "/user/username").to_owned();
        *users.entry(user).or_default() += 1;
    }
    let all = events.len() as u64;
    let most = *users.values().max().unwrap();
    let like_1 = users.keys().filter(|user| user.starts_with("user-1"));
    let like_1 = like_1.count() as u64;
    assert!(most < all && like_1 > 1 && like_1 < users.len() as u64);
    let busy = users.values().filter(|&&events| events == most).count() as u64;
    for (sql, expected) in [
        (
            "select count(*) as n from (select user, events from event_counts)",
            users.len() as u64,
        ),
        (
            "select max(events) as n from (select user, events from event_counts)",
            most,
        ),
        (
            &format!("select count(*) as n from (select user, events from event_counts \
                     where events = {most})"),
            busy,
        ),
        (
            "select count(*) as n from (select user from event_counts where user match 'user-1*' \
             order by user)",
            like_1,
        ),
        (
            "select count(*) as n from (select user from event_counts where user match 'user-1*' \
             union all select user from event_counts where user match 'user-1*')",
            2 * like_1,
        ),
        (
            &format!("select exists (select user, events from event_counts where events > {most}) as n"),
            0,
        ),
        (
            "select count(distinct total) * 1000000 + sum(total = events) as n from (
               select user, events, (select events from event_counts) as total from event_counts)",
            1_000_000,
        ),
        (
            &format!("select sum(events = {all}) as n from (select user, events from event_counts \
                     union all select 'all', events from event_counts)"),
            1,
        ),
        (
            "with c as not materialized (select user, code, events from event_counts)
             select max(events) as n from (select sum(events) as events from c where user match '*')",
            all,
        ),
        ("select sum(events) as n from event_counts where user match '*'", all),
        ("select count(*) as n from event_counts where user match '*'", 1),
    ] {
        assert_eq!(rows(&both, "sql", &[sql]), [expected.to_string()], "{sql}");
    }
    let summed =
        "select count(*) as n from (select user, events from event_counts where summed = 1)";
    assert_eq!(rows(&both, "sql", &[summed]), ["1"]);
    let first = "select min(first_time) = (select min(time) from events) as n from event_counts \
                 where level = 'Metadata' or code = 403 or user > ''";
    assert_eq!(rows(&both, "sql", &[first]), ["1"]);
}
