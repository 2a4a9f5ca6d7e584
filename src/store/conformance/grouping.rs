//! `event_counts`: the same numbers as `events`, whatever is asked of it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use fastrand::Rng;

use super::{Bench, Open, at_every_age};
use crate::model::column::{Column, Kind};
use crate::model::time;
use crate::model::value::Value;
use crate::store::{Answer, Budget, SqlColumn, SqlQuery, SqlSink, StoreError};

/// Columns that make few groups or many, alone and together.
const GROUPS: [Column; 23] = [
    Column::Cluster,
    Column::Source,
    Column::Stage,
    Column::Level,
    Column::Verb,
    Column::User,
    Column::ImpersonatedUser,
    Column::EffectiveUser,
    Column::SourceIp,
    Column::ClientIp,
    Column::UserAgent,
    Column::Path,
    Column::ApiGroup,
    Column::Resource,
    Column::Subresource,
    Column::Namespace,
    Column::Name,
    Column::Code,
    Column::Outcome,
    Column::Decision,
    Column::DryRun,
    Column::Owner,
    Column::Deprecated,
];

struct Rows(Vec<Vec<Value>>);

impl SqlSink for Rows {
    fn columns(&mut self, _columns: &[SqlColumn]) {}

    fn row(&mut self, row: &[Value]) -> ControlFlow<()> {
        self.0.push(row.to_vec());
        ControlFlow::Continue(())
    }
}

pub(super) fn ask(
    bench: &Bench,
    sql: &str,
    params: &[(String, Value)],
) -> Result<(Vec<Vec<Value>>, Answer), StoreError> {
    let query = SqlQuery {
        sql: sql.to_owned(),
        params: params.to_vec(),
        limit: 0,
        skip_damaged: false,
    };
    let mut rows = Rows(Vec::new());
    let answer = bench.store.sql(&query, &Budget::new(None), &mut rows)?;
    Ok((rows.0, answer))
}

/// A value of each column, as it is somewhere in the store.
fn some_values(bench: &Bench) -> BTreeMap<&'static str, Vec<Value>> {
    let values = GROUPS.iter().map(|column| {
        let name = column.name();
        let sql = format!("select distinct {name} from events where {name} is not null order by 1");
        let rows = ask(bench, &sql, &[]).unwrap().0;
        (
            name,
            rows.into_iter().map(|mut row| row.remove(0)).collect(),
        )
    });
    values.collect()
}

/// A condition in both tables' words, with its parameters.
struct Condition {
    events: String,
    counts: String,
    params: Vec<(String, Value)>,
}

const ENDED: &str =
    "(stage in ('ResponseComplete', 'Panic') or stage = 'ResponseStarted' and user is null)";

/// What is measured, of events and of their counts, added up and as it stands.
const MEASURES: [[&str; 3]; 16] = [
    ["count(*)", "coalesce(sum(events), 0)", "events"],
    ["min(time)", "min(first_time)", "first_time"],
    ["max(time)", "max(last_time)", "last_time"],
    ["sum(raw_bytes)", "sum(raw_bytes)", "raw_bytes"],
    [
        "total(outcome in ('success', 'upgraded'))",
        "total(succeeded)",
        "cast(succeeded as real)",
    ],
    [
        "total(outcome glob 'denied_*')",
        "total(refused)",
        "cast(refused as real)",
    ],
    [
        "total(code is not null)",
        "total(answered)",
        "cast(answered as real)",
    ],
    [
        "total(code between 400 and 599)",
        "total(errors)",
        "cast(errors as real)",
    ],
    [
        "total(code between 400 and 499)",
        "total(client_errors)",
        "cast(client_errors as real)",
    ],
    [
        "total(code between 500 and 599)",
        "total(server_errors)",
        "cast(server_errors as real)",
    ],
    [
        "max(iif(code between 400 and 599, time, null))",
        "max(last_error)",
        "last_error",
    ],
    [
        "total(verb = 'watch')",
        "total(watches)",
        "cast(watches as real)",
    ],
    [
        "total(verb = 'list')",
        "total(lists)",
        "cast(lists as real)",
    ],
    [
        "total(verb = 'watch' and code between 400 and 599)",
        "total(failed_watches)",
        "cast(failed_watches as real)",
    ],
    [
        "total(verb = 'watch' and code not between 400 and 599 and latency_us < 60000000)",
        "total(short_watches)",
        "cast(short_watches as real)",
    ],
    [
        "total(verb = 'watch' and (code between 400 and 599
           or code is not null and latency_us < 60000000))",
        "total(broken_watches)",
        "cast(broken_watches as real)",
    ],
];

const HOUR_OF_EVENT: &str = "strftime('%Y-%m-%dT%H:00:00.000000Z', time)";

