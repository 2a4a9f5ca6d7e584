mod reasons;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::keeper::due;
use super::*;
use crate::limits::{REPORT_CATCH_UP_MAX, REPORT_TRIES_MAX};
use crate::model::normalise::normalise;
use crate::query::library::Library;
use crate::query::library::place::Origin;
use crate::report::Definition;
use crate::store::{self, OpenOptions, ReportRecord, Store};

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

fn at(text: &str) -> i64 {
    time::parse_instant(text).unwrap()
}

#[test]
fn periods_are_whole_days_weeks_and_months() {
    for (every, now, since, until, label) in [
        (
            Every::Daily,
            "2026-03-01T00:00:00Z",
            "2026-02-28",
            "2026-03-01",
            "2026-02-28",
        ),
        (
            Every::Daily,
            "2026-03-01T23:59:59Z",
            "2026-02-28",
            "2026-03-01",
            "2026-02-28",
        ),
        (
            Every::Weekly,
            "2026-11-22T23:00:00Z",
            "2026-11-09",
            "2026-11-16",
            "2026-w46",
        ),
        (
            Every::Weekly,
            "2026-11-23T00:00:00Z",
            "2026-11-16",
            "2026-11-23",
            "2026-w47",
        ),
        // 2027-01-01 is a Friday: its week belongs to 2026, which has 53.
        (
            Every::Weekly,
            "2027-01-05T00:00:00Z",
            "2026-12-28",
            "2027-01-04",
            "2026-w53",
        ),
        (
            Every::Weekly,
            "2025-01-07T00:00:00Z",
            "2024-12-30",
            "2025-01-06",
            "2025-w01",
        ),
        (
            Every::Monthly,
            "2024-03-01T00:00:00Z",
            "2024-02-01",
            "2024-03-01",
            "2024-02",
        ),
        (
            Every::Monthly,
            "2026-01-31T00:00:00Z",
            "2025-12-01",
            "2026-01-01",
            "2025-12",
        ),
    ] {
        let last = every.last(at(now));
        assert_eq!(
            (last.since, last.until),
            (at(since), at(until)),
            "{every:?} {now}"
        );
        assert_eq!(every.label(last), label, "{every:?} {now}");
    }
    let months: Vec<String> = Every::Monthly
        .lasts(at("2026-03-15"), 4)
        .into_iter()
        .map(|period| Every::Monthly.label(period))
        .collect();
    assert_eq!(months, ["2025-11", "2025-12", "2026-01", "2026-02"]);
}

const REPORT: &str = "title = \"T\"\nversion = \"1\"\nabout = \"A\"\n[[controls]]\nid = \"1\"\ntitle = \"T\"\ndemands = \"D\"\ncannot_prove = \"C\"\n[[controls.evidence]]\nquery = \"busiest-hours\"\nrows = 0\n";

fn catalogue(dir: &Path) -> Catalogue {
    std::fs::write(dir.join("mine.toml"), REPORT).unwrap();
    Catalogue::with_directory(dir, Library::shipped()).unwrap()
}

fn entry(out: &Path) -> Entry {
    Entry {
        name: "mine".to_owned(),
        every: Every::Daily,
        out: out.to_owned(),
        formats: vec![Form::Json, Form::Md],
        keep: None,
        made_for: "audit".to_owned(),
        params: Vec::new(),
        skip_damaged: false,
        out_at: String::new(),
        cluster_at: None,
    }
}

fn record(day: &str, outcome: &str, made_at: i64) -> ReportRecord {
    ReportRecord {
        made_at,
        name: "mine".to_owned(),
        since: at(day),
        until: at(day) + DAY,
        form: "json".to_owned(),
        path: format!("/out/mine-{day}.json"),
        outcome: outcome.to_owned(),
        ..ReportRecord::default()
    }
}

#[test]
fn the_last_period_is_due_once_and_what_was_missed_since_the_first() {
    let entry = entry(Path::new("/out"));
    let now = at("2026-11-20T12:00:00Z");
    let days = |records: &[ReportRecord]| -> Vec<String> {
        let due = due(&entry, records, now).into_iter();
        due.map(|period| Every::Daily.label(period)).collect()
    };
    assert_eq!(
        days(&[]),
        ["2026-11-19"],
        "nothing before the first is made"
    );
    assert_eq!(days(&[record("2026-11-19", "made", now)]), [""; 0]);
    assert_eq!(
        days(&[record("2026-11-16", "made", now)]),
        ["2026-11-17", "2026-11-18", "2026-11-19"]
    );
    assert_eq!(
        days(&[record("2026-01-01", "made", now)]).len(),
        REPORT_CATCH_UP_MAX,
        "a long time without the server is not made up for whole"
    );
    // What was removed is not made anew.
    let removed = [
        record("2026-11-19", "made", now),
        record("2026-11-19", "removed", now),
    ];
    assert_eq!(days(&removed), [""; 0]);
    // Another report, another directory.
    let mut other = record("2026-11-16", "made", now);
    other.path = "/elsewhere/mine-2026-11-16.json".to_owned();
    assert_eq!(days(&[other]), ["2026-11-19"]);
}

