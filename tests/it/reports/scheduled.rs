//! Reports that the server writes by itself.

use super::{json, text};
use crate::support::{Server, cli, event_at, local, temp_dir, wait_until};
use auditql::model::time;

const DAY: i64 = 86_400_000_000;

#[test]
fn what_is_due_is_written_when_the_server_starts_and_recorded() {
    let dir = temp_dir();
    let (data, out) = (dir.path().join("data"), dir.path().join("out"));
    let file = dir.path().join("schedule.toml");
    let schedule = format!(
        "[[report]]\nname = \"pci-dss\"\nevery = \"daily\"\nout = {out:?}\n\
         formats = [\"json\", \"html\"]\nkeep = \"400d\"\nfor = \"audit committee\"\n"
    );
    std::fs::write(&file, schedule).unwrap();
    // An event in the middle of yesterday. Should midnight pass meanwhile, the day before is meant.
    let yesterday = |now: i64| (now.div_euclid(DAY) - 1) * DAY;
    let day = yesterday(time::now());
    let noon = time::to_text(day + DAY / 2);
    let server = Server::start(&data, &[]);
    server.post("/webhook/prod", event_at(3, &noon)).expect(200);
    server.stop();

    let checked = cli(&["report", "--schedule", text(&file), "--check"]).expect(0);
    let date = &time::to_text(day)[..10];
    let document = out.join(format!("pci-dss-{date}.json"));
    assert!(
        checked.text().contains("pci-dss daily: "),
        "{}",
        checked.text()
    );
    let flags = ["--report-schedule", text(&file)];
    let server = Server::start(&data, &flags);
    let recorded =
        "select form, path, sha256, made_for, outcome, since, until from reports order by form";
    let rows = |server: &Server| {
        let run = server.cli("sql", &["-o", "jsonl", recorded]);
        let lines = run.text().lines().map(|line| json(line.as_bytes()));
        lines.collect::<Vec<_>>()
    };
    wait_until("the report is recorded", || rows(&server).len() >= 2);
    if yesterday(time::now()) == day {
        let first = rows(&server);
        assert_eq!(first[1]["form"], "json");
        assert_eq!(first[1]["path"], text(&document));
        assert_eq!(first[1]["made_for"], "audit committee");
        assert_eq!(first[1]["outcome"], "made");
        assert_eq!(first[1]["since"], time::to_text(day));
        assert_eq!(first[1]["until"], time::to_text(day + DAY));
        let made = json(&std::fs::read(&document).unwrap());
        assert_eq!(made["digest"], first[1]["sha256"]);
        assert_eq!(made["coverage"]["events"], 1);
        assert_eq!(made["clusters"][0]["cluster"], "prod");
        cli(&["report", "--verify", text(&document)]).expect(0);

        // Neither a restart nor kill -9 makes it a second time.
        server.kill();
        let server = Server::start(&data, &flags);
        server.stop();
        let server = Server::start(&data, &[]);
        assert_eq!(rows(&server), first);
        // Who only reads the directory sees it too.
        let read = local(&data, "sql", &["-o", "jsonl", recorded]).expect(0);
        assert_eq!(read.text().lines().count(), 2);
    }
}

#[test]
fn a_schedule_that_makes_no_sense_is_told_before_the_server_listens() {
    let dir = temp_dir();
    let file = dir.path().join("s.toml");
    for (schedule, said) in [
        (
            "[[report]]\nname = \"pci\"\nevery = \"daily\"\nout = \"o\"\n",
            "s.toml:2: there is no report",
        ),
        (
            "[[report]]\nname = \"pci-dss\"\nevery = \"often\"\nout = \"o\"\n",
            "s.toml:3: every is",
        ),
        (
            "[[report]]\nname = \"pci-dss\"\n",
            "s.toml:1: missing field",
        ),
    ] {
        std::fs::write(&file, schedule).unwrap();
        let data = dir.path().join("data");
        let flags = ["--report-schedule", text(&file)];
        let (status, log) = Server::try_start(&data, &flags).err().unwrap();
        assert_eq!(status.code(), Some(2));
        assert!(log.contains(said), "{log}");
        let checked = cli(&["report", "--schedule", text(&file), "--check"]).expect(2);
        assert!(checked.stderr.contains(said), "{}", checked.stderr);
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_told_and_not_tried() {
    let dir = temp_dir();
    let file = dir.path().join("s.toml");
    let taken = dir.path().join("taken");
    std::fs::write(&taken, "a file").unwrap();
    let good = dir.path().join("a/b");
    let check = |out: &str| {
        let entry = format!("[[report]]\nname = \"pci-dss\"\nevery = \"daily\"\nout = {out:?}\n");
        std::fs::write(&file, entry).unwrap();
        // That user, or the same path on another machine, may be another one: no error.
        cli(&["report", "--schedule", text(&file), "--check"]).expect(0)
    };
    for (out, said) in [
        ("/proc/nope/x", "/proc/nope/x: /proc: read-only"),
        (text(&taken.join("x")), "taken: not a directory"),
        (text(&taken), "taken: not a directory"),
    ] {
        let run = check(out);
        let warning = format!(
            "warning: {}:4: this user cannot write to {out}: ",
            text(&file)
        );
        assert!(run.stderr.contains(&warning), "{}", run.stderr);
        assert!(run.stderr.contains(said), "{}", run.stderr);
        assert!(run.text().contains("pci-dss daily: "), "{}", run.text());
    }
    let run = check(text(&good));
    assert!(!run.stderr.contains("cannot write"), "{}", run.stderr);
    assert!(!good.exists() && !dir.path().join("a").exists());

    let entry = "[[report]]\nname = \"pci-dss\"\nevery = \"daily\"\nout = \"o\"\nparams = { cluster = [\"a\"] }\n";
    std::fs::write(&file, entry).unwrap();
    let run = cli(&["report", "--schedule", text(&file), "--check"]).expect(2);
    assert!(
        run.stderr.contains("s.toml:5: a value is of another type than what a flag takes; write a text, a whole number, true or false"),
        "{}",
        run.stderr
    );
}
