//! Counts: the same whether they come from rollups, row lists or rows.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use fastrand::Rng;

use super::filters::{NUMBERS, TEXTS, filter};
use super::naive::{self, Row};
use super::{Bench, Open, at_every_age, event, query};
use crate::model::column::Column;
use crate::model::time;
use crate::model::value::Value;
use crate::store::filter::{Filter, Pattern, Term, Test};
use crate::store::{Budget, CountQuery, Work};

const HOUR: i64 = 3_600_000_000;

/// Columns that rollups tell apart, alone or in pairs.
const ROLLED_UP: [Column; 11] = [
    Column::User,
    Column::Verb,
    Column::Resource,
    Column::Subresource,
    Column::Namespace,
    Column::UserAgent,
    Column::Level,
    Column::Cluster,
    Column::Stage,
    Column::Code,
    Column::Outcome,
];

/// Bucket and values with their count.
type Groups = BTreeMap<(Option<i64>, Vec<Option<String>>), i64>;

fn found(bench: &Bench, query: &CountQuery) -> (Groups, Work) {
    let mut groups = Groups::new();
    let mut last: Option<(i64, i64)> = None;
    let mut sink = |row: &[Value]| {
        let (bucket, values) = match (&row[0], query.step) {
            (Value::Time(time), Some(_)) => (Some(*time), &row[1..]),
            (_, None) => (None, row),
            other => panic!("{other:?} is no bucket"),
        };
        let Some((Value::Int(count), values)) = values.split_last() else {
            panic!("{row:?} has no count")
        };
        let place = (bucket.unwrap_or(0), -count);
        assert!(
            last.is_none_or(|last| last <= place),
            "{row:?} comes too late"
        );
        last = Some(place);
        let values = values.iter().map(text).collect();
        assert_eq!(
            groups.insert((bucket, values), *count),
            None,
            "{row:?} twice"
        );
        ControlFlow::Continue(())
    };
    let answer = bench
        .store
        .count(query, &Budget::new(None), &mut sink)
        .unwrap();
    assert!(!answer.truncated);
    (groups, answer.stats)
}

fn expected<'r>(query: &CountQuery, rows: impl Iterator<Item = &'r Row>) -> Groups {
    let mut groups = Groups::new();
    if query.by.is_empty() && query.step.is_none() {
        groups.insert((None, Vec::new()), 0);
    }
    for row in rows {
        let values: Vec<_> = query.by.iter().map(|&column| shown(row, column)).collect();
        let bucket = query.step.map(|step| row.time.div_euclid(step) * step);
        add(&mut groups, bucket, &query.by, &values);
    }
    groups
}

/// Counts a row under each combination of its values; a list has its elements.
fn add(groups: &mut Groups, bucket: Option<i64>, by: &[Column], values: &[Option<String>]) {
    let mut combinations = vec![Vec::new()];
    for (column, value) in by.iter().zip(values) {
        let values = match value {
            Some(list) if column.is_list() => naive::elements(list).into_iter().map(Some).collect(),
            value => vec![value.clone()],
        };
        combinations = combinations
            .iter()
            .flat_map(|begun: &Vec<_>| {
                let with =
                    |value: &Option<String>| [&begun[..], std::slice::from_ref(value)].concat();
                values.iter().map(with).collect::<Vec<_>>()
            })
            .collect();
    }
    for values in combinations {
        *groups.entry((bucket, values)).or_default() += 1;
    }
}

fn shown(row: &Row, column: Column) -> Option<String> {
    let number = row.number(column).map(|number| match column {
        Column::Time | Column::ReceivedTime => time::to_text(number),
        _ => number.to_string(),
    });
    row.text(column).map(str::to_owned).or(number)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Int(number) => Some(number.to_string()),
        Value::Time(time) => Some(time::to_text(*time)),
        Value::Text(text) | Value::Json(text) => Some(text.to_string()),
        other => panic!("{other:?}"),
    }
}

