//! Shared tables: parts of statements that stand once, in `queries/tables/NAME.sql`, and are put in
//! front of each statement that names them, as common table expressions. What is asked, printed and
//! repeated is the whole statement.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::place::{Begin, Origin, Places};
use super::question::{HEADER_BEGIN, is_name, split};
use super::token::fault;
use crate::model::suggest::suggest;

/// Name and text of every shipped table, as the build script lists them.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/tables.rs"));

/// What stands before each line of a table in a statement.
const INDENT: &str = "  ";

/// Shared tables by name, which in statements has `_` for `-`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables(BTreeMap<String, Table>);

#[derive(Debug, Clone)]
struct Table {
    origin: Origin,
    /// Those that it names in its header, with file and line.
    tables: Vec<(String, String)>,
    materialized: Option<bool>,
    sql: String,
    begin: Begin,
}

/// What is wrong with the list of tables of a statement, and with which of them.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    /// What a row stands for; read by people only.
    #[serde(rename = "rows")]
    _rows: String,
    /// Tables that it selects from.
    #[serde(default)]
    tables: Vec<Spanned<String>>,
    /// Whether its rows are computed once, or it is part of what selects from it; absent leaves
    /// that to the engine.
    materialized: Option<bool>,
}

impl Tables {
    pub(super) fn shipped() -> Result<Tables, String> {
        let mut tables = Tables::default();
        for (name, text) in FILES {
            let origin = Origin::shipped(&format!("queries/tables/{name}.sql"));
            tables.add(name, &origin, text)?;
        }
        tables.check()?;
        Ok(tables)
    }

    /// Adds a table, in the place of one of the same name. An error names the file and the line.
    pub(super) fn add(&mut self, name: &str, origin: &Origin, text: &str) -> Result<(), String> {
        if !is_name(name) {
            return Err(format!(
                "{}: the file's name is the table's: use lower-case letters, digits and -",
                origin.line(text, 0)
            ));
        }
        let (header, sql) = split::<Header>(origin, text)?;
        if !origin.is_shipped()
            && let Some((at, what)) = fault(sql)
        {
            let at = text.len() - sql.len() + at;
            return Err(format!("{}: {what}", origin.line(text, at)));
        }
        let needed = header.tables.into_iter().map(|needed| {
            let place = origin.line(text, HEADER_BEGIN + needed.span().start);
            (needed.into_inner(), place)
        });
        let table = Table {
            origin: origin.clone(),
            tables: needed.collect(),
            materialized: header.materialized,
            sql: sql.trim().to_owned(),
            begin: Begin::verbatim(origin, text, text.len() - sql.trim_start().len()),
        };
        self.0.insert(name.to_owned(), table);
        Ok(())
    }

    /// Whether the tables that tables need are there, and none needs itself. An error names the file
    /// and the line.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut checked = Vec::new();
        let mut names = self.0.keys();
        names.try_for_each(|name| self.check_below(name, &mut Vec::new(), &mut checked))
    }

    /// Checks what a table needs; `path` leads to it.
    fn check_below<'a>(
        &'a self,
        name: &'a str,
        path: &mut Vec<&'a str>,
        checked: &mut Vec<&'a str>,
    ) -> Result<(), String> {
        if checked.contains(&name) {
            return Ok(());
        }
        path.push(name);
        for (needed, place) in &self.0[name].tables {
            if !self.0.contains_key(needed) {
                return Err(format!("{place}: {}", self.unknown(needed)));
            }
            match path.iter().position(|above| above == needed) {
                Some(first) => return Err(self.circle(&path[first..])),
                None => self.check_below(needed, path, checked)?,
            }
        }
        path.pop();
        checked.push(name);
        Ok(())
    }

    /// What to say of tables each of which needs the next and the last the first, in a file of one's
    /// own.
    fn circle(&self, names: &[&str]) -> String {
        let own = |name: &&str| !self.0[*name].origin.is_shipped();
        let at = names.iter().position(own).unwrap_or(0);
        let needed = names[(at + 1) % names.len()];
        let mut places = self.0[names[at]].tables.iter();
        let place = places.find(|(name, _)| name == needed);
        let around = [&names[at..], &names[..=at]].concat().join(" needs ");
        format!(
            "{}: the table {} needs itself: {around}",
            place.map_or("", |(_, place)| place),
            names[at]
        )
    }

    fn unknown(&self, name: &str) -> String {
        let names = self.0.keys().map(String::as_str);
        format!("there is no table {name:?}; {}", suggest(name, names))
    }

    /// The statement `sql`, which begins at `begin`, behind the tables that it names and those that
    /// these need, and where its parts stand.
    pub(crate) fn before(
        &self,
        names: &[&str],
        sql: &str,
        begin: &Begin,
    ) -> Result<(String, Places), Fault> {
        let begin = begin.behind(&sql[..sql.len() - sql.trim_start().len()]);
        let sql = sql.trim();
        let mut places = Places::default();
        let mut order = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let fault = |what: String| Fault { at, what };
            if !self.0.contains_key(*name) {
                return Err(fault(self.unknown(name)));
            }
            if !says(sql, &name.replace('-', "_")) {
                return Err(fault(format!(
                    "the statement does not use the table {name}"
                )));
            }
            self.visit(name, &mut order);
        }
        if order.is_empty() {
            places.add("", 0, sql.len(), 0, begin);
            return Ok((sql.to_owned(), places));
        }
        let (mut recursive, mut own) = (false, None);
        if let Some(rest) = after_word(behind_comments(sql), "with") {
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
            let called = name.replace('-', "_");
            whole.push_str(if at == 0 { "" } else { ", " });
            whole.push_str(&format!("{called} as {hint}(\n"));
            let from = whole.len() + INDENT.len();
            for line in table.sql.lines() {
                let indent = if line.is_empty() { "" } else { INDENT };
                whole.push_str(&format!("{indent}{line}\n"));
            }
            let until = whole.len() - 1;
            places.add(
                &called,
                from.min(until),
                until,
                INDENT.len(),
                table.begin.clone(),
            );
            whole.push(')');
        }
        whole.push_str(match own {
            Some(_) => ", ",
            None => "\n",
        });
        let rest = own.unwrap_or(sql);
        let begin = begin.behind(&sql[..sql.len() - rest.len()]);
        places.add("", whole.len(), whole.len() + rest.len(), 0, begin);
        whole.push_str(rest);
        Ok((whole, places))
    }

    /// Puts a table into the order behind those that it needs.
    fn visit<'a>(&'a self, name: &str, order: &mut Vec<&'a str>) {
        let Some((known, table)) = self.0.get_key_value(name) else {
            return;
        };
        if order.contains(&known.as_str()) {
            return;
        }
        for (needed, _) in &table.tables {
            self.visit(needed, order);
        }
        order.push(known);
    }
}

