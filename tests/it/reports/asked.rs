//! What is asked for: whom a report may name, and what it needs and finds.

use serde_json::Value;

use super::{STORE, definition, json, own, text};
use crate::support::{Server, cli, command, finish, local, temp_dir};

const FORMS: [&str; 4] = ["html", "md", "json", "csv"];

#[test]
fn a_report_about_one_person_names_no_other() {
    let store = STORE.get();
    let made = local(
        store.data(),
        "report",
        &["pci-dss", "--since", "all", "-o", "json"],
    );
    let made = json(&made.expect(0).stdout);
    let actors = made["charts"]["actors"].as_array().unwrap();
    let actors: Vec<&str> = actors
        .iter()
        .map(|actor| actor["user"].as_str().unwrap())
        .collect();
    assert!(actors.len() > 3, "{actors:?}");
    for (report, flag) in [("subject-access", "--person"), ("incident", "--user")] {
        for form in FORMS {
            let args = [
                report,
                "--since",
                "all",
                flag,
                "nobody.of.these",
                "-o",
                form,
            ];
            let run = local(store.data(), "report", &args).expect(1);
            assert!(run.text().contains("nobody.of.these"));
            for actor in &actors {
                assert!(!run.text().contains(actor), "{report} as {form}: {actor}");
            }
            match form {
                "json" => assert_eq!(json(&run.stdout)["charts"], Value::Null),
                _ => assert!(!run.text().contains("Events over time")),
            }
        }
    }
}

#[test]
fn one_of_several_parameters_is_needed() {
    let store = STORE.get();
    let said = "the report incident makes no sense without one of";
    for more in [&[][..], &["--user", ""], &["--cluster", "default"]] {
        let run = local(store.data(), "report", &[&["incident"], more].concat()).expect(2);
        let flags = "--user, --source-ip, --resource, --namespace, --name, --audit-id";
        assert!(
            run.stderr.contains(&format!("{said} {flags}")),
            "{}",
            run.stderr
        );
        assert!(run.stdout.is_empty());
    }
    let data = temp_dir();
    let server = Server::start(data.path(), &[]);
    let answer = server.get("/api/v1/reports/incident?since=1d").expect(400);
    assert!(answer.text().contains(said), "{}", answer.text());
    server
        .get("/api/v1/reports/incident?since=1d&name=x")
        .expect(200);

    let dir = temp_dir();
    let file = dir.path().join("schedule.toml");
    let entry = "[[report]]\nname = \"incident\"\nevery = \"daily\"\nout = \"/nowhere\"\n";
    let check = ["report", "--schedule", text(&file), "--check"];
    std::fs::write(&file, entry).unwrap();
    let refused = cli(&check).expect(2).stderr;
    assert!(refused.contains("schedule.toml:2: "), "{refused}");
    assert!(refused.contains(said), "{refused}");
    std::fs::write(&file, format!("{entry}params = {{ user = \"alice\" }}\n")).unwrap();
    cli(&check).expect(0);
}

/// Who is everybody but somebody is no person, and rows of a list that adds and leaves out are of none of both.
#[test]
fn a_person_leaves_nobody_out() {
    let store = STORE.get();
    let said = "leaves out what follows the !";
    for person in ["!alice", "a*,!alice", "!*"] {
        for asked in [
            ["report", "subject-access"],
            ["ask", "person-found"],
            ["ask", "person-origins"],
            ["ask", "person-mentions"],
        ] {
            let run = local(store.data(), asked[0], &[asked[1], "--person", person]).expect(2);
            assert!(run.stderr.contains("person"), "{}", run.stderr);
            assert!(run.stderr.contains(said), "{}", run.stderr);
            assert!(run.stdout.is_empty());
        }
    }
    let exact = ["person-found", "--person", "\\!alice,carol"];
    local(store.data(), "ask", &exact).expect(0);
}

