//! Attacks on the sandbox: each is refused or stopped, and leaves the next statement unharmed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::fake::{Fake, Kept, event, query, run_query, show};
use super::{Limits, install};
use crate::store::{Answer, Budget, Result, StoreError};

const FOREVER: &str = "with recursive n(i) as (select 1 union all select i + 1 from n)";

pub(super) fn store() -> Arc<Fake> {
    let events = (0..2000).map(|id| {
        event(
            id,
            "2026-11-20T14:00:00Z",
            &[("verb", "get"), ("user", "alice"), ("audit_id", "a")],
        )
    });
    Arc::new(Fake {
        events: Arc::new(events.collect()),
        ..Fake::default()
    })
}

/// Small limits, so that attacks end soon.
pub(super) fn small() -> Limits {
    Limits {
        memory_bytes: 48 << 20,
        temp_bytes: 8 << 20,
        ..Limits::default()
    }
}

pub(super) fn attempt(
    fake: &Arc<Fake>,
    sql: &str,
    limits: &Limits,
    time: Duration,
) -> Result<(Kept, Answer)> {
    let outcome = run_query(fake, &query(sql), limits, &Budget::new(Some(time)));
    // Whatever happened, the next statement works as usual.
    let next = query("select count(*), max(verb) from events where time > '2026-11-20'");
    let budget = Budget::new(Some(Duration::from_secs(20)));
    let (kept, _) = run_query(fake, &next, &Limits::default(), &budget).unwrap();
    assert_eq!(show(&kept.rows), ["2000|get"], "after {sql}");
    outcome
}

pub(super) fn refused(fake: &Arc<Fake>, sql: &str) -> String {
    match attempt(fake, sql, &small(), Duration::from_secs(20)) {
        Err(StoreError::BadRequest(text)) => text,
        Err(other) => panic!("{sql}: {other:?}"),
        Ok((kept, _)) => panic!("{sql} gave {} rows", kept.rows.len()),
    }
}

