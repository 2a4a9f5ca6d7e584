use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::ToSqlOutput;

use super::fake::{Fake, Kept, Row, event, query, run_query, show};
use super::{Limits, install};
use crate::model::column::Column;
use crate::model::time;
use crate::model::value::Value;
use crate::store::sqlite::scan::ScanOrder;
use crate::store::{Answer, Budget, Result, SqlQuery, StoreError};

pub(super) fn store() -> Arc<Fake> {
    let get = [
        ("verb", "get"),
        ("stage", "ResponseComplete"),
        ("code", "200"),
    ];
    let with = |more: &[(&'static str, &'static str)]| [&get[..], more].concat();
    let events = vec![
        event(
            1,
            "2026-11-20T14:00:00Z",
            &with(&[("user", "alice"), ("audit_id", "a")]),
        ),
        event(
            2,
            "2026-11-20T14:00:00.5Z",
            &with(&[("user", "bob"), ("audit_id", "b")]),
        ),
        event(
            3,
            "2026-11-20T14:00:01Z",
            &[
                ("verb", "delete"),
                ("user", "Alice"),
                ("audit_id", "a"),
                ("code", "403"),
            ],
        ),
        event(
            4,
            "2026-11-21T00:00:00Z",
            &[
                ("verb", "create"),
                ("audit_id", "d"),
                ("source_ip", "10.0.0.7"),
                ("received_time", "2026-11-20T23:59:59Z"),
                ("request_object", r#"{"spec":{"replicas":3}}"#),
                ("source_ips", r#"["10.0.0.7","10.0.0.8"]"#),
                ("raw", "{\"kind\":\"Event\"}"),
            ],
        ),
        event(
            5,
            "2026-11-21T00:00:00Z",
            &[("user", "0403"), ("audit_id", "b"), ("name", "a%b")],
        ),
        event(
            6,
            "2025-01-01T00:00:00Z",
            &[("user", "ünïcode"), ("verb", ""), ("code", "0")],
        ),
    ];
    Arc::new(Fake {
        events: Arc::new(events),
        ..Fake::default()
    })
}

fn run(fake: &Arc<Fake>, query: &SqlQuery) -> Result<(Kept, Answer)> {
    run_query(
        fake,
        query,
        &Limits::default(),
        &Budget::new(Some(Duration::from_secs(20))),
    )
}

pub(super) fn rows(fake: &Arc<Fake>, sql: &str) -> Vec<String> {
    show(
        &run(fake, &query(sql))
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
            .0
            .rows,
    )
}

fn error(fake: &Arc<Fake>, sql: &str) -> String {
    match run(fake, &query(sql)) {
        Ok((kept, _)) => panic!("{sql} gave {:?}", show(&kept.rows)),
        Err(error) => error.to_string(),
    }
}

pub(super) fn last_scan(fake: &Arc<Fake>) -> (crate::store::filter::Filter, ScanOrder) {
    fake.scans.lock().unwrap().last().unwrap().clone()
}

/// The same events in a plain table, where SQLite decides everything.
fn plain(events: &[Row]) -> rusqlite::Connection {
    install().unwrap();
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    connection
        .create_collation("instant", |a: &str, b: &str| {
            time::parse_instant(a).cmp(&time::parse_instant(b))
        })
        .unwrap();
    let columns: Vec<_> = Column::ALL
        .iter()
        .map(|column| super::events::declaration(column.name(), column.kind()))
        .collect();
    let columns = columns
        .join(", ")
        .replace("\"id\" INTEGER", "\"id\" INTEGER PRIMARY KEY");
    connection
        .execute_batch(&format!("create table events({columns})"))
        .unwrap();
    let marks = vec!["?"; Column::ALL.len()].join(", ");
    let mut insert = connection
        .prepare(&format!("insert into events values ({marks})"))
        .unwrap();
    for event in events {
        let cells = Column::ALL.iter().map(|column| match event.get(column) {
            None | Some(Value::Null | Value::Real(_)) => rusqlite::types::Value::Null,
            Some(Value::Int(number)) => (*number).into(),
            Some(Value::Time(micros)) => time::to_text(*micros).into(),
            Some(Value::Text(text) | Value::Json(text)) => text.to_string().into(),
            Some(Value::Bytes(bytes)) => bytes.to_vec().into(),
        });
        insert
            .execute(rusqlite::params_from_iter(cells.map(ToSqlOutput::Owned)))
            .unwrap();
    }
    drop(insert);
    connection
}

fn plain_rows(connection: &rusqlite::Connection, sql: &str) -> Vec<String> {
    let mut statement = connection
        .prepare(sql)
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let width = statement.column_count();
    let mut found = statement.raw_query();
    let mut rows = Vec::new();
    while let Some(row) = found.next().unwrap() {
        rows.push(
            (0..width)
                .map(|at| super::to_value(row.get_ref(at).unwrap()))
                .collect(),
        );
    }
    show(&rows)
}

/// Conditions whose answers must be SQLite's own, whatever goes down to the scan.
const CONDITIONS: &[&str] = &[
    "user = 'alice'",
    "user <> 'alice'",
    "user is 'alice'",
    "user is not 'alice'",
    "user is null",
    "user is not null",
    "user is not distinct from null",
    "user in ('alice', 'bob', null)",
    "user not in ('alice', 'bob')",
    "user in ('alice', 403)",
    "user = 403",
    "user = '0403'",
    "user = 0403.0",
    "user = null",
    "user like 'ALICE'",
    "user like 'a%'",
    "user like '04%'",
    "user like '_403'",
    "name like 'a\\%b' escape '\\'",
    "user glob 'a*'",
    "user glob '[aA]lice'",
    "user glob '?lice'",
    "user glob 'bob'",
    "user > 'a'",
    "user >= 'alice' and user < 'b'",
    "user between 'a' and 'z'",
    "user < 5",
    "user > x'00'",
    "user < x'00'",
    "user = 'ALICE' collate nocase",
    "user > 'ALICE' collate nocase",
    "verb = ''",
    "verb is null or user = 'bob'",
    "verb = 'get' or audit_id = 'd' or id = 4",
    "code = 403",
    "code = '403'",
    "code = 403.0",
    "code = 402.5",
    "code <> 403",
    "code <> 402.5",
    "code >= 200.5",
    "code > 200.0",
    "code < 'abc'",
    "code > 1e300",
    "code < 9e300",
    "code in (200, '403')",
    "code is 200",
    "code is not 200",
    "code is null",
    "code between 100 and 299",
    "dry_run = 0",
    "dry_run = false and truncated = 0",
    "id in (1, 3, 99)",
    "id > 2 and id <= 5",
    "rowid = 3",
    "user = code",
    "audit_id = 'a'",
    "time = '2026-11-20T14:00:00Z'",
    "time = '2026-11-20T15:00:00+01:00'",
    "time <> '2026-11-20T14:00:00Z'",
    "time > '2026-11-20T14:00:00Z'",
    "'2026-11-20T14:00:00Z' < time",
    "time >= '2026-11-20T14:00:00Z' and time <= '2026-11-20 14:00:01'",
    "time between '2026-11-20' and '2026-11-21'",
    "time in ('2026-11-21', '2026-11-20T14:00:00.500Z')",
    "time not in ('2026-11-21', '2026-11-20T14:00:00.500Z')",
    "time < '2026-11-20' or time > '2026-11-20T23:00:00'",
    "time is null",
    "time is not null",
    "time = null",
    "time is '2026-11-21'",
    "date(time) = '2026-11-21'",
    "received_time < '2027-01-01'",
    "received_time <> '2027-01-01'",
    "received_time is null",
    "received_time is not '2026-11-20T23:59:59Z'",
    "received_time in ('2026-11-20T23:59:59Z')",
    "source_ips is null",
    "source_ips = '10.0.0.7'",
    "source_ip like '10.0.%'",
    "request_object->>'spec.replicas' = 3",
    "request_object ->> '$.spec.replicas' = 3",
    "user in (select user from events where code = 200)",
    "audit_id in (select audit_id from events group by 1 having count(*) > 1)",
    "exists (select 1 from events b where b.audit_id = events.audit_id and b.id <> events.id)",
    "(time, id) < ('2026-11-21', 5)",
    "case when time > '2026-11-20T14:00:00Z' then 1 else 0 end",
];

#[test]
fn conditions_mean_what_they_mean_on_a_plain_table() {
    let fake = store();
    let plain = plain(&fake.events);
    for condition in CONDITIONS {
        for sql in [
            format!("select id from events where {condition} order by id"),
            format!("select count(*), max(id) from events where {condition}"),
            format!("select id from events where not ({condition}) order by time desc, id desc"),
        ] {
            assert_eq!(rows(&fake, &sql), plain_rows(&plain, &sql), "{sql}");
        }
    }
}

#[test]
fn orders_groups_and_joins_are_those_of_a_plain_table() {
    let fake = store();
    let plain = plain(&fake.events);
    for sql in [
        "select id from events order by time desc, id desc",
        "select id from events order by time, id",
        "select id from events order by time desc, id",
        "select id from events order by time desc, id desc limit 2 offset 1",
        "select id from events order by received_time, time, id",
        "select id, user from events order by user, id",
        "select user from events order by user",
        "select user from events order by user desc",
        "select user from events order by user collate nocase, id",
        "select distinct user from events order by user desc",
        "select count(distinct user), count(distinct time) from events",
        "select verb, count(*) from events group by verb order by 1",
        "select verb, count(*) n from events group by verb order by n desc, verb",
        "select verb, count(*) from events group by verb order by verb desc",
        "select time, count(*) from events group by time order by time",
        "select max(time), min(time) from events",
        "select max(received_time), min(received_time) from events",
        "select substr(time, 1, 13) hour, count(*) from events group by hour order by hour",
        "select a.id, b.id from events a join events b on b.audit_id = a.audit_id order by 1, 2",
        "select a.id, b.id from events a left join events b on b.user = a.name order by 1, 2",
        "select a.id, b.id from events a join events b on a.time = b.time order by 1, 2",
        "select a.id from events a join events b on a.time > b.time and b.id = 2 order by 1",
        "with x as (select verb v, time t from events) select v from x where t > '2026-11-20T14:00:00Z' order by 1",
        "with x as (select * from events) select count(*) from x",
        "select id, row_number() over (order by time, id) from events order by id",
        "select json_extract(request_object, '$.spec.replicas') from events where id = 4",
        "select value from events, json_each(source_ips) where events.id = 4 order by 1",
        "select strftime('%Y-%m-%dT%H', time) h, sum(code) from events group by h order by h",
        "select id from events where verb = 'get' union select id from events where code = 403 order by 1",
        "select typeof(id), typeof(time), typeof(code), typeof(raw), typeof(user) from events where id = 4",
    ] {
        assert_eq!(rows(&fake, sql), plain_rows(&plain, sql), "{sql}");
    }
}

#[test]
fn replaced_functions_answer_as_sqlites_own() {
    let fake = store();
    let plain = plain(&fake.events);
    let values = [
        "'aXbXc'",
        "'X'",
        "''",
        "'äöäXä'",
        "'ä'",
        "null",
        "12.5",
        "7",
        "-0.00001",
        "1e20",
        "100.0",
        "x'58'",
        "0.1",
        "123456789012345.6",
        "'  a '",
        "' '",
        "'aX'",
        "1.0e-7",
        "9e999",
        "3.0e15",
    ];
    for a in values {
        for b in values {
            for call in ["instr", "trim", "ltrim", "rtrim"] {
                let sql = format!("select {call}({a}, {b})");
                assert_eq!(rows(&fake, &sql), plain_rows(&plain, &sql), "{sql}");
            }
            let sql = format!("select replace({a}, {b}, 'YZ'), replace('1aX2', {a}, {b})");
            assert_eq!(rows(&fake, &sql), plain_rows(&plain, &sql), "{sql}");
        }
    }
    assert_eq!(rows(&fake, "select '[' || trim(' a ') || ']'"), ["[a]"]);
}

#[test]
fn a_time_range_goes_down_and_the_coverage_follows_it() {
    let fake = store();
    let sql = "select count(*) from events where time > '2026-11-20T14:00:00Z' and time <= '2026-11-21T01:00:00+01:00'";
    let (kept, answer) = run(&fake, &query(sql)).unwrap();
    assert_eq!(show(&kept.rows), ["4"]);
    let (filter, _) = last_scan(&fake);
    assert_eq!(
        filter.since.map(time::to_text).as_deref(),
        Some("2026-11-20T14:00:00.000001Z")
    );
    assert_eq!(
        filter.until.map(time::to_text).as_deref(),
        Some("2026-11-21T00:00:00.000001Z")
    );
    assert_eq!(
        answer.coverage.oldest.as_deref(),
        Some("2026-11-20T14:00:00.000001Z")
    );
    assert_eq!(answer.stats.rows_visited, 5, "four rows and the end");
    let (kept, _) = run(
        &fake,
        &query("select 1 from events where time < '2020-01-01' and time > '2021-01-01'"),
    )
    .unwrap();
    assert!(kept.rows.is_empty());
}

#[test]
fn orders_that_the_scan_can_give_are_asked_of_it() {
    let fake = store();
    for (sql, order) in [
        (
            "select id from events order by time desc limit 1",
            ScanOrder::NewestFirst,
        ),
        (
            "select id from events order by time desc, id desc",
            ScanOrder::NewestFirst,
        ),
        (
            "select id from events order by time",
            ScanOrder::OldestFirst,
        ),
        (
            "select id from events order by time desc, id",
            ScanOrder::Any,
        ),
        ("select max(time) from events", ScanOrder::NewestFirst),
        (
            "select verb, count(*) from events group by verb",
            ScanOrder::GroupedBy(Column::Verb),
        ),
        (
            "select distinct user from events",
            ScanOrder::GroupedBy(Column::User),
        ),
        (
            "select verb from events order by verb collate nocase",
            ScanOrder::Any,
        ),
        (
            "select verb, user, count(*) from events group by verb, user",
            ScanOrder::Any,
        ),
        ("select count(*) from events", ScanOrder::Any),
        (
            "select id from events order by received_time",
            ScanOrder::ByReceivedTime,
        ),
    ] {
        rows(&fake, sql);
        assert_eq!(last_scan(&fake).1, order, "{sql}");
    }
}

#[test]
fn a_limit_reads_no_further_than_it_must() {
    let fake = store();
    let (_, answer) = run(
        &fake,
        &query("select id from events order by time desc limit 2"),
    )
    .unwrap();
    assert!(answer.stats.rows_visited <= 3, "{:?}", answer.stats);
    let limited = SqlQuery {
        limit: 2,
        ..query("select id from events order by time desc, id desc")
    };
    let (kept, answer) = run(&fake, &limited).unwrap();
    assert_eq!(
        (show(&kept.rows), answer.truncated),
        (vec!["5".into(), "4".into()], true)
    );
    let limited = SqlQuery {
        limit: 6,
        ..limited
    };
    assert!(!run(&fake, &limited).unwrap().1.truncated);
}

#[test]
fn a_join_on_audit_id_looks_it_up() {
    let events = (0..500).map(|id| {
        let audit_id = (id / 2).to_string();
        let user = if id < 10 { "alice" } else { "bob" };
        event(
            id,
            "2026-11-20",
            &[("audit_id", &audit_id), ("verb", "get"), ("user", user)],
        )
    });
    let fake = Arc::new(Fake {
        events: Arc::new(events.collect()),
        ..Fake::default()
    });
    let sql = "select count(*) from events a join events b on b.audit_id = a.audit_id where a.user = 'alice' and b.verb = 'get'";
    assert_eq!(rows(&fake, sql), ["20"]);
    let scans = fake.scans.lock().unwrap();
    assert_eq!(scans.len(), 11, "one outer scan, one look-up per outer row");
    assert!(format!("{:?}", scans[1].0).contains("AuditId"));
}

#[test]
fn what_is_no_time_is_an_error_and_not_an_empty_answer() {
    let fake = store();
    for condition in [
        "time > 'yesterday'",
        "time = ''",
        "time <> 'x'",
        "time in ('2026-11-20', 'x')",
        "time not in ('2026-11-20', 'x')",
        "time between 'a' and 'b'",
        "received_time < 'soon'",
        "case when time > 'x' then 1 end",
        "max(time, 'x') is not null",
        "(time > 'x') is true",
    ] {
        let text = error(&fake, &format!("select id from events where {condition}"));
        assert!(text.contains("is not a time"), "{condition}: {text}");
    }
    for condition in [
        "time > 1763647200",
        "time = 1.5",
        "time in (5)",
        "(time > 17) is true",
    ] {
        let text = error(&fake, &format!("select id from events where {condition}"));
        assert!(text.contains("unixepoch"), "{condition}: {text}");
    }
    let text = error(&fake, "select user from users where first_seen > 'x'");
    assert!(text.contains("is not a time"), "{text}");
}

#[test]
fn parameters_are_named_and_must_match() {
    let fake = store();
    let with = |sql: &str, params: &[(&str, Value)]| {
        let params = params
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        run(
            &fake,
            &SqlQuery {
                params: params.collect(),
                ..query(sql)
            },
        )
    };
    let sql = "select count(*) from events where user = :user and time >= @since and code = $code";
    let at = time::parse_instant("2026-11-20T14:00:00Z").unwrap();
    let params = [
        ("user", Value::text("alice")),
        ("since", Value::Time(at)),
        ("code", Value::Int(200)),
    ];
    assert_eq!(show(&with(sql, &params).unwrap().0.rows), ["1"]);
    let missing = with(sql, &params[..2]).unwrap_err().to_string();
    assert_eq!(missing, "parameter 'code' has no value");
    let extra = with("select :a", &[("a", Value::Null), ("b", Value::Null)]);
    assert_eq!(
        extra.unwrap_err().to_string(),
        "the statement has no parameter 'b'"
    );
    assert!(
        with("select ?1", &[])
            .unwrap_err()
            .to_string()
            .contains("has no name")
    );
    let values = [
        ("a", Value::Bytes(vec![1, 255].into())),
        ("b", Value::Real(1.5)),
        ("c", Value::Json("[1]".into())),
    ];
    let found = with("select :a, :b, :c->>0, null", &values).unwrap().0.rows;
    let expected = [
        Value::Bytes(vec![1, 255].into()),
        Value::Real(1.5),
        Value::Int(1),
        Value::Null,
    ];
    assert_eq!(found, [expected]);
    let bad = with(
        "select 1 from events where time > :t",
        &[("t", Value::text("x"))],
    );
    assert!(bad.unwrap_err().to_string().contains("is not a time"));
}

#[test]
fn columns_have_names_and_declared_types() {
    let fake = store();
    let (kept, _) = run(
        &fake,
        &query("select id, time, raw, count(*) n from events"),
    )
    .unwrap();
    let columns: Vec<_> = kept
        .columns
        .iter()
        .map(|c| (c.name.as_str(), c.kind.as_str()))
        .collect();
    assert_eq!(
        columns,
        [
            ("id", "INTEGER"),
            ("time", "TIME"),
            ("raw", "BLOB"),
            ("n", "")
        ]
    );
    let (kept, _) = run(&fake, &query("select * from events limit 0")).unwrap();
    let names: Vec<_> = kept
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(
        names,
        Column::ALL
            .iter()
            .map(|column| column.name())
            .collect::<Vec<_>>()
    );
}

#[test]
fn errors_say_where() {
    let fake = store();
    let text = error(&fake, "select id from events wher verb = 'get'");
    assert!(
        text.contains("syntax error") && text.contains("column"),
        "{text}"
    );
    let text = error(&fake, "select nope from events");
    assert_eq!(text, "no such column: nope (column 8)");
    let text = error(&fake, "select id from events where verb = \"delete\"");
    assert!(text.contains("delete"), "{text}");
    assert!(matches!(
        run(&fake, &query("")),
        Err(StoreError::BadRequest(_))
    ));
    assert!(matches!(
        run(&fake, &query("-- nothing")),
        Err(StoreError::BadRequest(_))
    ));
    assert_eq!(rows(&fake, "select 1; -- done"), ["1"]);
}

#[test]
fn a_breaking_sink_ends_the_statement() {
    struct One(u32);
    impl crate::store::SqlSink for One {
        fn columns(&mut self, _: &[crate::store::SqlColumn]) {}
        fn row(&mut self, _: &[Value]) -> std::ops::ControlFlow<()> {
            self.0 += 1;
            std::ops::ControlFlow::Break(())
        }
    }
    let mut sink = One(0);
    let sql = "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n";
    let budget = Budget::new(Some(Duration::from_secs(20)));
    super::run_on(store(), &query(sql), &Limits::default(), &budget, &mut sink).unwrap();
    assert_eq!(sink.0, 1);
}
