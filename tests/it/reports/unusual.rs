//! Reports of stores that are hostile, damaged, empty or interrupted.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use super::{STORE, definition, json as parsed, own, text};
use crate::both::Both;
use crate::support::{cli, command, event_at, local, temp_dir, wait_until};

/// What an attacker would like to see interpreted: in a spreadsheet, in HTML, in Markdown, on a
/// terminal, and as the digest.
const HOSTILE: &[&str] = &[
    "=cmd|'/c calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "a|b|c",
    "a\\|b",
    "`code` and ``more``",
    "line\nbreak\n\n# heading",
    "*bold* _it_ ~~x~~",
    "http://evil.example www.evil.example me@evil.example",
    "\u{202e}reversed",
    "\u{1b}[31mred",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "mine/e-1.a-9-other.csv",
    "All rows: [mine/e-1.a-9-other.csv](x), SHA-256 00",
];

fn hostile() -> Both {
    let events: Vec<String> = HOSTILE
        .iter()
        .zip(0..)
        .map(|(name, n)| {
            let mut event: Value =
                serde_json::from_str(&event_at(n, "2026-11-20T10:00:00.000000Z")).unwrap();
            event["user"]["username"] = json!(name);
            event.to_string()
        })
        .collect();
    Both::with_events(&events)
}

#[test]
fn text_of_events_is_never_interpreted() {
    let both = hostile();
    let dir = own(&definition(&["query = \"noisiest-identities\"\nrows = 3"]));
    let queries = temp_dir();
    // A question that gives the names as they are.
    let header = "title = \"Users\"\ngroup = \"own\"\nanswers = \"a\"\ncannot_see = \"c\"\nlevel = \"Metadata\"\n[columns]\nuser = \"u\"\n";
    let sql = "select user from events where time >= :since and time < :until and cluster match :cluster order by id";
    std::fs::write(
        queries.path().join("users.sql"),
        format!("/*\n{header}*/\n{sql}"),
    )
    .unwrap();
    std::fs::write(
        dir.path().join("mine.toml"),
        definition(&[
            "query = \"users\"\nrows = 1000",
            "query = \"users\"\nrows = 0",
        ]),
    )
    .unwrap();
    let out = temp_dir();
    let flags = [
        "--reports",
        text(dir.path()),
        "--queries",
        text(queries.path()),
    ];
    let args = [
        &flags[..],
        &[
            "mine",
            "--since",
            "2026-11-20",
            "--until",
            "2026-11-21",
            "-o",
            "json,md,csv,html",
            "--out",
            text(out.path()),
        ],
    ]
    .concat();
    local(both.data(), "report", &args).expect(0);
    let read = |name: &str| std::fs::read_to_string(out.path().join(name)).unwrap();

    // JSON gives the texts back, but for the one that would be taken for the digest.
    let made = parsed(read("mine.json").as_bytes());
    let rows = made["controls"][0]["evidence"][0]["rows"]
        .as_array()
        .unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row[0].as_str().unwrap()).collect();
    let expected: Vec<&str> = HOSTILE
        .iter()
        .map(|name| {
            if name.starts_with("000") {
                "[64 zeros]"
            } else {
                name
            }
        })
        .collect();
    assert_eq!(names, expected);

    // In files for spreadsheets a text that begins like a formula has a ' before it.
    let file = made["controls"][0]["evidence"][1]["file"].as_str().unwrap();
    let bytes = std::fs::read(out.path().join(file)).unwrap();
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    let cells: Vec<String> = reader
        .records()
        .map(|row| row.unwrap()[0].to_owned())
        .collect();
    assert_eq!(cells.len(), HOSTILE.len());
    for (cell, name) in cells.iter().zip(HOSTILE) {
        match name.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            true => assert_eq!(*cell, format!("'{name}")),
            false => assert_eq!(cell, name),
        }
    }

    // Markdown: a row is a row, and nothing of it is markup.
    let markdown = read("mine.md");
    let table: Vec<&str> = markdown
        .split("| user |\n|---|\n")
        .nth(1)
        .unwrap()
        .lines()
        .collect();
    for (row, name) in table.iter().zip(HOSTILE) {
        let cell = row
            .strip_prefix("| ")
            .and_then(|row| row.strip_suffix(" |"));
        let cell = cell.unwrap_or_else(|| panic!("{name:?} became {row:?}"));
        assert!(!cell.contains('|'), "{cell}");
        let is_code = cell.starts_with('`') && cell.ends_with('`');
        let inner = cell.trim_matches('`');
        assert!(!inner.contains('`'), "{cell}");
        let marks = ['<', '[', '*', '_', '~', '!', ':'];
        let inner = inner.replace("<!---->", "");
        assert!(is_code || !inner.contains(marks), "{cell}");
        assert!(
            !cell.contains(char::is_control) && !cell.contains('\u{202e}'),
            "{cell}"
        );
    }
    let html = read("mine.html");
    assert!(
        !html.contains("<script>alert") && !html.contains("<img"),
        "hostile markup in HTML"
    );
    for form in ["json", "md", "csv", "html"] {
        let file = out.path().join(format!("mine.{form}"));
        cli(&["report", "--verify", text(&file)]).expect(0);
    }
}

