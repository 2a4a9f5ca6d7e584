//! A report as CSV: a line per control, per piece of evidence and per gap, after what the report is
//! about and before its digest. The first column says what a line is.

use serde_json::{Map, Value as Json};

use crate::query::output::neutral;
use crate::report::digest::PLACEHOLDER;
use crate::report::made::{Made, MadeControl, MadeEvidence};

const HEADER: [&str; 14] = [
    "section",
    "id",
    "title",
    "verdict",
    "why",
    "evidence",
    "cannot_prove",
    "demands",
    "rows",
    "from",
    "until",
    "statement",
    "parameters",
    "command",
];

/// A line. What it leaves out is empty.
#[derive(Default)]
struct Line<'a> {
    section: &'a str,
    id: &'a str,
    title: &'a str,
    verdict: &'a str,
    why: &'a str,
    evidence: &'a str,
    cannot_prove: &'a str,
    demands: &'a str,
    rows: &'a str,
    from: &'a str,
    until: &'a str,
    statement: &'a str,
    parameters: &'a str,
    command: &'a str,
}

pub(super) fn write(made: &Made, out: &mut String) {
    line(out, &HEADER);
    about(made, out);
    coverage(made, out);
    for control in &made.controls {
        one_control(made, control, out);
    }
    for control in &made.controls {
        for evidence in &control.evidence {
            if let (Some(file), Some(hash)) = (&evidence.file, &evidence.file_sha256) {
                line(out, &["file", file, hash]);
            }
        }
    }
    line(out, &["digest", "sha256", PLACEHOLDER]);
}

fn about(made: &Made, out: &mut String) {
    for (name, value) in [
        ("report", &made.name),
        ("title", &made.title),
        ("framework", &made.framework),
        ("framework_version", &made.framework_version),
        ("version", &made.version),
        ("definition_sha256", &made.definition_sha256),
        ("program", &made.program),
        ("store", &made.store),
        ("made_at", &made.made_at),
        ("made_for", &made.made_for),
        ("since", &made.since),
        ("until", &made.until),
        ("zone", &made.zone),
    ] {
        line(out, &["about", name, value]);
    }
    for (name, value) in &made.params {
        line(out, &["parameter", name, value]);
    }
}

fn coverage(made: &Made, out: &mut String) {
    let number = |number: u64| number.to_string();
    let time = |time: &Option<String>| time.clone().unwrap_or_default();
    for cluster in &made.clusters {
        Line {
            section: "cluster",
            id: &cluster.cluster,
            title: &number(cluster.events),
            from: &time(&cluster.oldest),
            until: &time(&cluster.newest),
            ..Line::default()
        }
        .write(out);
    }
    let coverage = &made.coverage;
    for (name, value) in [
        ("events", number(coverage.events)),
        ("hours", number(coverage.hours)),
        ("covered_hours", number(coverage.covered_hours)),
        ("before_hours", number(coverage.before_hours)),
        ("silent_stretches", number(coverage.silent.len() as u64)),
        ("truncated", number(coverage.truncated)),
        ("quarantined", number(coverage.quarantined)),
        ("pruned", number(coverage.pruned)),
        ("pruned_before", time(&coverage.pruned_before)),
        ("damaged", number(coverage.damaged.len() as u64)),
        ("oldest", time(&coverage.oldest)),
        ("newest", time(&coverage.newest)),
    ] {
        line(out, &["coverage", name, &value]);
    }
    for segment in &coverage.damaged {
        line(out, &["damaged", segment]);
    }
    for (level, events) in &coverage.levels {
        line(out, &["level", level, &number(*events)]);
    }
    for silence in &coverage.silent {
        Line {
            section: "gap",
            id: &silence.cluster,
            title: &number(silence.hours),
            from: &silence.from,
            until: &silence.until,
            ..Line::default()
        }
        .write(out);
    }
    for note in &coverage.notes {
        line(out, &["note", "", note]);
    }
}

/// A control, and after it its evidence. A summary is without statements, as in the other forms.
fn one_control(made: &Made, control: &MadeControl, out: &mut String) {
    let evidence = control.evidence.iter();
    let counts: Vec<String> = evidence
        .map(|evidence| format!("{}: {}", evidence.query, rows(evidence)))
        .collect();
    let verdict = control.verdict.as_ref();
    let statement = verdict.filter(|_| !made.summary);
    Line {
        section: "control",
        id: &control.id,
        title: &control.title,
        verdict: verdict.map_or("", |verdict| verdict.verdict.words()),
        why: verdict.map_or("", |verdict| &verdict.why),
        evidence: &counts.join("; "),
        cannot_prove: &control.cannot_prove,
        demands: &control.demands,
        statement: statement.map_or("", |verdict| &verdict.sql),
        parameters: &statement.map_or_else(String::new, |verdict| bound(&verdict.bound)),
        command: statement.map_or("", |verdict| &verdict.command),
        ..Line::default()
    }
    .write(out);
    for evidence in control.evidence.iter().filter(|_| !made.summary) {
        Line {
            section: "evidence",
            id: &evidence.anchor,
            title: &evidence.title,
            evidence: &evidence.query,
            cannot_prove: &evidence.cannot_see,
            rows: &rows(evidence),
            statement: &evidence.sql,
            parameters: &bound(&evidence.bound),
            command: &evidence.command,
            ..Line::default()
        }
        .write(out);
    }
}

fn rows(evidence: &MadeEvidence) -> String {
    let more = if evidence.truncated { " or more" } else { "" };
    format!("{}{more}", evidence.row_count)
}

/// What the parameters of a statement were bound to, as a JSON object.
fn bound(pairs: &[(String, Option<String>)]) -> String {
    let pairs = pairs.iter();
    let pairs = pairs.map(|(name, text)| (name.clone(), Json::from(text.clone())));
    match pairs.collect::<Map<_, _>>() {
        bound if bound.is_empty() => String::new(),
        bound => Json::from(bound).to_string(),
    }
}

impl Line<'_> {
    fn write(&self, out: &mut String) {
        let fields: [&str; HEADER.len()] = [
            self.section,
            self.id,
            self.title,
            self.verdict,
            self.why,
            self.evidence,
            self.cannot_prove,
            self.demands,
            self.rows,
            self.from,
            self.until,
            self.statement,
            self.parameters,
            self.command,
        ];
        line(out, &fields);
    }
}

fn line(out: &mut String, fields: &[&str]) {
    for at in 0..HEADER.len() {
        if at > 0 {
            out.push(',');
        }
        let field = neutral(fields.get(at).copied().unwrap_or_default());
        match field.contains([',', '"', '\r', '\n']) {
            true => {
                out.push('"');
                out.push_str(&field.replace('"', "\"\""));
                out.push('"');
            }
            false => out.push_str(&field),
        }
    }
    out.push_str("\r\n");
}