/// Counts by any columns and steps.
pub(super) fn counts_like_a_plain_loop(open: Open) {
    let (bench, rows) = super::questions::filled(open);
    at_every_age(bench, &|bench, age| {
        let mut rng = Rng::with_seed(11);
        for round in 0..80 {
            let mut by = Vec::new();
            for _ in 0..rng.usize(..4) {
                let column = match rng.u8(..4) {
                    0 => *rng.choice(NUMBERS).unwrap(),
                    _ => *rng.choice(TEXTS).unwrap(),
                };
                // Two lists are refused.
                if !column.is_list() || !by.iter().any(|known: &Column| known.is_list()) {
                    by.push(column);
                }
            }
            let asked = CountQuery {
                filter: match round % 3 {
                    0 => Filter::default(),
                    _ => filter(&mut rng, &rows),
                },
                by,
                step: *rng
                    .choice(&[None, None, Some(HOUR), Some(7_000_000), Some(24 * HOUR)])
                    .unwrap(),
                last_stage_only: round % 5 == 0,
                ..CountQuery::default()
            };
            let wanted = if asked.last_stage_only {
                // Which rows these are is what listings are tested for.
                let mut columns = asked.by.clone();
                columns.push(Column::Time);
                let mut listing = query(asked.filter.clone(), &columns);
                listing.last_stage_only = true;
                let mut groups = expected(&asked, std::iter::empty());
                for row in bench.list(&listing).0 {
                    let Some((Value::Time(time), values)) = row.split_last() else {
                        panic!("{row:?} has no time")
                    };
                    let bucket = asked.step.map(|step| time.div_euclid(step) * step);
                    let values: Vec<_> = values.iter().map(text).collect();
                    add(&mut groups, bucket, &asked.by, &values);
                }
                groups
            } else {
                expected(
                    &asked,
                    rows.iter().filter(|row| naive::matches(&asked.filter, row)),
                )
            };
            assert_eq!(
                found(bench, &asked).0,
                wanted,
                "{age}, round {round}: {asked:?}"
            );
        }
    });
}

/// Events of some days, a few minutes apart, with what lies on the edge of an hour.
fn days(bench: &Bench) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in 0..4_i64 {
        let line = |n: i64| {
            let at = 1_767_225_600_000_000 + (batch * 300 + n) * 150_000_000 + n % 3 - 1;
            event((batch * 300 + n) as u64, &time::to_text(at))
        };
        let lines: Vec<Vec<u8>> = (0..300).map(line).collect();
        let cluster = ["alpha", "beta"][batch as usize % 2];
        bench.append(cluster, &lines);
        rows.extend(lines.iter().map(|raw| naive::row(cluster, raw)));
    }
    rows
}

/// Counts that rollups answer, with ranges that cut hours.
pub(super) fn counts_from_rollups_like_from_rows(open: Open) {
    let bench = Bench::new(open);
    let rows = days(&bench);
    at_every_age(bench, &|bench, age| {
        let mut rng = Rng::with_seed(12);
        let mut entries = 0;
        for round in 0..200 {
            let mut asked = CountQuery {
                step: *rng
                    .choice(&[None, Some(HOUR), Some(3 * HOUR), Some(24 * HOUR)])
                    .unwrap(),
                ..CountQuery::default()
            };
            for _ in 0..rng.usize(..3) {
                asked.by.push(rng.choice(ROLLED_UP).unwrap());
            }
            for _ in 0..rng.usize(..3) {
                let column = rng.choice(ROLLED_UP).unwrap();
                let test = match shown(rng.choice(&rows).unwrap(), column) {
                    Some(text) if column == Column::Code => {
                        let code = text.parse().unwrap();
                        let any = vec![(code, code)];
                        Test::Number { column, any }
                    }
                    Some(text) => Test::Text {
                        column,
                        any: vec![Pattern::Is(text)],
                    },
                    None => Test::Absent { column },
                };
                let negate = rng.bool();
                asked.filter.terms.push(Term { test, negate });
            }
            let instant = |rng: &mut Rng| {
                let time = rng.choice(&rows).unwrap().time;
                *rng.choice(&[time, time + 1, time.div_euclid(HOUR) * HOUR])
                    .unwrap()
            };
            asked.filter.since = rng.bool().then(|| instant(&mut rng));
            asked.filter.until = rng.bool().then(|| instant(&mut rng));
            let wanted = expected(
                &asked,
                rows.iter().filter(|row| naive::matches(&asked.filter, row)),
            );
            let (groups, work) = found(bench, &asked);
            assert_eq!(groups, wanted, "{age}, round {round}: {asked:?}");
            entries += work.rollup_entries;
        }
        assert!(age == "new" || entries > 0, "{age}: no rollup was read");
    });
}

