//! Where the parts of a statement stand, as a server tells it: with the names that files have in the
//! directory that the server was given, never with where that is.

use serde::{Deserialize, Serialize};

use super::{Begin, Origin, Part, Places};

/// A part of a statement, as it is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Told {
    /// The shared table that it defines; empty for the statement's own text.
    table: String,
    file: String,
    /// Where the part begins in the file: its line from 1, and the letters before it there.
    line: u32,
    column: u32,
    /// The part's bytes of the statement.
    from: usize,
    until: usize,
    /// By how many spaces its lines after the first are indented.
    indent: usize,
    /// Whether the file has it letter by letter, so that lines can be counted on from the first.
    verbatim: bool,
}

impl From<Places> for Vec<Told> {
    fn from(places: Places) -> Vec<Told> {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let told = |part: Part| Told {
            table: part.table,
            line: number(part.begin.line),
            column: number(part.begin.column),
            from: part.from,
            until: part.until,
            indent: part.indent,
            verbatim: part.begin.verbatim,
            file: part.begin.origin.name,
        };
        places.parts.into_iter().map(told).collect()
    }
}

impl From<Vec<Told>> for Places {
    fn from(told: Vec<Told>) -> Places {
        let part = |told: Told| Part {
            table: told.table,
            from: told.from,
            until: told.until,
            indent: told.indent,
            begin: Begin {
                // Nobody shall look for it here.
                origin: Origin::own(&format!("the server's {}", told.file), &told.file),
                line: told.line as usize,
                column: told.column as usize,
                verbatim: told.verbatim,
            },
        };
        Places {
            parts: told.into_iter().map(part).collect(),
        }
    }
}

impl Places {
    /// Whether these can be the places of a statement's parts, told by a server of this kind.
    pub(crate) fn fit(&self, sql: &str) -> bool {
        let mut end = 0;
        self.parts.iter().all(|part| {
            let inside =
                (end..=part.until).contains(&part.from) && sql.get(part.from..part.until).is_some();
            end = part.until;
            let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            let name = part.begin.origin.name.as_str();
            inside
                && part.begin.line > 0
                && part.table.bytes().all(|byte| lower(byte) || byte == b'_')
                && !name.is_empty()
                && !name.starts_with('/')
                && !name.contains("..")
                && name
                    .bytes()
                    .all(|byte| lower(byte) || b"-./".contains(&byte))
        })
    }
}
