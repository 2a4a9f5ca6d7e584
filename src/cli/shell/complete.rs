//! What may stand where the cursor is: commands, keywords, tables, columns and their values.

use super::commands::COMMANDS;
use super::split::{Inside, scan};
use crate::cli::values::last_item;
use crate::query::output::Format;
use crate::query::schema::{TABLES, Table};
use clap::ValueEnum;

const KEYWORDS: &str = "select from where and or not in is null like glob match between group by \
    having order asc desc limit offset as with union all distinct case when then else end join \
    left on cast exists explain query plan values count sum min max avg total substr length lower \
    upper instr replace coalesce ifnull nullif datetime strftime unixepoch json_extract \
    json_array_length json_each json_tree group_concat round abs";

/// A proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) shown: String,
    pub(super) replacement: String,
}

fn plain(text: &str) -> Candidate {
    Candidate {
        shown: text.to_owned(),
        replacement: text.to_owned(),
    }
}

/// Proposals for the end of `text`, and from which byte on they replace it. `values` gives the
/// values of a column that begin with a prefix.
pub(super) fn complete(
    text: &str,
    values: &dyn Fn(&str, &str) -> Vec<String>,
) -> (usize, Vec<Candidate>) {
    let mut begin = 0;
    let inside = scan(text, |end| begin = end + 1);
    let statement = &text[begin..];
    if let Some(command) = statement.trim_start().strip_prefix('.') {
        return of_command(text, command);
    }
    match inside {
        Inside::Text(quote) => {
            let quote = opening(text, quote);
            value(text, &text[begin..quote], quote + 1, values)
        }
        Inside::Code => word(text, statement),
        Inside::Name(_) | Inside::Comment => (text.len(), Vec::new()),
    }
}

fn of_command(text: &str, command: &str) -> (usize, Vec<Candidate>) {
    let Some((name, rest)) = command.split_once(' ') else {
        let from = text.len() - command.len();
        let names = COMMANDS.iter().map(|command| command.name);
        return (from, starting(command, names));
    };
    let typed = rest.trim_start();
    let from = text.len() - typed.len();
    let found = match name {
        "schema" => starting(typed, TABLES.iter().map(|table| table.name)),
        "mode" => {
            let formats: Vec<_> = Format::value_variants()
                .iter()
                .filter_map(ValueEnum::to_possible_value)
                .collect();
            starting(
                typed,
                formats.iter().map(clap::builder::PossibleValue::get_name),
            )
        }
        _ => Vec::new(),
    };
    (from, found)
}

fn starting<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Vec<Candidate> {
    names
        .filter(|name| name.starts_with(typed))
        .map(plain)
        .collect()
}

