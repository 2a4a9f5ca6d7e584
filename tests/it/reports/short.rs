//! The short form, and what stands in front of the evidence.

use std::path::Path;

use serde_json::Value;

use super::sets::PERIOD;
use super::{STORE, definition, json, own, text};
use crate::both::Both;
use crate::questions::plain::{count, ended};
use crate::questions::text as said;
use crate::support::{cli, local, temp_dir};

const INCIDENT: [&str; 5] = ["incident", "--since", "all", "--user", "kubernetes-admin"];

#[test]
fn a_summary_has_every_control_and_no_evidence() {
    let store = STORE.get();
    let out = temp_dir();
    for (name, more) in [("pci-dss", &PERIOD[..]), ("incident", &INCIDENT[1..])] {
        let flags = [
            "--summary",
            "-o",
            "html,md,json,csv",
            "--out",
            text(out.path()),
        ];
        local(store.data(), "report", &[&[name], more, &flags].concat()).expect(0);
        let read = |form: &str| {
            let file = out.path().join(format!("{name}.{form}"));
            cli(&["report", "--verify", text(&file)]).expect(0);
            std::fs::read_to_string(file).unwrap()
        };
        let made = json(read("json").as_bytes());
        assert_eq!(made["summary"], true);
        let whole = local(
            store.data(),
            "report",
            &[&[name], more, &["-o", "json"]].concat(),
        );
        let whole = json(&whole.expect(0).stdout);
        for (at, control) in made["controls"].as_array().unwrap().iter().enumerate() {
            assert_eq!(
                control["verdict"]["why"],
                whole["controls"][at]["verdict"]["why"]
            );
            for (nth, piece) in control["evidence"].as_array().unwrap().iter().enumerate() {
                let same = &whole["controls"][at]["evidence"][nth];
                assert_eq!(piece["row_count"], same["row_count"]);
                assert_eq!(piece["rows"].as_array().unwrap().len(), 0);
            }
        }
        let (html, md) = (read("html"), read("md"));
        for control in made["controls"].as_array().unwrap() {
            let title = control["title"].as_str().unwrap();
            assert!(html.contains(title) && md.contains(title), "{title}");
        }
        for left_out in ["href=\"#c-", "href=\"#q-", "id=\"q-", "<pre"] {
            assert!(!html.contains(left_out), "{name}: {left_out}");
        }
        assert!(!md.contains("```") && !md.contains("(#"), "{name}");
    }
    let entries = std::fs::read_dir(out.path()).unwrap();
    assert!(
        entries
            .into_iter()
            .all(|entry| entry.unwrap().path().is_file())
    );
    let answer = store
        .server
        .get("/api/v1/reports/access-review?since=all&summary=true&format=md")
        .expect(200);
    assert!(!answer.text().contains("```"));
}

#[test]
fn statements_stand_at_the_end_each_once() {
    let args = [&["pci-dss", "-o", "md"], &PERIOD[..]].concat();
    let run = local(STORE.get().data(), "report", &args).expect(0);
    let md = run.text();
    let (before, statements) = md.split_once("## Appendix: statements").unwrap();
    assert!(!before.contains("select"), "SQL among the evidence");
    for anchor in ["v-10.2.2", "e-10.2.1.1-1"] {
        assert!(
            before.contains(&format!("(#{anchor}-statement)")),
            "{anchor}"
        );
        assert!(
            statements.contains(&format!("<a id=\"{anchor}-statement\">")),
            "{anchor}"
        );
    }
    // The question that is asked in many ways has its text once.
    assert!(statements.matches("auditql ask actions-by-actor").count() > 5);
    assert!(
        statements
            .matches("is [that](#e-10.2.1.1-1-statement)")
            .count()
            > 4
    );
}