#[test]
fn what_matches_nothing_is_told_first() {
    let store = STORE.get();
    let args = ["incident", "--since", "all", "-o", "json", "--user"];
    let run = local(
        store.data(),
        "report",
        &[&args[..], &["nobody.of.these"]].concat(),
    )
    .expect(1);
    let first = json(&run.stdout)["coverage"]["notes"][0].clone();
    assert!(
        first
            .as_str()
            .unwrap()
            .starts_with("Nothing in this time range matches"),
        "{first}"
    );
    assert!(
        run.stderr.contains("note: Nothing in this"),
        "{}",
        run.stderr
    );
    let run = local(
        store.data(),
        "report",
        &[&args[..], &["kubernetes-admin"]].concat(),
    )
    .expect(0);
    assert!(!run.text().contains("Nothing in this time range matches"));
    // The period and the clusters look for nothing in particular.
    let dir = own(&definition(&["query = \"dry-runs\""]));
    let flags = [
        "mine",
        "--reports",
        text(dir.path()),
        "--cluster",
        "default",
    ];
    let early = ["--since", "2001-01-01", "--until", "2001-01-02"];
    local(store.data(), "report", &[&flags[..], &early].concat()).expect(0);
}

#[test]
fn several_documents_are_checked_at_once() {
    let dir = temp_dir();
    let out = ["--since", "all", "-o", "md,csv", "--out", text(dir.path())];
    local(
        STORE.get().data(),
        "report",
        &[&["access-review"], &out[..]].concat(),
    )
    .expect(0);
    let [md, csv] = ["md", "csv"].map(|form| dir.path().join(format!("access-review.{form}")));
    let both = ["report", "--verify", text(&md), text(&csv)];
    let run = cli(&both).expect(0);
    assert_eq!(run.text().lines().count(), 2, "{}", run.text());
    let mut changed = std::fs::read(&md).unwrap();
    changed.extend(b"more");
    std::fs::write(&md, changed).unwrap();
    let run = cli(&both).expect(1);
    let lines: Vec<&str> = run.text().lines().collect();
    assert!(lines[0].starts_with("differs: "), "{lines:?}");
    assert!(
        lines[1].contains("access-review.csv: as it was written"),
        "{lines:?}"
    );
    let run = cli(&["report", "--verify", "/nowhere", text(&md), text(&csv)]).expect(2);
    assert!(run.stderr.contains("/nowhere"), "{}", run.stderr);
    assert_eq!(run.text().lines().count(), 2, "{}", run.text());
}

#[test]
fn it_is_made_for_the_user_who_runs_it() {
    let id = std::process::Command::new("id")
        .arg("-un")
        .output()
        .unwrap();
    let name = String::from_utf8(id.stdout).unwrap();
    let store = STORE.get();
    let data = text(store.data());
    let args = [
        "report",
        "access-review",
        "--since",
        "all",
        "-o",
        "json",
        "--data",
        data,
    ];
    let mut program = command(&args);
    program.env_remove("USER").env_remove("LOGNAME");
    let run = finish(&mut program, b"").expect(0);
    assert_eq!(json(&run.stdout)["made_for"], name.trim());
}

/// The report that docs/REPORTS.md shows.
#[test]
fn the_example_of_the_documentation_counts_each_read_once() {
    let page = include_str!("../../../docs/REPORTS.md");
    let (_, example) = page.split_once("```toml\ntitle = \"Who reads").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let dir = own(&format!("title = \"Who reads{example}"));
    let flags = [
        "mine",
        "--reports",
        text(dir.path()),
        "--since",
        "all",
        "-o",
        "json",
    ];
    let args = [&flags[..], &["--team", "kubernetes-admin,mallory"]].concat();
    let made = json(&local(STORE.get().data(), "report", &args).expect(0).stdout);
    let control = &made["controls"][0];
    let reads = control["evidence"][0]["row_count"].as_u64().unwrap();
    assert!(reads > 0);
    let why = format!("{reads} reads of secrets are recorded");
    assert_eq!(control["verdict"]["why"], why);
}

#[test]
fn names_of_columns_are_for_people_in_documents_that_people_read() {
    let store = STORE.get();
    let args = [
        "incident",
        "--since",
        "all",
        "--user",
        "kubernetes-admin",
        "-o",
    ];
    let form = |form: &str| local(store.data(), "report", &[&args[..], &[form]].concat()).expect(0);
    assert!(form("md").text().contains(" audit id |"));
    assert!(form("html").text().contains(">audit id<"));
    let made = json(&form("json").stdout);
    let columns = made["controls"][1]["evidence"][0]["columns"]
        .as_array()
        .unwrap();
    let named = |column: &Value| column["name"] == "audit_id";
    assert!(columns.iter().any(named), "{columns:?}");
}
