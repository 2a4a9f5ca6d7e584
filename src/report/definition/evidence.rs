//! Pieces of evidence of a control: questions and what they are given.

use serde::Deserialize;
use toml::Spanned;

use super::{Evidence, Wrong, words, wrong};
use crate::limits::REPORT_ROWS_SHOWN_MAX;
use crate::model::suggest::suggest;
use crate::query::library::header::{InOrder, Scalar};
use crate::query::library::{Library, Param};

/// Rows of a piece of evidence that stand in the report itself, unless its definition says otherwise.
const ROWS_SHOWN: usize = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileEvidence {
    query: Spanned<String>,
    title: Option<Spanned<String>>,
    #[serde(default)]
    with: InOrder<Spanned<Scalar>>,
    rows: Option<Spanned<i64>>,
}

/// Reads a piece of evidence.
pub(super) fn one_evidence(
    anchor: String,
    piece: FileEvidence,
    params: &[Param],
    library: &Library,
) -> Result<Evidence, Wrong> {
    let at = piece.query.span().start;
    let question = match library.get(piece.query.as_ref()) {
        Ok(question) => question,
        Err(error) => return wrong(at, error),
    };
    let mut with = Vec::new();
    for (name, value) in piece.with.0 {
        let value_at = value.span().start;
        let text = value.into_inner().text();
        let Some(param) = question.params.iter().find(|param| param.name == name) else {
            let known = question.params.iter().map(|param| param.name.as_str());
            return wrong(
                value_at,
                format!(
                    "the question {} has no parameter {name:?}; {}",
                    question.name,
                    suggest(&name, known)
                ),
            );
        };
        match text.strip_prefix('$') {
            Some(own) => {
                let Some(own) = params.iter().find(|param| param.name == own) else {
                    let known = params.iter().map(|param| param.name.as_str());
                    return wrong(
                        value_at,
                        format!(
                            "{text}: the report has no such parameter; {}",
                            suggest(own, known)
                        ),
                    );
                };
                if param.required && !own.required && own.default.is_none() {
                    return wrong(
                        value_at,
                        format!(
                            "the question {} needs {name}, but {text} may not be given; add {} to required",
                            question.name, own.name
                        ),
                    );
                }
            }
            None => {
                if let Err(error) = param.value(Some(&text), 0) {
                    return wrong(value_at, format!("{name} of {}: {error}", question.name));
                }
            }
        }
        with.push((name, text));
    }
    let given = |name: &str| with.iter().any(|(known, _)| known == name);
    let common = |name: &str| matches!(name, "since" | "until");
    let mut required = question.params.iter().filter(|param| param.required);
    if let Some(param) = required.find(|param| !given(&param.name) && !common(&param.name)) {
        return wrong(
            at,
            format!(
                "the question {} needs {}; give it in with",
                question.name, param.name
            ),
        );
    }
    let rows = match piece.rows {
        None => ROWS_SHOWN,
        Some(rows) => match usize::try_from(*rows.as_ref()) {
            Ok(number) if number <= REPORT_ROWS_SHOWN_MAX => number,
            _ => {
                return wrong(
                    rows.span().start,
                    format!(
                        "rows is {}; use 0 to {REPORT_ROWS_SHOWN_MAX}",
                        rows.as_ref()
                    ),
                );
            }
        },
    };
    Ok(Evidence {
        anchor,
        query: question.name.clone(),
        title: match piece.title {
            Some(title) => words(title, "title")?,
            None => String::new(),
        },
        with,
        rows,
    })
}