fn condition(rng: &mut Rng, number: usize, values: &BTreeMap<&str, Vec<Value>>) -> Condition {
    let (a, b) = (format!("a{number}"), format!("b{number}"));
    let same = |text: String, params: Vec<(String, Value)>| Condition {
        events: text.clone(),
        counts: text,
        params,
    };
    let instant = |rng: &mut Rng| {
        let second = 1_795_132_800 + rng.i64(0..86_400) / 300 * 300 + rng.i64(0..2);
        Value::text(time::to_text(second * 1_000_000))
    };
    match rng.u8(..9) {
        3 => {
            let list = *rng
                .choice(&["user_groups", "source_ips", "images"])
                .unwrap();
            return same(format!("{list} is null"), Vec::new());
        }
        4 => {
            let ended = rng.bool();
            return Condition {
                events: format!("coalesce({ENDED}, 0) = {}", u8::from(ended)),
                counts: format!("ended = {}", u8::from(ended)),
                params: Vec::new(),
            };
        }
        5 => {
            let op = rng.choice(["<", "<=", ">", ">=", "="]).unwrap();
            let value = Value::Int(rng.i64(0..40_000) / 1000 * 1000);
            return same(format!("latency_us {op} :{a}"), vec![(a, value)]);
        }
        0 => {
            let text = format!("time >= :{a} and time < :{b}");
            return same(text, vec![(a, instant(rng)), (b, instant(rng))]);
        }
        1 => {
            let op = rng.choice(["<", "<=", ">", ">=", "=", "<>"]).unwrap();
            return Condition {
                events: format!("{HOUR_OF_EVENT} {op} strftime('%Y-%m-%dT%H:%M:%f000Z', :{a})"),
                counts: format!("hour {op} :{a}"),
                params: vec![(a, instant(rng))],
            };
        }
        2 => {
            let words = *rng
                .choice(&["10.0.3.9", "!192.168.0.1", "10.0.0.0/22"])
                .unwrap();
            return same(
                format!("source_ips match :{a}"),
                vec![(a, Value::text(words))],
            );
        }
        _ => {}
    }
    let column = *rng.choice(&GROUPS).unwrap();
    let name = column.name();
    let mut value = || rng.choice(&values[name]).cloned().unwrap_or(Value::Null);
    let (first, second) = (value(), value());
    let text = column.kind() == Kind::Text;
    match rng.u8(..9) {
        0 => same(format!("{name} is null"), Vec::new()),
        1 => same(format!("{name} is not null"), Vec::new()),
        2 => same(
            format!("{name} in (:{a}, :{b})"),
            vec![(a, first), (b, second)],
        ),
        3 => same(format!("{name} <> :{a}"), vec![(a, first)]),
        4 => same(format!("{name} >= :{a}"), vec![(a, first)]),
        5 if text => same(format!("{name} match :{a}"), vec![(a, Value::Null)]),
        6 if text && column != Column::SourceIp && column != Column::ClientIp => {
            let plain = match &first {
                Value::Text(text)
                    if !text.is_empty()
                        && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
                {
                    Value::text(&**text)
                }
                _ => Value::Null,
            };
            same(format!("{name} match :{a}"), vec![(a, plain)])
        }
        7 if text => same(format!("{name} like :{a} || '%'"), vec![(a, first)]),
        _ => same(format!("{name} = :{a}"), vec![(a, first)]),
    }
}

