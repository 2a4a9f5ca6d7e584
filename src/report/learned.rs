//! Reports that another program tells of. A definition is written out as a file again and read like
//! one, so that nothing is taken which a file could not say.

use std::fmt::Write as _;

use serde::Deserialize;

use super::definition::Definition;
use crate::query::library::place::{Origin, Places};
use crate::query::library::{Library, Param};
use crate::query::output::visible;

/// A report as `/api/v1/reports` tells of it.
#[derive(Debug, Deserialize)]
pub struct Told {
    name: String,
    title: String,
    framework: String,
    framework_version: String,
    version: String,
    about: String,
    since: String,
    charts: bool,
    one_of: Vec<String>,
    params: Vec<Param>,
    controls: Vec<ToldControl>,
    sha256: String,
}

#[derive(Debug, Deserialize)]
struct ToldControl {
    id: String,
    title: String,
    demands: String,
    cannot_prove: String,
    verdict: Option<String>,
    evidence: Vec<ToldEvidence>,
    #[serde(default, rename = "parts")]
    places: Places,
}

#[derive(Debug, Deserialize)]
struct ToldEvidence {
    query: String,
    title: String,
    with: Vec<(String, String)>,
    rows: usize,
}

impl Told {
    /// The name, as it was told.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The definition, over the questions of `library`. `None` if no server of this kind can have it.
    pub fn learned(&self, library: &Library) -> Option<Definition> {
        let origin = Origin::own(&self.name, &self.name);
        let mut report = Definition::parse(&self.name, &origin, &self.file(), library).ok()?;
        let digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        if self.sha256.len() != report.sha256.len() || !self.sha256.bytes().all(digit) {
            return None;
        }
        // Of the server's file, whose text and lines are not these.
        report.sha256.clone_from(&self.sha256);
        for (control, told) in report.controls.iter_mut().zip(&self.controls) {
            let sql = control.verdict.as_deref().unwrap_or_default();
            if !told.places.fit(sql) {
                return None;
            }
            control.places.clone_from(&told.places);
        }
        Some(report)
    }

    /// The text of a file that defines the report.
    fn file(&self) -> String {
        let mut file = String::new();
        let out = &mut file;
        entry(out, "title", &self.title);
        entry(out, "framework", &self.framework);
        entry(out, "framework_version", &self.framework_version);
        entry(out, "version", &self.version);
        entry(out, "about", &self.about);
        entry(out, "since", &self.since);
        line(out, &format!("charts = {}", self.charts));
        let required = self.params.iter().filter(|param| param.required);
        let required: Vec<&str> = required.map(|param| param.name.as_str()).collect();
        let one_of: Vec<&str> = self.one_of.iter().map(String::as_str).collect();
        for (name, names) in [("required", required), ("one_of", one_of)] {
            let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
            line(out, &format!("{name} = [{}]", names.join(", ")));
        }
        let own = |param: &&Param| !super::definition::COMMON.contains(&param.name.as_str());
        for param in self.params.iter().filter(own) {
            line(out, &format!("[params.{}]", quoted(&param.name)));
            let kind = serde_json::to_string(&param.kind).expect("a word");
            line(out, &format!("type = {kind}"));
            // The help of commands shows these.
            entry(out, "help", &visible(&param.help));
            if let Some(default) = &param.default {
                entry(out, "default", &visible(default));
            }
        }
        for control in &self.controls {
            line(out, "[[controls]]");
            entry(out, "id", &control.id);
            entry(out, "title", &control.title);
            entry(out, "demands", &control.demands);
            entry(out, "cannot_prove", &control.cannot_prove);
            if let Some(verdict) = &control.verdict {
                entry(out, "verdict", verdict);
            }
            for piece in &control.evidence {
                line(out, "[[controls.evidence]]");
                entry(out, "query", &piece.query);
                if !piece.title.is_empty() {
                    entry(out, "title", &piece.title);
                }
                let with = piece.with.iter();
                let with = with.map(|(name, text)| format!("{} = {}", quoted(name), quoted(text)));
                let with = with.collect::<Vec<_>>().join(", ");
                line(out, &format!("with = {{ {with} }}"));
                line(out, &format!("rows = {}", piece.rows));
            }
        }
        file
    }
}

fn entry(out: &mut String, name: &str, text: &str) {
    line(out, &format!("{name} = {}", quoted(text)));
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("memory takes it");
}

/// A text as TOML. What JSON escapes, TOML escapes alike.
fn quoted(text: &str) -> String {
    let json = serde_json::to_string(text).expect("a text");
    json.replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Catalogue;

    fn told(report: &serde_json::Value) -> Option<Definition> {
        let told: Told = serde_json::from_value(report.clone()).ok()?;
        told.learned(Library::shipped())
    }

    #[test]
    fn every_shipped_report_is_learned_as_it_is() {
        for report in Catalogue::shipped().reports() {
            let as_told = serde_json::to_value(report).unwrap();
            let learned = told(&as_told).unwrap_or_else(|| panic!("{}", report.name));
            assert_eq!(serde_json::to_value(learned).unwrap(), as_told);
        }
    }

    #[test]
    fn what_no_file_could_say_is_not_learned() {
        let report = Catalogue::shipped().get("access-review").unwrap();
        let good = serde_json::to_value(report).unwrap();
        for (at, value) in [
            ("/name", "../x"),
            ("/name", "X"),
            ("/title", "a\u{1b}[2Jb"),
            ("/controls/0/id", "\u{202e}"),
            ("/controls/0/evidence/0/query", "no-such-question"),
            ("/sha256", "0123"),
            ("/since", "soon"),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(at).unwrap() = value.into();
            assert_eq!(told(&bad), None, "{at}");
        }
        // Names of files are made here.
        let mut other = good.clone();
        *other.pointer_mut("/controls/0/evidence/0/anchor").unwrap() = "../../x".into();
        let learned = told(&other).unwrap();
        assert_eq!(
            learned.controls[0].evidence[0].anchor,
            report.controls[0].evidence[0].anchor
        );
    }
}
