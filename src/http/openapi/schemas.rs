//! The schemas of bodies and answers. Those of plain data come from the types themselves: from an
//! instance with everything in it, and from the default one, which tells what may be absent.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::reference;
use crate::model::column::{Column, Kind};
use crate::query::count::{CountParams, Shape};
use crate::query::library::Library;
use crate::report::Catalogue;
use crate::report::made::Made;
use crate::report::render::Form;
use crate::store::{Coverage, Pruned, Quarantined, Resealed, Sealed, Stats, Work};

pub(super) fn all() -> Value {
    let text = || "text".to_owned();
    let coverage = Coverage {
        oldest: Some(text()),
        newest: Some(text()),
        pruned_events: 1,
        pruned_before: Some(text()),
        quarantined: 1,
        truncated_events: 1,
        damaged: vec![text()],
    };
    let stats = Stats {
        components: vec![(text(), 1)],
        oldest: Some(text()),
        newest: Some(text()),
        clusters: vec![(text(), 1)],
        damaged: vec![text()],
        ..Stats::default()
    };
    let quarantined = Quarantined {
        id: 1,
        stored_time: text(),
        cluster: text(),
        source: text(),
        origin: text(),
        reason: text(),
        bytes: 1,
        duplicates: 1,
    };
    json!({
        "Any": true,
        "Problem": problem(),
        "Rows": rows(),
        "Cell": {
            "description": "NULL, a number, text (also times and JSON documents), bytes, infinity",
            "oneOf": [
                {"type": ["null", "number", "string"]},
                {"type": "object", "required": ["base64"],
                 "properties": {"base64": {"type": "string"}}, "additionalProperties": false},
                {"type": "object", "required": ["real"],
                 "properties": {"real": {"type": "string"}}, "additionalProperties": false},
            ],
        },
        "Column": {
            "type": "object",
            "required": ["name", "type"],
            "properties": {
                "name": {"type": "string"},
                "type": {"enum": ["INTEGER", "BOOLEAN", "TIME", "TEXT", "JSON", "BLOB", "REAL", ""]},
            },
        },
        "Coverage": of(&Coverage::default(), &coverage),
        "Work": of(&Work::default(), &Work::default()),
        "Stats": of(&Stats::default(), &stats),
        "Quarantined": of(&quarantined, &quarantined),
        "Pruned": of(&Pruned::default(), &Pruned::default()),
        "Sealed": of(&Sealed::default(), &Sealed::default()),
        "Resealed": of(&Resealed::default(), &Resealed::default()),
        "Stored": object(&["stored", "duplicates", "quarantined"], &json!({"type": "integer"})),
        "Event": event(),
        "Events": {"description": "an EventList, one Event, or lines of either, of audit.k8s.io/v1"},
        "Questions": questions(),
        "Reports": reports(),
        "Report": report(),
        "Sql": sql(),
        "Prune": {
            "description": "either an age or a time",
            "oneOf": [prune("older_than", "90d"), prune("before", "2026-01-01")],
        },
    })
}

/// The columns whose values are counted.
pub(super) fn counted_columns() -> Value {
    let counted = Column::ALL.iter().map(|column| column.name());
    let counted: Vec<&str> = counted
        .filter(|name| {
            let by = vec![("by".to_owned(), (*name).to_owned())];
            let counted = CountParams::from_pairs(Shape::Count, by);
            counted.is_ok_and(|params| params.into_plan(0).is_ok())
        })
        .collect();
    json!({"type": "string", "enum": counted})
}

/// The questions that come with the program; a directory of the server's may add to them.
pub(super) fn question_names() -> Value {
    let questions = Library::shipped().questions().iter();
    let names: Vec<&str> = questions.map(|question| question.name.as_str()).collect();
    json!({"type": "string", "examples": names})
}

/// The reports that come with the program; a directory of the server's may add to them.
pub(super) fn report_names() -> Value {
    let reports = Catalogue::shipped().reports().iter();
    let names: Vec<&str> = reports.map(|report| report.name.as_str()).collect();
    json!({"type": "string", "examples": names})
}

/// The schema of a type's JSON.
fn of<T: Serialize>(default: &T, filled: &T) -> Value {
    let value = |of: &T| serde_json::to_value(of).expect("plain data");
    infer(&value(default), &value(filled))
}

fn infer(default: &Value, filled: &Value) -> Value {
    let kind = match filled {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(items) => {
            let first = items.first();
            return match first {
                // A pair. Its places' own types (`prefixItems`) are more than common tools read.
                Some(Value::String(_)) if items.len() == 2 && items[1].is_number() => json!({
                    "type": "array", "items": {"type": ["string", "integer"]},
                    "minItems": 2, "maxItems": 2,
                }),
                Some(item) => json!({"type": "array", "items": infer(item, item)}),
                None => json!({"type": "array"}),
            };
        }
        Value::Object(members) => {
            let mut properties = Map::new();
            for (name, member) in members {
                properties.insert(name.clone(), infer(&default[name], member));
            }
            let required: Vec<&String> = members.keys().collect();
            return json!({
                "type": "object", "required": required, "properties": properties,
                "additionalProperties": false,
            });
        }
    };
    match default {
        Value::Null => json!({"type": [kind, "null"]}),
        _ => json!({"type": kind}),
    }
}

