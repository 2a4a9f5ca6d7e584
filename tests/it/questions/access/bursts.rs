//! Bursts of refused requests wherever hours begin and whoever was refused.

use serde_json::{Value, json};

use super::super::made::{made, store_of};
use super::super::{ask_of, cell};

/// So many refusals of somebody, or of nobody, a second apart up to the end of ten o'clock and so many
/// from there on.
fn refused(events: &mut Vec<Value>, user: Option<&str>, before: u64, after: u64) {
    for second in (60 - before)..(60 + after) {
        let minute = if second < 60 { "10:59" } else { "11:00" };
        let time = format!("2026-11-20T{minute}:{:02}.250000Z", second % 60);
        let (user, code) = match user {
            Some(user) => (json!({"username": user}), 403),
            None => (json!({}), 401),
        };
        let right = if code == 403 { "forbid" } else { "" };
        events.push(made(
            events.len() as u64,
            "list",
            json!({"user": user, "sourceIPs": ["10.0.0.1"], "responseStatus": {"code": code},
                   "annotations": {"authorization.k8s.io/decision": right},
                   "requestReceivedTimestamp": time, "stageTimestamp": time}),
        ));
    }
}

#[test]
fn bursts_go_on_from_one_hour_to_the_next() {
    let mut events = Vec::new();
    refused(&mut events, Some("even"), 5, 5);
    refused(&mut events, Some("early"), 9, 1);
    refused(&mut events, Some("late"), 1, 9);
    refused(&mut events, Some("few"), 5, 4);
    refused(&mut events, None, 4, 6);
    let store = store_of(&events);
    let bursts = |args: &[&str]| {
        let rows = ask_of(&store, "forbidden-bursts", args);
        let row = |row: &super::super::Row| {
            let name = if row["user"].is_null() {
                "nobody"
            } else {
                cell(row, "user")
            };
            format!("{name} {}", row["denials"])
        };
        let mut bursts: Vec<String> = rows.iter().map(row).collect();
        bursts.sort_unstable();
        bursts
    };
    let all = ["--since", "all"];
    assert_eq!(
        bursts(&all),
        ["early 10", "even 10", "late 10", "nobody 10"]
    );
    // Nine seconds lie between the first and the last.
    let within = |window| bursts(&["--since", "all", "--window", window]);
    assert_eq!(within("9s").len(), 4);
    assert_eq!(within("8s"), [""; 0]);
    assert_eq!(within("3h").len(), 4);
    let nine = bursts(&["--since", "all", "--at-least", "9", "--window", "8s"]);
    assert_eq!(
        nine,
        ["early 10", "even 10", "few 9", "late 10", "nobody 10"]
    );
}