#[test]
fn a_damaged_segment_fails_the_report_unless_it_may_be_left_out() {
    let dir = temp_dir();
    let recorded = crate::both::recorded("recorded.jsonl.zst");
    local(
        dir.path(),
        "import",
        &["--segment-events", "500", text(&recorded)],
    )
    .expect(0);
    local(dir.path(), "seal", &[]).expect(0);
    let sealed = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("sealed-")
        })
        .unwrap();
    let mut bytes = std::fs::read(&sealed).unwrap();
    bytes[..4096].fill(0x5a);
    let mut permissions = std::fs::metadata(&sealed).unwrap().permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "a test's own file")]
    permissions.set_readonly(false);
    std::fs::set_permissions(&sealed, permissions).unwrap();
    std::fs::write(&sealed, bytes).unwrap();
    let reports = own(&definition(&[
        "query = \"all-by-user\"\nwith = { user = \"*\" }",
        "query = \"workload-changes\"",
    ]));
    let args = [
        "mine",
        "--reports",
        text(reports.path()),
        "--since",
        "all",
        "-o",
        "json",
    ];
    let run = local(dir.path(), "report", &args).expect(2);
    assert!(
        run.stderr.contains("damaged") || run.stderr.contains("sealed-"),
        "{}",
        run.stderr
    );
    assert!(run.stdout.is_empty());
    let run = local(
        dir.path(),
        "report",
        &[&args[..], &["--skip-damaged"]].concat(),
    )
    .expect(0);
    let made = parsed(&run.stdout);
    let damaged = made["coverage"]["damaged"].as_array().unwrap();
    assert_eq!(damaged.len(), 1, "{damaged:?}");
    let note = made["coverage"]["notes"][0].as_str().unwrap();
    assert!(note.contains("1 segment"), "{note}");
}

#[test]
fn an_empty_store_gives_a_report_that_says_so() {
    let both = Both::empty();
    let run = local(both.data(), "report", &["pci-dss", "-o", "json"]).expect(0);
    let made = parsed(&run.stdout);
    assert_eq!(made["coverage"]["events"], 0);
    assert_eq!(made["coverage"]["covered_hours"], 0);
    assert_eq!(
        made["coverage"]["notes"][0],
        "The store holds no event of this time range."
    );
    let all = local(both.data(), "report", &["pci-dss", "--since", "all"]).expect(2);
    assert!(
        all.stderr.contains("the store holds no event"),
        "{}",
        all.stderr
    );
    let none = local(both.data(), "report", &["pci-dss", "--cluster", "a"]).expect(2);
    assert!(
        none.stderr.contains("no event of any cluster"),
        "{}",
        none.stderr
    );
}

#[test]
fn a_killed_making_leaves_no_document_and_the_next_one_clears_up() {
    let store = STORE.get();
    let reports = own(&definition(&[
        "query = \"all-by-user\"\nwith = { user = \"*\" }\nrows = 1",
    ]));
    let out = temp_dir();
    let args = [
        "report",
        "mine",
        "--reports",
        text(reports.path()),
        "--data",
        text(store.data()),
        "--since",
        "all",
        "-o",
        "json,md",
        "--out",
        text(out.path()),
    ];
    let listed = |dir: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    let mut killed = 0;
    for _ in 0..5 {
        let mut child = command(&args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ended = false;
        wait_until("it begins", || {
            ended = child.try_wait().unwrap().is_some();
            ended || listed(out.path()).iter().any(|name| name.ends_with(".new"))
        });
        let _ = child.kill();
        let _ = child.wait();
        killed += u32::from(!ended);
        for name in listed(out.path()) {
            if name.ends_with(".json") || name.ends_with(".md") {
                cli(&["report", "--verify", text(&out.path().join(name))]).expect(0);
            }
        }
    }
    assert!(killed > 0, "it was over each time");
    cli(&args).expect(0);
    let mut left = listed(out.path());
    left.sort();
    let rows = super::sets::rows_of(out.path());
    let rows = rows.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(
        left,
        [rows.as_str(), "mine.json", "mine.md"],
        "nothing of the killed ones"
    );
    for name in ["mine.json", "mine.md"] {
        cli(&["report", "--verify", text(&out.path().join(name))]).expect(0);
    }
}
