//! Answers: filters, counts, order, and the work that they take.

use fastrand::Rng;

use super::filters::filter;
use super::naive::{self, Row};
use super::{Bench, Open, at_every_age, event, events, is, query, raw_of, sample};
use crate::model::column::Column;
use crate::model::value::Value;
use crate::store::Order;
use crate::store::filter::{Filter, Test};

/// The sample and made-up events from two clusters, in several batches.
pub(super) fn filled(open: Open) -> (Bench, Vec<Row>) {
    let bench = Bench::new(open);
    let made = events(0, 1500);
    let mut rows = Vec::new();
    for (index, lines) in made.chunks(300).enumerate() {
        let cluster = ["alpha", "beta"][index % 2];
        bench.append(cluster, lines);
        rows.extend(lines.iter().map(|raw| naive::row(cluster, raw)));
        if index == 2 {
            bench.append("alpha", &sample());
            rows.extend(sample().iter().map(|raw| naive::row("alpha", raw)));
        }
    }
    (bench, rows)
}

pub(super) fn filters_like_a_plain_loop(open: Open) {
    let (bench, rows) = filled(open);
    at_every_age(bench, &|bench, age| {
        let mut rng = Rng::with_seed(7);
        for round in 0..100 {
            let filter = filter(&mut rng, &rows);
            let (listed, _) = bench.list(&query(filter.clone(), &[Column::Raw]));
            let mut found: Vec<Vec<u8>> = listed.iter().map(|row| bytes(&row[0])).collect();
            let matching = rows.iter().filter(|row| naive::matches(&filter, row));
            let mut expected: Vec<Vec<u8>> = matching.map(|row| row.raw.clone()).collect();
            found.sort_unstable();
            expected.sort_unstable();
            let (found_rows, expected_rows) = (found.len(), expected.len());
            assert!(
                found == expected,
                "{age}, round {round}: {found_rows} rows instead of {expected_rows} for {filter:?}"
            );
        }
    });
}

fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::Bytes(bytes) => bytes.to_vec(),
        other => panic!("{other:?} is no bytes"),
    }
}

pub(super) fn orders_by_time_then_id(open: Open) {
    let bench = Bench::new(open);
    // Many events at each instant, sent in an order of their own.
    let mut lines: Vec<Vec<u8>> = (0..1200u64)
        .map(|n| event(n, &format!("2026-11-20T10:00:{:02}.000000Z", n * 7 % 20)))
        .collect();
    Rng::with_seed(3).shuffle(&mut lines);
    lines.chunks(170).for_each(|batch| {
        bench.append("c", batch);
    });
    at_every_age(bench, &|bench, age| {
        let columns = [Column::Time, Column::Id];
        let key = |row: &Vec<Value>| match (&row[0], &row[1]) {
            (Value::Time(time), Value::Int(id)) => (*time, *id),
            other => panic!("{other:?}"),
        };
        let (rows, _) = bench.list(&query(Filter::default(), &columns));
        let oldest: Vec<(i64, i64)> = rows.iter().map(key).collect();
        assert_eq!(oldest.len(), 1200);
        assert!(oldest.is_sorted(), "{age}");
        for limit in [1, 10, 65, 1199, 1200, 1201] {
            for order in [Order::OldestFirst, Order::NewestFirst] {
                let mut asked = query(Filter::default(), &columns);
                (asked.order, asked.limit) = (order, limit);
                let (rows, answer) = bench.list(&asked);
                let found: Vec<(i64, i64)> = rows.iter().map(key).collect();
                let mut expected = oldest.clone();
                if order == Order::NewestFirst {
                    expected.reverse();
                }
                expected.truncate(limit as usize);
                assert_eq!(found, expected, "{age} {order:?} {limit}");
                assert_eq!(answer.truncated, limit < 1200, "{age} {order:?} {limit}");
            }
        }
    });
}

/// A stored event need not hold its audit id and times a second time; a search must not notice.
pub(super) fn finds_bytes_across_borders(open: Open) {
    let (bench, rows) = filled(open);
    at_every_age(bench, &|bench, age| {
        let mut rng = Rng::with_seed(19);
        for round in 0..60 {
            let raw = &rng.choice(&rows).unwrap().raw;
            let marker: &[u8] = [
                b"\"auditID\":\"".as_slice(),
                b"\"stageTimestamp\":\"",
                b"\"requestReceivedTimestamp\":\"",
            ][round % 3];
            let at = memchr::memmem::find(raw, marker).unwrap() as i64;
            let start = at + rng.i64(-5..(marker.len() as i64 + 30));
            let start = start.clamp(0, raw.len() as i64 - 1) as usize;
            let end = raw.len().min(start + rng.usize(1..45));
            let needle = &raw[start..end];
            let mut filter = Filter::default();
            filter.push(Test::Contains {
                any: vec![needle.into()],
            });
            let found = bench.list(&query(filter.clone(), &[Column::Id])).0.len();
            let expected = rows
                .iter()
                .filter(|row| naive::matches(&filter, row))
                .count();
            let needle = String::from_utf8_lossy(needle);
            assert_eq!(found, expected, "{age}: {needle:?}");
        }
    });
}