/// A piece of a statement, as far as completion needs to tell them apart.
#[derive(Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Text,
    Sign(char),
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = code;
    while let Some(letter) = rest.chars().next() {
        let length = match letter {
            _ if is_part(letter) => {
                let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                tokens.push(Token::Word(&rest[..end]));
                end
            }
            '\'' => {
                tokens.push(Token::Text);
                1 + rest[1..].find('\'').map_or(rest.len() - 1, |end| end + 1)
            }
            '"' => {
                let end = rest[1..].find('"').unwrap_or(rest.len() - 1);
                tokens.push(Token::Word(&rest[1..=end]));
                (end + 2).min(rest.len())
            }
            _ => {
                if !letter.is_whitespace() {
                    tokens.push(Token::Sign(letter));
                }
                letter.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    tokens
}

fn is_part(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The column that the text after `code` is compared with, and whether by `match`.
fn compared(code: &str) -> Option<(&str, bool)> {
    let tokens = tokens(code);
    let mut at = tokens.len();
    let mut back = || {
        at = at.checked_sub(1)?;
        tokens.get(at)
    };
    let mut matches = false;
    let mut listed = false;
    loop {
        match back()? {
            Token::Sign('=' | '!' | '<' | '>') => {}
            Token::Sign('(' | ',') | Token::Text => listed = true,
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "like" | "glob" | "is" | "not" => {}
                "in" => listed = false,
                "match" => matches = true,
                _ if listed => return None,
                _ => return Some((word, matches)),
            },
            Token::Sign(_) => return None,
        }
    }
}

/// Where the text that goes on at a quote begins: a doubled quote does not end it.
fn opening(text: &str, mut quote: usize) -> usize {
    while let Some(before) = text[..quote].strip_suffix('\'')
        && let Some(earlier) = before.rfind('\'')
    {
        quote = earlier;
    }
    quote
}

fn value(
    text: &str,
    code: &str,
    from: usize,
    values: &dyn Fn(&str, &str) -> Vec<String>,
) -> (usize, Vec<Candidate>) {
    let Some((column, matches)) = compared(code) else {
        return (text.len(), Vec::new());
    };
    let typed = &text[from..];
    let (kept, item) = match matches {
        true => last_item(typed),
        false => ("", typed),
    };
    let column = column.to_ascii_lowercase();
    let candidate = |value: String| {
        let written = match matches {
            true => crate::query::params::escape(&value),
            false => value.clone(),
        };
        Candidate {
            replacement: format!("{}'", written.replace('\'', "''")),
            shown: value,
        }
    };
    let found = values(&column, &item.replace("''", "'"));
    (
        from + kept.len(),
        found.into_iter().map(candidate).collect(),
    )
}

fn word(text: &str, statement: &str) -> (usize, Vec<Candidate>) {
    let end = statement.trim_end_matches(is_part);
    let typed = &statement[end.len()..];
    let before = tokens(end);
    let mut found: Vec<&str> = Vec::new();
    let mut keywords = false;
    match before.last() {
        Some(Token::Word(word)) if is_one_of(word, &["from", "join"]) => {
            found.extend(TABLES.iter().map(|table| table.name));
        }
        Some(Token::Sign('.')) => {
            let owner = before.get(before.len().wrapping_sub(2));
            let table = match owner {
                Some(Token::Word(name)) => Table::by_name(name),
                _ => None,
            };
            let tables = table.map_or_else(|| named(statement), |table| vec![table]);
            found.extend(columns(&tables));
        }
        _ => {
            found.extend(columns(&named(statement)));
            found.extend(TABLES.iter().map(|table| table.name));
            keywords = true;
        }
    }
    let lower = typed.to_lowercase();
    let mut candidates: Vec<Candidate> = Vec::new();
    for name in found {
        if name.starts_with(&lower) && !candidates.iter().any(|known| known.shown == name) {
            candidates.push(plain(name));
        }
    }
    // Every keyword there is says nothing to somebody who has typed none of it.
    if keywords && !typed.is_empty() {
        let upper = typed.chars().all(char::is_uppercase);
        for keyword in KEYWORDS.split_whitespace() {
            if keyword.starts_with(&lower) && !candidates.iter().any(|c| c.shown == keyword) {
                candidates.push(match upper {
                    true => plain(&keyword.to_uppercase()),
                    false => plain(keyword),
                });
            }
        }
    }
    (text.len() - typed.len(), candidates)
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// The tables that a statement names; `events` when it names none yet.
pub(super) fn named(statement: &str) -> Vec<&'static Table> {
    let mut tables: Vec<&Table> = Vec::new();
    for pair in tokens(statement).windows(2) {
        if let [Token::Word(keyword), Token::Word(name)] = pair
            && is_one_of(keyword, &["from", "join"])
        {
            tables.extend(Table::by_name(&name.to_ascii_lowercase()));
        }
    }
    if tables.is_empty() {
        tables.extend(Table::by_name("events"));
    }
    tables
}

pub(super) fn columns(tables: &[&Table]) -> Vec<&'static str> {
    let of_table = |table: &&Table| {
        let columns = table.columns().into_iter().map(|column| column.name);
        columns.chain(table.conditions()).collect::<Vec<_>>()
    };
    tables.iter().flat_map(of_table).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The text with each proposal in place.
    fn completed(text: &str) -> Vec<String> {
        let values = |column: &str, prefix: &str| {
            ["alice", "albert", "a,b", "o'hara"]
                .iter()
                .filter(|value| column == "user" && value.starts_with(prefix))
                .map(|value| (*value).to_owned())
                .collect()
        };
        let (from, found) = complete(text, &values);
        found
            .iter()
            .map(|candidate| format!("{}{}", &text[..from], candidate.replacement))
            .collect()
    }

    #[test]
    fn words_by_what_stands_before_them() {
        for (text, expected) in [
            ("sel", &["select"][..]),
            ("SEL", &["SELECT"]),
            ("select impersonated_u", &["select impersonated_user"]),
            ("select * from ver", &["select * from verbs"]),
            ("select first_s", &[]),
            (
                "select 1 from users where first_s",
                &["select 1 from users where first_seen"],
            ),
            ("select 1; select * from que", &[]),
            (
                "select 1; select * from qua",
                &["select 1; select * from quarantine"],
            ),
            ("select users.last", &["select users.last_seen"]),
            ("select 1 -- sel", &[]),
            (".sch", &[".schema"]),
            (".schema us", &[".schema users", ".schema user_agents"]),
            (".mode js", &[".mode json", ".mode jsonl"]),
        ] {
            assert_eq!(completed(text), expected, "{text}");
        }
    }

    #[test]
    fn values_of_the_column_on_the_left() {
        for (text, expected) in [
            ("user = 'al", &["user = 'alice'", "user = 'albert'"][..]),
            ("where e.user like 'ali", &["where e.user like 'alice'"]),
            ("\"user\" != 'ali", &["\"user\" != 'alice'"]),
            ("user not in ('x', 'ali", &["user not in ('x', 'alice'"]),
            ("user match 'x,!ali", &["user match 'x,!alice'"]),
            (
                "user match 'a,a",
                &[
                    "user match 'a,alice'",
                    "user match 'a,albert'",
                    "user match 'a,a\\,b'",
                ],
            ),
            ("user = 'o''", &["user = 'o''hara'"]),
            ("user = 'x' and verb = 'al", &[]),
            ("select 'al", &[]),
            ("coalesce(user, 'al", &[]),
        ] {
            assert_eq!(completed(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_proposal_begins_within_the_text(text in "[a-c'\"\\[;., (=!世-]{0,30}|user (=|match|in \\() '[a,!\\\\']{0,6}") {
            let (from, _) = complete(&text, &|_, _| vec!["x".to_owned()]);
            prop_assert!(text.is_char_boundary(from));
        }
    }
}