/// An object of members that are all alike.
fn object(names: &[&str], member: &Value) -> Value {
    let mut properties = Map::new();
    for name in names {
        properties.insert((*name).to_owned(), member.clone());
    }
    json!({
        "type": "object", "required": names, "properties": properties,
        "additionalProperties": false,
    })
}

fn problem() -> Value {
    json!({
        "description": "RFC 9457",
        "type": "object",
        "required": ["type", "title", "status", "detail", "request_id"],
        "properties": {
            "type": {"type": "string", "pattern": "^urn:auditql:problem:[a-z-]+$"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
            "limit_ms": {"type": "integer"},
            "request_id": {"type": "string"},
        },
        "additionalProperties": false,
    })
}

fn rows() -> Value {
    json!({
        "type": "object",
        "required": ["columns", "rows", "truncated", "coverage", "stats"],
        "properties": {
            "columns": {"type": "array", "items": reference("Column")},
            "rows": {
                "type": "array",
                "items": {"type": "array", "items": reference("Cell")},
            },
            "truncated": {"type": "boolean", "description": "there are more rows than the limit"},
            "coverage": reference("Coverage"),
            "stats": reference("Work"),
            "next": {"type": "string", "description": "the `cursor` of the next page"},
            "explain": {"type": "object", "description": "with explain=true"},
        },
        "additionalProperties": false,
    })
}

fn event() -> Value {
    let mut properties = Map::new();
    for column in Column::ALL {
        if *column == Column::Raw {
            continue;
        }
        let mut schema = match column.kind() {
            Kind::Int => json!({"type": ["integer", "null"]}),
            Kind::Bool => json!({"type": ["integer", "null"], "enum": [0, 1, null]}),
            Kind::Time => json!({"type": ["string", "null"], "format": "date-time"}),
            Kind::Text => json!({"type": ["string", "null"]}),
            Kind::Json => json!({}),
            Kind::Bytes => json!({"type": ["string", "object", "null"]}),
        };
        schema["description"] = column.doc().into();
        properties.insert(column.name().to_owned(), schema);
    }
    let required: Vec<String> = properties.keys().cloned().collect();
    json!({
        "type": "object", "required": required, "properties": properties,
        "additionalProperties": false,
    })
}

fn questions() -> Value {
    let sample = Library::shipped().questions().first();
    let sample = serde_json::to_value(sample).expect("plain data");
    let names: Vec<&String> = sample.as_object().into_iter().flat_map(Map::keys).collect();
    json!({
        "type": "object",
        "required": ["queries"],
        "properties": {"queries": {
            "type": "array", "items": {"type": "object", "required": names},
        }},
        "additionalProperties": false,
    })
}

fn reports() -> Value {
    let sample = Catalogue::shipped().reports().first();
    let sample = serde_json::to_value(sample).expect("plain data");
    let names: Vec<&String> = sample.as_object().into_iter().flat_map(Map::keys).collect();
    json!({
        "type": "object",
        "required": ["reports"],
        "properties": {"reports": {
            "type": "array", "items": {"type": "object", "required": names},
        }},
        "additionalProperties": false,
    })
}

/// A made report; docs/REPORTS.md says what its members mean.
fn report() -> Value {
    let empty = Form::Json.document(&Made::default()).map(|(text, _)| text);
    let empty: Value = serde_json::from_str(&empty.unwrap_or_default()).unwrap_or_default();
    let names: Vec<&String> = empty.as_object().into_iter().flat_map(Map::keys).collect();
    json!({"type": "object", "required": names})
}

fn sql() -> Value {
    let count = json!({"type": ["integer", "null"], "minimum": 0});
    json!({
        "type": "object",
        "required": ["sql"],
        "properties": {
            "sql": {"type": "string", "examples": ["select verb, count(*) from events group by verb"]},
            "params": {
                "description": "named parameters without the colon",
                "type": "object",
                "additionalProperties": {"type": ["null", "boolean", "number", "string"]},
            },
            "limit": count,
            "timeout_ms": count,
            "format": {"type": ["string", "null"], "enum": ["json", "rows", "jsonl", "csv", null]},
            "skip_damaged": {"type": "boolean"},
        },
        "additionalProperties": false,
    })
}

fn prune(member: &str, example: &str) -> Value {
    json!({
        "type": "object",
        "required": [member],
        "properties": {
            member: {"type": "string", "examples": [example]},
            "dry_run": {"type": "boolean"},
        },
        "additionalProperties": false,
    })
}
