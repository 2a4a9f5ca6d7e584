//! The OpenAPI 3.1 description of the API, from the tables of routes, filters and columns and from
//! the types of the answers.

mod schemas;

use serde_json::{Map, Value, json};

use super::routes::{Answer, Kind, Method, Param, ROUTES, Route};
use crate::query::live::EVENT_STREAM;
use crate::query::params::FilterParams;
use crate::query::wire::{NDJSON, PROBLEM_JSON};

/// The description.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = route.path.replace('*', "");
        let method = match route.method {
            Method::Get => "get",
            Method::Post => "post",
        };
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[method] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "AuditQL",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A SQL-queryable audit event store for Kubernetes.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:9770"}],
        "paths": paths,
        "components": {"schemas": schemas::all(), "headers": headers()},
    })
}

fn operation(route: &Route) -> Value {
    let mut parameters = path_parameters(route.path);
    if route.filters {
        for (name, kind, doc) in FilterParams::DOCS {
            parameters.push(json!({
                "name": name, "in": "query", "description": doc,
                "schema": {"type": "string"}, "x-auditql-takes": kind,
            }));
        }
    }
    for param in route.params.iter().copied().flatten() {
        parameters.push(query_parameter(param));
    }
    let own = match route.path {
        "/api/v1/queries/{name}" => Some("the question's own parameters, each under its name"),
        "/api/v1/reports/{name}" => Some("the report's own parameters, each under its name"),
        _ => None,
    };
    if let Some(description) = own {
        parameters.push(json!({
            "name": "parameters", "in": "query", "style": "form", "explode": true,
            "description": description,
            "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        }));
    }
    if matches!(route.answer, Answer::EventStream) {
        parameters.push(json!({
            "name": "Last-Event-ID", "in": "header", "schema": {"type": "string"},
            "description": "the last `id` that was seen; the stream goes on after it",
        }));
    }
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.summary,
        "parameters": parameters,
        "responses": {
            "200": answer(&route.answer),
            "default": {
                "description": "an error",
                "headers": {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}},
                "content": {PROBLEM_JSON: {"schema": reference("Problem")}},
            },
        },
    });
    if let Some(schema) = route.body {
        operation["requestBody"] = json!({
            "required": true,
            "content": {"application/json": {"schema": reference(schema)}},
        });
    }
    operation
}

/// `get_events_id_raw`
fn operation_id(route: &Route) -> String {
    let method = match route.method {
        Method::Get => "get",
        Method::Post => "post",
    };
    let path = route.path.trim_start_matches("/api/v1");
    let words = path.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<&str> = std::iter::once(method)
        .chain(words.filter(|word| !word.is_empty()))
        .collect();
    words.join("_")
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('{').skip(1);
    let names = names.filter_map(|rest| rest.split('}').next());
    names
        .map(|name| {
            let name = name.trim_start_matches('*');
            let (schema, doc) = match name {
                "id" => (json!({"type": "integer", "format": "int64"}), "its id"),
                "field" => (schemas::counted_columns(), "a column"),
                "cluster" => (
                    json!({
                        "type": "string", "minLength": 1, "maxLength": 128,
                        "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]*$",
                    }),
                    "the cluster's name",
                ),
                _ if path.starts_with("/api/v1/reports/") => {
                    (schemas::report_names(), "the report's name")
                }
                _ => (schemas::question_names(), "the question's name"),
            };
            json!({
                "name": name, "in": "path", "required": true, "schema": schema,
                "description": doc,
            })
        })
        .collect()
}

fn query_parameter(param: &Param) -> Value {
    let schema = match param.kind {
        Kind::Count => json!({"type": "integer", "format": "int64", "minimum": 0}),
        Kind::Switch => json!({"type": "boolean"}),
        Kind::Text => json!({"type": "string"}),
        Kind::OneOf(names) => json!({"type": "string", "enum": names}),
    };
    json!({"name": param.name, "in": "query", "description": param.doc, "schema": schema})
}

