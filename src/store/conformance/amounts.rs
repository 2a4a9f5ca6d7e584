//! `event_counts`: conditions on what its rows say of events, and the users who have the most.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::grouping::ask;
use super::{Bench, Open, at_every_age};
use crate::model::value::Value;

/// Rows whose amounts are not as a statement wants them stay away before SQLite sees them.
pub(super) fn counts_are_left_out_by_amounts(open: Open) {
    let (bench, _) = super::questions::filled(open);
    at_every_age(bench, &|bench, age| {
        let mut left_out = 0;
        for (at, amount) in [
            ("events", "count(*)"),
            ("errors", "total(code between 400 and 599)"),
            ("succeeded", "total(outcome in ('success', 'upgraded'))"),
            ("raw_bytes", "sum(raw_bytes)"),
            ("watches", "total(verb = 'watch')"),
            (
                "failed_watches",
                "total(verb = 'watch' and code between 400 and 599)",
            ),
            ("users", "count(distinct user)"),
        ]
        .iter()
        .enumerate()
        {
            let (name, aggregate) = amount;
            let by = ["verb, namespace", "resource, code", "outcome"][at % 3];
            let ordered = format!("order by events desc, {by}");
            let all = format!("select {by} from event_counts {ordered}");
            let all = ask(bench, &all, &[]).unwrap().0.len();
            for number in [
                "0", "1", "3", "2.5", "40", "700.0", "-7", "'3'", "9e30", "null",
            ] {
                for sign in [">", ">=", "=", "<", "<="] {
                    let counted = format!(
                        "select {by}, events from event_counts where {name} {sign} {number} {ordered}"
                    );
                    // A real number compares as such, and a text as the number that it is.
                    let wanted = format!(
                        "select {by}, count(*) as events from events group by {by}
                         having {aggregate} {sign} cast({number} as numeric) {ordered}"
                    );
                    let [found, wanted] =
                        [&counted, &wanted].map(|sql| ask(bench, sql, &[]).unwrap().0);
                    assert_eq!(found, wanted, "{age}: {counted}");
                    left_out += usize::from((1..all).contains(&found.len()));
                }
            }
            let plan =
                format!("explain query plan select events from event_counts where {name} > 1");
            let plan = format!("{:?}", ask(bench, &plan, &[]).unwrap().0);
            assert!(plan.contains(&format!("group.{name}:>")), "{plan}");
        }
        assert!(
            left_out > 40,
            "{age}: {left_out} statements leave something out"
        );
    });
}