/// A text without the comments with which it begins.
fn behind_comments(text: &str) -> &str {
    let behind = |begin: &str, end: &str| {
        let comment = text.strip_prefix(begin)?;
        Some(comment.split_once(end)?.1.trim_start())
    };
    match behind("--", "\n").or_else(|| behind("/*", "*/")) {
        Some(rest) => behind_comments(rest),
        None => text,
    }
}

/// What follows a word with which a text begins.
fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (begin, rest) = text.split_at_checked(word.len())?;
    if !begin.eq_ignore_ascii_case(word) {
        return None;
    }
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
            let origin = Origin::own(&format!("dir/{name}.sql"), name);
            tables.add(name, &origin, text).unwrap();
        }
        tables
    }

    fn before(tables: &Tables, names: &[&str], sql: &str) -> Result<String, Fault> {
        let whole = tables.before(names, sql, &Begin::default());
        whole.map(|(sql, _)| sql)
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
        let whole = |sql: &str| before(&tables, &["c", "a-b"], sql).unwrap();
        let before_it =
            "with a_b as (\n  select 1 as n\n), c as materialized (\n  select n\n  from a_b\n)";
        assert_eq!(
            whole("select n from c join a_b using (n)"),
            format!("{before_it}\nselect n from c join a_b using (n)")
        );
        for with in ["with ", "WITH\n", "-- with\n /* x */ with "] {
            assert_eq!(
                whole(&format!("{with}d as (select 1 from c, a_b) select 1")),
                format!("{before_it}, d as (select 1 from c, a_b) select 1")
            );
        }
        let recursive = whole("with Recursive d as (select 1 from c, a_b) select 1");
        assert!(
            recursive.starts_with("with recursive a_b as ("),
            "{recursive}"
        );
        assert_eq!(before(&tables, &[], " select 1 ").unwrap(), "select 1");
    }

    #[test]
    fn what_is_wrong_with_a_list_of_tables_is_told() {
        let tables = tables(&[("lone", "/*\nrows = \"R\"\n*/\nselect 1")]);
        for (names, sql, at, said) in [
            (
                &["lone", "lon"][..],
                "select 1 from lone, lon",
                1,
                "there is no table \"lon\"; did you mean lone?",
            ),
            (
                &["lone"],
                "select 1 from alone",
                0,
                "the statement does not use the table lone",
            ),
        ] {
            let fault = before(&tables, names, sql).unwrap_err();
            assert_eq!((fault.at, &*fault.what), (at, said));
        }
        let origin = Origin::own("x.sql", "x.sql");
        let bad = Tables::default().add("x", &origin, "/*\nrow = 1\n*/\nselect 1");
        assert!(bad.unwrap_err().starts_with("x.sql:2: bad header"));
    }

    #[test]
    fn tables_that_need_themselves_and_unknown_ones_are_told_where_they_are_named() {
        let needing = |tables: &str| format!("/*\nrows = \"R\"\ntables = [{tables}]\n*/\nselect 1");
        for (files, said) in [
            (
                &[("a", "\"b\""), ("b", "\"c\""), ("c", "\n\"b\"")][..],
                "dir/b.sql:3: the table b needs itself: b needs c needs b",
            ),
            (
                &[("a", "\"a\"")],
                "dir/a.sql:3: the table a needs itself: a needs a",
            ),
            (
                &[("a", "\"b\""), ("b", "\n\n\"aa\"")],
                "dir/b.sql:5: there is no table \"aa\"; did you mean a?",
            ),
            // Two ways to one table are no circle.
            (
                &[
                    ("a", "\"b\", \"c\""),
                    ("b", "\"d\""),
                    ("c", "\"d\""),
                    ("d", ""),
                ],
                "",
            ),
        ] {
            let texts = files.iter().map(|(name, needed)| (*name, needing(needed)));
            let texts: Vec<(&str, String)> = texts.collect();
            let texts: Vec<(&str, &str)> =
                texts.iter().map(|(name, text)| (*name, &**text)).collect();
            let told = tables(&texts).check();
            assert_eq!(told.err().unwrap_or_default(), said);
        }
    }
}
