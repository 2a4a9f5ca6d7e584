//! Groups of many users in the order of an amount: those of the foremost users are counted first, and
//! whoever reads on sees all the others, each once.

use std::collections::BTreeMap;

use crate::support::{cli_with, local, temp_dir};

/// More than are worth a count of their own.
const USERS: u64 = 1200;

/// (verb, code) of the calls of a user; of nobody there are many that were refused.
fn calls(user: u64) -> Vec<(&'static str, u64)> {
    let many = |verb, code, calls: u64| std::iter::repeat_n((verb, code), calls as usize);
    if user == 0 {
        return many("list", 401, 40).chain(many("get", 401, 9)).collect();
    }
    let gets = if user.is_multiple_of(100) {
        30 + user / 100
    } else {
        user % 7
    };
    let failed = if user % 50 == 1 {
        user % 16
    } else {
        u64::from(user.is_multiple_of(9))
    };
    let calls = many("get", 200, gets).chain(many("delete", 404, failed));
    calls.chain(many("patch", 403, user % 3)).collect()
}

/// The share of an amount that a call is.
fn is(amount: &str, code: u64) -> bool {
    match amount {
        "events" => true,
        "errors" => code >= 400,
        "refused" => matches!(code, 401 | 403),
        amount => panic!("{amount}"),
    }
}

#[test]
fn groups_in_the_order_of_an_amount_are_all_there() {
    let dir = temp_dir();
    let data = dir.path();
    // Each user in one import or the other, and some in both, so that there are two segments.
    for (day, number) in [("18", 0), ("19", 1)] {
        let mut lines = Vec::new();
        for user in 0..USERS {
            for (at, (verb, code)) in calls(user).into_iter().enumerate() {
                let both = user.is_multiple_of(5);
                if !both && user % 2 != number || both && at as u64 % 2 != number {
                    continue;
                }
                let name = match user {
                    0 => r#""user":{},"#.to_owned(),
                    user => format!(r#""user":{{"username":"u{user}"}},"#),
                };
                let n = user * 1000 + at as u64;
                let time = format!(
                    "2026-11-{day}T10:{:02}:{:02}.{at:06}Z",
                    user / 60,
                    user % 60
                );
                lines.push(format!(
                    r#"{{"level":"Metadata","auditID":"{n:08x}-0000-4000-8000-000000000000","stage":"ResponseComplete","requestURI":"/api/v1/pods","verb":"{verb}",{name}"sourceIPs":["10.0.0.1"],"objectRef":{{"resource":"pods","apiVersion":"v1"}},"responseStatus":{{"code":{code}}},"requestReceivedTimestamp":"{time}","stageTimestamp":"{time}"}}"#,
                ));
            }
        }
        let import = ["import", "--data", data.to_str().unwrap(), "-"];
        cli_with(&import, lines.join("\n").as_bytes()).expect(0);
    }
    for amount in ["events", "errors", "refused"] {
        // Counted here: the most first, by user and verb where they are equal.
        let mut groups = BTreeMap::<(String, &str), u64>::new();
        for user in 0..USERS {
            let name = if user == 0 {
                String::new()
            } else {
                format!("u{user}")
            };
            for (verb, code) in calls(user) {
                *groups.entry((name.clone(), verb)).or_default() += u64::from(is(amount, code));
            }
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|(_, events)| std::cmp::Reverse(*events));
        let expected: Vec<String> = groups
            .iter()
            .map(|((user, verb), amount)| format!("{user},{verb},{amount}"))
            .collect();
        for condition in ["1", "ended = 1", "per_request = 1"] {
            let sql = format!(
                "select user, verb, {amount} from event_counts where {condition} order by {amount} desc, user, verb"
            );
            for limit in [5, 0] {
                let limit = limit.to_string();
                let run = local(data, "sql", &[&sql, "--limit", &limit, "-o", "csv"]).expect(0);
                let text = String::from_utf8(run.stdout).unwrap();
                let found: Vec<&str> = text.lines().skip(1).collect();
                let expected = &expected[..if limit == "5" { 5 } else { expected.len() }];
                assert_eq!(found, expected, "{sql} --limit {limit}");
            }
        }
    }
}
