//! Time and memory hold for statements that move large values.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::escape_tests::{attempt, refused, small, store};
use super::fake::{Fake, event, query, run_query, show};
use super::{Limits, quota};
use crate::model::value::Value;
use crate::store::{Budget, StoreError};

/// Statements without a jump, or whose jumps are far apart: SQLite alone would not look at the clock
/// before they have ended.
#[test]
fn a_large_step_is_not_begun_after_the_deadline() {
    let fake = store();
    let late = Budget::new(Some(Duration::ZERO));
    for sql in [
        "select length(zeroblob(70000) || 'x')",
        "select hex(zeroblob(100000))",
        "select length(replace(hex(zeroblob(20000)), '0', 'aaaa'))",
        "select instr(hex(zeroblob(20000)), '1')",
        "select trim(hex(zeroblob(20000)), '0')",
        "select hex(zeroblob(32000)) || 'xx' like '%00000000000001%'",
        "select json_array(hex(zeroblob(40000)))",
        "select printf('%100000d', 1)",
        "select randomblob(70000)",
        "select count(*) from events",
        "select count(*) from users",
    ] {
        let error = run_query(&fake, &query(sql), &Limits::default(), &late).unwrap_err();
        assert!(
            matches!(error, StoreError::TimedOut { .. }),
            "{sql}: {error:?}"
        );
        assert!(quota::refused() > 0, "{sql}");
    }
    let gone = Budget::new(None);
    gone.cancel_flag().store(true, Ordering::Relaxed);
    let error = run_query(
        &fake,
        &query("select hex(zeroblob(100000))"),
        &Limits::default(),
        &gone,
    );
    assert!(matches!(error, Err(StoreError::Cancelled)), "{error:?}");
}

/// After the first refusal nothing large is done any more, whatever the statement's shape.
#[test]
fn little_is_done_once_the_time_is_over() {
    let fake = store();
    let value = "with recursive h(v) as materialized (select hex(randomblob(1500000)))";
    let growing = "with recursive r(n, s) as (select 1, hex(randomblob(1000000)) union select n + 1, substr(s, 1, 1900000) || n from r)";
    let sorted =
        "select a.id from events a, events b order by random(), b.time, hex(randomblob(20000))";
    for sql in [
        format!("{growing} select max(n) from r"),
        format!("{growing} select max(s) from r"),
        sorted.to_owned(),
        format!("{value} select a.id from h, events a, events b order by v, b.id"),
        format!("{value} select count(distinct v || b.id) from h, events a, events b"),
        format!(
            "{value} select max(substr(v || a.id, 2)) over (order by b.id rows 3 preceding) from h, events a, events b"
        ),
        format!(
            "{value} select count(*) from h, events a, events b where v like '%' || a.id || 'x' || b.id"
        ),
        format!(
            "{value} select json_group_array(v || b.id) from h, events a, events b group by a.id"
        ),
    ] {
        let budget = Budget::new(Some(Duration::from_millis(50)));
        let error = run_query(&fake, &query(&sql), &Limits::default(), &budget).unwrap_err();
        assert!(
            matches!(error, StoreError::TimedOut { .. }),
            "{sql}: {error:?}"
        );
        let refused = quota::refused();
        assert!((1..=40).contains(&refused), "{sql}: {refused} refusals");
    }
}

#[test]
fn values_of_events_may_be_longer_than_built_ones() {
    let long = "x".repeat(20 << 20);
    let cells = [("verb", "get"), ("request_object", long.as_str())];
    let fake = Arc::new(Fake {
        events: Arc::new(vec![event(1, "2026-11-20T14:00:00Z", &cells)]),
        ..Fake::default()
    });
    let run = |sql: &str| {
        let budget = Budget::new(Some(Duration::from_secs(60)));
        run_query(&fake, &query(sql), &Limits::default(), &budget).map(|(kept, _)| kept.rows)
    };
    for (sql, length) in [
        ("select length(request_object) from events", 20 << 20),
        (
            "select length(request_object || request_object) from events",
            40 << 20,
        ),
        (
            "select length(x) from (select request_object x, request_object y from events order by verb, y)",
            20 << 20,
        ),
        (
            "select length(hex(zeroblob(2000000))) from events",
            4_000_000,
        ),
    ] {
        assert_eq!(run(sql).unwrap(), [[Value::Int(length)]], "{sql}");
    }
    for (sql, told) in [
        (
            "select hex(zeroblob(2500000)) from events",
            "longer than 4 MiB",
        ),
        (
            "select length(request_object || request_object || request_object) from events",
            "longer than 44 MiB",
        ),
    ] {
        match run(sql) {
            Err(StoreError::BadRequest(text)) => assert!(text.contains(told), "{sql}: {text}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[test]
fn long_programs_may_build_shorter_values_only() {
    let fake = store();
    let terms = vec!["length(hex(zeroblob(700000)))"; 400].join("+");
    let sql = format!("select {}", vec![terms; 20].join(","));
    let told = refused(&fake, &sql);
    assert!(told.contains("KiB") || told.contains("MiB"), "{told}");
    let literals: Vec<_> = (0..20_000).map(|n| format!("'a0b1c2d3-{n:027}'")).collect();
    let sql = format!(
        "select count(*) from events where audit_id in ({})",
        literals.join(",")
    );
    let (kept, _) = attempt(&fake, &sql, &small(), Duration::from_secs(60)).unwrap();
    assert_eq!(show(&kept.rows), ["0"]);
    let sql = format!("select length('{}')", "x".repeat(900_000));
    let (kept, _) = attempt(&fake, &sql, &small(), Duration::from_secs(60)).unwrap();
    assert_eq!(show(&kept.rows), ["900000"]);
}

#[test]
fn statements_share_their_memory() {
    let armed = |bytes: usize| {
        let limits = small();
        quota::Armed::new(bytes, 0, limits.temp_dir, Budget::new(None))
    };
    let all = crate::limits::SQL_MEMORY_TOTAL_BYTES_MAX;
    let other = std::thread::spawn(move || {
        let _armed = armed(all);
        assert!(quota::take_memory(all as i64 / 2));
        assert_eq!(quota::hit(), None);
    });
    other.join().unwrap();
    let _armed = armed(usize::MAX);
    assert!(!quota::take_memory(all as i64 + 1));
    assert_eq!(quota::hit(), Some(quota::Hit::SharedMemory));
    assert!(
        quota::take_memory(all as i64 / 4),
        "nothing was taken by what failed or ended"
    );
}

#[test]
fn a_statement_gives_its_memory_back() {
    let fake = store();
    attempt(
        &fake,
        "select max(hex(randomblob(1000000))) from events where id < 300",
        &small(),
        Duration::from_secs(60),
    )
    .unwrap();
    let left = quota::memory_used();
    assert!(left.abs() < 1 << 20, "{left} bytes are still counted");
}
