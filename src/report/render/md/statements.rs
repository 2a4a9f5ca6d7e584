//! The appendix of a report in Markdown: every statement, once, with what was bound to it.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::{code, fenced};
use crate::report::made::Made;

/// A statement as the appendix shows it.
struct Statement<'a> {
    anchor: &'a str,
    /// What it gives.
    of: String,
    sql: &'a str,
    bound: &'a [(String, Option<String>)],
    how: &'static str,
    command: &'a str,
}

pub(super) fn write(made: &Made, out: &mut String) -> std::fmt::Result {
    writeln!(out, "\n## Appendix: statements")?;
    let mut texts: HashMap<&str, &str> = HashMap::new();
    for statement in all(made) {
        let anchor = statement.anchor;
        writeln!(out, "\n<a id=\"{anchor}-statement\"></a>{}:", statement.of)?;
        fenced(statement.command, out)?;
        if !statement.how.is_empty() {
            writeln!(out, "\n{}", statement.how)?;
        }
        match texts.get(statement.sql) {
            Some(first) => writeln!(out, "\nIts text is [that](#{first}-statement) of {first}.")?,
            None => {
                texts.insert(statement.sql, anchor);
                fenced(statement.sql, out)?;
            }
        }
        if !statement.bound.is_empty() {
            writeln!(out, "\n| parameter | bound to |\n|---|---|")?;
        }
        for (name, value) in statement.bound {
            let value = value.as_deref().map_or("NULL".to_owned(), code);
            writeln!(out, "| {} | {value} |", code(name))?;
        }
    }
    Ok(())
}

fn all(made: &Made) -> Vec<Statement<'_>> {
    let mut all = Vec::new();
    for control in &made.controls {
        all.extend(control.verdict.as_ref().map(|verdict| Statement {
            anchor: &verdict.anchor,
            of: format!("The verdict of {}", code(&control.id)),
            sql: &verdict.sql,
            bound: &verdict.bound,
            how: "with this on stdin:",
            command: &verdict.command,
        }));
        all.extend(control.evidence.iter().map(|evidence| Statement {
            anchor: &evidence.anchor,
            of: format!("All rows of `{}` for {}", evidence.query, code(&control.id)),
            sql: &evidence.sql,
            bound: &evidence.bound,
            how: "",
            command: &evidence.command,
        }));
    }
    all
}