fn compare(bench: &Bench, age: &str, values: &BTreeMap<&str, Vec<Value>>, seed: u64) -> u64 {
    let mut rng = Rng::with_seed(seed);
    let mut entries = 0;
    for round in 0..70 {
        let mut names: Vec<&str> = Vec::new();
        for _ in 0..rng.usize(..8) {
            let name = rng.choice(GROUPS).unwrap().name();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let hour = rng.u8(..3) == 0;
        let (mut events, mut counts, mut params) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..rng.usize(..4) {
            let condition = condition(&mut rng, number, values);
            events.push(condition.events);
            counts.push(condition.counts);
            params.extend(condition.params);
        }
        let clause = |word: &str, terms: &[String], between: &str| match terms {
            [] => String::new(),
            terms => format!(" {word} {}", terms.join(between)),
        };
        let columns = |hour_is: &str| -> Vec<String> {
            let names = names.iter().map(|name| (*name).to_owned());
            hour.then(|| hour_is.to_owned())
                .into_iter()
                .chain(names)
                .collect()
        };
        let statement = |hour_is: &str, count: &str, table: &str, conditions: &[String]| {
            let columns = columns(hour_is);
            let by = clause("group by", &columns, ", ");
            let given = [&columns[..], &[count.to_owned()]].concat().join(", ");
            let conditions = clause("where", conditions, " and ");
            let order: Vec<String> = (1..=columns.len()).map(|at| at.to_string()).collect();
            let order = clause("order by", &order, ", ");
            format!("select {given} from {table}{conditions}{by}{order}")
        };
        let mut measures = MEASURES[..1].to_vec();
        measures.extend(MEASURES[1..].iter().filter(|_| rng.u8(..4) == 0));
        let [all, sums, plain] = [0, 1, 2].map(|at| {
            let of = measures.iter().map(|measure| measure[at]);
            of.collect::<Vec<_>>().join(", ")
        });
        let wanted = statement(HOUR_OF_EVENT, &all, "events", &events);
        let wanted = ask(bench, &wanted, &params).unwrap().0;
        for (count, group) in [(sums, true), (plain, false)] {
            let mut sql = statement("hour", &count, "event_counts", &counts);
            if !group {
                // Only where no condition is left to SQLite do the groups need no adding up.
                let decided = |text: &String| {
                    text.contains(" match ")
                        || text.starts_with("time ")
                        || text.starts_with("ended ")
                        || text.starts_with("latency_us ")
                        || text.contains(" is null")
                };
                if names.is_empty() || !counts.iter().all(decided) {
                    continue;
                }
                sql = sql.replace(&clause("group by", &columns("hour"), ", "), "");
            }
            let (found, answer) =
                ask(bench, &sql, &params).unwrap_or_else(|error| panic!("{sql}: {error}"));
            let (few, expected) = (found.iter().take(9), wanted.iter().take(9));
            assert!(
                found == wanted,
                "{age}, round {round}: {sql} with {params:?}: {few:?} instead of {expected:?}"
            );
            entries += answer.stats.rollup_entries;
        }
    }
    entries
}

/// Any columns under any conditions.
pub(super) fn counts_in_sql_like_events(open: Open) {
    let (bench, _) = super::questions::filled(open);
    let values = some_values(&bench);
    let bench = at_every_age(bench, &|bench, age| {
        let entries = compare(bench, age, &values, 31);
        assert!(age == "new" || entries > 0, "{age}: no rollup was read");
    });
    let cutoff = time::parse_rfc3339(b"2026-11-20T00:07:30.5Z").unwrap();
    assert!(bench.store.prune(cutoff, false).unwrap().events > 0);
    compare(&bench, "pruned", &values, 32);
    bench.store.reseal().unwrap();
    compare(&bench, "resealed", &values, 33);
}

/// Work: what only conditions name makes no groups, and rollups are read instead of rows.
pub(super) fn counts_in_sql_read_rollups(open: Open) {
    let bench = Bench::new(open);
    bench.append("c", &super::events(0, 3000));
    bench.store.seal(true).unwrap();
    let null = |name: &str| (name.to_owned(), Value::Null);
    for (sql, params) in [
        (
            "select verb, sum(events) from event_counts group by verb",
            vec![],
        ),
        ("select count(*) from event_counts", vec![]),
        (
            "select api_group, resource, subresource, verb, level, sum(events) from event_counts where outcome = 'success' group by 1, 2, 3, 4, 5",
            vec![],
        ),
        ("select hour, events from event_counts", vec![]),
        (
            "select user, outcome, events from event_counts where resource = 'pods'",
            vec![],
        ),
        (
            "select verb, events from event_counts where cluster match :c and namespace match :n and user match :u and resource match :r and name match :x",
            vec![null("c"), null("n"), null("u"), null("r"), null("x")],
        ),
        (
            "select verb, code, events from event_counts where hour >= '2026-11-20' and hour < '2026-11-21'",
            vec![],
        ),
    ] {
        let (rows, answer) = ask(&bench, sql, &params).unwrap();
        assert!(!rows.is_empty(), "{sql}");
        assert_eq!(answer.stats.rows_visited, 0, "{sql}: {:?}", answer.stats);
    }
}

/// The tables of identities say what the events do, when they are asked a second time too.
pub(super) fn identities_in_sql_like_events(open: Open) {
    let (bench, _) = super::questions::filled(open);
    let check = |bench: &Bench, age: &str| {
        let rows = |sql: &str| ask(bench, sql, &[]).unwrap().0;
        for (table, column) in [("users", "user"), ("user_agents", "user_agent")] {
            let expected = rows(&format!(
                "select {column}, min(time), max(time), count(*) from events \
                 where {column} is not null group by {column} order by {column}"
            ));
            assert!(!expected.is_empty());
            let seen = format!(
                "select {column}, first_seen, last_seen, events from {table} order by {column}"
            );
            for time in ["first", "second"] {
                assert_eq!(rows(&seen), expected, "{age}: {table}, the {time} time");
            }
        }
    };
    let bench = at_every_age(bench, &check);
    let cutoff = time::parse_rfc3339(b"2026-11-20T00:07:30.5Z").unwrap();
    assert!(bench.store.prune(cutoff, false).unwrap().events > 0);
    check(&bench, "pruned");
}
