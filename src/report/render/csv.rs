//! A report as CSV: a line per control, after what the report is about and before its digest.

use crate::query::output::neutral;
use crate::report::digest::PLACEHOLDER;
use crate::report::made::Made;

const HEADER: [&str; 7] = [
    "section",
    "id",
    "title",
    "verdict",
    "why",
    "evidence",
    "cannot_prove",
];

pub(super) fn write(made: &Made, out: &mut String) {
    line(out, &HEADER);
    let number = |number: u64| number.to_string();
    for (name, value) in [
        ("report", made.name.clone()),
        ("title", made.title.clone()),
        ("framework", made.framework.clone()),
        ("framework_version", made.framework_version.clone()),
        ("version", made.version.clone()),
        ("definition_sha256", made.definition_sha256.clone()),
        ("program", made.program.clone()),
        ("store", made.store.clone()),
        ("made_at", made.made_at.clone()),
        ("made_for", made.made_for.clone()),
        ("since", made.since.clone()),
        ("until", made.until.clone()),
        ("zone", made.zone.clone()),
    ] {
        line(out, &["about", name, &value]);
    }
    for (name, value) in &made.params {
        line(out, &["parameter", name, value]);
    }
    for cluster in &made.clusters {
        line(out, &["cluster", &cluster.cluster, &number(cluster.events)]);
    }
    let coverage = &made.coverage;
    for (name, value) in [
        ("events", coverage.events),
        ("hours", coverage.hours),
        ("covered_hours", coverage.covered_hours),
        ("silent_stretches", coverage.silent.len() as u64),
        ("truncated", coverage.truncated),
        ("quarantined", coverage.quarantined),
        ("pruned", coverage.pruned),
        ("damaged", coverage.damaged.len() as u64),
    ] {
        line(out, &["coverage", name, &number(value)]);
    }
    for (level, events) in &coverage.levels {
        line(out, &["level", level, &number(*events)]);
    }
    for note in &coverage.notes {
        line(out, &["note", "", note]);
    }
    for control in &made.controls {
        let counts: Vec<String> = control
            .evidence
            .iter()
            .map(|evidence| {
                let more = if evidence.truncated { " or more" } else { "" };
                format!("{}: {}{more}", evidence.query, evidence.row_count)
            })
            .collect();
        let verdict = control.verdict.as_ref();
        line(
            out,
            &[
                "control",
                &control.id,
                &control.title,
                verdict.map_or("", |verdict| verdict.verdict.words()),
                verdict.map_or("", |verdict| &verdict.why),
                &counts.join("; "),
                &control.cannot_prove,
            ],
        );
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