pub(super) fn shows_last_stages_only(open: Open) {
    let bench = Bench::new(open);
    let stage = |n: u64, name: &str, micros: u64| {
        let line = String::from_utf8(event(n, "2026-11-20T10:00:00.000000Z")).unwrap();
        let line = line.replace("ResponseComplete", name);
        let (start, end) = line.split_at(line.rfind(".000000Z").unwrap());
        format!(
            "{start}{}",
            end.replace(".000000Z", &format!(".{micros:06}Z"))
        )
        .into_bytes()
    };
    // One whole, one still open, one that begins in another batch, and one with a reused id.
    bench.append(
        "c",
        &[
            stage(1, "RequestReceived", 1),
            stage(1, "ResponseComplete", 2),
        ],
    );
    bench.append(
        "c",
        &[
            stage(2, "RequestReceived", 3),
            stage(3, "RequestReceived", 4),
        ],
    );
    bench.append(
        "c",
        &[
            stage(3, "ResponseStarted", 5),
            stage(3, "ResponseComplete", 6),
        ],
    );
    let other_user = String::from_utf8(stage(1, "RequestReceived", 7)).unwrap();
    bench.append(
        "c",
        &[other_user.replace("\"u1\"", "\"mallory\"").into_bytes()],
    );
    at_every_age(bench, &|bench, age| {
        let mut asked = query(
            Filter::default(),
            &[Column::Name, Column::Stage, Column::User],
        );
        asked.last_stage_only = true;
        let text = |value: &Value| match value {
            Value::Text(text) => text.to_string(),
            other => panic!("{other:?}"),
        };
        let rows = bench.list(&asked).0;
        let rows: Vec<String> = rows
            .iter()
            .map(|row| row.iter().map(text).collect::<Vec<_>>().join(" "))
            .collect();
        let expected = [
            "p1 ResponseComplete u1",
            "p2 RequestReceived u2",
            "p3 ResponseComplete u3",
            "p1 RequestReceived mallory",
        ];
        assert_eq!(rows, expected, "{age}");
    });
}

pub(super) fn reads_little_for_one_audit_id(open: Open) {
    let (bench, _) = filled(open);
    let bench = at_every_age(bench, &|_, _| {});
    let wanted = &events(777, 778)[0];
    let filter = is(Column::AuditId, "00000309-1111-4222-8333-444455556666");
    let (rows, answer) = bench.list(&query(filter, Column::ALL));
    assert_eq!(rows.len(), 1);
    assert_eq!(raw_of(&rows[0]), *wanted);
    assert!(answer.stats.blocks_read <= 1, "{:?}", answer.stats);
    assert!(answer.stats.rows_visited <= 4, "{:?}", answer.stats);
}

pub(super) fn opens_only_segments_in_the_time_range(open: Open) {
    let bench = Bench::new(open);
    // Three sealed segments in each of 140 months, none of which overlap.
    let months: Vec<(u64, u64)> = (0..140).map(|n| (2015 + n / 12, n % 12 + 1)).collect();
    for day in [3, 13, 23] {
        let lines: Vec<Vec<u8>> = months
            .iter()
            .map(|(year, month)| {
                let time = format!("{year}-{month:02}-{day:02}T10:00:00.000000Z");
                event(year * 10_000 + month * 100 + day, &time)
            })
            .collect();
        assert_eq!(bench.append("c", &lines).stored, 140);
        bench.store.seal(false).unwrap();
    }
    let segments = bench.store.stats().unwrap().segments;
    assert!(segments >= 400, "{segments} segments");
    let instant = |text: &str| crate::model::time::parse_rfc3339(text.as_bytes());
    let filter = Filter {
        since: instant("2019-05-13T00:00:00Z"),
        until: instant("2019-05-14T00:00:00Z"),
        terms: Vec::new(),
    };
    let (rows, answer) = bench.list(&query(filter, &[Column::Name, Column::Raw]));
    assert_eq!(rows.len(), 1);
    assert_eq!(answer.stats.segments_opened, 1, "{:?}", answer.stats);
    assert_eq!(answer.stats.blocks_read, 1, "{:?}", answer.stats);
    assert!(answer.stats.segments_pruned >= 399, "{:?}", answer.stats);
    // The newest few take only the newest segments.
    let mut newest = query(Filter::default(), &[Column::Name]);
    (newest.order, newest.limit) = (Order::NewestFirst, 2);
    let (rows, answer) = bench.list(&newest);
    assert_eq!(rows.len(), 2);
    assert!(answer.stats.segments_opened <= 4, "{:?}", answer.stats);
}