#[test]
fn statements_that_do_more_than_read_are_refused() {
    let fake = store();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.db");
    let path = path.display();
    for sql in [
        format!("attach '{path}' as x"),
        "attach ':memory:' as x".into(),
        format!("attach 'file:{path}?vfs=unix' as x"),
        "detach main".into(),
        format!("vacuum into '{path}'"),
        "vacuum".into(),
        "reindex".into(),
        "analyze".into(),
        "begin".into(),
        "begin immediate".into(),
        "commit".into(),
        "rollback".into(),
        "savepoint x".into(),
        "release x".into(),
        "create table t(a)".into(),
        "create temp table t(a)".into(),
        "create table t as select 1".into(),
        "create view v as select 1".into(),
        "create temp view v as select 1".into(),
        "create trigger t after insert on events begin select 1; end".into(),
        "create temp trigger t after insert on events begin select 1; end".into(),
        "create index i on events(verb)".into(),
        "create virtual table t using fts5(a)".into(),
        "create virtual table t using rtree(a, b, c)".into(),
        "create virtual table t using events".into(),
        "create virtual table t using dbstat".into(),
        "drop table events".into(),
        "alter table events rename to e".into(),
        "insert into events(verb) values ('x')".into(),
        "insert into events(verb) values ('x') returning id".into(),
        "replace into events(id) values (1)".into(),
        "update events set verb = 'x'".into(),
        "delete from events".into(),
        "delete from events returning id".into(),
        "with x as (select 1) delete from events".into(),
        "insert into users select * from users".into(),
        "insert into sqlite_schema values (1, 2, 3, 4, 5)".into(),
        "delete from sqlite_schema".into(),
        "explain delete from events".into(),
        "explain attach ':memory:' as x".into(),
        "select 1; select 2".into(),
        "select 1; delete from events".into(),
        "select 1;; attach ':memory:' as x".into(),
        "select 1 /* */; /* */ vacuum".into(),
        "select 1\0; attach ':memory:' as x".into(),
    ] {
        refused(&fake, &sql);
    }
    assert!(!Path::new(&path.to_string()).exists(), "no file was made");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn pragmas_are_refused_but_for_those_that_describe_tables() {
    let fake = store();
    for sql in [
        "pragma query_only = off",
        "pragma writable_schema = on",
        "pragma trusted_schema = on",
        "pragma temp_store_directory = '/tmp'",
        "pragma temp_store = memory",
        "pragma data_store_directory = '/tmp'",
        "pragma database_list",
        "pragma cache_size = 1000000000",
        "pragma mmap_size = 1000000000000",
        "pragma hard_heap_limit = 1",
        "pragma soft_heap_limit = 1",
        "pragma threads = 8",
        "pragma journal_mode = wal",
        "pragma locking_mode = exclusive",
        "pragma case_sensitive_like = on",
        "pragma module_list",
        "pragma compile_options",
        "pragma optimize",
        "pragma integrity_check",
        "pragma user_version = 5",
        "pragma encoding = 'UTF-16'",
        "pragma shrink_memory",
        "pragma busy_timeout = 100000",
        "select * from pragma_database_list",
        "select * from pragma_module_list",
        "select * from pragma_hard_heap_limit(1)",
        "select * from pragma_compile_options",
        "select count(*) from pragma_database_list",
        "select * from pragma_query_only(0)",
    ] {
        let text = refused(&fake, sql);
        assert!(
            text.starts_with("not allowed") || text.contains("no such table"),
            "{sql}: {text}"
        );
    }
    let names = "select group_concat(name) from pragma_table_info('users')";
    for (sql, expected) in [
        (names, "user,first_seen,last_seen,events"),
        (
            "select count(*) > 40 from pragma_table_xinfo('events')",
            "1",
        ),
        ("select count(*) from sqlite_schema", "0"),
    ] {
        let (kept, _) = attempt(&fake, sql, &small(), Duration::from_secs(20)).unwrap();
        assert_eq!(show(&kept.rows), [expected], "{sql}");
    }
}

#[test]
fn functions_and_tables_that_reach_outside_are_refused() {
    let fake = store();
    for sql in [
        "select load_extension('/lib/x.so')",
        "select load_extension('/lib/x.so', 'init')",
        "select readfile('/etc/passwd')",
        "select writefile('/tmp/auditql-x', 'x')",
        "select edit('x')",
        "select fsdir('/')",
        "select * from fsdir('/')",
        "select lsmode(1)",
        "select fts3_tokenizer('simple')",
        "select fts3_tokenizer('simple', x'0000000000000000')",
        "select fts5(null)",
        "select optimize('x')",
        "select snippet('x')",
        "select matchinfo('x')",
        "select rtreecheck('main', 'x')",
        "select rtreenode(2, x'00')",
        "select rtreedepth(x'0000')",
        "select sqlite_log(1, 'x')",
        "select sqlite_compileoption_get(1)",
        "select sqlite_source_id()",
        "select last_insert_rowid()",
        "select total_changes()",
        "select json_patch('{}', '{}')",
        "select * from sqlite_dbpage",
        "select * from dbstat",
        "select count(*) from dbstat",
        "select * from fts3tokenize",
        "select * from fts5vocab",
        "select * from sqlite_stmt",
        "select * from bytecode('select 1')",
        "select * from generate_series(1, 1000000000000)",
        "select * from completion('s')",
        "select * from csv",
        "select * from '/etc/passwd'",
        "select id from events where id match 'x'",
        "select id from events where user regexp 'x'",
    ] {
        refused(&fake, sql);
    }
}

#[test]
fn what_never_ends_is_stopped_at_the_deadline() {
    let fake = store();
    let limit = Duration::from_millis(300);
    for sql in [
        format!("{FOREVER} select count(*) from n"),
        format!("{FOREVER} select i from n where i < 0"),
        format!("{FOREVER} select 1 from events where id in (select i from n where i < 0)"),
        "select count(*) from events a, events b, events c, events d".into(),
        "select count(*) from events a join events b join events c on a.user = c.verb".into(),
        "select max(a.time) from requests a, events b, events c, events d".into(),
        "select count(*) from verbs a, verbs b, events c, events d, events e".into(),
    ] {
        let began = Instant::now();
        let error = attempt(&fake, &sql, &Limits::default(), limit).unwrap_err();
        assert!(
            matches!(error, StoreError::TimedOut { .. }),
            "{sql}: {error:?}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(15),
            "{sql}: {:?}",
            began.elapsed()
        );
    }
}

#[test]
fn a_single_step_does_not_outlast_its_deadline() {
    let fake = store();
    for sql in [
        "select instr(zeroblob(4000000), zeroblob(2000000) || x'01')",
        "select length(replace(hex(zeroblob(2000000)), hex(zeroblob(1000000)) || '1', ''))",
        "select length(trim(hex(zeroblob(2000000)), 'x' || hex(randomblob(1000000))))",
    ] {
        let began = Instant::now();
        let limits = Limits {
            memory_bytes: 128 << 20,
            ..small()
        };
        attempt(&fake, sql, &limits, Duration::from_secs(20)).unwrap();
        assert!(
            began.elapsed() < Duration::from_secs(15),
            "{sql}: {:?}",
            began.elapsed()
        );
    }
}

#[test]
fn a_client_that_goes_away_stops_its_statement() {
    let budget = Budget::new(None);
    let cancel = budget.cancel_flag();
    let running = std::thread::spawn(move || {
        let sql = format!("{FOREVER} select count(*) from n");
        run_query(&store(), &query(&sql), &Limits::default(), &budget).unwrap_err()
    });
    cancel.store(true, Ordering::Relaxed);
    assert!(matches!(running.join().unwrap(), StoreError::Cancelled));
}

#[test]
fn what_grows_without_end_runs_into_a_limit() {
    let fake = store();
    let events = "events a, events b, events c";
    for sql in [
        "select randomblob(1000000000)".to_owned(),
        "select zeroblob(1000000000)".into(),
        "select length(zeroblob(2000000000))".into(),
        "select hex(zeroblob(60000000))".into(),
        "select replace(hex(zeroblob(1000000)), '0', hex(zeroblob(1000)))".into(),
        "select length(replace(replace(replace(replace('xxxxxxxxxx', 'x', 'yyyyyyyyyyyyyyyyyyyy'), 'y', 'zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz'), 'z', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'), 'a', hex(zeroblob(1000))))".into(),
        format!("select group_concat(a.user || hex(zeroblob(1000)), ',') from {events}"),
        format!("select json_group_array(hex(zeroblob(1000))) from {events}"),
        format!("select json_group_object(a.id, hex(zeroblob(1000))) from {events}"),
        format!("select string_agg(a.time, ', ') from {events}"),
        format!("select a.id, b.id, c.id from {events} order by random()"),
        format!("select distinct a.id, b.id, c.id, hex(zeroblob(200)) from {events}"),
        format!("select a.id, b.id, c.id, count(*) from {events} group by 1, 2, 3"),
        format!("select a.id, sum(b.id) over (order by c.id) from {events}"),
        format!("{FOREVER} select i, hex(randomblob(1000)) from n order by 2"),
        format!("{FOREVER} select distinct hex(randomblob(1000)) from n limit -1"),
        format!("{FOREVER} select hex(zeroblob(500)) || i from n union select 'x'"),
        format!("select hex(randomblob(20000000)) || a.id from {events} order by 1"),
        "with recursive n(s) as (select 'x' union all select s || s from n) select max(s) from n".into(),
        "with recursive n(s) as (select 'x' union select s || randomblob(1000) from n) select count(*) from n".into(),
        "with recursive n(j) as (select '[1]' union all select '[' || j || ',' || j || ']' from n) select max(length(j)) from n".into(),
        "select * from events a, (select hex(zeroblob(20000)) h from events)".into(),
    ] {
        // `group_concat` takes no notice of a text that is too long until its end.
        let memory_bytes = if sql.contains("concat") || sql.contains("agg") { 4 << 20 } else { 48 << 20 };
        let limits = Limits { result_bytes: Some(8 << 20), memory_bytes, ..small() };
        let error = attempt(&fake, &sql, &limits, Duration::from_secs(60)).err();
        match error {
            Some(StoreError::LimitReached(_)) => {}
            Some(StoreError::BadRequest(text)) if text.contains("longer than 4 MiB") => {}
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[test]
fn printf_beyond_the_limit_never_builds_the_text() {
    let fake = store();
    for sql in [
        "select printf('%*c', 1000000000, 'x')",
        "select printf('%1000000000d', 1)",
        "select length(printf('%.*c', 1000000000, 'x'))",
        "select unhex(printf('%0100000000d', 0))",
    ] {
        match attempt(&fake, sql, &small(), Duration::from_secs(20)) {
            Ok((kept, _)) => assert_eq!(show(&kept.rows), ["NULL"], "{sql}"),
            Err(error) => assert!(
                matches!(error, StoreError::BadRequest(_)) && error.to_string().contains("4 MiB"),
                "{sql}: {error}"
            ),
        }
    }
}

#[test]
fn the_limit_that_was_reached_is_named() {
    let fake = store();
    let text = |sql: &str, limits: &Limits| {
        attempt(&fake, sql, limits, Duration::from_secs(60))
            .unwrap_err()
            .to_string()
    };
    let sort = "select a.id, b.id from events a, events b order by random()";
    assert!(text(sort, &small()).contains("8 MiB of temporary files"));
    let hold = "select hex(zeroblob(2000000)) a, hex(zeroblob(2000000)) b, hex(zeroblob(2000000)) c,
        hex(zeroblob(2000000)) d, hex(zeroblob(2000000)) e, hex(zeroblob(2000000)) f, hex(zeroblob(2000000)) g";
    assert!(
        text(hold, &small()).contains("48 MiB of memory"),
        "{}",
        text(hold, &small())
    );
    assert!(text("select zeroblob(100000000)", &small()).contains("longer than 4 MiB"));
    let limits = Limits {
        result_bytes: Some(1000),
        ..small()
    };
    assert!(text("select id from events", &limits).contains("result is larger"));
    let no_limit = Limits {
        result_bytes: None,
        ..small()
    };
    assert!(
        attempt(
            &fake,
            "select id from events",
            &no_limit,
            Duration::from_secs(9)
        )
        .is_ok()
    );
    let nowhere = Limits {
        temp_dir: "/nonexistent".into(),
        ..small()
    };
    assert!(
        text(sort, &nowhere).contains("/nonexistent"),
        "{}",
        text(sort, &nowhere)
    );
}

#[test]
fn deep_and_long_statements_are_refused() {
    let fake = store();
    let deep = |open: &str, inner: &str, close: &str, times: usize| {
        format!(
            "select {}{inner}{}",
            open.repeat(times),
            close.repeat(times)
        )
    };
    let unions = vec!["select 1"; 5000].join(" union all ");
    let columns = vec!["1"; 5000].join(", ");
    let doubling = (1..40).fold("with a0 as (select 1 x)".to_owned(), |sql, i| {
        let before = i - 1;
        format!("{sql}, a{i} as (select * from a{before} union all select * from a{before})")
    });
    let crossing = (1..30).fold("with a0 as (select id from events)".to_owned(), |sql, i| {
        let before = i - 1;
        format!("{sql}, a{i} as (select x.id from a{before} x, a{before} y)")
    });
    for sql in [
        deep("-", "1", "", 100_000),
        deep("not ", "1", "", 100_000),
        deep("1 + ", "1", "", 100_000),
        deep("abs(", "1", ")", 5_000),
        deep("(select ", "1", ")", 5_000),
        deep("case when 1 then ", "1", " end", 5_000),
        deep("max(1, ", "1", ")", 5_000),
        format!("select 1 where 1 in ({})", vec!["1"; 600_000].join(",")),
        format!("select '{}'", "x".repeat(2 << 20)),
        format!("select coalesce({columns})"),
        format!("select {columns}"),
        unions,
        format!("{doubling} select count(*) from a39"),
        format!("{crossing} select count(*) from a29"),
        format!("select 1 from {}", vec!["events"; 100].join(", ")),
        format!(
            "select id from events where user like '{}'",
            "%a".repeat(10_000)
        ),
    ] {
        let shown: String = sql.chars().take(60).collect();
        let outcome = attempt(&fake, &sql, &small(), Duration::from_secs(5));
        let error = outcome.err().unwrap_or_else(|| panic!("{shown} was run"));
        assert!(
            matches!(
                error,
                StoreError::BadRequest(_)
                    | StoreError::LimitReached(_)
                    | StoreError::TimedOut { .. }
            ),
            "{shown}: {error:?}"
        );
    }
    for json in [
        "[".repeat(100_000),
        format!("{}{}", "[".repeat(2000), "]".repeat(2000)),
    ] {
        refused(&fake, &format!("select json('{json}')"));
        refused(&fake, &format!("select count(*) from json_tree('{json}')"));
    }
}

#[test]
fn harmless_statements_are_allowed() {
    let fake = store();
    for (sql, rows) in [
        (
            "explain query plan select id from events where time > '2026-11-20'",
            1,
        ),
        ("values (1), (2)", 2),
        ("select value from json_each('[1, 2, 3]')", 3),
        ("select key from json_tree('{\"a\": {\"b\": 1}}')", 3),
        (
            "with recursive n(i) as (values (1) union all select i + 1 from n where i < 9) select i from n",
            9,
        ),
        (
            "select substr(hex(randomblob(4)), 1, 2), upper('x'), datetime('now', '-1 day'), random() is null",
            1,
        ),
        (
            "select 'a' like 'A', 'a' glob '*', iif(1, 2, 3), format('%d', 1), concat('a', 'b')",
            1,
        ),
        (
            "select count(*) filter (where verb = 'get'), sum(1), avg(2), total(3) from events",
            1,
        ),
        (
            "select json_object('a', json_array(1)), json('{}') -> '$', '[1]' ->> 0",
            1,
        ),
        ("select count(*) from (select 1 union select 2)", 1),
        ("explain select 1", 1),
    ] {
        let (kept, _) = attempt(&fake, sql, &small(), Duration::from_secs(20)).unwrap();
        assert!(kept.rows.len() >= rows, "{sql}");
    }
    let plan = query("explain query plan select id from events where verb = 'get' order by time");
    let budget = Budget::new(None);
    let (kept, _) = run_query(&fake, &plan, &small(), &budget).unwrap();
    assert!(
        show(&kept.rows)[0].contains("oldest verb:="),
        "{:?}",
        show(&kept.rows)
    );
}

#[test]
fn another_thread_allocates_while_a_statement_is_out_of_memory() {
    install().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&stop);
    let ingest = std::thread::spawn(move || {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection
            .execute_batch("create table t(a); pragma cache_size = -100000")
            .unwrap();
        let mut inserted = 0;
        while !seen.load(Ordering::Relaxed) || inserted < 20 {
            connection
                .execute("insert into t values (randomblob(4000000))", [])
                .unwrap();
            connection.execute("delete from t", []).unwrap();
            inserted += 1;
        }
        inserted
    });
    let fake = store();
    let limits = Limits {
        memory_bytes: 2 << 20,
        ..small()
    };
    for _ in 0..20 {
        let error = attempt(
            &fake,
            "select randomblob(3000000)",
            &limits,
            Duration::from_secs(9),
        );
        assert!(
            matches!(error, Err(StoreError::LimitReached(_))),
            "{error:?}"
        );
    }
    stop.store(true, Ordering::Relaxed);
    assert!(ingest.join().unwrap() >= 20);
}

#[test]
fn any_tiny_memory_limit_fails_the_statement_and_not_the_process() {
    let fake = store();
    let sql = "select a.verb, count(*) from events a join events b on a.id = b.id where a.id < 3 and a.time > '2026-11-20' group by 1 order by 2, hex(zeroblob(1000))";
    let mut outcomes = [0, 0];
    for memory_bytes in (0..120_000).step_by(499) {
        let limits = Limits {
            memory_bytes,
            ..small()
        };
        let budget = Budget::new(Some(Duration::from_secs(60)));
        match run_query(&fake, &query(sql), &limits, &budget) {
            Ok(_) => outcomes[0] += 1,
            Err(StoreError::LimitReached(_)) => outcomes[1] += 1,
            Err(other) => panic!("{memory_bytes}: {other:?}"),
        }
    }
    assert!(outcomes[1] > 50, "{outcomes:?}");
}
