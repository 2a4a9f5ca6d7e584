//! What a report says of gaps.

use serde_json::{Value, json};

use super::json as parsed;
use crate::support::{Server, event_at, local, temp_dir};

#[test]
fn gaps_of_every_kind_are_told() {
    let dir = temp_dir();
    let server = Server::start(dir.path(), &[]);
    let at = |hour: u64| format!("2026-11-20T{hour:02}:30:00.000000Z");
    for (cluster, hours) in [("east", &[0, 3, 4, 5, 9][..]), ("west", &[5, 6, 7, 8, 9])] {
        for &hour in hours {
            let path = format!("/webhook/{cluster}");
            server.post(&path, event_at(hour, &at(hour))).expect(200);
        }
    }
    let mut cut: Value = serde_json::from_str(&event_at(77, &at(5))).unwrap();
    cut["annotations"] = json!({"audit.k8s.io/truncated": "true"});
    server.post("/webhook/west", cut.to_string()).expect(200);
    server
        .post("/webhook/west", "{\"no\": \"event\"}")
        .expect(200);
    server
        .post("/api/v1/prune", "{\"before\": \"2026-11-20T02:00:00Z\"}")
        .expect(200);
    server.stop();

    let args = [
        "pci-dss",
        "--since",
        "2026-11-20",
        "--until",
        "2026-11-20T12:00:00Z",
        "-o",
        "json",
    ];
    let report = |more: &[&str]| {
        let run = local(dir.path(), "report", &[&args[..], more].concat()).expect(0);
        parsed(&run.stdout)
    };
    let made = report(&[]);
    let coverage = &made["coverage"];
    assert_eq!(coverage["events"], 10);
    assert_eq!(
        (&coverage["truncated"], &coverage["quarantined"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(coverage["pruned"], 1);
    assert_eq!(coverage["pruned_before"], "2026-11-20T02:00:00.000000Z");
    let silence = |cluster: &str, from: u64, until: u64| {
        let hour = |hour: u64| format!("2026-11-20T{hour:02}:00:00.000000Z");
        json!({"cluster": cluster, "from": hour(from), "until": hour(until), "hours": until - from})
    };
    assert_eq!(
        coverage["silent"],
        json!([
            silence("east", 6, 9),
            silence("east", 10, 12),
            silence("west", 10, 12)
        ])
    );
    // From 3, the first event that is left, to 10, without 6 to 9.
    assert_eq!(
        (&coverage["hours"], &coverage["covered_hours"]),
        (&json!(12), &json!(4))
    );
    let steps = made["charts"]["steps"].as_array().unwrap();
    let unseen: Vec<u64> = steps
        .iter()
        .map(|step| step["silent_hours"].as_u64().unwrap())
        .collect();
    assert_eq!(unseen, [1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 1, 1]);
    let marked = |name: &str| {
        let steps = steps.iter().zip(0..);
        let marked = steps.filter(|(step, _)| step[name] == true);
        marked.map(|(_, hour)| hour).collect::<Vec<u64>>()
    };
    assert_eq!(marked("pruned"), [0, 1]);
    // The first event that is left is of 3:30.
    assert_eq!(
        (marked("before"), &coverage["before_hours"]),
        (vec![2], &json!(1))
    );
    let notes = coverage["notes"].to_string();
    for said in [
        "Retention removed events before 2026-11-20T02:00:00.000000Z: 1 event",
        "7 hours passed without any event of a cluster, added up over 2 clusters, in 3 stretches; the longest is 3 hours",
        "10 of 10 events (100.0 %) were recorded at the level Metadata",
        "The bodies of 1 event were cut off",
        "1 received item could not be understood",
    ] {
        assert!(notes.contains(said), "{said}: {notes}");
    }

    // Of one cluster only what is its own.
    let made = report(&["--cluster", "west"]);
    assert_eq!(made["coverage"]["events"], 6);
    assert_eq!(made["coverage"]["silent"], json!([silence("west", 10, 12)]));
    assert_eq!(made["clusters"].as_array().unwrap().len(), 1);
    assert_eq!(made["clusters"][0]["oldest"], "2026-11-20T05:30:00.000000Z");
    let made = report(&["--cluster", "east,west"]);
    assert_eq!(made["clusters"].as_array().unwrap().len(), 2);
    assert_eq!(made["params"]["cluster"], "east,west");
}

#[test]
fn a_long_range_begins_with_the_oldest_event_and_its_silence_after_it() {
    let dir = temp_dir();
    let server = Server::start(dir.path(), &[]);
    // Clocks were broken once: the range is long, and still it is answered.
    server
        .post("/webhook", event_at(1, "1971-01-01T00:00:01.000000Z"))
        .expect(200);
    server
        .post("/webhook", event_at(2, "2026-11-20T10:10:00.000000Z"))
        .expect(200);
    server.stop();
    let args = [
        "pci-dss",
        "--since",
        "all",
        "--until",
        "2026-11-20T12:00:00Z",
        "-o",
        "json",
    ];
    let made = parsed(&local(dir.path(), "report", &args).expect(0).stdout);
    assert_eq!(made["since"], "1971-01-01T00:00:00.000000Z");
    assert_eq!(made["coverage"]["events"], 2);
    assert_eq!(made["clusters"][0]["oldest"], "1971-01-01T00:00:01.000000Z");
    let steps = made["charts"]["steps"].as_array().unwrap();
    assert!(steps.len() <= 120, "{}", steps.len());
    let sum: u64 = steps
        .iter()
        .map(|step| step["events"].as_u64().unwrap())
        .sum();
    assert_eq!(sum, 2);
    let silent = |from: &str, until: &str, hours: u64| json!({"cluster": "default", "from": from, "until": until, "hours": hours});
    // 20,412 days lie between the dates.
    assert_eq!(
        made["coverage"]["silent"],
        json!([
            silent(
                "1971-01-01T01:00:00.000000Z",
                "2026-11-20T10:00:00.000000Z",
                20_412 * 24 + 9
            ),
            silent(
                "2026-11-20T11:00:00.000000Z",
                "2026-11-20T12:00:00.000000Z",
                1
            ),
        ])
    );
    assert_eq!(made["coverage"]["hours"], 20_412 * 24 + 12);
    assert_eq!(made["coverage"]["covered_hours"], 2);
    let in_bars: u64 = steps
        .iter()
        .map(|step| step["silent_hours"].as_u64().unwrap())
        .sum();
    assert_eq!(in_bars, 20_412 * 24 + 10);
}