#[test]
fn what_failed_is_tried_again_later_and_not_for_ever() {
    let entry = entry(Path::new("/out"));
    let failed = |hours: i64| record("2026-11-19", "failed", at("2026-11-20") + hours * HOUR);
    let now = at("2026-11-20T05:00:00Z");
    let is_due = |records: &[ReportRecord]| !due(&entry, records, now).is_empty();
    assert!(!is_due(&[failed(5)]));
    assert!(is_due(&[failed(4)]));
    let often: Vec<_> = (0..REPORT_TRIES_MAX as i64).map(failed).collect();
    assert!(!is_due(&often));
}

#[test]
fn a_schedule_says_what_is_wrong_and_where() {
    let dir = tempfile::tempdir().unwrap();
    let catalogue = catalogue(dir.path());
    let read = |text: &str| Schedule::parse(text, "s.toml", &catalogue);
    let good = read(
        "[[report]]\nname = \"mine\"\nevery = \"weekly\"\nout = \"/reports\"\nformats = [\"md\", \"json\"]\n\
         keep = \"400d\"\nfor = \"audit\"\nparams = { cluster = \"prod\" }\n",
    )
    .unwrap();
    let entry = &good.entries[0];
    assert_eq!(entry.every, Every::Weekly);
    assert_eq!(entry.formats, [Form::Md, Form::Json]);
    assert_eq!(entry.keep, Some(400 * DAY));
    assert_eq!(entry.params, [("cluster".to_owned(), "prod".to_owned())]);
    let known = ["prof".to_owned()];
    let warning = entry.unknown_clusters(&known).unwrap();
    assert!(
        warning.starts_with("s.toml:8: the store holds no event of cluster prod yet"),
        "{warning}"
    );
    assert_eq!(entry.unknown_clusters(&["prod".to_owned()]), None);
    let with =
        |more: &str| format!("[[report]]\nname = \"mine\"\nevery = \"daily\"\nout = \"o\"\n{more}");
    for (text, said) in [
        ("x = 1".to_owned(), "s.toml:1: "),
        (with("nope = 1"), "s.toml:5: unknown field `nope`"),
        (
            with("formats = [\"pdf\"]"),
            "s.toml:5: unknown format \"pdf\"",
        ),
        (with("keep = \"long\""), "s.toml:5: 'long' is no duration"),
        (
            with("params = { since = \"1d\" }"),
            "s.toml:5: since is the schedule's to give",
        ),
        (
            with("params = { clustr = \"a\" }"),
            "s.toml:5: the report mine has no parameter \"clustr\"",
        ),
        (
            with(&with("")),
            "s.toml:5: the report mine would write the same files",
        ),
        (
            with(&with("").replace("\"o\"", "\"./p/../o/\"")),
            "s.toml:5: the report mine would write the same files",
        ),
        (with("keep = \"0d\""), "s.toml:5: keep is \"0d\""),
        (
            with("params = { cluster = \"no cluster\" }"),
            "s.toml:5: cluster \"no cluster\"",
        ),
        (
            with("").replace("mine", "mint"),
            "s.toml:2: there is no report \"mint\"",
        ),
        (
            with("").replace("daily", "hourly"),
            "s.toml:3: every is \"hourly\"",
        ),
        (with("").replace("\"o\"", "\"\""), "s.toml:4: out is empty"),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.contains(said), "{said}\n{error}");
    }
}

/// An empty store whose reports are kept as JSON for three days in `out`.
fn keeper(dir: &Path) -> (Arc<dyn Store>, Keeper, PathBuf) {
    let (reports, out) = (dir.join("reports"), dir.join("out"));
    std::fs::create_dir(&reports).unwrap();
    let store = store::open_write(&dir.join("store"), &OpenOptions::default()).unwrap();
    let entry = Entry {
        keep: Some(3 * DAY),
        formats: vec![Form::Json],
        ..entry(&out)
    };
    let keeper = Keeper {
        store: Arc::clone(&store),
        schedule: Schedule {
            entries: vec![entry],
        },
        catalogue: catalogue(&reports),
        library: Library::shipped().clone(),
        time: crate::limits::REPORT_SCHEDULED_TIME,
        cancelled: Arc::default(),
    };
    (store, keeper, out)
}

fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        found.push(entry.unwrap().file_name().to_str().unwrap().to_owned());
    }
    found.sort();
    found
}

#[test]
fn rounds_write_catch_up_remove_and_record() {
    let dir = tempfile::tempdir().unwrap();
    let (store, keeper, out) = keeper(dir.path());
    let first = at("2026-11-20T00:10:00Z");
    keeper.round(first).unwrap();
    assert_eq!(files(&out), ["mine-2026-11-19.json"]);
    let written = std::fs::read(out.join("mine-2026-11-19.json")).unwrap();
    keeper.round(first + HOUR).unwrap();
    assert_eq!(
        std::fs::read(out.join("mine-2026-11-19.json")).unwrap(),
        written
    );
    let records = store.reports().unwrap();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0].sha256, digest_of(&written));
    assert_eq!(records[0].outcome, "made");

    // Two days without the server; somebody changes what was written and adds a file.
    std::fs::write(out.join("mine-2026-11-01.json"), "mine").unwrap();
    keeper.round(first + 2 * DAY).unwrap();
    assert_eq!(
        files(&out),
        [
            "mine-2026-11-01.json",
            "mine-2026-11-19.json",
            "mine-2026-11-20.json",
            "mine-2026-11-21.json"
        ]
    );
    std::fs::write(out.join("mine-2026-11-20.json"), "changed").unwrap();
    keeper.round(first + 5 * DAY).unwrap();
    let left = files(&out);
    let other = "mine-2026-11-01.json".to_owned();
    assert!(left.contains(&other), "it wrote no such file: {left:?}");
    let oldest = "mine-2026-11-19.json".to_owned();
    assert!(!left.contains(&oldest), "{left:?}");
    assert!(
        left.contains(&"mine-2026-11-20.json".to_owned()),
        "somebody changed it: {left:?}"
    );
    let newest = "mine-2026-11-24.json".to_owned();
    assert!(left.contains(&newest), "{left:?}");
    let count = store.reports().unwrap().len();
    keeper.round(first + 5 * DAY).unwrap();
    let records = store.reports().unwrap();
    assert_eq!(records.len(), count, "settled for good");
    let outcomes: Vec<_> = records
        .iter()
        .filter(|record| record.outcome != "made")
        .map(|record| {
            (
                record.path.rsplit('/').next().unwrap(),
                record.outcome.as_str(),
            )
        })
        .collect();
    assert_eq!(
        outcomes,
        [
            ("mine-2026-11-19.json", "removed"),
            ("mine-2026-11-20.json", "kept"),
            ("mine-2026-11-21.json", "removed")
        ]
    );
    store.close().unwrap();
}

/// Rows go with the last document that names them, and stay with one that somebody changed.
#[test]
fn rows_stay_with_a_document_that_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (store, keeper, out) = keeper(dir.path());
    let mut batch = store.batch("c", "test");
    for day in [19, 20] {
        let line = format!(
            r#"{{"level":"Metadata","auditID":"a","stage":"Panic","requestURI":"/x","verb":"get","user":{{}},"stageTimestamp":"2026-11-{day}T10:00:00Z"}}"#
        );
        let (event, content) = normalise("c", line.as_bytes()).unwrap();
        batch.event(&event, line.as_bytes(), content);
    }
    batch.commit().unwrap();
    let first = at("2026-11-20T00:10:00Z");
    keeper.round(first).unwrap();
    keeper.round(first + DAY).unwrap();
    let rows = |day: &str| {
        let all = files(&out);
        let begin = format!("mine-2026-11-{day}-rows-");
        all.iter().filter(|name| name.starts_with(&begin)).count()
    };
    assert_eq!([rows("19"), rows("20")], [1, 1], "{:?}", files(&out));
    let document = out.join("mine-2026-11-19.json");
    let text = std::fs::read_to_string(&document).unwrap();
    std::fs::write(&document, text + "\n").unwrap();
    for days in [5, 6] {
        keeper.round(first + days * DAY).unwrap();
        assert!(document.exists());
        assert_eq!([rows("19"), rows("20")], [1, 0], "{:?}", files(&out));
    }
    store.close().unwrap();
}

fn digest_of(document: &[u8]) -> Option<String> {
    crate::report::digest::find(document)
}

#[test]
fn names_of_periods_fit_behind_the_longest_name_of_a_report() {
    let name = "x".repeat(64);
    let origin = Origin::shipped("x.toml");
    assert!(Definition::parse(&name, &origin, REPORT, Library::shipped()).is_ok());
    assert!(crate::report::definition::is_stem(&format!(
        "{name}-2026-11-20"
    )));
}
