//! `event_counts`: the order of its rows, and requests that count once.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::grouping::ask;
use super::{Bench, Open, at_every_age};
use crate::model::value::Value;

/// Groups in any order are those that SQLite sorts, and however few are read of them.
pub(super) fn counts_in_sql_come_in_order(open: Open) {
    let (bench, _) = super::questions::filled(open);
    at_every_age(bench, &|bench, age| {
        let mut rng = Rng::with_seed(34);
        for round in 0..60 {
            let mut terms = vec![
                "events",
                "first_time",
                "last_error",
                "errors",
                "verb",
                "user",
            ];
            terms.extend(["code", "hour", "namespace", "mean_latency_us"]);
            rng.shuffle(&mut terms);
            let order = terms.iter().map(|term| match rng.bool() {
                true => format!("{term} desc"),
                false => (*term).to_owned(),
            });
            let order = order.collect::<Vec<_>>().join(", ");
            let columns = terms.join(", ");
            let rows = |order: &str| {
                let sql = format!("select {columns} from event_counts order by {order} limit 300");
                ask(bench, &sql, &[]).unwrap().0
            };
            // Behind a plus a column is an expression, which SQLite sorts by itself.
            let by_sqlite = rows(&format!("+{}", order.replace(", ", ", +")));
            assert_eq!(rows(&order), by_sqlite, "{age}, round {round}: {order}");
        }
    });
}

/// Each request counts once, by the last of its events that match.
pub(super) fn requests_are_counted_once(open: Open) {
    let (bench, _) = super::questions::filled(open);
    at_every_age(bench, &|bench, age| {
        let mut shorter = 0;
        for (number, condition) in [
            "time >= '2000-01-01'",
            "stage match 'ResponseStarted,RequestReceived'",
            "stage match '!RequestReceived' and verb match 'watch,create,delete'",
            "namespace is null",
            "latency_us > 3000",
        ]
        .iter()
        .enumerate()
        {
            let by = ["verb, user, outcome", "code, stage", "cluster, namespace"][number % 3];
            let wanted = format!(
                "select {by}, count(*), min(first), max(last), total(refused), max(error) from (
                   select {by}, min(time) over request as first, max(time) over request as last,
                     outcome glob 'denied_*' as refused,
                     iif(code between 400 and 599, time, null) as error,
                     row_number() over (request order by case stage when 'RequestReceived' then 3
                       when 'ResponseStarted' then 2 else 1 end, time desc, id desc) as place
                   from events where {condition}
                   window request as (partition by cluster, user, request_uri, received_time, iif(
                     user is null or request_uri is null or received_time is null, id, audit_id))
                 ) where place = 1 group by {by} order by {by}"
            );
            let counted = format!(
                "select {by}, events, first_time, last_time, cast(refused as real), last_error
                 from event_counts where per_request = 1 and {condition} order by {by}"
            );
            let events = format!("select sum(events) from event_counts where {condition}");
            let requests = format!("select sum(events) from ({counted})");
            let [wanted, counted, events, requests] =
                [wanted, counted, events, requests].map(|sql| ask(bench, &sql, &[]).unwrap().0);
            assert_eq!(counted, wanted, "{age}: {condition}");
            shorter += u32::from(events != requests);
        }
        assert!(shorter > 2, "{age}: requests have one event each");
    });
}

