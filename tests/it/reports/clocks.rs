//! What reports say of clocks and times.

use std::path::Path;

use auditql::model::time;
use serde_json::Value;

use super::doubt::{control, import, made};
use crate::support::{Server, event_at, temp_dir};

const HOUR: i64 = 3_600_000_000;

/// Events that come in live from clusters, each by what its clock says apart from now.
fn live(data: &Path, clusters: &[(&str, &[i64])]) {
    let server = Server::start(data, &[]);
    for (cluster, offsets) in clusters {
        for (n, offset) in (0..).zip(*offsets) {
            let event = event_at(n, &time::to_text(time::now() + offset));
            server
                .post(&format!("/webhook/{cluster}"), event)
                .expect(200);
        }
    }
    server.stop();
}

/// Each report's verdict on clocks, which is the same.
#[track_caller]
fn clocks(data: &Path, args: &[&str]) -> (String, String) {
    let told = [
        ("pci-dss", "10.6"),
        ("iso-27001", "A.8.17"),
        ("nist-800-53", "SC-45"),
    ]
    .map(|(report, id)| {
        let made = made(data, &[&[report][..], args].concat());
        let verdict = &control(&made, id)["verdict"];
        let part = |part: &str| verdict[part].as_str().unwrap().to_owned();
        (part("verdict"), part("why"))
    });
    assert!(told[0] == told[1] && told[1] == told[2], "{told:?}");
    told[0].clone()
}

#[test]
fn a_clock_that_is_behind_is_not_met() {
    let dir = temp_dir();
    live(
        dir.path(),
        &[
            ("good", &[0, 0, 0]),
            ("late", &[-2 * HOUR, -2 * HOUR - 5, -9 * HOUR]),
        ],
    );
    let (verdict, why) = clocks(dir.path(), &[]);
    assert_eq!(verdict, "not enough data", "{why}");
    let seconds = why
        .strip_prefix("the newest live events of cluster late were stored ")
        .unwrap();
    let (seconds, more) = seconds.split_once(' ').unwrap();
    // The least delay, not that of nine hours.
    assert!(
        (7200.0..4.0 * 3600.0).contains(&seconds.parse().unwrap()),
        "{why}"
    );
    assert!(
        more.contains("its clock is behind, or something keeps its events"),
        "{why}"
    );

    let (verdict, why) = clocks(dir.path(), &["--cluster", "good"]);
    assert_eq!(verdict, "met", "{why}");
    let begin = "of each cluster (clusters: 1) none of the live events of the last hour with any (3) is from the future";
    assert!(why.starts_with(begin), "{why}");
}

/// Live events of one cluster say nothing of the clock of another.
#[test]
fn a_cluster_without_live_events_is_named() {
    let dir = temp_dir();
    live(dir.path(), &[("good", &[0])]);
    import(dir.path(), "filed", &[&time::to_text(time::now() - HOUR)]);
    let (verdict, why) = clocks(dir.path(), &[]);
    assert_eq!(verdict, "not enough data", "{why}");
    assert!(
        why.starts_with("no event of cluster filed came in live"),
        "{why}"
    );
}

/// A report's range ends now, unless one says otherwise: events of later are there all the same.
#[test]
fn events_from_the_future_are_found_beyond_the_range() {
    let dir = temp_dir();
    live(
        dir.path(),
        &[("good", &[0]), ("ahead", &[3 * HOUR, 3 * HOUR])],
    );
    for range in [&[][..], &["--until", "2999-01-01"]] {
        let told = clocks(dir.path(), range);
        assert_eq!(
            told,
            ("not met".to_owned(), "events from the future: 2".to_owned())
        );
    }
    // They came in after this.
    let (verdict, why) = clocks(
        dir.path(),
        &["--since", "2026-03-01", "--until", "2026-03-02"],
    );
    assert_eq!(
        (&verdict[..], &why[..]),
        ("not enough data", "no event in the time range")
    );
    assert_eq!(clocks(dir.path(), &["--cluster", "good"]).0, "met");
}

#[test]
fn times_are_judged_by_their_step_and_their_offset() {
    let verdict = |times: &[&str], change: &dyn Fn(String) -> String| {
        let dir = temp_dir();
        let lines: Vec<String> = (0..)
            .zip(times)
            .map(|(n, time)| change(event_at(n, time)))
            .collect();
        let data = dir.path().to_str().unwrap();
        let run = crate::support::cli_with(
            &["import", "--data", data, "-"],
            lines.join("\n").as_bytes(),
        );
        run.expect(0);
        let made = made(dir.path(), &["nist-800-53", "--since", "2026-03-01"]);
        let verdict: &Value = &control(&made, "AU-8")["verdict"];
        ["verdict", "why"].map(|part| verdict[part].as_str().unwrap().to_owned())
    };
    let same = |line: String| line;
    let fine = [
        "2026-03-01T05:00:00.000001Z",
        "2026-03-01T07:00:00.123456+02:00",
        "2026-03-01T05:00:00.5Z",
    ];
    let [given, why] = verdict(&fine, &same);
    assert_eq!(given, "met", "{why}");
    assert_eq!(
        why,
        "all 3 events have a time with its offset from UTC; of the newest 3 the times of 2 are finer than a millisecond"
    );
    let [given, why] = verdict(&["2026-03-01T05:00:00Z", "2026-03-01T05:00:00.250Z"], &same);
    assert_eq!(given, "not enough data", "{why}");
    assert!(
        why.contains("of only 0 are finer than a millisecond"),
        "{why}"
    );
    // Its received time stands in.
    let none = |line: String| {
        let stage = "\"stageTimestamp\":";
        line.replace(&format!("{stage}\"{}\"", fine[0]), &format!("{stage}null"))
    };
    let [given, why] = verdict(&fine, &none);
    assert_eq!(given, "not met", "{why}");
    assert_eq!(why, "of 3 events 1 have no time of their own");
}
