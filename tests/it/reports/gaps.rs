//! What reports say of hours without events and of clusters that are not heard any more: every part
//! of a report goes by the same rule, and nothing is met by what was not recorded.

use std::path::Path;

use serde_json::{Value, json};

use super::doubt::{control, import, made};
use crate::support::{cli, temp_dir};

/// Minutes of the day in which each cluster has an event.
const HEARD: [(&str, &[u64]); 4] = [
    ("a", &[10, 70, 130, 185, 400, 410, 470, 540, 660]),
    ("b", &[65]),
    ("c", &[300, 365, 430, 490, 599, 610]),
    ("d", &[1400]),
];

fn time(minute: u64) -> String {
    format!(
        "2026-03-01T{:02}:{:02}:00.000000Z",
        minute / 60,
        minute % 60
    )
}

fn evidence<'a>(made: &'a Value, id: &str, query: &str) -> &'a Vec<Value> {
    let pieces = control(made, id)["evidence"].as_array().unwrap();
    let piece = pieces.iter().find(|piece| piece["query"] == query).unwrap();
    piece["rows"].as_array().unwrap()
}

fn cluster(data: &Path, name: &str, times: &[String]) {
    let times: Vec<&str> = times.iter().map(String::as_str).collect();
    import(data, name, &times);
}

/// The stretches, hour by hour: a whole hour of the range without an event of a cluster that had
/// one before, none of whose events retention removed.
fn silences(clusters: &[&str], since: u64, until: u64, kept: u64) -> Vec<(String, u64, u64)> {
    let mut found: Vec<(String, u64, u64)> = Vec::new();
    for (cluster, minutes) in HEARD.iter().filter(|(name, _)| clusters.contains(name)) {
        let mut next = 0;
        for hour in 0..24 {
            let (from, to) = (hour * 60, hour * 60 + 60);
            let heard = |from, to| minutes.iter().any(|m| (from..to).contains(m) && *m >= kept);
            let silent =
                from >= since && to <= until && from >= kept && heard(0, from) && !heard(from, to);
            match found.last_mut().filter(|_| silent && next == hour) {
                Some(last) => last.2 = hour + 1,
                None if silent => found.push(((*cluster).to_owned(), hour, hour + 1)),
                None => continue,
            }
            next = hour + 1;
        }
    }
    found.sort_by_key(|(cluster, from, _)| (*from, cluster.clone()));
    found
}

#[test]
fn all_parts_of_a_report_count_the_same_silent_hours() {
    let dir = temp_dir();
    let data = dir.path();
    for (name, minutes) in HEARD {
        let times: Vec<String> = minutes.iter().map(|&minute| time(minute)).collect();
        cluster(data, name, &times);
    }
    let mut seen = Vec::new();
    for kept in [0, 2 * 60 + 15] {
        if kept > 0 {
            let data = data.to_str().unwrap();
            cli(&["prune", "--data", data, "--before", &time(kept)]).expect(0);
        }
        for (since, until) in [
            (0, 720),
            (93, 560),
            (310, 350),
            (120, 719),
            (425, 545),
            (603, 720),
        ] {
            for clusters in [&["a", "b", "c", "d"][..], &["a"], &["c"]] {
                seen.push(agree(data, clusters, since, until, kept));
            }
        }
    }
    // Of each kind there was one: no whole hour, no gap, one cluster's, those of several.
    assert!(
        seen.contains(&0) && seen.contains(&1) && seen.contains(&3),
        "{seen:?}"
    );
}

