//! Reports as HTML: what stands in the file, and what a browser makes of it.

mod chromium;
mod fixture;

use std::collections::BTreeMap;
use std::path::Path;

use auditql::report::made::{Made, Verdict};
use auditql::report::render::html::html;
use serde_json::{Value, json};

use super::support::temp_dir;

fn rendered(made: &Made) -> String {
    let mut out = String::new();
    html(made, &mut out);
    out
}

/// What [`measure`] is to find in a report.
fn expected(name: &str, made: &Made, hostile: bool) -> Value {
    let controls: Vec<Value> = made
        .controls
        .iter()
        .map(|control| {
            let verdict = control.verdict.as_ref().map(|made| made.verdict);
            let words = match verdict {
                Some(Verdict::Met) => "Met",
                Some(Verdict::NotMet) => "Not met",
                Some(Verdict::NotEnoughData) => "Not enough data",
                None => "No verdict",
            };
            json!({"id": control.id, "title": control.title, "verdict": words})
        })
        .collect();
    let mut anchors: Vec<&str> = Vec::new();
    let mut rows = BTreeMap::new();
    for control in &made.controls {
        anchors.extend(control.verdict.iter().map(|made| made.anchor.as_str()));
        for evidence in &control.evidence {
            anchors.push(&evidence.anchor);
            let count = thousands(evidence.row_count);
            let noun = if evidence.row_count == 1 {
                "row"
            } else {
                "rows"
            };
            let least = if evidence.truncated { "at least " } else { "" };
            rows.insert(evidence.anchor.as_str(), format!("{least}{count} {noun}"));
        }
    }
    if hostile {
        // Its names are not written as they are.
        anchors.clear();
        rows.clear();
    }
    json!({"name": name, "html": rendered(made), "controls": controls, "anchors": anchors,
           "rows": rows, "hostile": hostile})
}

fn thousands(count: u64) -> String {
    match count {
        0..1000 => count.to_string(),
        _ => format!("{},{:03}", thousands(count / 1000), count % 1000),
    }
}

/// Lays the documents out in a browser and gives what is wrong with each.
fn measure(documents: &[Value]) -> BTreeMap<String, Vec<String>> {
    let dir = temp_dir();
    let page = dir.path().join("measure.html");
    let documents = serde_json::to_string(documents)
        .unwrap()
        .replace("</", "<\\/");
    let documents = documents.replace("<!--", "<\\u0021--");
    let script = include_str!("report_html/measure.js");
    let text = format!(
        "<!DOCTYPE html><meta charset=\"utf-8\"><body><script>const DOCUMENTS = {documents};\n{script}</script>"
    );
    std::fs::write(&page, text).unwrap();
    let dumped = chromium::dump(&page);
    let result = dumped.rsplit_once("RESULT ").expect("the script ran").1;
    let result = percent_decoded(result.split(" END").next().unwrap());
    serde_json::from_str(&result).unwrap()
}

fn percent_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_browser_finds_nothing_wrong() {
    if !chromium::there("a_browser_finds_nothing_wrong", &[]) {
        return;
    }
    let documents: Vec<Value> = fixture::all()
        .iter()
        .map(|(name, made)| expected(name, made, *name == "hostile"))
        .collect();
    let found = measure(&documents);
    assert_eq!(found.len(), documents.len() * 5);
    let wrong: Vec<String> = found
        .iter()
        .filter(|(_, wrong)| !wrong.is_empty())
        .map(|(name, wrong)| format!("{name}:\n  {}", wrong.join("\n  ")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn keep() {
    for (name, made) in fixture::all() {
        let out = rendered(&made);
        if let Some(dir) = std::env::var_os("KEEP") {
            std::fs::write(Path::new(&dir).join(format!("{name}.html")), out).unwrap();
        }
    }
}
