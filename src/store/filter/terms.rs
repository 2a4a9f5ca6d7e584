//! The words of a condition on a column to the terms they stand for: what a filter's flag takes,
//! and what stands to the right of `match` in SQL. Errors say what is wrong with the value; the
//! caller names the flag.

use std::net::IpAddr;
use std::sync::Arc;

use super::list::{self, Item};
use super::{Filter, Pattern, Test};
use crate::model::column::{Column, Kind};
use crate::model::outcome::Outcome;
use crate::model::resources;
use crate::model::suggest::suggest;

/// Stages of `audit.k8s.io/v1`.
const STAGES: &[&str] = &[
    "RequestReceived",
    "ResponseStarted",
    "ResponseComplete",
    "Panic",
];

/// Levels of `audit.k8s.io/v1`.
const LEVELS: &[&str] = &["None", "Metadata", "Request", "RequestResponse"];

/// Whether [`Filter::push_words`] knows what words on the column mean.
pub(super) const fn takes_words(column: Column) -> bool {
    match column {
        Column::Raw | Column::Code => true,
        Column::Sha256 | Column::RequestObject | Column::ResponseObject => false,
        _ => matches!(column.kind(), Kind::Text | Kind::Json),
    }
}

/// See [`Filter::push_words`].
pub(super) fn push(filter: &mut Filter, column: Column, value: &str) -> Result<(), String> {
    match column {
        Column::Verb => verb(filter, value),
        Column::Resource => resource(filter, value),
        Column::Stage => closed(filter, column, STAGES, value),
        Column::Level => closed(filter, column, LEVELS, value),
        Column::Outcome => {
            let known: Vec<_> = Outcome::ALL.iter().map(|known| known.as_str()).collect();
            closed(filter, column, &known, value)
        }
        Column::Code => code(filter, value),
        Column::SourceIps | Column::SourceIp | Column::ClientIp => address(filter, column, value),
        Column::Raw => contains(filter, value),
        _ => text(filter, column, value),
    }
}

/// Adds the terms of a list: one that must hold over the plain items, and one that must not over
/// the negated ones.
fn add<T>(
    filter: &mut Filter,
    items: Vec<Item>,
    mut read: impl FnMut(&Item) -> Result<Vec<T>, String>,
    test: impl Fn(Vec<T>) -> Test,
) -> Result<(), String> {
    let (mut any, mut none) = (Vec::new(), Vec::new());
    for item in &items {
        let target = if item.negate { &mut none } else { &mut any };
        target.extend(read(item)?);
    }
    if !any.is_empty() {
        filter.push(test(any));
    }
    if !none.is_empty() {
        filter.push_not(test(none));
    }
    Ok(())
}

/// Text that anyone may choose.
fn text(filter: &mut Filter, column: Column, value: &str) -> Result<(), String> {
    add(
        filter,
        list::parse(value)?,
        |item| Ok(vec![item.pattern()]),
        |any| Test::Text { column, any },
    )
}

/// Verbs: as typed, and in lower case as the apiserver writes them.
fn verb(filter: &mut Filter, value: &str) -> Result<(), String> {
    let read = |item: &Item| {
        let lower = Item {
            text: item.text.to_lowercase(),
            ..item.clone()
        };
        let mut patterns = vec![item.pattern()];
        if lower.text != item.text {
            patterns.push(lower.pattern());
        }
        Ok(patterns)
    };
    let column = Column::Verb;
    add(filter, list::parse(value)?, read, |any| Test::Text {
        column,
        any,
    })
}

/// One of a closed set of names, in any case; a wildcard stands for those that it matches.
fn closed(
    filter: &mut Filter,
    column: Column,
    known: &[&'static str],
    value: &str,
) -> Result<(), String> {
    let read = |item: &Item| {
        let wanted = Item {
            text: item.text.to_lowercase(),
            ..item.clone()
        }
        .pattern();
        let found: Vec<_> = known
            .iter()
            .filter(|name| wanted.matches(&name.to_lowercase()))
            .map(|name| Pattern::Is((*name).to_owned()))
            .collect();
        if found.is_empty() {
            return Err(format!(
                "{:?} is no {}; {}",
                item.text,
                column.name(),
                suggest(&item.text, known.iter().copied())
            ));
        }
        Ok(found)
    };
    add(filter, list::parse(value)?, read, |any| Test::Text {
        column,
        any,
    })
}

/// Resources: `pods`, `po`, `deployments.apps`, `*.cert-manager.io`.
fn resource(filter: &mut Filter, value: &str) -> Result<(), String> {
    let read = |item: &Item| {
        if let Some((resource, subresource)) = item.text.split_once('/') {
            return Err(format!(
                "{:?} holds a subresource; use --resource {resource} --subresource {subresource}",
                item.text
            ));
        }
        let (resource, group) = resources::parse_resource(&item.text);
        if resource.is_empty() || group.as_deref() == Some("") {
            return Err(format!(
                "{:?} is no resource; use a form such as deployments or deployments.apps",
                item.text
            ));
        }
        let pattern = |text: String| {
            if item.wildcard {
                Pattern::parse(&text)
            } else {
                Pattern::Is(text)
            }
        };
        Ok(vec![(pattern(resource), group.map(pattern))])
    };
    add(filter, list::parse(value)?, read, |any| Test::Resource {
        any,
    })
}

/// Status codes: `403`, `4xx`, `400-499`, `*`.
fn code(filter: &mut Filter, value: &str) -> Result<(), String> {
    let column = Column::Code;
    let read = |item: &Item| {
        code_range(&item.text)
            .map(|range| vec![range])
            .ok_or_else(|| {
                format!(
                    "{:?} is no status code; use 403, 4xx, 400-499 or *",
                    item.text
                )
            })
    };
    add(filter, list::parse(value)?, read, |any| Test::Number {
        column,
        any,
    })
}

fn code_range(text: &str) -> Option<(i64, i64)> {
    let number = |text: &str| {
        let digits = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<i64>().ok()).flatten()
    };
    if text == "*" {
        return Some((i64::MIN, i64::MAX));
    }
    if let Some((low, high)) = text.split_once('-') {
        let (low, high) = (number(low)?, number(high)?);
        return (low <= high).then_some((low, high));
    }
    if let [hundreds @ b'1'..=b'9', b'x' | b'X', b'x' | b'X'] = text.as_bytes() {
        let low = i64::from(hundreds - b'0') * 100;
        return Some((low, low + 99));
    }
    number(text).map(|code| (code, code))
}

