//! Reports as HTML: what stands in the file, and what a browser makes of it.

mod chromium;
mod fixture;
mod parsed;

use std::collections::BTreeMap;

use auditql::limits::REPORT_CELL_CHARS_MAX;
use auditql::model::value::Value;
use auditql::report::digest::PLACEHOLDER;
use auditql::report::made::{Made, Verdict};
use auditql::report::render::html::html;
use parsed::{Piece, cells, parse, shape};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::both::{Both, Shared, recorded};
use crate::support::{cli, finish, local, temp_dir};

/// A store of the recorded events.
static STORE: Shared = Shared::new(|| Both::imported(&[&recorded("recorded.jsonl.zst")]));

fn rendered(made: &Made) -> String {
    let mut out = String::new();
    html(made, &mut out);
    out
}

/// What [`measure`] is to find in a report.
fn expected(name: &str, made: &Made, hostile: bool) -> Json {
    let mut controls = Vec::new();
    let mut anchors: Vec<&str> = Vec::new();
    let mut rows = BTreeMap::new();
    for control in &made.controls {
        let verdict = control.verdict.as_ref().map(|made| made.verdict);
        let words = verdict.map_or("", Verdict::words);
        controls.push(control_of(&control.id, &control.title, words));
        anchors.extend(control.verdict.iter().map(|made| made.anchor.as_str()));
        for evidence in &control.evidence {
            anchors.push(&evidence.anchor);
            let count = count_of(evidence.row_count, evidence.truncated);
            rows.insert(evidence.anchor.as_str(), count);
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

/// The same from the JSON form.
fn expected_of_json(name: &str, html: &str, made: &Json) -> Json {
    let mut controls = Vec::new();
    let mut anchors = Vec::new();
    let mut rows = BTreeMap::new();
    for control in made["controls"].as_array().unwrap() {
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let words = text(&control["verdict"]["verdict"]);
        controls.push(control_of(
            &text(&control["id"]),
            &text(&control["title"]),
            &words,
        ));
        anchors.extend(control["verdict"]["anchor"].as_str());
        for evidence in control["evidence"].as_array().unwrap() {
            let anchor = evidence["anchor"].as_str().unwrap();
            anchors.push(anchor);
            let truncated = evidence["truncated"].as_bool().unwrap();
            let count = count_of(evidence["row_count"].as_u64().unwrap(), truncated);
            rows.insert(anchor, count);
        }
    }
    json!({"name": name, "html": html, "controls": controls, "anchors": anchors, "rows": rows,
           "hostile": false})
}

fn control_of(id: &str, title: &str, verdict: &str) -> Json {
    let verdict = match verdict {
        "met" => "Met",
        "not met" => "Not met",
        "not enough data" => "Not enough data",
        "finding" => "Finding",
        "" => "No verdict",
        other => panic!("{other}"),
    };
    json!({"id": id, "title": title, "verdict": verdict})
}

fn count_of(rows: u64, truncated: bool) -> String {
    let least = if truncated { "at least " } else { "" };
    let noun = if rows == 1 { "row" } else { "rows" };
    format!("{least}{} {noun}", thousands(rows))
}

fn thousands(count: u64) -> String {
    match count {
        0..1000 => count.to_string(),
        _ => format!("{},{:03}", thousands(count / 1000), count % 1000),
    }
}

/// Lays the documents out in a browser and gives what is wrong with each.
fn measure(documents: &[Json]) -> BTreeMap<String, Vec<String>> {
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

/// No element, attribute or link of these documents is one that could do something.
fn check_harmless(pieces: &[Piece]) {
    const ATTRIBUTES: &[&str] = &[
        "aria-hidden",
        "aria-label",
        "aria-labelledby",
        "charset",
        "class",
        "colspan",
        "content",
        "cx",
        "cy",
        "d",
        "datetime",
        "fill",
        "height",
        "href",
        "http-equiv",
        "id",
        "lang",
        "name",
        "patterntransform",
        "patternunits",
        "r",
        "role",
        "scope",
        "style",
        "tabindex",
        "text-anchor",
        "viewbox",
        "width",
        "x",
        "x1",
        "x2",
        "y",
        "y1",
        "y2",
    ];
    const ELEMENTS: &[&str] = &[
        "a",
        "article",
        "b",
        "bdi",
        "body",
        "br",
        "caption",
        "circle",
        "code",
        "dd",
        "defs",
        "details",
        "div",
        "dl",
        "dt",
        "figcaption",
        "figure",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "head",
        "header",
        "html",
        "i",
        "li",
        "line",
        "main",
        "meta",
        "nav",
        "p",
        "path",
        "pattern",
        "pre",
        "rect",
        "section",
        "small",
        "span",
        "style",
        "summary",
        "svg",
        "symbol",
        "table",
        "tbody",
        "td",
        "text",
        "th",
        "thead",
        "time",
        "title",
        "tr",
        "ul",
        "use",
        "wbr",
    ];
    for piece in pieces {
        let Piece::Start(name, attributes) = piece else {
            continue;
        };
        assert!(ELEMENTS.contains(&name.as_str()), "{name}");
        for (attribute, value) in attributes {
            assert!(
                ATTRIBUTES.contains(&attribute.as_str()),
                "{name} {attribute}"
            );
            match attribute.as_str() {
                "href" => assert!(value.starts_with('#') || value.starts_with("./"), "{value}"),
                "fill" => assert!(value.starts_with("url(#"), "{value}"),
                "style" => assert!(value.starts_with("--w:") && !value.contains(';'), "{value}"),
                _ => {}
            }
        }
    }
}

#[test]
fn every_form_of_a_report_is_well_formed_and_the_same_each_time() {
    for (name, made) in fixture::all() {
        let html = rendered(&made);
        check_harmless(&parse(&html));
        assert_eq!(html, rendered(&made), "{name}");
        assert_eq!(html.matches(PLACEHOLDER).count(), 1, "{name}");
        let hidden = |letter: char| letter.is_control() && letter != '\n';
        assert!(!html.contains(hidden), "{name}");
        assert!(
            !html.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}']),
            "{name}"
        );
    }
}

#[test]
fn a_large_report_stays_small() {
    let made = fixture::large();
    assert_eq!(made.controls.len(), 60);
    let bytes = rendered(&made).len();
    assert!(bytes < 3 << 20, "{bytes}");
}

#[test]
fn without_verdicts_the_controls_stand_at_the_beginning() {
    let mut made = fixture::ordinary();
    assert!(rendered(&made).contains("<ul class=\"counts\">"));
    for control in &mut made.controls {
        control.verdict = None;
    }
    let html = rendered(&made);
    assert!(!html.contains("<ul class=\"counts\">"));
    let (_, summary) = html.split_once("<h2 id=\"summary\">").unwrap();
    let (summary, _) = summary.split_once("</section>").unwrap();
    assert_eq!(summary.matches("for a person to judge").count(), 1);
    let rows = summary.matches("<th scope=\"row\">").count();
    assert_eq!(rows, made.controls.len());
}

#[test]
fn a_long_value_is_cut_where_it_is_seen() {
    let html = rendered(&fixture::with_rows(vec![vec![Value::text(
        "A".repeat(1 << 20),
    )]]));
    let [(text, _)] = &cells(&parse(&html))[..] else {
        panic!("not one cell")
    };
    assert_eq!(
        *text,
        format!("{}… cut here", "A".repeat(REPORT_CELL_CHARS_MAX))
    );
    assert!(html.len() < 100_000, "{}", html.len());
}

#[test]
fn what_is_no_text_is_told_from_text() {
    let value = ["NULL", "empty text", "", " "].map(|text| vec![Value::text(text)]);
    let rows = value.into_iter().chain([vec![Value::Null]]).collect();
    let expected = [
        ("NULL", false),
        ("empty text", false),
        ("empty text", true),
        (" ", false),
        ("NULL", true),
    ];
    let expected = expected.map(|(text, mark)| (text.to_owned(), mark));
    assert_eq!(
        cells(&parse(&rendered(&fixture::with_rows(rows)))),
        expected
    );
}

#[test]
fn lines_of_a_value_stay_lines() {
    let rule = "- level: Metadata\n  resources: [{group: \"\"}]\n";
    let html = rendered(&fixture::with_rows(vec![vec![Value::text(rule)]]));
    assert!(
        html.contains("<span class=\"lines\">- level: Metadata\n  resources"),
        "{html}"
    );
    // A value cannot take pages.
    let html = rendered(&fixture::with_rows(vec![vec![Value::text(
        "\n".repeat(300) + "x",
    )]]));
    let (text, _) = cells(&parse(&html)).swap_remove(0);
    assert_eq!(text, "\n".repeat(300) + "x");
    assert!(html.matches("\\n").count() > 200);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_in_a_cell_is_that_text(
        texts in prop::collection::vec("(\\PC|[<>&\"'\\\\\n\t\0\u{1b}\u{202e}\u{301}]|.){1,60}", 2..12),
    ) {
        let rows = texts.iter().map(|text| vec![Value::text(text.as_str())]).collect();
        let expected: Vec<(String, bool)> = texts.into_iter().map(|text| (text, false)).collect();
        prop_assert_eq!(cells(&parse(&rendered(&fixture::with_rows(rows)))), expected);
    }

    #[test]
    fn no_text_changes_the_structure(text in "(\\PC|[<>&\"'\\\\;{}\t\0\u{202e}]|</style>|-->|.){0,12}") {
        let html = rendered(&fixture::all_texts(&format!("x{}x", text.replace(['\n', '\r'], " "))));
        let pieces = parse(&html);
        check_harmless(&pieces);
        let plain = rendered(&fixture::all_texts("xx"));
        prop_assert_eq!(shape(&pieces), shape(&parse(&plain)));
    }
}

#[test]
fn a_browser_finds_nothing_wrong() {
    if !chromium::there("a_browser_finds_nothing_wrong", &[]) {
        return;
    }
    let mut documents: Vec<Json> = fixture::all()
        .iter()
        .map(|(name, made)| expected(name, made, *name == "hostile"))
        .collect();
    let mut many = fixture::large();
    many.controls.truncate(12);
    documents.retain(|document| document["name"] != "large");
    let mut many = expected("many", &many, false);
    many["only"] = json!(["paper", "a telephone"]);
    documents.push(many);
    documents.extend(reports_of_a_store());
    check_in_browser(&documents);
}

#[track_caller]
fn check_in_browser(documents: &[Json]) {
    let found = measure(documents);
    assert!(found.len() > documents.len());
    let wrong: Vec<String> = found
        .iter()
        .filter(|(_, wrong)| !wrong.is_empty())
        .map(|(name, wrong)| format!("{name}:\n  {}", wrong.join("\n  ")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a report makes no sense without.
fn needed(report: &str) -> &'static [&'static str] {
    match report {
        "subject-access" => &["--person", "alice@example.com"],
        "incident" => &["--user", "system:serviceaccount:payments:builder"],
        _ => &[],
    }
}

/// Every report of recorded events, as HTML; what is in it, as the JSON form has it.
fn reports_of_a_store() -> Vec<Json> {
    let store = STORE.get();
    let listed = cli(&["report", "-o", "jsonl"]).expect(0);
    let mut documents = Vec::new();
    for line in listed.text().lines() {
        let line: Json = serde_json::from_str(line).unwrap();
        let name = line["report"].as_str().unwrap();
        let dir = temp_dir();
        let out = dir.path().to_str().unwrap();
        let mut args = vec![name, "--since", "2026-11-01", "--until", "2026-12-01"];
        args.extend(needed(name));
        args.extend(["-o", "html,json", "--out", out]);
        local(store.data(), "report", &args).expect(0);
        let read = |form: &str| {
            std::fs::read_to_string(dir.path().join(format!("{name}.{form}"))).unwrap()
        };
        let made: Json = serde_json::from_str(&read("json")).unwrap();
        let mut document = expected_of_json(name, &read("html"), &made);
        document["only"] = json!(["paper", "a telephone"]);
        documents.push(document);
    }
    assert!(!documents.is_empty());
    documents
}

/// What Appendix B of a report tells its reader to do.
#[test]
fn the_document_says_how_to_check_it() {
    let dir = temp_dir();
    let file = dir.path().join("pci-dss.html");
    let out = dir.path().to_str().unwrap();
    let store = STORE.get();
    local(
        store.data(),
        "report",
        &["pci-dss", "--since", "all", "-o", "html", "--out", out],
    )
    .expect(0);
    cli(&["report", "--verify", file.to_str().unwrap()]).expect(0);
    let html = std::fs::read_to_string(&file).unwrap();
    let mut texts = parse(&html).into_iter().filter_map(|piece| match piece {
        Piece::Text(text) => Some(text),
        _ => None,
    });
    let script = texts.rfind(|text| text.contains("sha256sum")).unwrap();
    let check = || {
        let mut shell = std::process::Command::new("sh");
        let run = finish(shell.arg("-c").arg(&script).current_dir(dir.path()), b"").expect(0);
        let lines: Vec<String> = run.text().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[0].len(), 64 + "  -".len(), "{lines:?}");
        lines[0] == lines[1]
    };
    assert!(check());
    std::fs::write(&file, html.replacen("Met<", "met<", 1)).unwrap();
    assert!(!check());
    cli(&["report", "--verify", file.to_str().unwrap()]).expect(1);
}

#[test]
fn paper_has_everything() {
    if !chromium::there("paper_has_everything", &["pdftotext", "pdfinfo"]) {
        return;
    }
    for (name, made) in [
        ("ordinary", fixture::ordinary()),
        ("empty", fixture::empty()),
    ] {
        let dir = temp_dir();
        let (file, pdf) = (dir.path().join("r.html"), dir.path().join("r.pdf"));
        std::fs::write(&file, rendered(&made)).unwrap();
        chromium::print(&file, &pdf);
        let info = chromium::poppler("pdfinfo", &[], &pdf);
        let pages = info.lines().find_map(|line| line.strip_prefix("Pages:"));
        let pages: u32 = pages.unwrap().trim().parse().unwrap();
        assert!(pages >= 3, "{name}: {pages} pages");
        let text = chromium::poppler("pdftotext", &["-layout"], &pdf);
        for made in made.controls.iter().flat_map(|control| &control.evidence) {
            for (param, _) in &made.bound {
                // In one piece, however narrow its column.
                let word = format!(":{param}");
                assert!(
                    text.split_whitespace().any(|found| found == word),
                    "{name}: {word}"
                );
            }
        }
        let together = |text: &str| text.split_whitespace().collect::<String>();
        let text = together(&text);
        for control in &made.controls {
            let title = together(&format!("{} {}", control.id, control.title));
            // In the table of verdicts and at the control.
            assert!(text.matches(&title).count() >= 2, "{name}: {title}\n{text}");
            assert!(
                control
                    .evidence
                    .iter()
                    .all(|made| text.contains(&made.query)),
                "{name}"
            );
        }
        assert!(text.contains(&format!("1/{pages}")), "{name}");
        check_margins(name, &chromium::poppler("pdftotext", &["-bbox"], &pdf));
    }
}

/// Every word of a page stands between its margins.
fn check_margins(name: &str, boxes: &str) {
    let number = |line: &str, key: &str| {
        let value = line.split(&format!("{key}=\"")).nth(1).unwrap();
        value.split('"').next().unwrap().parse::<f64>().unwrap()
    };
    let mut width = 0.0;
    let mut words = 0;
    for line in boxes.lines() {
        if line.contains("<page ") {
            width = number(line, "width");
        } else if line.contains("<word ") {
            words += 1;
            assert!(number(line, "xMin") > 30.0, "{name}: {line}");
            assert!(
                number(line, "xMax") < width - 30.0,
                "{name}: {line} of {width}"
            );
        }
    }
    assert!(words > 100, "{name}: {words} words");
}