/// Which watches are short is for a statement to say; their mean latency is that of no other call.
pub(super) fn counts_tell_short_watches(open: Open) {
    let mut rng = fastrand::Rng::with_seed(41);
    let line = |number: u64| {
        let begin = 1_795_132_800_000_000 + number as i64 * 1_700_000;
        let micros = match rng.u8(..9) {
            0 => -rng.i64(0..3000),
            1 => 60_000_000 + rng.i64(-1..2),
            bits => rng.i64(0..1 << (bits * 4)),
        };
        let [received, time] = [begin, begin + micros].map(crate::model::time::to_text);
        let received = match rng.u8(..20) {
            0 => String::new(),
            _ => format!(r#""requestReceivedTimestamp":"{received}","#),
        };
        let status = match rng.choice([200, 200, 302, 404, 500, 600, 0]).unwrap() {
            0 => String::new(),
            code => format!(r#""responseStatus":{{"code":{code}}},"#),
        };
        let verb = rng.choice(["watch", "watch", "list", "get"]).unwrap();
        let stage = rng
            .choice(["ResponseComplete", "ResponseComplete", "Panic"])
            .unwrap();
        let (user, resource) = (rng.u8(..9), rng.choice(["pods", "jobs"]).unwrap());
        format!(
            r#"{{"level":"Metadata","auditID":"{number:08x}-1111-4222-8333-444455556666","stage":"{stage}","requestURI":"/api/v1/{resource}","verb":"{verb}","user":{{"username":"u{user}"}},"objectRef":{{"resource":"{resource}","apiVersion":"v1"}},{status}{received}"stageTimestamp":"{time}"}}"#
        )
    };
    let lines: Vec<String> = (0..900).map(line).collect();
    let bench = Bench::new(open);
    for part in lines.chunks(300) {
        bench.append("c", part);
    }
    at_every_age(bench, &|bench, age| {
        let mut told = std::collections::BTreeSet::new();
        for short in [i64::MIN, 0, 200, 9000, 60_000_000, i64::MAX] {
            let short_us = [("short".to_owned(), Value::Int(short))];
            for (condition, per_request) in [
                ("time >= '2000-01-01'", false),
                (
                    "time >= '2026-11-20T00:10:00.5Z' and verb match 'watch,list'",
                    false,
                ),
                (
                    "verb match 'watch,list' and stage match 'ResponseComplete,Panic'",
                    true,
                ),
            ] {
                let wanted = format!(
                    "select * from (
                       select user, resource,
                         total(verb = 'watch' and code not between 400 and 599
                           and latency_us < :short) as short,
                         total(verb = 'watch' and code between 400 and 599) as failed,
                         total(verb = 'list') as lists,
                         avg(iif(verb = 'watch', latency_us, null)) as mean, max(time) as last
                       from events where {} group by user, resource)
                     where short + failed > 0
                     order by short + failed desc, lists desc, user, resource",
                    condition
                        .replace(" match 'watch,list'", " in ('watch', 'list')")
                        .replace(
                            " match 'ResponseComplete,Panic'",
                            " in ('ResponseComplete', 'Panic')"
                        ),
                );
                let counted = format!(
                    "select user, resource, short_watches, failed_watches, lists, mean_watch_us, last_time
                     from event_counts where {condition} and short_us = :short
                       and broken_watches > 0 and per_request = {}
                     order by broken_watches desc, lists desc, user, resource",
                    u8::from(per_request),
                );
                let wanted = ask(bench, &wanted, &short_us).unwrap().0;
                let found = ask(bench, &counted, &short_us).unwrap().0;
                let real = |value: &Value| match *value {
                    Value::Int(number) => Value::Real(number as f64),
                    Value::Real(number) => Value::Real((number + 0.5).floor()),
                    ref value => value.clone(),
                };
                let real = |rows: &[Vec<Value>]| -> Vec<Vec<Value>> {
                    rows.iter()
                        .map(|row| row.iter().map(real).collect())
                        .collect()
                };
                assert_eq!(real(&found), real(&wanted), "{age}, {short}: {counted}");
                told.insert(format!("{found:?}"));
            }
        }
        assert!(told.len() > 12, "{age}: only {} answers differ", told.len());
    });
}

/// A statement says no two things of what is short, and nothing that is no number.
pub(super) fn counts_refuse_what_is_not_short(open: Open) {
    let (bench, _) = super::questions::filled(open);
    let rows = |condition: &str| {
        let sql = format!("select events from event_counts where {condition}");
        ask(&bench, &sql, &[]).map(|(rows, _)| rows.len())
    };
    assert_eq!(rows("short_us = 7 and short_us is 7").unwrap(), 1);
    assert_eq!(rows("short_us = 7 and short_us = 8").unwrap(), 0);
    assert_eq!(rows("short_us = null").unwrap(), 0);
    for condition in ["short_us = '7'", "short_us = 7.5"] {
        let refused = rows(condition).unwrap_err().to_string();
        assert!(refused.contains("write short_us = 1000000"), "{refused}");
    }
    for condition in ["short_us > 7", "short_us + 1 = 8"] {
        let refused = rows(condition).unwrap_err().to_string();
        assert!(refused.contains("write short_us = 60000000"), "{refused}");
    }
}

/// Of each row the five users with the most events, and how many there are.
pub(super) fn counts_name_the_users_with_most_events(open: Open) {
    let (bench, _) = super::questions::filled(open);
    let hour = "strftime('%Y-%m-%dT%H:00:00.000000Z', time)";
    at_every_age(bench, &|bench, age| {
        let mut more = 0;
        for (by, terms, condition) in [
            ("verb", "verb", "time > '2000-01-01'"),
            (
                "verb, hour",
                &format!("verb, {hour}"),
                "time >= '2026-11-20T00:10:00Z'",
            ),
            ("resource, level", "resource, level", "verb match '!get'"),
            ("user", "user", "stage = 'ResponseComplete'"),
            ("cluster", "cluster", "per_request = 1"),
        ] {
            let width = by.split(", ").count();
            let events = match condition {
                // Another test compares these with events.
                "per_request = 1" => {
                    format!("select {by}, user, events from event_counts where {condition}")
                }
                _ => format!(
                    "select {terms}, user, count(*) from events where {condition} group by {terms}, user"
                ),
            };
            let mut wanted: BTreeMap<String, (i64, Vec<(Reverse<i64>, String)>)> = BTreeMap::new();
            for row in ask(bench, &events, &[]).unwrap().0 {
                let key = format!("{:?}", &row[..width]);
                let (all, users) = wanted.entry(key).or_default();
                let Value::Int(events) = row[width + 1] else {
                    panic!("{row:?}");
                };
                *all += events;
                if let Value::Text(user) = &row[width] {
                    users.push((Reverse(events), user.to_string()));
                }
            }
            let counted = format!(
                "select {by}, events, users, top_users from event_counts where {condition}
                 order by users desc, {by}"
            );
            let found = ask(bench, &counted, &[]).unwrap().0;
            assert_eq!(found.len(), wanted.len(), "{age}: {counted}");
            for row in found {
                let (all, mut users) = wanted.remove(&format!("{:?}", &row[..width])).unwrap();
                users.sort();
                more += usize::from(users.len() > 5);
                let top: Vec<&String> = users.iter().take(5).map(|(_, user)| user).collect();
                let top = serde_json::to_string(&top).unwrap();
                let numbers = [all, users.len() as i64].map(Value::Int);
                assert_eq!(row[width..width + 2], numbers, "{age}: {counted}");
                let (Value::Text(told) | Value::Json(told)) = &row[width + 2] else {
                    panic!("{row:?}");
                };
                assert_eq!(**told, *top, "{age}: {counted}");
            }
        }
        assert!(more > 3, "{age}: {more} rows have more than five users");
    });
}

/// Groups with rare events are looked for first, wherever these and the groups' other events lie.
pub(super) fn counts_look_for_rare_events_first(open: Open) {
    let mut rng = fastrand::Rng::with_seed(42);
    let line_of = |number: u64, user: u64, verb: &str, (code, right): (u16, &str)| {
        let time = crate::model::time::to_text(1_795_132_800_000_000 + number as i64 * 20_000_001);
        let (resource, name) = (["pods", "jobs"][number as usize % 2], number * 7 % 200);
        format!(
            r#"{{"level":"Metadata","auditID":"{number:08x}-1111-4222-8333-444455556666","stage":"ResponseComplete","requestURI":"/api/v1/{resource}","verb":"{verb}","user":{{"username":"u{user}"}},"objectRef":{{"resource":"{resource}","name":"n{name}","apiVersion":"v1"}},"responseStatus":{{"code":{code}}},"annotations":{{"authorization.k8s.io/decision":"{right}"}},"stageTimestamp":"{time}"}}"#
        )
    };
    let line = |number: u64| {
        let ended = match rng.u8(..60) {
            0 => (500, "allow"),
            1 => (403, "forbid"),
            2 => (404, "allow"),
            _ => (200, "allow"),
        };
        let verb = rng.choice(["watch", "list", "get"]).unwrap();
        // Some come late, so that dictionaries differ.
        let user = rng.u64(..20 + number / 200);
        line_of(number, user, verb, ended)
    };
    let lines: Vec<String> = (0..3600).map(line).collect();
    let bench = Bench::new(open);
    for part in lines[..2400].chunks(1200) {
        bench.append("c", part);
        bench.store.seal(false).unwrap();
    }
    bench.append("c", &lines[2400..]);
    let shares = [
        ("errors", "code between 400 and 599"),
        ("client_errors", "code between 400 and 499"),
        ("server_errors", "code between 500 and 599"),
        ("refused", "outcome glob 'denied_*'"),
    ];
    let bench = at_every_age(bench, &|bench, age| {
        let (mut first, mut left_out) = (0, 0);
        for (share, said) in shares {
            for by in [
                "user, verb",
                "verb, resource, cluster",
                "name",
                "user, code",
                "hour, user",
            ] {
                for condition in [
                    "time >= '2026-11-20T00:20:30Z'",
                    "time >= '2026-11-20T02:20:30Z' and time < '2026-11-20T17:00:00.5Z'",
                    "time < '2026-11-20T13:00:00.5Z' and verb match '!get'",
                    "time >= '2026-11-20T16:20:30Z' and user match 'u1*'",
                ] {
                    let terms = by.replace("hour", "strftime('%Y-%m-%dT%H:00:00.000000Z', time)");
                    let events = condition
                        .replace("verb match '!get'", "verb <> 'get'")
                        .replace("user match 'u1*'", "user glob 'u1*'");
                    let wanted = format!(
                        "select {terms}, count(*), cast(total({said}) as integer), count(code), max(time),
                           max(iif(code between 400 and 599, time, null))
                         from events where {events} group by {terms}
                         having total({said}) >= 1 order by {terms}"
                    );
                    let counted = format!(
                        "select {by}, events, {share}, answered, last_time, last_error
                         from event_counts where {condition} and {share} >= 1 order by {by}"
                    );
                    let all = format!("select {by}, events from event_counts where {condition}");
                    let among = format!("select count(*) from events where {events}");
                    let (found, answer) = ask(bench, &counted, &[]).unwrap();
                    assert_eq!(
                        found,
                        ask(bench, &wanted, &[]).unwrap().0,
                        "{age}: {counted}"
                    );
                    assert_eq!(
                        found,
                        ask(bench, &counted, &[]).unwrap().0,
                        "again: {counted}"
                    );
                    let [among, all] = [among, all].map(|sql| ask(bench, &sql, &[]).unwrap().0);
                    left_out += usize::from(found.len() < all.len());
                    let Value::Int(among) = among[0][0] else {
                        panic!("{among:?}");
                    };
                    first += usize::from(answer.stats.rows_visited > among as u64);
                }
            }
        }
        assert!(
            left_out > 40,
            "{age}: {left_out} counts leave something out"
        );
        // Small segments mostly lie in the range as a whole, and have summaries.
        assert!(
            age != "merged" || first > 20,
            "{age}: {first} counts look for what is rare first"
        );
    });
    // What was counted of a segment before is not what counts when errors come of other groups of it.
    let counted = "select name, verb, events, errors from event_counts
                   where time >= '2026-11-20T00:20:30Z' and errors > 0 order by name, verb";
    let before = ask(&bench, counted, &[]).unwrap().0;
    let error = |user: u64| line_of(3600 + user, user, "get", (500, "allow"));
    bench.append("c", &(0..9).map(error).collect::<Vec<_>>());
    let wanted = "select name, verb, count(*), cast(total(code between 400 and 599) as integer)
                  from events where time >= '2026-11-20T00:20:30Z' group by name, verb
                  having total(code between 400 and 599) > 0 order by name, verb";
    let found = ask(&bench, counted, &[]).unwrap().0;
    assert_eq!(found, ask(&bench, wanted, &[]).unwrap().0);
    assert!(found.len() > before.len());
}