/// Holds the parts of a report against what the events say; gives in how many stretches.
fn agree(data: &Path, clusters: &[&str], since: u64, until: u64, kept: u64) -> usize {
    let expected = silences(clusters, since, until, kept);
    let (since, until) = (time(since), time(until));
    let mut range = vec!["--since", &since, "--until", &until];
    let names = clusters.join(",");
    if clusters.len() == 1 {
        range.extend(["--cluster", &names]);
    }
    let made = |report: &str| made(data, &[&[report][..], &range].concat());
    let report = made("pci-dss");
    let about = format!("{clusters:?} {since} {until} {kept}");

    let hour = |hour: u64| time(hour * 60);
    let stretches: Vec<Value> = expected
        .iter()
        .map(|(cluster, from, to)| {
            json!({"cluster": cluster, "from": hour(*from), "until": hour(*to), "hours": to - from})
        })
        .collect();
    assert_eq!(report["coverage"]["silent"], json!(stretches), "{about}");
    let mut rows: Vec<(Value, Value, Value)> = evidence(&report, "10.7", "silent-hours")
        .iter()
        .map(|row| (row[0].clone(), row[2].clone(), row[4].clone()))
        .collect();
    rows.reverse();
    rows.sort_by_key(|(cluster, from, _)| (from.to_string(), cluster.to_string()));
    let same: Vec<(Value, Value, Value)> = expected
        .iter()
        .map(|(cluster, from, to)| (json!(cluster), json!(hour(*from)), json!(to - from)))
        .collect();
    assert_eq!(rows, same, "{about}");
    let mut rows: Vec<(Value, Value, Value)> = evidence(&report, "10.2.1.6", "audit-interruptions")
        .iter()
        .filter(|row| row[1] == "no events")
        .map(|row| {
            (
                row[5].clone(),
                row[0].clone(),
                json!(row[3].as_u64().unwrap() / 3600),
            )
        })
        .collect();
    rows.sort_by_key(|(cluster, from, _)| (from.to_string(), cluster.to_string()));
    assert_eq!(rows, same, "{about}");

    let sum: u64 = expected.iter().map(|(_, from, to)| to - from).sum();
    let mut silent: Vec<&str> = expected.iter().map(|(name, ..)| &name[..]).collect();
    silent.sort_unstable();
    silent.dedup();
    let several = match silent.len() {
        0 | 1 => String::new(),
        several => format!(", added up over {several} clusters"),
    };
    let told = format!(
        "hours without any event{several}: {sum}, in stretches: {}; ",
        expected.len()
    );
    let nist = made("nist-800-53");
    for (made, id, gaps) in [
        (&report, "10.2.1.6", "not met"),
        (&report, "10.7", "not enough data"),
        (&nist, "AU-5", "not enough data"),
    ] {
        let verdict = &control(made, id)["verdict"];
        let why = verdict["why"].as_str().unwrap();
        if expected.is_empty() {
            assert_eq!(verdict["verdict"], "not enough data", "{id} {about}: {why}");
            assert!(!why.contains("without any event"), "{id} {about}: {why}");
        } else {
            assert_eq!(verdict["verdict"], gaps, "{id} {about}: {why}");
            assert!(why.starts_with(&told), "{id} {about}: {why}, not {told}");
        }
        if why.contains("since the first") {
            let coverage = &made["coverage"];
            let of = format!(
                "({} of {} hours",
                coverage["covered_hours"], coverage["hours"]
            );
            assert!(why.contains(&of), "{id} {about}: {why}, not {of}");
        }
    }
    expected.len()
}

/// Minutes of data are no proof for months, and neither is that the apiserver never said it stopped.
#[test]
fn that_no_gap_is_seen_is_not_met() {
    let dir = temp_dir();
    cluster(dir.path(), "a", &[time(59), time(60), time(125)]);
    let until = time(180);
    let made = made(
        dir.path(),
        &["pci-dss", "--since", "2026-02-01", "--until", &until],
    );
    let verdict = &control(&made, "10.2.1.6")["verdict"];
    assert_eq!(verdict["verdict"], "not enough data");
    let why = verdict["why"].as_str().unwrap();
    assert!(why.contains("(3 of 675 hours of the time range)"), "{why}");
}

