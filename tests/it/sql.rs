//! SQL through the command line and the API, which must write the same.

mod conditions;
mod limits;
mod words;

use serde_json::{Value, json};

use crate::both::{Both, cells};
use crate::support::{Response, event, event_at};

/// `POST /api/v1/sql`.
#[track_caller]
fn post(both: &Both, body: &Value) -> Response {
    both.server.post("/api/v1/sql", body.to_string())
}

/// The rows of a statement without parameters.
#[track_caller]
fn api_rows(both: &Both, sql: &str) -> Value {
    post(both, &json!({ "sql": sql })).expect(200).json()["rows"].clone()
}

/// What a refused statement is told, by both.
#[track_caller]
fn error(both: &Both, sql: &str) -> String {
    let run = both.ask("sql", &[sql]).expect(2);
    assert!(run.stdout.is_empty(), "{sql}");
    let problem = post(both, &json!({ "sql": sql })).expect(400).json();
    let detail = problem["detail"].as_str().unwrap().to_owned();
    assert!(
        run.stderr.contains(&detail),
        "{sql}: {} | {detail}",
        run.stderr
    );
    detail
}

/// Events half a second around a full one, at midnight, and one spelled with an offset.
fn around() -> Both {
    let times = [
        "2026-11-20T13:59:59.999999Z",
        "2026-11-20T14:00:00.000000Z",
        "2026-11-20T14:00:00.500000Z",
        "2026-11-20T14:00:01Z",
        "2026-11-21T00:00:00.000000Z",
        "2026-11-20T16:00:00.000000+02:00",
    ];
    let at = |(n, time): (usize, &&str)| event_at(n as u64, time);
    let events: Vec<String> = times.iter().enumerate().map(at).collect();
    Both::with_events(&events)
}

#[test]
fn times_compare_by_instant_whatever_their_spelling() {
    let both = around();
    // The last two digits of the pod's name are the number of the event above.
    for (condition, expected) in [
        ("time = '2026-11-20T14:00:00Z'", "1,5"),
        ("time = '2026-11-20 14:00:00'", "1,5"),
        ("time = '2026-11-20T14:00'", "1,5"),
        ("time = '2026-11-20T15:00:00+01:00'", "1,5"),
        ("time = '2026-11-20T08:30:00.000-05:30'", "1,5"),
        ("time >= '2026-11-20T14:00:00Z'", "1,2,3,4,5"),
        ("time > '2026-11-20T14:00:00Z'", "2,3,4"),
        (
            "time >= '2026-11-20T14:00:00Z' and time < '2026-11-20T14:00:01Z'",
            "1,2,5",
        ),
        (
            "time between '2026-11-20T14:00:00.000001Z' and '2026-11-20T14:00:01Z'",
            "2,3",
        ),
        (
            "'2026-11-20T14:00:00Z' <= time and '2026-11-21' > time",
            "1,2,3,5",
        ),
        ("time < '2026-11-21'", "0,1,2,3,5"),
        ("time >= '2026-11-21'", "4"),
        (
            "time in ('2026-11-21T00:00:00Z', '2026-11-20T14:00:00.5Z')",
            "2,4",
        ),
        ("time not in ('2026-11-21T01:00:00+01:00')", "0,1,2,3,5"),
        (
            "time >= datetime('2026-11-20T14:00:00Z', '+1 second')",
            "3,4",
        ),
        (
            "time >= strftime('%Y-%m-%d', '2026-11-20T14:00:00Z', '+1 day')",
            "4",
        ),
        ("received_time <> '2026-11-20T14:00:00Z'", "0,2,3,4"),
        ("not time > '2026-11-20T14:00:00Z'", "0,1,5"),
        ("time < '2020-01-01' or time > '2026-11-20T23:00:00Z'", "4"),
        ("coalesce(time, '2020-01-01') > '2026-11-20T23:00:00Z'", "4"),
        ("time = (select max(time) from events)", "4"),
        ("date(time) = '2026-11-21'", "4"),
    ] {
        let numbers = "select group_concat(n) from (select substr(name, 5) n from events where";
        assert_eq!(
            both.rows(&format!("{numbers} {condition} order by 1)")),
            [expected],
            "{condition}"
        );
    }
}