/// Columns that summaries tell apart.
const SUMMARISED: [Column; 17] = [
    Column::User,
    Column::EffectiveUser,
    Column::ImpersonatedUser,
    Column::Cluster,
    Column::Resource,
    Column::ApiGroup,
    Column::Subresource,
    Column::Verb,
    Column::Level,
    Column::Stage,
    Column::Code,
    Column::Outcome,
    Column::Decision,
    Column::DecisionReason,
    Column::DryRun,
    Column::Truncated,
    Column::UserGroups,
];

/// A condition that a summary decides.
fn summarised(rng: &mut Rng, rows: &[Row]) -> Vec<Term> {
    let column = *rng.choice(&SUMMARISED).unwrap();
    let row = rng.choice(rows).unwrap();
    let test = match (rng.u8(..8), row.text(column), row.number(column)) {
        (0, ..) => Test::Absent {
            column: *rng
                .choice(&[Column::Name, Column::RequestUri, Column::AuditId])
                .unwrap(),
        },
        (1, ..) => {
            let uri = row.text(Column::RequestUri).unwrap_or("/");
            let column = *rng.choice(&[Column::RequestUri, Column::Path]).unwrap();
            let cut = (1..=uri.len()).find(|&cut| uri.is_char_boundary(cut));
            let any = vec![Pattern::Prefix(uri[..cut.unwrap_or(0)].to_owned())];
            let test = Test::Text { column, any };
            let negate = rng.bool();
            let about_none = Test::Absent {
                column: Column::Resource,
            };
            return vec![
                Term { test, negate },
                Term {
                    test: about_none,
                    negate: false,
                },
            ];
        }
        (2, ..) => Test::Absent { column },
        (3, ..) => Test::Ended,
        (_, _, Some(number)) => Test::Number {
            column,
            any: vec![(number, number)],
        },
        (_, Some(text), _) => Test::Text {
            column,
            any: vec![match rng.bool() {
                true => Pattern::Is(text.to_owned()),
                false => Pattern::Wildcard(format!("*{}", text.trim_start_matches('s'))),
            }],
        },
        _ => Test::Absent { column },
    };
    let negate = rng.bool();
    vec![Term { test, negate }]
}

/// Counts of whole segments by many columns.
pub(super) fn counts_from_summaries_like_from_rows(open: Open) {
    let (bench, rows) = super::questions::filled(open);
    at_every_age(bench, &|bench, age| {
        let mut rng = Rng::with_seed(13);
        for round in 0..120 {
            let mut asked = CountQuery::default();
            for _ in 0..rng.usize(..5) {
                let column = *rng.choice(&SUMMARISED).unwrap();
                if !column.is_list() || !asked.by.iter().any(|known: &Column| known.is_list()) {
                    asked.by.push(column);
                }
            }
            for _ in 0..rng.usize(..4) {
                asked.filter.terms.extend(summarised(&mut rng, &rows));
            }
            let matching = rows.iter().filter(|row| naive::matches(&asked.filter, row));
            let wanted = expected(&asked, matching);
            let (groups, work) = found(bench, &asked);
            assert_eq!(groups, wanted, "{age}, round {round}: {asked:?}");
            let visited = work.rows_visited;
            assert!(age == "new" || visited == 0, "{age}, {visited}: {asked:?}");
        }
    });
}

/// A histogram reads no rows, and neither does a count over all events.
pub(super) fn counts_without_visiting_rows(open: Open) {
    let bench = Bench::new(open);
    days(&bench);
    bench.store.seal(true).unwrap();
    for (by, step) in [
        (vec![], Some(HOUR)),
        (vec![Column::User, Column::Outcome], None),
        (vec![Column::Namespace, Column::Verb], Some(24 * HOUR)),
        (vec![Column::User], None),
        (vec![], None),
    ] {
        let asked = CountQuery {
            by,
            step,
            ..CountQuery::default()
        };
        assert_eq!(found(&bench, &asked).1.rows_visited, 0, "{asked:?}");
    }
}