#[test]
fn recording_began_only_where_it_did() {
    let dir = temp_dir();
    for (name, minutes) in HEARD {
        let times: Vec<String> = minutes.iter().map(|&minute| time(minute)).collect();
        cluster(dir.path(), name, &times);
    }
    let began = |since: u64| -> Vec<(String, String)> {
        let (since, until) = (time(since), time(720));
        let made = made(
            dir.path(),
            &["pci-dss", "--since", &since, "--until", &until],
        );
        let rows = evidence(&made, "10.2.1.6", "audit-interruptions");
        let rows = rows.iter().filter(|row| row[1] == "recording began");
        let text = |cell: &Value| cell.as_str().unwrap().to_owned();
        rows.map(|row| (text(&row[5]), text(&row[0]))).collect()
    };
    let at = |name: &str, minute: u64| (name.to_owned(), time(minute));
    assert_eq!(began(0), [at("c", 300), at("b", 65), at("a", 10)]);
    assert_eq!(began(65), [at("c", 300), at("b", 65)]);
    assert_eq!(began(301), []);
}

#[test]
fn a_policy_is_in_force_where_each_known_cluster_is_heard() {
    let dir = temp_dir();
    cluster(
        dir.path(),
        "a",
        &["2026-03-09T05:00:00Z".into(), "2026-03-09T20:00:00Z".into()],
    );
    cluster(dir.path(), "b", &["2026-03-01T05:30:00Z".into()]);
    for (report, id) in [
        ("cis-kubernetes", "3.2.1"),
        ("stig-kubernetes", "V-242461"),
        ("nist-800-53", "AU-12"),
    ] {
        let verdict = |more: &[&str]| {
            let range = [report, "--since", "2026-03-05", "--until", "2026-03-10"];
            control(&made(dir.path(), &[&range, more].concat()), id)["verdict"].clone()
        };
        let all = verdict(&[]);
        assert_eq!(all["verdict"], "not enough data", "{id}");
        // From 05:30 of the first to the tenth.
        let why = "2 events are in the time range, but of 1 of 2 clusters none is from the last day: auditing was on, whether it still was then does not show; the last event of cluster b came 210 hours before the end";
        // AU-12 asks for more than a policy.
        assert!(all["why"].as_str().unwrap().starts_with(why), "{id}: {all}");
        let one = verdict(&["--cluster", "a"]);
        let in_force = "2 events are in the time range, of each cluster (clusters: 1) some in its last day, so auditing is on and a policy is in force";
        assert!(
            one["why"].as_str().unwrap().starts_with(in_force),
            "{id}: {one}"
        );
        let met = if id == "AU-12" {
            "not enough data"
        } else {
            "met"
        };
        assert_eq!(one["verdict"], met, "{id}");
    }
}

#[test]
fn whether_identities_are_idle_goes_by_the_age_of_their_cluster() {
    let dir = temp_dir();
    cluster(
        dir.path(),
        "old",
        &["2026-01-01T05:00:00Z".into(), "2026-03-09T05:00:00Z".into()],
    );
    cluster(
        dir.path(),
        "young",
        &["2026-03-08T05:00:00Z".into(), "2026-03-09T05:00:00Z".into()],
    );
    let verdict = |idle: &str, cluster: &str| {
        let args = [
            "access-review",
            "--since",
            "2026-03-01",
            "--until",
            "2026-03-10",
        ];
        let more = ["--idle", idle, "--cluster", cluster];
        let verdict =
            control(&made(dir.path(), &[&args[..], &more].concat()), "idle")["verdict"].clone();
        [&verdict["verdict"], &verdict["why"]].map(|part| part.as_str().unwrap().to_owned())
    };
    // The first event of each is user-0's, the second user-1's.
    let [young, why] = verdict("10d", "young");
    assert_eq!(young, "not enough data");
    assert!(
        why.contains("the first event of cluster young being of 2026-03-08 05:00:00 UTC"),
        "{why}"
    );
    assert_eq!(verdict("10d", "old")[0], "not met");
    // Back to 05:30 of the first of January: the hour in which user-0 was seen had not ended.
    assert_eq!(verdict("97590m", "old")[0], "met");
    let [both, why] = verdict("10d", "old,young");
    assert_eq!(both, "not met");
    assert!(
        why.starts_with("1 of 4 identities, counted in each cluster, were not used"),
        "{why}"
    );
    assert!(
        why.contains("of 1 of 2 clusters no event is that old"),
        "{why}"
    );
    assert_eq!(verdict("97590m", "old,young")[0], "not enough data");
}