#[test]
fn an_incident_says_who_what_when_and_what_followed() {
    let run = local(
        STORE.get().data(),
        "report",
        &[&INCIDENT[..], &["-o", "json"]].concat(),
    );
    let made = json(&run.expect(0).stdout);
    let why = |id: &str| {
        let controls = made["controls"].as_array().unwrap();
        let control = controls.iter().find(|control| control["id"] == id).unwrap();
        assert_eq!(control["verdict"]["verdict"], "finding");
        control["verdict"]["why"].as_str().unwrap().to_owned()
    };
    let rows = |at: usize| {
        made["controls"][at]["evidence"][0]["row_count"]
            .as_u64()
            .unwrap()
    };
    let asked = count(|event| {
        let by = ["/user/username", "/impersonatedUser/username"];
        ended(event) && by.iter().any(|at| said(event, at) == "kubernetes-admin")
    });
    let number = why("origins").replace(',', "");
    let told = format!("requests that ended: {asked}; by kubernetes-admin");
    assert!(number.starts_with(&told), "{number}");
    assert!(
        why("timeline").starts_with("answered from 2026-11-21T03:4"),
        "{}",
        why("timeline")
    );
    assert!(rows(1) > 0 && why("timeline").contains("; requests to change something: "));
    for (id, at, none) in [
        ("rights", 5, "no role was bound"),
        ("pods", 6, "no pod or workload was submitted"),
        ("followed", 7, "no identity is known to have been armed"),
    ] {
        if rows(at) > 0 {
            assert_ne!(why(id), none, "{id}");
        }
    }
}

/// Who is refused before anybody is known has an answer that only begins, and so has a session that
/// goes on: at three in the morning both are what matters.
#[test]
fn an_incident_counts_refused_logins_and_open_sessions() {
    let address = "198.51.100.99";
    let at = |event: &Value| event["sourceIPs"].to_string().contains(address);
    let logins = count(|event| at(event) && event["responseStatus"]["code"] == 401);
    let rest = count(|event| at(event) && ended(event));
    assert!(logins > 1 && rest > 0);
    let run = |data: &Path, args: &[&str]| {
        let args = [&["incident", "--since", "all", "-o", "json"], args].concat();
        json(&local(data, "report", &args).expect(0).stdout)
    };
    let why = |made: &Value, at: usize| made["controls"][at]["verdict"]["why"].to_string();
    let made = run(STORE.get().data(), &["--source-ip", address]);
    let requests = format!("\"requests that ended: {}; by ", logins + rest);
    assert!(why(&made, 0).starts_with(&requests), "{}", why(&made, 0));
    let nobody = format!("; {logins} of them by nobody who is known\"");
    assert!(why(&made, 0).ends_with(&nobody), "{}", why(&made, 0));
    assert_eq!(
        made["controls"][1]["evidence"][0]["row_count"].as_u64(),
        Some(logins + rest)
    );

    let exec = |stage: &str, id: u8| {
        format!(
            r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"e-{id}","stage":"{stage}","requestURI":"/x","verb":"create","user":{{"username":"eve"}},"sourceIPs":["10.0.0.1"],"objectRef":{{"resource":"pods","subresource":"exec","namespace":"n","name":"p"}},"responseStatus":{{"metadata":{{}},"code":101}},"requestReceivedTimestamp":"2026-11-20T12:00:0{id}.000000Z","stageTimestamp":"2026-11-20T12:00:0{id}.500000Z"}}"#
        )
    };
    let both = Both::with_events(&[
        exec("ResponseStarted", 1),
        exec("ResponseStarted", 2),
        exec("ResponseComplete", 2),
    ]);
    let made = run(both.data(), &["--user", "eve"]);
    let told = why(&made, 1);
    assert!(
        told.contains("from 2026-11-20T12:00:01.500000Z to "),
        "{told}"
    );
    assert!(
        told.contains(" sessions and requests passed on: 1; refused of all: 0; beside them sessions without a recorded end: 1\""),
        "{told}"
    );
}

#[test]
fn a_verdict_that_fails_when_it_runs_is_named_with_its_line() {
    let text_of = definition(&[]).replace(
        "cannot_prove = \"C\"",
        "cannot_prove = \"C\"\nverdict = \"select 'perhaps' as verdict, 'w' as why\"",
    );
    let dir = own(&text_of);
    let args = ["mine", "--since", "all", "--reports", text(dir.path())];
    let run = local(STORE.get().data(), "report", &args).expect(2);
    let said = "mine.toml:9: verdict of 1.a: the statement says \"perhaps\"";
    assert!(run.stderr.contains(said), "{}", run.stderr);
}
