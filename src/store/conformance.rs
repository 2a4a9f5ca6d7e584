//! What every storage engine must do, as tests over the [`Store`] trait. An engine is stamped with
//! [`conformance!`]; with small segments the same tests run over many of them.

mod amounts;
mod cancelling;
mod counted;
mod counting;
mod exporting;
mod filters;
mod grouping;
mod keeping;
mod naive;
mod paging;
mod questions;
mod searching;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::filter::{Filter, Pattern, Test};
use super::{
    Answer, Budget, EventQuery, OpenOptions, Order, QuarantineBytes, QuarantineItem, Receipt, Store,
};
use crate::model::column::Column;
use crate::model::normalise::normalise;
use crate::model::value::Value;

/// Opens the store in a directory; makes it when there is none.
type Open = fn(&Path) -> Arc<dyn Store>;

/// A store under test in a directory of its own.
struct Bench {
    open: Open,
    store: Arc<dyn Store>,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new(open: Open) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        Bench {
            open,
            store: open(dir.path()),
            dir,
        }
    }

    /// Closes the store and opens it again.
    fn reopen(self) -> Bench {
        self.store.close().unwrap();
        let Bench { open, store, dir } = self;
        drop(store);
        Bench {
            open,
            store: open(dir.path()),
            dir,
        }
    }

    /// Stores lines from a cluster in one batch; what is no event goes to quarantine.
    fn append<S: AsRef<[u8]>>(&self, cluster: &str, lines: &[S]) -> Receipt {
        let mut batch = self.store.batch(cluster, "test");
        for line in lines {
            let raw = line.as_ref();
            match normalise(cluster, raw) {
                Ok((event, content)) => batch.event(&event, raw, content),
                Err(reject) => batch.quarantine(QuarantineItem {
                    reason: &reject.0,
                    origin: "conformance",
                    bytes: QuarantineBytes::Slice(raw),
                }),
            }
        }
        batch.commit().unwrap()
    }

    fn list(&self, query: &EventQuery) -> (Vec<Vec<Value>>, Answer) {
        let mut rows = Vec::new();
        let answer = self
            .store
            .events(query, &Budget::new(None), &mut |row| {
                rows.push(row.to_vec());
                ControlFlow::Continue(())
            })
            .unwrap();
        (rows, answer)
    }

    /// Every column of every event in order of arrival.
    fn everything(&self) -> Vec<Vec<Value>> {
        let mut rows = self.list(&query(Filter::default(), Column::ALL)).0;
        rows.sort_by_key(|row| match row[0] {
            Value::Int(id) => id,
            _ => panic!("an id is a number"),
        });
        rows
    }

    /// The exact bytes of every event in order of arrival.
    fn raw(&self) -> Vec<Vec<u8>> {
        self.everything().iter().map(|row| raw_of(row)).collect()
    }
}

/// Everything that matches, oldest first.
fn query(filter: Filter, columns: &[Column]) -> EventQuery {
    EventQuery {
        filter,
        order: Order::OldestFirst,
        columns: columns.to_vec(),
        ..EventQuery::default()
    }
}

/// The value of `raw` in a row of all columns.
fn raw_of(row: &[Value]) -> Vec<u8> {
    let at = Column::ALL.iter().position(|&c| c == Column::Raw).unwrap();
    match &row[at] {
        Value::Bytes(bytes) => bytes.to_vec(),
        other => panic!("raw is {other:?}"),
    }
}

fn is(column: Column, text: &str) -> Filter {
    let mut filter = Filter::default();
    filter.push(Test::Text {
        column,
        any: vec![Pattern::parse(text)],
    });
    filter
}

/// Recorded events of many kinds, among them those whose bodies hold facts.
fn sample() -> Vec<&'static [u8]> {
    let recorded = [
        include_str!("../../tests/data/sample.jsonl"),
        include_str!("../../tests/data/facts.jsonl"),
    ];
    recorded
        .into_iter()
        .flat_map(str::lines)
        .map(str::as_bytes)
        .collect()
}

