//! What the charts show: their figures, and what lies before the first event.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{STORE, json, text};
use crate::questions::{EVENTS, plain};
use crate::support::{Server, cli_with, event_at, local, temp_dir};

/// A report in these forms, by form.
fn made<const N: usize>(data: &std::path::Path, args: &[&str], forms: [&str; N]) -> [String; N] {
    let dir = temp_dir();
    let forms_given = forms.join(",");
    let out = ["-o", &forms_given, "--out", text(dir.path())];
    local(data, "report", &[&["pci-dss"], args, &out].concat()).expect(0);
    forms.map(|form| std::fs::read_to_string(dir.path().join(format!("pci-dss.{form}"))).unwrap())
}

/// The rows of the table of steps, as cells without their tags.
fn table(html: &str) -> Vec<Vec<String>> {
    let table = html.split("as a table</summary>").nth(1).unwrap();
    let table = table.split("<tbody>").nth(1).unwrap();
    let rows = table.split("</tbody>").next().unwrap().lines();
    let cells = |row: &str| {
        let row = row.replace("</th>", "\0").replace("</td>", "\0");
        let mut plain = String::new();
        let mut inside = false;
        for letter in row.chars() {
            match letter {
                '<' => inside = true,
                '>' => inside = false,
                _ if inside => {}
                letter => plain.push(letter),
            }
        }
        let cells = plain.split_terminator('\0');
        cells.map(str::to_owned).collect::<Vec<_>>()
    };
    rows.map(cells).filter(|cells| cells.len() > 1).collect()
}

#[test]
fn requests_of_the_chart_are_those_that_ended() {
    let period = ["--since", "2026-11-21", "--until", "2026-11-21T06:00:00Z"];
    let [html, markdown, report] = made(STORE.get().data(), &period, ["html", "md", "json"]);
    let report = json(report.as_bytes());
    // By hour: events, requests that succeeded, requests that did not.
    let mut expected: BTreeMap<String, [u64; 3]> = BTreeMap::new();
    for event in EVENTS.iter() {
        let hour = &event["stageTimestamp"].as_str().unwrap()[..13];
        // Who was not authenticated has no name, and the request no other end.
        let nameless = event.pointer("/user/username").is_none();
        let ended = plain::ended(event) || event["stage"] == "ResponseStarted" && nameless;
        let good = ended && plain::succeeded(event) && event["stage"] != "Panic";
        let sums = expected.entry(hour.to_owned()).or_default();
        sums[0] += 1;
        sums[1] += u64::from(good);
        sums[2] += u64::from(ended && !good);
    }
    let steps = report["charts"]["steps"].as_array().unwrap();
    let mut sums = [0; 3];
    let rows = table(&html);
    assert_eq!(rows.len(), steps.len());
    for (step, row) in steps.iter().zip(&rows) {
        let number = |name: &str| step[name].as_u64().unwrap();
        let found = ["events", "succeeded", "failures"].map(number);
        let from = step["from"].as_str().unwrap();
        assert_eq!(
            found,
            expected.get(&from[..13]).copied().unwrap_or_default(),
            "{from}"
        );
        // The table under the chart and Markdown say the same.
        let shown: Vec<u64> = row[1..4]
            .iter()
            .map(|cell| cell.replace(',', "").parse().unwrap())
            .collect();
        assert_eq!(shown, found, "{row:?}");
        let [events, good, bad] = found;
        let line = format!(" | {events} | {good} | {bad} | ");
        let line = markdown
            .lines()
            .find(|written| written.starts_with(&format!("| {from}")) && written.contains(&line));
        assert!(line.is_some(), "{from}");
        for (sum, found) in sums.iter_mut().zip(found) {
            *sum += found;
        }
    }
    let [events, good, bad] = sums;
    assert_eq!(events, EVENTS.len() as u64);
    assert!(good > 0 && bad > 0 && good + bad < events, "{sums:?}");
    let by_outcome = report["charts"]["failures"].as_array().unwrap().iter();
    let by_outcome = by_outcome.map(|outcome| outcome["events"].as_u64().unwrap());
    assert_eq!(by_outcome.sum::<u64>(), bad);
    let comma = |number: u64| match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", number / 1000, number % 1000),
    };
    let share = (bad as f64 / (good + bad) as f64 * 1000.0).round() / 10.0;
    let said = format!(
        "Of {} requests whose outcome is known, {} ({share:.1} %) were refused or failed.",
        comma(good + bad),
        comma(bad)
    );
    assert!(html.contains(&said), "{said}");
}

