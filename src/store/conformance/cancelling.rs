//! Whose client went away ends soon: every question looks at its budget again and again.

use super::exporting::Plain;
use super::*;
use crate::store::{CountQuery, Result, SqlColumn, SqlQuery, SqlSink, StoreError, Work};

/// Takes rows and forgets them.
struct Nowhere;

impl SqlSink for Nowhere {
    fn columns(&mut self, _: &[SqlColumn]) {}

    fn row(&mut self, _: &[Value]) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

fn on(_: &[Value]) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn holding(text: &str) -> Filter {
    let mut filter = Filter::default();
    filter.push(Test::Contains {
        any: vec![text.as_bytes().into()],
    });
    filter
}

/// A question: what it is, and how it is asked with a budget.
type Question = (
    &'static str,
    Box<dyn Fn(&dyn Store, &Budget) -> Result<Answer>>,
);

/// One of each kind, that looks at all events.
fn questions() -> Vec<Question> {
    let list = |filter: Filter, columns: &'static [Column]| {
        move |store: &dyn Store, budget: &Budget| {
            store.events(&query(filter.clone(), columns), budget, &mut on)
        }
    };
    let count = |query: CountQuery| {
        move |store: &dyn Store, budget: &Budget| store.count(&query, budget, &mut on)
    };
    let sql = |sql: &'static str| {
        move |store: &dyn Store, budget: &Budget| {
            let query = SqlQuery {
                sql: sql.to_owned(),
                params: Vec::new(),
                limit: 0,
                skip_damaged: false,
            };
            store.sql(&query, budget, &mut Nowhere)
        }
    };
    let by = |column: Column| CountQuery {
        by: vec![column],
        ..CountQuery::default()
    };
    vec![
        ("listing", Box::new(list(Filter::default(), &[Column::Id]))),
        (
            "listing that finds nothing",
            Box::new(list(is(Column::Path, "*nowhere*"), &[Column::Id])),
        ),
        ("bytes", Box::new(list(Filter::default(), &[Column::Raw]))),
        ("text", Box::new(list(holding("nowhere"), &[Column::Id]))),
        (
            "export",
            Box::new(|store, budget| {
                let asked = query(Filter::default(), &[Column::Id, Column::User]);
                let sink = &mut |_, _| ControlFlow::Continue(());
                store.export(&asked, budget, &Plain, sink)
            }),
        ),
        ("count", Box::new(count(by(Column::Message)))),
        (
            "count of requests",
            Box::new(count(CountQuery {
                last_stage_only: true,
                ..by(Column::User)
            })),
        ),
        (
            "count of what holds a text",
            Box::new(count(CountQuery {
                filter: holding("pods"),
                ..by(Column::User)
            })),
        ),
        (
            "groups",
            Box::new(sql("select name, count(*) from events group by name")),
        ),
        (
            "requests",
            Box::new(sql("select count(*), max(latency_us) from requests")),
        ),
        (
            "product",
            Box::new(sql(
                "select count(*) from events a, users b, users c where a.name || b.user = c.user",
            )),
        ),
    ]
}

/// Rows and blocks of bodies that may be read between two looks.
const ROWS_MAX: u64 = 4000;
const BLOCKS_MAX: u64 = 4;

pub(super) fn every_question_ends_when_it_is_cancelled(open: Open) {
    let bench = Bench::new(open);
    for batch in events(0, 9000).chunks(3000) {
        bench.append("c", batch);
    }
    bench.store.seal(true).unwrap();
    bench.append("c", &events(9000, 9500));
    // Opened anew each time: what was counted once is not counted again.
    let cold = || crate::store::open_read(bench.dir.path()).unwrap();
    for (what, ask) in questions() {
        let budget = Budget::new(None);
        let Work {
            rows_visited,
            blocks_read,
            ..
        } = ask(&*cold(), &budget).unwrap().stats;
        let looks = budget.looks();
        assert!(looks * ROWS_MAX >= rows_visited, "{what}: {looks} looks");
        assert!(looks * BLOCKS_MAX >= blocks_read, "{what}: {looks} looks");
        for look in [1, looks / 2 + 1] {
            let budget = Budget::cancelled_at(look);
            let ended = ask(&*cold(), &budget);
            assert!(
                matches!(ended, Err(StoreError::Cancelled)),
                "{what}, cancelled at {look} of {looks}: {ended:?}"
            );
            // Other threads may be just about to look.
            assert!(budget.looks() <= look + 16, "{what}: {}", budget.looks());
        }
    }
}