/// An event that differs from that of any other `n`.
fn event(n: u64, time: &str) -> Vec<u8> {
    format!(
        r#"{{"level":"Metadata","auditID":"{n:08x}-1111-4222-8333-444455556666","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/ns{}/pods/p{n}?x={n}","verb":"{}","user":{{"username":"u{}"}},"sourceIPs":["10.0.{}.9","192.168.0.{}"],"objectRef":{{"resource":"pods","namespace":"ns{}","name":"p{n}","apiVersion":"v1"}},"responseStatus":{{"code":{}}},"requestReceivedTimestamp":"{time}","stageTimestamp":"{time}"}}"#,
        n % 5,
        ["get", "list", "create", "delete"][(n % 4) as usize],
        n % 7,
        n % 3,
        n % 50,
        n % 5,
        [200, 201, 403, 404][(n / 4 % 4) as usize],
    )
    .into_bytes()
}

/// Events `from..to`, a second apart over a day of November 2026.
fn events(from: u64, to: u64) -> Vec<Vec<u8>> {
    let time = |n: u64| {
        let n = n % 86_400;
        format!(
            "2026-11-20T{:02}:{:02}:{:02}.000001Z",
            n / 3600,
            n / 60 % 60,
            n % 60
        )
    };
    (from..to).map(|n| event(n, &time(n))).collect()
}

/// Runs a check on what was just stored, sealed, merged, and opened again.
fn at_every_age(bench: Bench, check: &dyn Fn(&Bench, &str)) -> Bench {
    check(&bench, "new");
    bench.store.seal(false).unwrap();
    check(&bench, "sealed");
    bench.store.seal(true).unwrap();
    check(&bench, "merged");
    let bench = bench.reopen();
    check(&bench, "opened again");
    bench
}

/// Stamps the tests for an engine.
macro_rules! conformance {
    ($engine:ident, $open:expr) => {
        conformance!($engine, $open,
            keeping: gives_back_the_exact_bytes_in_order,
            keeping: keeps_every_column_through_seal_and_merge,
            keeping: finds_duplicates_wherever_the_original_is,
            keeping: tells_clusters_apart,
            keeping: keeps_events_that_share_an_audit_id,
            keeping: takes_untimed_late_and_implausible_events,
            keeping: keeps_quarantined_bytes,
            keeping: prunes_exactly,
            keeping: prunes_within_a_segment_of_many_blocks,
            keeping: counts_add_up,
            keeping: records_reports_in_order_and_for_good,
            questions: filters_like_a_plain_loop,
            counting: counts_like_a_plain_loop,
            counting: counts_from_rollups_like_from_rows,
            counting: counts_from_summaries_like_from_rows,
            counting: counts_without_visiting_rows,
            grouping: counts_in_sql_like_events,
            grouping: identities_in_sql_like_events,
            amounts: counts_are_left_out_by_amounts,
            amounts: counts_name_the_users_with_most_events,
            amounts: counts_tell_short_watches,
            amounts: counts_refuse_what_is_not_short,
            amounts: counts_look_for_rare_events_first,
            counted: counts_in_sql_come_in_order,
            counted: requests_are_counted_once,
            counted: requests_are_counted_once_across_segments,
            counted: counts_of_a_divided_part_add_up,
            grouping: counts_in_sql_read_rollups,
            questions: orders_by_time_then_id,
            questions: finds_bytes_across_borders,
            searching: finds_texts_in_the_fields_that_hold_them,
            questions: shows_last_stages_only,
            questions: reads_little_for_one_audit_id,
            paging: pages_go_on_exactly_while_events_arrive,
            paging: a_deep_page_costs_what_the_first_does,
            paging: a_page_knows_nothing_of_later_stages,
            paging: waits_until_events_arrive,
            exporting: exports_what_it_lists,
            cancelling: every_question_ends_when_it_is_cancelled,
            exporting: an_export_ends_with_who_reads_it,
            questions: opens_only_segments_in_the_time_range,
        );
    };
    ($engine:ident, $open:expr, $($part:ident: $test:ident,)*) => {
        mod $engine {
            use super::*;
            $(#[test]
            fn $test() {
                super::$part::$test($open);
            })*
        }
    };
}

conformance!(sqlite, |dir| {
    crate::store::open_write(dir, &OpenOptions::default()).unwrap()
});

conformance!(sqlite_in_small_segments, |dir| {
    let options = OpenOptions {
        segment_events: 500,
        ..OpenOptions::default()
    };
    crate::store::open_write(dir, &options).unwrap()
});
