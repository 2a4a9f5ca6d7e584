//! `event_counts`: the order of its rows, and requests that count once.

use fastrand::Rng;

use super::grouping::ask;
use super::{Bench, Open, at_every_age};

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
