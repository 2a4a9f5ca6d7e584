//! Listings as text, which are those of rows.

use super::*;
use crate::model::value::ValueRef;
use crate::store::{RowEncoder, Text};

/// Writes cells for the eye of a test.
pub(super) struct Plain;

impl RowEncoder for Plain {
    fn cell(&self, at: usize, value: ValueRef<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{at}={value:?} ").as_bytes());
    }

    fn end_row(&self, out: &mut Vec<u8>) {
        out.push(b'\n');
    }
}

impl Bench {
    fn export(&self, query: &EventQuery) -> (String, Answer) {
        let (mut text, mut counted) = (String::new(), 0);
        let sink = &mut |piece: Text, rows| {
            text.push_str(std::str::from_utf8(piece.as_ref()).unwrap());
            counted += rows;
            ControlFlow::Continue(())
        };
        let budget = Budget::new(None);
        let answer = self.store.export(query, &budget, &Plain, sink).unwrap();
        assert_eq!(text.lines().count() as u64, counted);
        (text, answer)
    }
}

/// The text that rows are written as, one by one.
fn written(rows: &[Vec<Value>]) -> String {
    let mut text = Vec::new();
    for row in rows {
        for (at, value) in row.iter().enumerate() {
            Plain.cell(at, value.borrowed(), &mut text);
        }
        Plain.end_row(&mut text);
    }
    String::from_utf8(text).unwrap()
}

pub(super) fn exports_what_it_lists(open: Open) {
    let bench = Bench::new(open);
    bench.append("c", &sample());
    // Of two clusters in many batches over the same hours, so that rows come from parts in turns.
    for (n, batch) in events(0, 1600).chunks(100).enumerate() {
        bench.append(["c", "d"][n % 2], batch);
    }
    bench.append("late", &events(1200, 1300));
    let columns: Vec<Column> = Column::ALL.iter().rev().copied().collect();
    let light = columns.iter().filter(|&&column| {
        use Column::{Annotations, ObjectUid, Raw, RequestObject, ResponseObject, Sha256};
        let heavy = [
            Raw,
            Sha256,
            RequestObject,
            ResponseObject,
            Annotations,
            ObjectUid,
            Column::UserExtra,
        ];
        !heavy.contains(&column)
    });
    let light: Vec<Column> = light.copied().collect();
    at_every_age(bench, &|bench, age| {
        let everything = query(Filter::default(), &light);
        let middle = bench.list(&query(Filter::default(), &[Column::Id])).1;
        let middle = middle.last.map(|(time, id)| (time - 900_000_000, id));
        let some = is(Column::Resource, "pods");
        for asked in [
            everything.clone(),
            query(is(Column::User, "u3"), &light),
            query(is(Column::User, "nobody"), &light),
            query(some.clone(), &[Column::User, Column::Time, Column::User]),
            query(some.clone(), &columns),
            EventQuery {
                order: Order::NewestFirst,
                limit: 900,
                ..everything.clone()
            },
            EventQuery {
                after: middle,
                order: Order::NewestFirst,
                ..everything.clone()
            },
            EventQuery {
                after: middle,
                limit: 600,
                last_stage_only: true,
                ..everything.clone()
            },
        ] {
            let (rows, listed) = bench.list(&asked);
            let (text, exported) = bench.export(&asked);
            assert!(text == written(&rows), "{age}: {asked:?}");
            assert_eq!(exported.truncated, listed.truncated, "{age}: {asked:?}");
            assert_eq!(exported.last, listed.last, "{age}: {asked:?}");
            assert_eq!(exported.coverage, listed.coverage, "{age}: {asked:?}");
        }
    });
}

pub(super) fn an_export_ends_with_who_reads_it(open: Open) {
    let bench = Bench::new(open);
    for batch in events(0, 30_000).chunks(4000) {
        bench.append("c", batch);
    }
    bench.store.seal(true).unwrap();
    let asked = query(Filter::default(), &[Column::Id, Column::User]);
    let budget = Budget::new(None);
    let mut taken = 0;
    let answer = bench.store.export(&asked, &budget, &Plain, &mut |_, rows| {
        taken += rows;
        ControlFlow::Break(())
    });
    // What was under way was for nothing, and it is little.
    assert!((1..2000).contains(&taken), "{taken}");
    let visited = answer.unwrap().stats.rows_visited;
    assert!(visited < 24_000, "{visited}");

    let cancel = budget.cancel_flag();
    let mut pieces = 0;
    let cancelled = bench.store.export(&asked, &budget, &Plain, &mut |_, _| {
        pieces += 1;
        cancel.store(true, std::sync::atomic::Ordering::Relaxed);
        ControlFlow::Continue(())
    });
    assert!(matches!(
        cancelled,
        Err(crate::store::StoreError::Cancelled)
    ));
    assert_eq!(pieces, 1);
}
