//! What stands in query strings.

use super::{Kind, Param};

const fn param(name: &'static str, kind: Kind, doc: &'static str) -> Param {
    Param { name, kind, doc }
}

const FORMATS: &[&str] = &["json", "rows", "jsonl", "csv"];

/// Of every answer that has rows.
pub(super) const ROWS: &[Param] = &[
    param("limit", Kind::Count, "most rows, default 100; 0 is all"),
    param(
        "skip_damaged",
        Kind::Switch,
        "answer without damaged segments instead of failing",
    ),
    param("timeout_ms", Kind::Count, "time limit; 0 is none"),
];

pub(super) const FORMAT: &[Param] = &[param(
    "format",
    Kind::OneOf(FORMATS),
    "form of the answer; it goes before the Accept header",
)];

pub(super) const FINAL: &[Param] = &[param(
    "final",
    Kind::Switch,
    "one row per request, its last stage",
)];

pub(super) const EXPLAIN: &[Param] = &[param(
    "explain",
    Kind::Switch,
    "say what the answer took, and the SQL that asks the same",
)];

pub(super) const COLUMNS: &[Param] = &[param(
    "columns",
    Kind::Text,
    "columns of the answer in this order, such as user,requests; all is every one",
)];

pub(super) const LISTING: &[Param] = &[
    param("reverse", Kind::Switch, "oldest first"),
    param(
        "columns",
        Kind::Text,
        "columns of the answer, such as time,user,verb; all is every one",
    ),
    param("cursor", Kind::Text, "the `next` of the page before"),
    param(
        "format",
        Kind::OneOf(&["json", "rows", "jsonl", "csv", "raw"]),
        "form of the answer; it goes before the Accept header",
    ),
];

pub(super) const STEP: &[Param] = &[param(
    "step",
    Kind::Text,
    "length of a bucket of time: 5m, 1h, 1d, or auto",
)];

pub(super) const BY: &[Param] = &[param(
    "by",
    Kind::Text,
    "columns to count by, such as user,outcome",
)];

pub(super) const FACETS: &[Param] = &[param(
    "field",
    Kind::Text,
    "columns whose values are counted",
)];

pub(super) const STREAM: &[Param] = &[
    param(
        "columns",
        Kind::Text,
        "columns of the events, such as time,user,verb; all is every one",
    ),
    param(
        "skip_damaged",
        Kind::Switch,
        "go on without damaged segments instead of failing",
    ),
    param(
        "format",
        Kind::OneOf(&["json", "rows"]),
        "objects, or arrays of cells",
    ),
];

pub(super) const REPORT: &[Param] = &[
    param(
        "since",
        Kind::Text,
        "not before; `all` is the store's oldest event; default is the report's own",
    ),
    param("until", Kind::Text, "before; default is now"),
    param("cluster", Kind::Text, "only these clusters"),
    param("for", Kind::Text, "for whom it is made"),
    param(
        "rows",
        Kind::Count,
        "rows of each piece of evidence in the document, instead of its own number",
    ),
    param(
        "rows_max",
        Kind::Count,
        "most rows of each piece of evidence that are counted; 0 is all",
    ),
    param(
        "skip_damaged",
        Kind::Switch,
        "leave damaged segments out, and say so, instead of failing",
    ),
    param(
        "summary",
        Kind::Switch,
        "only what is found of each control, and what the store could see",
    ),
    param(
        "timeout_ms",
        Kind::Count,
        "time limit of the whole report; 0 is none",
    ),
    param(
        "format",
        Kind::OneOf(&["json", "html", "md", "csv"]),
        "form of the document; it goes before the Accept header",
    ),
];