#[test]
fn times_are_read_group_and_order_by_instant() {
    let both = around();
    assert_eq!(
        both.rows("select time, count(*) from events group by time order by time"),
        [
            "2026-11-20T13:59:59.999999Z|1",
            "2026-11-20T14:00:00.000000Z|2",
            "2026-11-20T14:00:00.500000Z|1",
            "2026-11-20T14:00:01.000000Z|1",
            "2026-11-21T00:00:00.000000Z|1",
        ]
    );
    assert_eq!(both.rows("select count(distinct time) from events"), ["5"]);
    let hours = "select substr(time, 1, 13) hour, count(*) from events group by hour order by hour";
    assert_eq!(
        both.rows(hours),
        ["2026-11-20T13|1", "2026-11-20T14|4", "2026-11-21T00|1"]
    );
    let newest = "select substr(name, 5) from events order by time desc limit 2";
    assert_eq!(both.rows(newest), ["4", "3"]);
    assert_eq!(
        both.rows("select strftime('%s', max(time)) - strftime('%s', min(time)) from events"),
        ["36001"]
    );
}

#[test]
fn bound_times_and_now_work_too() {
    let both = around();
    let sql = "select count(*) from events where time >= :since and time < :until";
    for (since, until, expected) in [
        ("2026-11-20T14:00:00Z", "2026-11-20T14:00:01Z", 3),
        ("2026-11-20", "2026-11-21", 5),
        ("2026-11-20T15:00:00+01:00", "2026-11-20 14:00:00.1", 2),
    ] {
        let run = both.ask(
            "sql",
            &[
                sql,
                "-o",
                "jsonl",
                "--param",
                &format!("since={since}"),
                "--param",
                &format!("until={until}"),
            ],
        );
        assert_eq!(
            run.text(),
            format!("{{\"count(*)\":{expected}}}\n"),
            "{since} {until}"
        );
        let answer = post(
            &both,
            &json!({"sql": sql, "params": {"since": since, "until": until}}),
        );
        assert_eq!(answer.expect(200).json()["rows"], json!([[expected]]));
    }
    let run = both.ask(
        "sql",
        &[sql, "--param", "since=soon", "--param", "until=2026-11-21"],
    );
    assert!(run.expect(2).stderr.contains("'soon' is not a time"));

    let clock = "select strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-1 hour'), \
                 strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-2 days')";
    let now = both.rows(clock).remove(0);
    let (recent, older) = now.split_once('|').unwrap();
    let both = Both::with_events(&[event_at(1, recent), event_at(2, older)]);
    for (condition, expected) in [
        ("time > datetime('now', '-1 day')", 1),
        ("time > date('now', '-10 days')", 2),
        (
            "time between datetime('now', '-3 days') and datetime('now', '-1 day')",
            1,
        ),
        (
            "time > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-2 hours')",
            1,
        ),
    ] {
        assert_eq!(
            both.number(&format!("select count(*) from events where {condition}")),
            expected
        );
    }
    assert_eq!(both.count(&["--since", "1d"]), 1);
    assert_eq!(both.count(&["--until", "1d"]), 1);
    assert_eq!(both.count(&["--since", "3d", "--until", "90m"]), 1);
}

#[test]
fn what_is_no_time_is_an_error() {
    let both = around();
    for condition in [
        "time > 'yesterday'",
        "time = ''",
        "time in ('2026-11-20', 'x')",
        "received_time < '20.11.2026'",
        "time > '2026-02-30'",
        "time > '2026-11-20T25:00:00Z'",
    ] {
        let told = error(
            &both,
            &format!("select count(*) from events where {condition}"),
        );
        assert!(
            told.contains("is not a time") && told.contains("2026-11-20"),
            "{condition}: {told}"
        );
    }
    let told = error(&both, "select count(*) from events where time > 1763647200");
    assert!(told.contains("datetime(1763647200, 'unixepoch')"), "{told}");
}

/// An event with these fields more.
fn with(n: u64, more: &str) -> String {
    let event = event(n);
    format!("{},{more}}}", &event[..event.len() - 1])
}

