//! A report as JSON. The shape is stable: members may be added, none changes its meaning.

use serde_json::{Map, Value as Json, json};

use crate::model::value::Value;
use crate::query::output::plain;
use crate::report::digest::PLACEHOLDER;
use crate::report::made::{Made, MadeControl, MadeEvidence};

/// The version of the shape.
const SHAPE: u64 = 1;

pub(super) fn write(made: &Made, out: &mut String) {
    let pairs = |pairs: &[(String, u64)]| -> Json {
        pairs
            .iter()
            .map(|(name, count)| (name.clone(), json!(count)))
            .collect::<Map<_, _>>()
            .into()
    };
    let params: Map<String, Json> = made
        .params
        .iter()
        .map(|(name, text)| (name.clone(), json!(text)))
        .collect();
    let mut coverage = serde_json::to_value(&made.coverage).expect("plain data");
    coverage["levels"] = pairs(&made.coverage.levels);
    let mut charts = serde_json::to_value(&made.charts).expect("plain data");
    let counted = |name: &str, pairs: &[(String, u64)]| -> Json {
        let pair = |(text, count): &(String, u64)| json!({name: text, "events": count});
        pairs.iter().map(pair).collect()
    };
    if let Some(made) = &made.charts {
        charts["actors"] = counted("user", &made.actors);
        charts["failures"] = counted("outcome", &made.failures);
    }
    let controls: Vec<Json> = made.controls.iter().map(control).collect();
    let document = json!({
        "digest": PLACEHOLDER,
        "shape": SHAPE,
        "report": made.name,
        "title": made.title,
        "framework": made.framework,
        "framework_version": made.framework_version,
        "about": made.about,
        "version": made.version,
        "definition_sha256": made.definition_sha256,
        "program": made.program,
        "store": made.store,
        "made_at": made.made_at,
        "made_for": made.made_for,
        "since": made.since,
        "until": made.until,
        "zone": made.zone,
        "params": params,
        "clusters": made.clusters,
        "coverage": coverage,
        "charts": charts,
        "summary": made.summary,
        "controls": controls,
    });
    out.push_str(&serde_json::to_string_pretty(&document).expect("plain data"));
    out.push('\n');
}

fn control(control: &MadeControl) -> Json {
    let verdict = control.verdict.as_ref().map(|verdict| {
        json!({
            "anchor": verdict.anchor,
            "verdict": verdict.verdict.words(),
            "why": verdict.why,
            "sql": verdict.sql,
            "bound": bound(&verdict.bound),
            "command": verdict.command,
        })
    });
    let evidence: Vec<Json> = control.evidence.iter().map(evidence).collect();
    json!({
        "id": control.id,
        "title": control.title,
        "demands": control.demands,
        "cannot_prove": control.cannot_prove,
        "verdict": verdict,
        "evidence": evidence,
    })
}

fn evidence(evidence: &MadeEvidence) -> Json {
    let rows: Vec<Json> = evidence
        .rows
        .iter()
        .map(|row| row.iter().map(cell).collect())
        .collect();
    json!({
        "anchor": evidence.anchor,
        "query": evidence.query,
        "command": evidence.command,
        "title": evidence.title,
        "answers": evidence.answers,
        "cannot_see": evidence.cannot_see,
        "sql": evidence.sql,
        "bound": bound(&evidence.bound),
        "columns": evidence.columns,
        "rows": rows,
        "row_count": evidence.row_count,
        "truncated": evidence.truncated,
        "file": evidence.file,
        "file_sha256": evidence.file_sha256,
    })
}

fn bound(pairs: &[(String, Option<String>)]) -> Map<String, Json> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, text)| (name.clone(), json!(text)))
        .collect()
}

fn cell(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Int(number) => json!(number),
        Value::Real(number) if number.is_finite() => json!(number),
        other => json!(plain(other)),
    }
}
