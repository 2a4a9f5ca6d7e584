//! The columns that a header describes, and whether they are those that the statement gives.

use super::question::Question;
use crate::model::suggest::suggest;
use crate::store::check_sql;

/// Where a question of one's own describes its columns: files and lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Described {
    /// All of them.
    pub(super) all: String,
    /// Each, in the order of the question's columns.
    pub(super) each: Vec<String>,
}

impl Question {
    /// Whether the header of a question of one's own describes the columns that its statement gives; an
    /// error names file and line. What is wrong with the statement itself is told when it is asked.
    pub fn check(&self) -> Result<(), String> {
        let Some(places) = &self.described else {
            return Ok(());
        };
        let Ok(given) = check_sql(&self.sql) else {
            return Ok(());
        };
        for (column, place) in self.columns.iter().zip(&places.each) {
            if !given.contains(&column.name) {
                let hint = suggest(&column.name, given.iter().map(String::as_str));
                let name = &column.name;
                return Err(format!(
                    "{place}: the statement gives no column {name}; {hint}"
                ));
            }
        }
        let known = |name: &String| self.columns.iter().any(|column| column.name == *name);
        match given.iter().find(|name| !known(name)) {
            None => Ok(()),
            Some(name) => Err(format!(
                "{}: the statement gives the column {name}; say here what it means",
                places.all
            )),
        }
    }
}