#[test]
fn an_unreadable_body_is_null_and_fails_no_query() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let both = Both::with_events(&[
        with(
            1,
            r#""requestObject":{"spec":{"replicas":3},"items":[1,2]}"#,
        ),
        with(2, &format!(r#""requestObject":{deep}"#)),
        with(3, r#""responseObject":{"a":"\ud800"},"requestObject":null"#),
        event(4),
    ]);
    let open = with(5, r#""requestObject":{"a":""#);
    let open = open.trim_end_matches('}').as_bytes();
    let latin = [open, b"\xe9\"}}"];
    both.server.post("/webhook", latin.concat()).expect(200);
    for _ in 0..2 {
        let sql = "select substr(name, 5), request_object ->> '$.spec.replicas', body_quality \
                   from events order by time";
        let rows = both.rows(sql);
        assert_eq!(rows.len(), 5);
        assert_eq!(rows[0], "1|3|");
        assert!(rows[1].starts_with("2||nested deeper"), "{rows:?}");
        assert_eq!(rows[3], "4||");
        assert_eq!(rows[4], "5||invalid UTF-8");
        let replicas = "select count(*) from events where request_object ->> '$.spec.replicas' = 3";
        assert_eq!(both.number(replicas), 1);
        let each = "select sum(value) from events, json_each(request_object, '$.items')";
        assert_eq!(both.number(each), 3);
        let null = "select count(*) from events where request_object is null";
        assert_eq!(both.number(null), 4);
        let raw = "select count(*) from events where length(raw) > 5000 and sha256 is not null";
        assert_eq!(both.number(raw), 1);
        // The same from a sealed segment.
        both.server.cli("seal", &[]).expect(0);
    }
}

/// A stage of a call.
fn stage(id: &str, stage: &str, user: &str, uri: &str, second: u32, code: u32) -> String {
    format!(
        r#"{{"level":"Metadata","auditID":"{id}","stage":"{stage}","requestURI":"{uri}","verb":"get","user":{{"username":"{user}"}},"responseStatus":{{"code":{code}}},"requestReceivedTimestamp":"2026-11-20T10:00:00Z","stageTimestamp":"2026-11-20T10:00:{second:02}Z"}}"#
    )
}

#[test]
fn requests_are_stages_put_together() {
    let both = Both::with_events(&[
        // The end before the beginning, as buffers of the apiserver may bring it.
        stage("done", "ResponseComplete", "alice", "/a", 3, 200),
        stage("done", "RequestReceived", "alice", "/a", 0, 0),
        stage("watch", "RequestReceived", "alice", "/w", 0, 0),
        stage("watch", "ResponseStarted", "alice", "/w", 1, 200),
        stage("reused", "ResponseComplete", "alice", "/a", 1, 200),
        stage("reused", "ResponseComplete", "mallory", "/secrets", 1, 200),
        stage("twice", "ResponseComplete", "alice", "/a", 1, 200),
        stage("twice", "ResponseComplete", "alice", "/a", 2, 200),
        stage("rejected", "ResponseStarted", "alice", "/a", 1, 401),
        stage("panic", "RequestReceived", "alice", "/a", 0, 0),
        stage("panic", "Panic", "alice", "/a", 1, 500),
    ]);
    let sql = "select audit_id, user, stages, open, ambiguous, substr(first_time, 18, 2), \
               substr(time, 18, 2), outcome from requests order by 1, 2, 7";
    let expected = [
        r#"done|alice|["RequestReceived","ResponseComplete"]|0|0|00|03|success"#,
        r#"panic|alice|["RequestReceived","Panic"]|0|0|00|01|panic"#,
        r#"rejected|alice|["ResponseStarted"]|0|0|01|01|denied_authn"#,
        r#"reused|alice|["ResponseComplete"]|0|0|01|01|success"#,
        r#"reused|mallory|["ResponseComplete"]|0|0|01|01|success"#,
        r#"twice|alice|["ResponseComplete"]|0|1|01|01|success"#,
        r#"twice|alice|["ResponseComplete"]|0|1|02|02|success"#,
        r#"watch|alice|["RequestReceived","ResponseStarted"]|1|0|00|01|success"#,
    ];
    assert_eq!(both.rows(sql), expected);
    both.server.cli("seal", &[]).expect(0);
    assert_eq!(both.rows(sql), expected);
    assert_eq!(
        both.rows("select count(*), sum(open), sum(ambiguous) from requests"),
        ["8|1|2"]
    );
    let of_one = "select count(*) from requests where audit_id = 'reused' and user = 'mallory'";
    assert_eq!(both.number(of_one), 1);
    assert_eq!(both.count(&["--audit-id", "done", "--final"]), 1);
    assert_eq!(both.count(&["--final"]), 8, "a reused ID hides nothing");
}

#[test]
fn all_ways_of_asking_for_requests_agree() {
    let of = |user: &str, name: &str, second, code| {
        stage(user, name, user, &format!("/{user}"), second, code)
    };
    let both = Both::with_events(&[
        // What is not known is no end, whatever its time.
        of("unknown", "Mystery", 2, 200),
        of("unknown", "ResponseComplete", 1, 500),
        of("waits", "Mystery", 1, 201),
        of("waits", "ResponseStarted", 3, 200),
        // Calls that cannot be told apart: neither hides the other, earlier stages make no row.
        of("two-ends", "ResponseComplete", 1, 200),
        of("two-ends", "Panic", 2, 500),
        of("two-ends", "RequestReceived", 0, 0),
        of("two-begun", "RequestReceived", 0, 1),
        of("two-begun", "RequestReceived", 1, 2),
        of("one-ended", "RequestReceived", 0, 1),
        of("one-ended", "RequestReceived", 1, 2),
        // Several starts are of one call.
        of("two-starts", "ResponseStarted", 2, 202),
        of("two-starts", "ResponseStarted", 1, 201),
        of("three-starts", "ResponseStarted", 1, 201),
        of("three-starts", "ResponseStarted", 1, 202),
        of("starts-end", "ResponseStarted", 1, 201),
        of("starts-end", "ResponseStarted", 2, 202),
    ]);
    both.server.cli("seal", &[]).expect(0);
    let later = [
        of("three-starts", "ResponseStarted", 1, 203),
        of("starts-end", "ResponseComplete", 0, 200),
        of("one-ended", "ResponseComplete", 3, 200),
        of("two-ends", "ResponseComplete", 1, 403),
    ];
    both.server.post("/webhook", later.join("\n")).expect(200);
    let check = || {
        let expected = [
            "one-ended|200|1",
            "starts-end|200|1",
            "three-starts|203|1",
            "two-begun|1|1",
            "two-begun|2|1",
            "two-ends|200|1",
            "two-ends|403|1",
            "two-ends|500|1",
            "two-starts|202|1",
            "unknown|500|1",
            "waits|201|1",
        ];
        let by = "user, code";
        let requests = format!("select {by}, count(*) from requests group by {by} order by {by}");
        assert_eq!(both.rows(&requests), expected);
        let counts =
            format!("select {by}, events from event_counts where per_request = 1 order by {by}");
        assert_eq!(both.rows(&counts), expected);
        let counted = ["--final", "--by", "user,code", "--limit", "0", "-o", "csv"];
        let mut counted: Vec<_> = cells(&both.ask("count", &counted).expect(0))
            .iter()
            .map(|row| row.join("|"))
            .collect();
        counted.sort_unstable();
        assert_eq!(counted, expected);
        assert_eq!(both.count(&["--final"]), expected.len());
        let stages = "select distinct user, stages, ambiguous from requests where user like '%e%' order by 1, 2";
        assert_eq!(
            both.rows(stages),
            [
                r#"one-ended|["RequestReceived","RequestReceived","ResponseComplete"]|1"#,
                r#"starts-end|["ResponseStarted","ResponseStarted","ResponseComplete"]|1"#,
                r#"three-starts|["ResponseStarted","ResponseStarted","ResponseStarted"]|1"#,
                r#"two-begun|["RequestReceived"]|1"#,
                r#"two-ends|["RequestReceived","Panic"]|1"#,
                r#"two-ends|["RequestReceived","ResponseComplete"]|1"#,
            ]
        );
        // Nothing measured gets lost where events make no row.
        for user in ["two-ends", "three-starts"] {
            let measured = |condition: &str| {
                both.rows(&format!(
                    "select min(first_time), max(last_time), sum(raw_bytes) from event_counts \
                     where user = '{user}' {condition}"
                ))
            };
            assert_eq!(measured("and per_request = 1"), measured(""), "{user}");
        }
    };
    check();
    both.server.cli("seal", &[]).expect(0);
    check();
}

#[test]
fn browse_tables_sum_up_the_events() {
    let events: Vec<String> = (0..70).map(event).collect();
    let both = Both::with_events(&events);
    both.server.post("/webhook/other", "broken").expect(200);
    both.server.post("/webhook", &events[0]).expect(200);
    for (table, column) in [
        ("users", "user"),
        ("verbs", "verb"),
        ("namespaces", "namespace"),
        ("resources", "resource"),
        ("user_agents", "user_agent"),
    ] {
        let browse =
            format!("select {column}, events, first_seen, last_seen from {table} order by 1");
        let group = format!(
            "select {column}, count(*), min(time), max(time) from events group by 1 order by 1"
        );
        assert_eq!(both.rows(&browse), both.rows(&group), "{table}");
    }
    // Every recorded address counts, of which these events have one.
    let addresses = both.rows("select source_ip, events from source_ips order by 1");
    assert_eq!(
        addresses,
        both.rows("select source_ip, count(*) from events group by 1 order by 1")
    );
    let sources = "select cluster, source, events, duplicates, quarantined from sources order by 1";
    assert_eq!(
        both.rows(sources),
        ["default|webhook|70|1|0", "other|webhook|0|0|1"]
    );
    assert_eq!(
        both.rows("select cluster, reason, bytes, raw from quarantine")
            .len(),
        1
    );
    let log = "select sum(events), sum(duplicates), sum(quarantined) from ingest_log";
    assert_eq!(both.rows(log), ["70|1|1"]);
    assert_eq!(both.number("select sum(events) from segments"), 70);
}

#[test]
fn answers_say_their_columns_and_coverage() {
    let both = around();
    let sql = "select time, code, raw, request_object, count(*) as n from events where code = 201";
    let answer = post(&both, &json!({ "sql": sql })).expect(200).json();
    let kinds: Vec<&str> = answer["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["TIME", "INTEGER", "BLOB", "JSON", ""]);
    assert_eq!(answer["columns"][4]["name"], "n");
    assert_eq!(answer["truncated"], false);
    assert_eq!(answer["coverage"]["oldest"], "2026-11-20T13:59:59.999999Z");
    assert_eq!(answer["coverage"]["quarantined"], 0);
    for counter in ["elapsed_us", "segments_opened", "rows_visited"] {
        assert!(answer["stats"][counter].is_u64(), "{counter}: {answer}");
    }
    assert_eq!(
        api_rows(&both, "select x'00ff', 1.5, null, 'é', -1"),
        json!([[{"base64": "AP8="}, 1.5, null, "é", -1]])
    );
}

#[test]
fn parameters_have_names_and_values() {
    let both = around();
    let typed = "select typeof(:a), typeof(:b), typeof(:c), typeof(:d), :d";
    let answer = post(
        &both,
        &json!({"sql": typed, "params": {"a": 1, "b": 1.5, "c": null, "d": "x';--"}}),
    );
    assert_eq!(
        answer.expect(200).json()["rows"],
        json!([["integer", "real", "null", "text", "x';--"]])
    );
    let run = both.ask(
        "sql",
        &[
            "select :n + 1, $who, @who",
            "--param",
            "n=41",
            "--param",
            "who=a=b",
            "-o",
            "csv",
        ],
    );
    assert_eq!(run.expect(0).text().lines().nth(1), Some("42,a=b,a=b"));
    for (body, told) in [
        (json!({"sql": "select :a"}), "parameter 'a' has no value"),
        (
            json!({"sql": "select 1", "params": {"a": 1}}),
            "has no parameter 'a'",
        ),
        (json!({"sql": "select ?1"}), "write :name for ?"),
        (
            json!({"sql": "select :a", "params": {"a": [1]}}),
            "parameter \"a\"",
        ),
        (json!({"sql": "select 1", "parms": {}}), "parms"),
        (json!({"query": "select 1"}), "query"),
        (json!({"sql": "select 1", "limit": -1}), "bad JSON body"),
    ] {
        let detail = post(&both, &body).expect(400).json()["detail"]
            .to_string()
            .replace("\\\"", "\"");
        assert!(detail.contains(told), "{body}: {detail}");
    }
    let twice = both
        .ask("sql", &["select :a", "--param", "a=1", "--param", "a=2"])
        .expect(2);
    assert!(twice.stderr.contains("given twice"), "{}", twice.stderr);
}