#[test]
fn a_request_that_nobody_was_named_for_failed_once() {
    let line = |n: u64, stage: &str, code: u64, nameless: bool| {
        let mut event: Value = serde_json::from_str(&event_at(n, "2026-11-19T00:10:00Z")).unwrap();
        event["stage"] = stage.into();
        event["responseStatus"]["code"] = code.into();
        if nameless {
            event["user"] = serde_json::json!({});
        }
        event.to_string()
    };
    // The apiserver records no other end of the first two: refused before anybody was known. The last two
    // are one request.
    let lines = [
        line(1, "ResponseStarted", 401, true),
        line(2, "ResponseStarted", 400, true),
        line(3, "ResponseComplete", 200, false),
        line(4, "ResponseStarted", 403, false),
        line(4, "ResponseComplete", 403, false),
    ];
    let dir = temp_dir();
    let args = ["import", "--data", text(dir.path()), "-"];
    cli_with(&args, lines.join("\n").as_bytes()).expect(0);
    let period = ["--since", "2026-11-19", "--until", "2026-11-20"];
    let [report] = made(dir.path(), &period, ["json"]);
    let report = json(report.as_bytes());
    let step = &report["charts"]["steps"][0];
    let found = ["events", "succeeded", "failures"].map(|name| step[name].as_u64().unwrap());
    assert_eq!(found, [5, 1, 3]);
    let failures = report["charts"]["failures"].as_array().unwrap();
    let sum: u64 = failures
        .iter()
        .map(|one| one["events"].as_u64().unwrap())
        .sum();
    assert_eq!((failures.len(), sum), (3, 3), "{failures:?}");
}

#[test]
fn time_before_the_first_event_is_no_gap() {
    let dir = temp_dir();
    let server = Server::start(dir.path(), &[]);
    for (cluster, day) in [("old", 8), ("old", 9), ("young", 9)] {
        let time = format!("2026-11-{day:02}T23:10:00.000000Z");
        let path = format!("/webhook/{cluster}");
        server.post(&path, event_at(day, &time)).expect(200);
    }
    server.stop();
    let period = ["--since", "2026-11-06", "--until", "2026-11-10"];
    let forms = ["html", "md", "json", "csv"];
    let [html, markdown, report, sheet] = made(dir.path(), &period, forms);
    let report = json(report.as_bytes());
    let flags = |report: &Value| {
        let steps = report["charts"]["steps"].as_array().unwrap();
        let mark = |step: &Value| match (
            step["before"].as_bool().unwrap(),
            step["silent_hours"].as_u64().unwrap(),
        ) {
            (true, 0) => 'b',
            (false, 0) => '.',
            (false, _) => 's',
            (true, _) => panic!("both: {step}"),
        };
        steps.iter().map(mark).collect::<String>()
    };
    // The store's first event is of the 8th at 23:10; of the 9th all hours but that of 23:10 are silent.
    let expected = "b".repeat(2 * 24 + 23) + "." + &"s".repeat(23) + ".";
    assert_eq!(flags(&report), expected);
    let coverage = &report["coverage"];
    let hours = ["hours", "covered_hours", "before_hours"].map(|name| coverage[name].as_u64());
    assert_eq!(hours, [Some(96), Some(2), Some(71)]);
    let notes = coverage["notes"].to_string();
    for said in [
        "The store holds nothing before 2026-11-08T23:10:00.000000Z",
        "the first events are of: young 2026-11-09T23:10:00.000000Z.",
    ] {
        assert!(notes.contains(said), "{said}: {notes}");
    }
    let before = "before the first event of the store";
    for said in [
        format!("not yet: {before}"),
        format!("71 of 96 bars are {before}"),
        format!("<b>94 of 96 hours are not covered</b>, 71 of them {before}"),
    ] {
        assert!(html.contains(&said), "{said}");
    }
    let rows = table(&html);
    assert_eq!(rows.iter().filter(|row| row[5] == before).count(), 71);
    assert_eq!(markdown.matches(&format!(" ({before}) | 0 |")).count(), 71);
    assert!(
        sheet.contains("coverage,before_hours,71,"),
        "the sheet has it too"
    );

    // A cluster is younger than the store.
    let young = [&period[..], &["--cluster", "young"]].concat();
    let [report] = made(dir.path(), &young, ["json"]);
    let report = json(report.as_bytes());
    assert_eq!(flags(&report), "b".repeat(3 * 24 + 23) + ".");
    let notes = report["coverage"]["notes"].to_string();
    assert!(
        notes.contains("nothing before 2026-11-09T23:10:00.000000Z"),
        "{notes}"
    );

    // With events before the period, all of it counts.
    let later = ["--since", "2026-11-09", "--until", "2026-11-10"];
    let [report] = made(dir.path(), &later, ["json"]);
    let report = json(report.as_bytes());
    assert_eq!(flags(&report), "s".repeat(23) + ".");
    let notes = report["coverage"]["notes"].to_string();
    assert!(!notes.contains("The store holds nothing before"), "{notes}");
    assert!(notes.contains("young 2026-11-09T23:10:00"), "{notes}");
    let earlier = |at: usize| report["clusters"][at]["earlier"].as_bool();
    assert_eq!([earlier(0), earlier(1)], [Some(true), Some(false)]);
}
