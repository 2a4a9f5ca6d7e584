//! Comma lists with negation: `a,b`, `!a,b`, `system:*,!system:node:*`.

use super::Pattern;

/// One item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub negate: bool,
    /// Without its `!` and its backslashes.
    pub text: String,
    /// Whether an unescaped `*` stands in it.
    pub wildcard: bool,
}

impl Item {
    /// The item as a pattern on text.
    pub(super) fn pattern(&self) -> Pattern {
        if self.wildcard {
            Pattern::Wildcard(self.text.clone())
        } else {
            Pattern::Is(self.text.clone())
        }
    }
}

/// Splits a list. A `!` before the first item negates the whole list, one before a later item that
/// item alone; so `!a,b` is neither a nor b, and `a*,!ab` is a* but not ab. A backslash takes the
/// meaning from a following comma, `*`, `!` or backslash. The error says what is wrong.
pub(super) fn parse(text: &str) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    let mut all = false;
    for (at, part) in split(text).into_iter().enumerate() {
        let part = part.trim();
        let (mut negate, part) = match part.strip_prefix('!') {
            Some(rest) => (true, rest.trim_start()),
            None => (false, part),
        };
        if at == 0 {
            all = negate;
        }
        negate |= all;
        if part.is_empty() {
            return Err("has an empty item; remove the comma or give a value".to_owned());
        }
        items.push(item(negate, part)?);
    }
    Ok(items)
}

/// The text that a list stands for, if it is one literal item.
pub fn literal(list: &str) -> Option<String> {
    match &mut parse(list).ok()?[..] {
        [item] if !item.negate && !item.wildcard => Some(std::mem::take(&mut item.text)),
        _ => None,
    }
}

/// `text` so that a list takes it as one literal item.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (at, letter) in text.char_indices() {
        if matches!(letter, ',' | '*' | '\\') || (letter == '!' && at == 0) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut from, mut escaped) = (0, false);
    for (at, letter) in text.char_indices() {
        if letter == ',' && !escaped {
            parts.push(&text[from..at]);
            from = at + 1;
        }
        escaped = letter == '\\' && !escaped;
    }
    parts.push(&text[from..]);
    parts
}

fn item(negate: bool, part: &str) -> Result<Item, String> {
    let mut text = String::with_capacity(part.len());
    let (mut wildcard, mut literal_star) = (false, false);
    let mut letters = part.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            // Any other backslash stands for itself: DOMAIN\user needs no escape.
            '\\' => match letters.next_if(|next| matches!(next, ',' | '*' | '!' | '\\')) {
                Some(next) => {
                    literal_star |= next == '*';
                    text.push(next);
                }
                None => text.push('\\'),
            },
            '*' => {
                wildcard = true;
                text.push('*');
            }
            _ => text.push(letter),
        }
    }
    if wildcard && literal_star {
        return Err("has both * and \\* in one item; use * for both".to_owned());
    }
    Ok(Item {
        negate,
        text,
        wildcard,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists() {
        for (text, expected) in [
            ("a", &[(false, "a", false)][..]),
            ("a,b", &[(false, "a", false), (false, "b", false)]),
            (" a , b ", &[(false, "a", false), (false, "b", false)]),
            ("!a", &[(true, "a", false)]),
            ("!a,b", &[(true, "a", false), (true, "b", false)]),
            ("!a,!b", &[(true, "a", false), (true, "b", false)]),
            ("a*,!ab", &[(false, "a*", true), (true, "ab", false)]),
            (r"a\,b", &[(false, "a,b", false)]),
            (r"\!a", &[(false, "!a", false)]),
            (r"\*", &[(false, "*", false)]),
            (r"a\\,b", &[(false, r"a\", false), (false, "b", false)]),
            (r"CORP\alice", &[(false, r"CORP\alice", false)]),
            ("*", &[(false, "*", true)]),
            ("a!b", &[(false, "a!b", false)]),
        ] {
            let items = parse(text).unwrap();
            let items: Vec<_> = items
                .iter()
                .map(|item| (item.negate, item.text.as_str(), item.wildcard))
                .collect();
            assert_eq!(items, expected, "{text}");
        }
        for text in ["", " ", "a,", ",a", "a,,b", "!", "a,!"] {
            assert!(parse(text).unwrap_err().contains("empty item"), "{text:?}");
        }
        assert!(parse(r"a*\*").is_err());
    }

    proptest! {
        #[test]
        fn escaped_text_is_one_literal_item(text in "[ -~é]{0,12}[!-~]") {
            let text = text.trim();
            let items = parse(&escape(text)).unwrap();
            prop_assert_eq!(items.len(), 1);
            prop_assert_eq!(items[0].pattern(), Pattern::Is(text.to_owned()));
            prop_assert!(!items[0].negate);
        }
    }
}