/// Requests are counted once wherever the stages of each lie: in one segment, in several, in none yet.
pub(super) fn requests_are_counted_once_across_segments(open: Open) {
    const STAGES: [&str; 5] = [
        "RequestReceived",
        "ResponseStarted",
        "Mystery",
        "ResponseComplete",
        "Panic",
    ];
    struct Stage {
        request: [String; 3],
        second: u64,
        place: usize,
        verb: &'static str,
        namespace: usize,
        code: u64,
        /// As whom it is asked and why that is allowed, known after the first stage; 0 is nobody.
        rights: usize,
    }
    let moment = |second: u64| {
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!(
            "2026-11-{}T{:02}:{minute:02}:{second:02}.000000Z",
            20 + hour / 24,
            hour % 24
        )
    };
    let mut rng = Rng::with_seed(5);
    let bench = Bench::new(open);
    let mut stages: Vec<Stage> = Vec::new();
    for number in 0..1500 {
        // Some share an audit id, and some of those all that a request is told by.
        let id = match rng.u32(..8) {
            0 => number / 2,
            _ => number,
        };
        let request = [
            format!("{id:08x}-1111-4222-8333-444455556666"),
            format!("u{}", rng.u32(..3)),
            moment(id as u64 * 60),
        ];
        let (verb, namespace) = (["create", "watch", "get"][rng.usize(..3)], rng.usize(..3));
        let rights = rng.usize(..3);
        let mut at: Vec<usize> = (0..5).filter(|_| rng.u32(..5) < 2).collect();
        if rng.u32(..10) == 0 {
            at.extend(at.last().copied());
        }
        let mut second = id as u64 * 60;
        for place in at {
            // Most go on at once, some hours later, and clocks step back.
            second = match rng.u32(..10) {
                0 => second + rng.u64(..8000),
                1 => second.saturating_sub(rng.u64(..50)),
                _ => second + rng.u64(..3),
            };
            stages.push(Stage {
                request: request.clone(),
                second,
                place,
                // Rarely an event says something else than the others.
                verb: if rng.u32(..50) == 0 { "other" } else { verb },
                namespace,
                code: 200 + rng.u64(..3) * 101,
                rights: match (place, rng.u32(..50)) {
                    (0, _) => 0,
                    (_, 0) => rng.usize(..3),
                    _ => rights,
                },
            });
        }
    }
    // Most arrive in order.
    stages.sort_by_key(|stage| stage.second);
    for at in 0..stages.len() {
        if rng.u32(..20) == 0 {
            let other = rng.usize(..stages.len());
            stages.swap(at, other);
        }
    }
    let line = |(number, stage): (usize, &Stage)| {
        let [id, user, received] = &stage.request;
        let (named, verb, namespace) = (stage.place > 2, stage.verb, stage.namespace);
        let name = if named { r#","name":"p""# } else { "" };
        let (rights, groups) = match stage.rights {
            0 => (String::new(), String::new()),
            is => (
                format!(
                    r#","impersonatedUser":{{"username":"a{is}"}},"annotations":{{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"r{is}"}}"#
                ),
                format!(r#","groups":["g{is}"]"#),
            ),
        };
        format!(
            r#"{{"level":"Metadata","auditID":"{id}","stage":"{}","requestURI":"/api/v1/namespaces/ns{namespace}/pods","verb":"{verb}","user":{{"username":"{user}"{groups}}}{rights},"userAgent":"{number}","objectRef":{{"resource":"pods","namespace":"ns{namespace}"{name},"apiVersion":"v1"}},"responseStatus":{{"code":{}}},"requestReceivedTimestamp":"{received}","stageTimestamp":"{}"}}"#,
            STAGES[stage.place],
            stage.code,
            moment(stage.second),
        )
    };
    let lines: Vec<String> = stages.iter().enumerate().map(line).collect();
    type Holds<'a> = &'a dyn Fn(&Stage) -> bool;
    let since = |second: u64, stage: &Stage| stage.second >= second;
    let later = |stage: &Stage| matches!(stage.place, 1 | 3 | 4);
    let filters: [(&str, Holds<'_>); 14] = [
        ("user match '*'", &|_| true),
        ("verb = 'watch'", &|stage| stage.verb == "watch"),
        ("namespace match '!ns1' and user = 'u2'", &|stage| {
            stage.namespace != 1 && stage.request[1] == "u2"
        }),
        (
            "stage match 'ResponseStarted,ResponseComplete,Panic'",
            &later,
        ),
        (
            "impersonated_user match 'a*' and stage match 'ResponseStarted,ResponseComplete,Panic'",
            &|stage| later(stage) && stage.rights > 0,
        ),
        (
            "user_groups match 'g2' and stage match '!RequestReceived'",
            &|stage| stage.rights == 2,
        ),
        (
            "decision_reason = 'r1' and stage <> 'RequestReceived'",
            &|stage| stage.rights == 1,
        ),
        ("impersonated_user is null", &|stage| stage.rights == 0),
        ("effective_user match '!a1'", &|stage| stage.rights != 1),
        ("stage match '!Panic'", &|stage| stage.place != 4),
        ("stage = 'RequestReceived'", &|stage| stage.place == 0),
        ("code = 200", &|stage| stage.code == 200),
        (
            "time >= '2026-11-20T09:10:30Z' and verb match 'get,watch'",
            &|stage| since(33_030, stage) && matches!(stage.verb, "get" | "watch"),
        ),
        ("time < '2026-11-20T15:10:30Z'", &|stage| {
            !since(54_630, stage)
        }),
    ];
    let check = |bench: &Bench, age: &str, sent: usize| {
        for (condition, holds) in &filters {
            let mut requests: BTreeMap<_, Vec<&Stage>> = BTreeMap::new();
            for stage in stages[..sent].iter().filter(|stage| holds(stage)) {
                requests
                    .entry((&stage.request, stage.namespace))
                    .or_default()
                    .push(stage);
            }
            let mut wanted: BTreeMap<_, i64> = BTreeMap::new();
            for events in requests.values() {
                let order = |stage: &&Stage| stage.place.min(3);
                let last = events.iter().map(order).max().unwrap();
                let mut lasts: Vec<_> = (events.iter())
                    .filter(|event| order(event) == last)
                    .collect();
                if last == 1 {
                    // Of several starts the latest, which arrived last of those at one time.
                    lasts = lasts
                        .into_iter()
                        .max_by_key(|start| start.second)
                        .into_iter()
                        .collect();
                }
                for event in lasts {
                    let group = (
                        event.verb.to_owned(),
                        STAGES[event.place].to_owned(),
                        event.code,
                    );
                    *wanted.entry(group).or_default() += 1;
                }
            }
            let wanted = wanted.into_iter().map(|((verb, stage, code), events)| {
                let [code, events] = [code as i64, events].map(Value::Int);
                vec![Value::text(verb), Value::text(stage), code, events]
            });
            let sql = format!(
                "select verb, stage, code, events from event_counts
                 where per_request = 1 and {condition} order by verb, stage, code"
            );
            let (counted, answer) = ask(bench, &sql, &[]).unwrap();
            let by_ends = ["verb = 'watch'", "user_groups", "decision_reason"];
            let by_ends = by_ends.iter().any(|begin| condition.starts_with(begin));
            if age == "merged" && by_ends {
                let visited = answer.stats.rows_visited as usize;
                assert!(
                    visited < sent / 2,
                    "{visited} of {sent} events were looked at"
                );
            }
            assert_eq!(counted, wanted.collect::<Vec<_>>(), "{age}: {condition}");
        }
    };
    let (third, half) = (lines.len() / 3, lines.len() / 2);
    bench.append("c", &lines[..third]);
    bench.store.seal(false).unwrap();
    bench.append("c", &lines[third..half]);
    bench.store.seal(false).unwrap();
    check(&bench, "half of them sealed", half);
    bench.append("c", &lines[half..]);
    at_every_age(bench, &|bench, age| check(bench, age, lines.len()));
}

/// A part that is scanned by several cores counts each of its rows once.
pub(super) fn counts_of_a_divided_part_add_up(open: Open) {
    let bench = Bench::new(open);
    bench.append("c", &super::events(0, 17_000));
    bench.store.seal(true).unwrap();
    for condition in [
        "raw_bytes > 0",
        "time >= '2026-11-20T00:30:00Z' and time < '2026-11-20T04:10:07Z'",
        "time >= '2026-11-20T01:00:30Z' and name match 'p1*' and code = 404",
    ] {
        let hour = "strftime('%Y-%m-%dT%H:00:00.000000Z', time)";
        let wanted = format!(
            "select {hour}, user, source_ip, count(*), sum(raw_bytes), max(time), total(code = 404)
             from events where {condition} group by 1, 2, 3 order by 1, 2, 3"
        );
        let condition = condition.replace("raw_bytes > 0", "time > '2000-01-01'");
        let counted = format!(
            "select hour, user, source_ip, sum(events), sum(raw_bytes), max(last_time),
               total(iif(code = 404, errors, 0))
             from event_counts where {condition} group by 1, 2, 3 order by 1, 2, 3"
        );
        let (wanted, _) = ask(&bench, &wanted, &[]).unwrap();
        let (counted, answer) = ask(&bench, &counted, &[]).unwrap();
        assert_eq!(counted, wanted, "{condition}");
        let visited = answer.stats.rows_visited;
        assert!((1..=17_000).contains(&visited), "{condition}: {visited}");
    }
}