/// Addresses, networks and wildcards; on `source_ips` any recorded address matches.
fn address(filter: &mut Filter, column: Column, value: &str) -> Result<(), String> {
    let read = |item: &Item| {
        if item.wildcard {
            return Ok(vec![item.pattern()]);
        }
        if let Some(network) = Pattern::parse_cidr(&item.text) {
            return Ok(vec![network]);
        }
        match item.text.parse::<IpAddr>() {
            // The apiserver writes addresses in their shortest spelling.
            Ok(address) => {
                let mut patterns = vec![item.pattern()];
                let canonical = address.to_canonical().to_string();
                if canonical != item.text {
                    patterns.push(Pattern::Is(canonical));
                }
                Ok(patterns)
            }
            Err(_) => Err(format!(
                "{:?} is no address; use 10.1.2.3, 2001:db8::1, 10.0.0.0/8 or 10.1.*",
                item.text
            )),
        }
    };
    add(filter, list::parse(value)?, read, |any| Test::Text {
        column,
        any,
    })
}

/// A substring of the raw bytes in the spellings that JSON writers give it.
fn contains(filter: &mut Filter, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err("is empty; give the text to look for".to_owned());
    }
    filter.push(Test::Contains {
        any: spellings(value).into_iter().map(Arc::from).collect(),
    });
    Ok(())
}

/// `text` as it is, as JSON, as Go's encoding/json writes it (which escapes HTML and the line
/// separators, and before Go 1.22 had no short form for backspace and form feed), and as writers
/// that keep to ASCII do.
fn spellings(text: &str) -> Vec<Vec<u8>> {
    let quoted = serde_json::to_string(text).expect("text is always JSON");
    let json = quoted[1..quoted.len() - 1].to_owned();
    let escape = |from: &str, also: &dyn Fn(char) -> bool| {
        let mut out = String::with_capacity(from.len());
        for letter in from.chars() {
            if also(letter) {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            } else {
                out.push(letter);
            }
        }
        out
    };
    let go = escape(&json, &|letter| {
        matches!(letter, '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
    });
    let old_go = {
        let quoted_controls: String = text
            .chars()
            .map(|letter| match letter {
                '\u{8}' => "\\u0008".to_owned(),
                '\u{c}' => "\\u000c".to_owned(),
                other => {
                    let quoted = serde_json::to_string(&other).expect("a character is JSON");
                    quoted[1..quoted.len() - 1].to_owned()
                }
            })
            .collect();
        escape(&quoted_controls, &|letter| {
            matches!(letter, '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
        })
    };
    let ascii = escape(&json, &|letter| !letter.is_ascii());
    let mut all: Vec<Vec<u8>> = Vec::new();
    for spelling in [text.to_owned(), json, go, old_go, ascii] {
        if !all.iter().any(|known| known == spelling.as_bytes()) {
            all.push(spelling.into_bytes());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        for (text, expected) in [
            ("403", Some((403, 403))),
            ("4xx", Some((400, 499))),
            ("5XX", Some((500, 599))),
            ("400-499", Some((400, 499))),
            ("*", Some((i64::MIN, i64::MAX))),
            ("0", Some((0, 0))),
            ("499-400", None),
            ("4x", None),
            ("x", None),
            ("4xxx", None),
            ("0xx", None),
            ("-403", None),
            ("4033", None),
            ("40a", None),
            ("", None),
        ] {
            assert_eq!(code_range(text), expected, "{text}");
        }
    }

    #[test]
    fn spellings_of_what_json_escapes() {
        let strings = |text| -> Vec<String> {
            spellings(text)
                .into_iter()
                .map(|bytes| String::from_utf8(bytes).unwrap())
                .collect()
        };
        assert_eq!(strings("plain"), ["plain"]);
        assert_eq!(strings("a\"b"), ["a\"b", "a\\\"b"]);
        assert_eq!(strings("a<b"), ["a<b", "a\\u003cb"]);
        assert_eq!(strings("\u{2028}"), ["\u{2028}", "\\u2028"]);
        assert_eq!(strings("é"), ["é", "\\u00e9"]);
        assert_eq!(strings("\u{1f600}"), ["\u{1f600}", "\\ud83d\\ude00"]);
        assert_eq!(strings("\u{8}"), ["\u{8}", "\\b", "\\u0008"]);
        assert_eq!(strings("a\tb"), ["a\tb", "a\\tb"]);
        assert_eq!(
            strings("\"&"),
            ["\"&", "\\\"&", "\\\"\\u0026"],
            "both escapes at once"
        );
    }
}
