//! Pages of a listing, and what arrives while somebody turns them.

use std::collections::BTreeSet;
use std::time::Duration;

use fastrand::Rng;

use super::*;
use crate::store::Place;

const COLUMNS: [Column; 2] = [Column::Time, Column::Id];

fn place(row: &[Value]) -> Place {
    match (&row[0], &row[1]) {
        (Value::Time(time), Value::Int(id)) => (*time, *id),
        other => panic!("{other:?}"),
    }
}

/// Events `from..to` in an order of their own, hundreds of them at each instant. Every fifth comes
/// with an earlier stage of its request.
fn crowded(from: u64, to: u64) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    for n in from..to {
        let last = event(n, &format!("2026-11-20T10:00:{:02}.000000Z", n * 7 % 10));
        if n % 5 == 0 {
            lines.push(received(&last));
        }
        lines.push(last);
    }
    Rng::with_seed(from).shuffle(&mut lines);
    lines
}

/// The first stage of the same request.
fn received(last: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(last).unwrap();
    text.replace("ResponseComplete", "RequestReceived")
        .into_bytes()
}

pub(super) fn pages_go_on_exactly_while_events_arrive(open: Open) {
    for (order, filter, last_stage_only) in [
        (Order::NewestFirst, Filter::default(), false),
        (Order::OldestFirst, Filter::default(), true),
        (Order::NewestFirst, is(Column::Verb, "delete"), true),
        (Order::OldestFirst, is(Column::User, "u3"), false),
    ] {
        let mut bench = Bench::new(open);
        for batch in crowded(0, 2300).chunks(170) {
            bench.append("c", batch);
        }
        bench.store.seal(false).unwrap();
        for batch in crowded(2300, 3000).chunks(170) {
            bench.append("c", batch);
        }
        let mut asked = query(filter.clone(), &COLUMNS);
        (asked.order, asked.last_stage_only) = (order, last_stage_only);
        let expected: Vec<Place> = bench.list(&asked).0.iter().map(|row| place(row)).collect();
        assert!(expected.len() > 300);

        (asked.limit, asked.as_of) = (97, Some(bench.store.last_id()));
        let (mut found, mut page) = (Vec::new(), 0);
        loop {
            let (rows, answer) = bench.list(&asked);
            found.extend(rows.iter().map(|row| place(row)));
            assert_eq!(answer.last, found.last().copied());
            if !answer.truncated {
                break;
            }
            asked.after = answer.last;
            bench.append("c", &crowded(3000 + page * 10, 3010 + page * 10));
            page += 1;
            match page % 4 {
                0 => drop(bench.store.seal(true).unwrap()),
                1 => drop(bench.store.seal(false).unwrap()),
                2 => bench = bench.reopen(),
                _ => {}
            }
        }
        assert_eq!(found, expected, "{order:?} {filter:?}");
        let distinct: BTreeSet<_> = found.iter().collect();
        assert_eq!(distinct.len(), found.len());
    }
}

pub(super) fn a_deep_page_costs_what_the_first_does(open: Open) {
    let bench = Bench::new(open);
    for n in 0..12 {
        bench.append("c", &events(n * 2000, (n + 1) * 2000));
    }
    bench.store.seal(true).unwrap();
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let mut asked = query(Filter::default(), &COLUMNS);
        (asked.order, asked.limit) = (order, 100);
        asked.as_of = Some(bench.store.last_id());
        let first = bench.list(&asked).1;
        for _ in 0..200 {
            let (rows, answer) = bench.list(&asked);
            assert_eq!(rows.len(), 100);
            asked.after = answer.last;
            // A place may lie at the end of a chunk, or of a segment.
            let (visited, opened) = (answer.stats.rows_visited, answer.stats.segments_opened);
            assert!(visited <= first.stats.rows_visited + 4000, "{visited}");
            assert!(opened <= first.stats.segments_opened + 1, "{opened}");
        }
    }
}

pub(super) fn a_page_knows_nothing_of_later_stages(open: Open) {
    let bench = Bench::new(open);
    let complete = event(1, "2026-11-20T10:00:00.000000Z");
    bench.append("c", &[received(&complete)]);
    let mut asked = query(Filter::default(), &COLUMNS);
    (asked.last_stage_only, asked.as_of) = (true, Some(bench.store.last_id()));
    let before = bench.list(&asked).0;
    assert_eq!(before.len(), 1);
    bench.append("c", &[complete]);
    at_every_age(bench, &|bench, age| {
        assert_eq!(bench.list(&asked).0, before, "{age}");
        let now = query(Filter::default(), &COLUMNS);
        assert_eq!(bench.list(&now).0.len(), 2, "{age}");
    });
}

pub(super) fn waits_until_events_arrive(open: Open) {
    let bench = Bench::new(open);
    let patience = Duration::from_secs(60);
    let first = bench.store.last_id();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| bench.store.wait_for_events(first, patience));
        bench.append("c", &events(0, 3));
        let last = waiting.join().unwrap();
        assert_eq!(last, bench.store.last_id());
        assert!(last > first);
    });
    // What is no event is nothing to wait for.
    let last = bench.store.last_id();
    bench.append("c", &[b"no event"]);
    bench.append("c", &events(0, 1));
    assert_eq!(bench.store.wait_for_events(last, Duration::ZERO), last);
    bench.store.seal(true).unwrap();
    assert_eq!(bench.store.last_id(), last);
    assert_eq!(bench.reopen().store.last_id(), last);
}
