//! Shared tables: parts of statements that stand once, in `queries/tables/NAME.sql`, and are put in
//! front of each statement that names them, as common table expressions. What is asked, printed and
//! repeated is the whole statement.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::question::{is_name, split};
use crate::model::suggest::suggest;

/// Name and text of every shipped table, as the build script lists them.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/tables.rs"));

/// Shared tables by name, which in statements has `_` for `-`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables(BTreeMap<String, Table>);

#[derive(Debug, Clone)]
struct Table {
    tables: Vec<String>,
    materialized: Option<bool>,
    sql: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    /// What a row stands for; read by people only.
    #[serde(rename = "rows")]
    _rows: String,
    /// Tables that it selects from.
    #[serde(default)]
    tables: Vec<String>,
    /// Whether its rows are computed once, or it is part of what selects from it; absent leaves
    /// that to the engine.
    materialized: Option<bool>,
}

impl Tables {
    pub(super) fn shipped() -> Result<Tables, String> {
        let mut tables = Tables::default();
        for (name, text) in FILES {
            tables.add(name, &format!("queries/tables/{name}.sql"), text)?;
        }
        Ok(tables)
    }

    /// Adds a table, in the place of one of the same name. An error names the file and the line.
    pub(super) fn add(&mut self, name: &str, origin: &str, text: &str) -> Result<(), String> {
        if !is_name(name) {
            return Err(format!(
                "{origin}:1: the file's name is the table's: use lower-case letters, digits and -"
            ));
        }
        let (header, sql) = split::<Header>(origin, text)?;
        let table = Table {
            tables: header.tables,
            materialized: header.materialized,
            sql: sql.trim().to_owned(),
        };
        self.0.insert(name.to_owned(), table);
        Ok(())
    }

    /// The statement `sql` behind the tables that it names and those that these need.
    pub(crate) fn before(&self, names: &[String], sql: &str) -> Result<String, String> {
        let sql = sql.trim();
        let mut order = Vec::new();
        for name in names {
            if !says(sql, &name.replace('-', "_")) {
                return Err(format!("the statement does not use the table {name}"));
            }
            self.visit(name, &mut Vec::new(), &mut order)?;
        }
        if order.is_empty() {
            return Ok(sql.to_owned());
        }
        let (mut recursive, mut own) = (false, None);
        if let Some(rest) = after_word(sql, "with") {
            recursive = after_word(rest, "recursive").is_some();
            own = Some(after_word(rest, "recursive").unwrap_or(rest));
        }
        let mut whole = match recursive {
            true => "with recursive ".to_owned(),
            false => "with ".to_owned(),
        };
        for (at, name) in order.iter().enumerate() {
            let table = &self.0[*name];
            let hint = match table.materialized {
                None => "",
                Some(true) => "materialized ",
                Some(false) => "not materialized ",
            };
            whole.push_str(if at == 0 { "" } else { ", " });
            whole.push_str(&format!("{} as {hint}(\n", name.replace('-', "_")));
            for line in table.sql.lines() {
                let indent = if line.is_empty() { "" } else { "  " };
                whole.push_str(&format!("{indent}{line}\n"));
            }
            whole.push(')');
        }
        whole.push_str(match own {
            Some(_) => ", ",
            None => "\n",
        });
        whole.push_str(own.unwrap_or(sql));
        Ok(whole)
    }

    /// Puts a table into the order behind those that it needs; `path` leads to it.
    fn visit<'a>(
        &'a self,
        name: &str,
        path: &mut Vec<String>,
        order: &mut Vec<&'a str>,
    ) -> Result<(), String> {
        let Some((known, table)) = self.0.get_key_value(name) else {
            let names = self.0.keys().map(String::as_str);
            return Err(format!(
                "there is no table {name:?}; {}",
                suggest(name, names)
            ));
        };
        if path.iter().any(|above| above == name) {
            return Err(format!(
                "the table {name} needs itself: {}",
                path.join(", ")
            ));
        }
        if order.contains(&known.as_str()) {
            return Ok(());
        }
        path.push(name.to_owned());
        for needed in &table.tables {
            self.visit(needed, path, order)?;
        }
        path.pop();
        order.push(known);
        Ok(())
    }
}

/// What follows a word with which a text begins.
fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(word)?;
    let bare = rest.trim_start();
    (bare.len() < rest.len()).then_some(bare)
}

/// Whether a word stands in a text.
fn says(text: &str, word: &str) -> bool {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(letter) && !text[at + word.len()..].starts_with(letter)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(files: &[(&str, &str)]) -> Tables {
        let mut tables = Tables::default();
        for (name, text) in files {
            tables.add(name, &format!("{name}.sql"), text).unwrap();
        }
        tables
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn tables_stand_once_before_what_needs_them() {
        let tables = tables(&[
            ("a-b", "/*\nrows = \"R\"\n*/\nselect 1 as n"),
            (
                "c",
                "/*\nrows = \"R\"\ntables = [\"a-b\"]\nmaterialized = true\n*/\nselect n\nfrom a_b",
            ),
        ]);
        let whole = |sql: &str| tables.before(&names(&["c", "a-b"]), sql).unwrap();
        let before =
            "with a_b as (\n  select 1 as n\n), c as materialized (\n  select n\n  from a_b\n)";
        assert_eq!(
            whole("select n from c join a_b using (n)"),
            format!("{before}\nselect n from c join a_b using (n)")
        );
        assert_eq!(
            whole("with d as (select 1 from c, a_b) select 1"),
            format!("{before}, d as (select 1 from c, a_b) select 1")
        );
        let recursive = whole("with recursive d as (select 1 from c, a_b) select 1");
        assert!(
            recursive.starts_with("with recursive a_b as ("),
            "{recursive}"
        );
        assert_eq!(tables.before(&[], " select 1 ").unwrap(), "select 1");
    }

    #[test]
    fn what_is_wrong_with_tables_is_told() {
        let tables = tables(&[
            (
                "one",
                "/*\nrows = \"R\"\ntables = [\"two\"]\n*/\nselect 1 from two",
            ),
            (
                "two",
                "/*\nrows = \"R\"\ntables = [\"one\"]\n*/\nselect 1 from one",
            ),
            ("lone", "/*\nrows = \"R\"\n*/\nselect 1"),
        ]);
        for (name, sql, said) in [
            (
                "one",
                "select 1 from one",
                "the table one needs itself: one, two",
            ),
            (
                "lon",
                "select 1 from lon",
                "there is no table \"lon\"; did you mean lone?",
            ),
            ("lone", "select 1 from alone", "does not use the table lone"),
        ] {
            let error = tables.before(&names(&[name]), sql).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        let bad = Tables::default().add("x", "x.sql", "/*\nrow = 1\n*/\nselect 1");
        assert!(bad.unwrap_err().starts_with("x.sql:2: bad header"));
    }
}