fn answer(answer: &Answer) -> Value {
    let content = match answer {
        Answer::Rows => json!({
            "application/json": {"schema": reference("Rows")},
            NDJSON: {"schema": {"type": "string"}},
            "text/csv": {"schema": {"type": "string"}},
        }),
        Answer::Json(name) => json!({"application/json": {"schema": reference(name)}}),
        Answer::Lines(name) => json!({
            NDJSON: {"schema": {"type": "string"}, "x-auditql-line": reference(name)},
        }),
        Answer::Raw => json!({"application/json": {"schema": true}}),
        Answer::Bytes => json!({"application/octet-stream": {"schema": true}}),
        Answer::Text => json!({"text/plain": {"schema": {"type": "string"}}}),
        Answer::EventStream => json!({EVENT_STREAM: {"schema": {"type": "string"}}}),
        Answer::Document => json!({
            "application/json": {"schema": reference("Report")},
            "text/html": {"schema": {"type": "string"}},
            "text/markdown": {"schema": {"type": "string"}},
            "text/csv": {"schema": {"type": "string"}},
        }),
    };
    let mut names = vec![("X-Request-Id", "RequestId")];
    if matches!(answer, Answer::Rows) {
        names.extend([
            ("Auditql-Limit-Rows", "LimitRows"),
            ("Auditql-Limit-Ms", "LimitMs"),
            ("Auditql-Truncated", "Truncated"),
            ("Auditql-Coverage", "Coverage"),
            ("Link", "Link"),
        ]);
    }
    let mut headers = Map::new();
    for (name, component) in names {
        let target = format!("#/components/headers/{component}");
        headers.insert(name.to_owned(), json!({"$ref": target}));
    }
    json!({"description": "the answer", "headers": headers, "content": content})
}

fn headers() -> Value {
    let header = |doc: &str, schema: Value| json!({"description": doc, "schema": schema});
    json!({
        "RequestId": header("the request's id, also in the log", json!({"type": "string"})),
        "LimitRows": header("most rows; 0 is all", json!({"type": "integer"})),
        "LimitMs": header("time limit in milliseconds; 0 is none", json!({"type": "integer"})),
        "Truncated": header(
            "whether there are more rows; in an answer that is sent while it is made a trailer, for \
             clients that say TE: trailers",
            json!({"type": "boolean"}),
        ),
        "Coverage": header(
            "what the answer could not see, as JSON; a trailer likewise",
            json!({"type": "string"}),
        ),
        "Link": header(
            "the next page, rel=\"next\"; a trailer likewise",
            json!({"type": "string"}),
        ),
    })
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::params::EventParams;

    #[test]
    fn every_parameter_of_a_listing_is_known_to_its_handler() {
        let listing = ROUTES
            .iter()
            .find(|route| route.path == "/api/v1/events")
            .unwrap();
        // These are taken out before.
        let others = ["format", "timeout_ms", "cursor", "explain"];
        let mut names: Vec<&str> = listing
            .params
            .iter()
            .copied()
            .flatten()
            .map(|p| p.name)
            .collect();
        names.retain(|name| !others.contains(name));
        for name in FilterParams::NAMES
            .iter()
            .copied()
            .chain(names.iter().copied())
        {
            let value = if name == "limit" { "1" } else { "true" };
            let read = EventParams::from_pairs([(name.to_owned(), value.to_owned())]);
            assert!(read.is_ok(), "{name}: {read:?}");
        }
        // And what it writes itself is in the table.
        let all = EventParams {
            limit: 1,
            reverse: true,
            r#final: true,
            columns: Some("time".to_owned()),
            skip_damaged: true,
            ..EventParams::default()
        };
        let mut written: Vec<&str> = all.to_pairs().iter().map(|(name, _)| *name).collect();
        written.sort_unstable();
        names.sort_unstable();
        assert_eq!(names, written);
    }

    #[test]
    fn references_lead_somewhere() {
        let document = document();
        let text = document.to_string();
        for target in text.split("\"$ref\":\"#").skip(1) {
            let target = target.split('"').next().unwrap();
            assert!(document.pointer(target).is_some(), "{target}");
        }
    }
}
