//! The words and signs of a statement, as far as is needed to find some of them.

/// Words, parameters with their sign and other signs of one letter, with the byte at which each begins;
/// a quoted name without its quotes. Strings and comments are left out.
pub(super) fn tokens(sql: &str) -> Vec<(usize, &str)> {
    scanned(sql).0
}

/// The tokens, and whether the text ends within a string or a quoted name.
fn scanned(sql: &str) -> (Vec<(usize, &str)>, bool) {
    let mut tokens = Vec::new();
    let mut open = false;
    let mut at = 0;
    while let Some(&byte) = sql.as_bytes().get(at) {
        let rest = &sql[at..];
        let length = match apart(rest) {
            Some((length, name)) => {
                tokens.extend(name.map(|name| (at, name)));
                let end = if byte == b'[' { b']' } else { byte };
                let closed = length > 1 && rest.as_bytes()[length - 1] == end;
                open = !matches!(byte, b'-' | b'/') && !closed;
                length
            }
            None if byte.is_ascii_whitespace() => 1,
            None => {
                let length = match SIGNS.contains(&byte) {
                    true => 1 + word(&rest[1..]),
                    false => word(rest).max(1),
                };
                tokens.push((at, &rest[..length]));
                length
            }
        };
        at += length;
    }
    (tokens, open)
}

/// The parameters of a statement as they are written, with their sign, and the byte of that.
pub(super) fn parameters(sql: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let matters = |byte| SIGNS.contains(&byte) || b"'\"`[-/".contains(&byte);
            let begin = at + sql[at..].bytes().position(matters)?;
            let rest = &sql[begin..];
            at = begin + 1;
            if let Some((length, _)) = apart(rest) {
                at = begin + length;
                continue;
            }
            // Within a word this letter is a part of it.
            let inside = rest.starts_with('$') && begin > 0 && in_word(sql.as_bytes()[begin - 1]);
            if inside || rest.starts_with(['-', '/']) {
                continue;
            }
            at += word(&rest[1..]);
            let parameter = &sql[begin..at];
            if parameter.len() > 1 || parameter == "?" {
                return Some((begin, parameter));
            }
        }
    })
}

/// Signs with which parameters begin.
const SIGNS: [u8; 4] = *b":@$?";

/// The length of a string, a quoted name or a comment with which a text begins, and the name.
fn apart(text: &str) -> Option<(usize, Option<&str>)> {
    let past = |from: usize, end: &str| {
        let found = text[from..].find(end);
        found.map_or(text.len(), |found| from + found + end.len())
    };
    let quoted = |end: &str| {
        let length = past(1, end);
        let inner = &text[1..length];
        Some((length, Some(inner.strip_suffix(end).unwrap_or(inner))))
    };
    match text.as_bytes() {
        [b'\'', ..] => Some((past(1, "'"), None)),
        [b'"', ..] => quoted("\""),
        [b'`', ..] => quoted("`"),
        [b'[', ..] => quoted("]"),
        [b'-', b'-', ..] => Some((past(2, "\n"), None)),
        [b'/', b'*', ..] => Some((past(2, "*/"), None)),
        _ => None,
    }
}

/// The length of the word with which a text begins.
fn word(text: &str) -> usize {
    let end = text.bytes().position(|byte| !in_word(byte));
    end.unwrap_or(text.len())
}

/// Whether SQLite takes a byte for part of a word.
fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}

/// What is wrong with a statement as it is written, which SQLite would not say or not there: the byte
/// and what to do.
pub(crate) fn fault(sql: &str) -> Option<(usize, String)> {
    for (at, word) in parameters(sql) {
        match word.split_at(1) {
            (":", _) => {}
            ("?", _) => {
                let what = format!("parameters have names; write :name for {word}, such as :user");
                return Some((at, what));
            }
            (_, name) => {
                let what = format!("parameters begin with a colon; write :{name} for {word}");
                return Some((at, what));
            }
        }
    }
    let (tokens, within) = scanned(sql);
    // SQLite says so, and what stands in it is unknown.
    if within {
        return None;
    }
    let mut open = Vec::new();
    for (at, _) in tokens {
        match sql.as_bytes()[at] {
            b'(' => open.push(at),
            b')' if open.pop().is_none() => {
                return Some((at, "this ) closes nothing; remove it".to_owned()));
            }
            _ => {}
        }
    }
    let at = open.pop()?;
    Some((at, "this ( is not closed; add a )".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_comments_are_no_words() {
        let sql = "select 'a b' as \"c d\", é_1 -- x\n from t/* z */where n>=:n";
        let words: Vec<&str> = tokens(sql).into_iter().map(|(_, word)| word).collect();
        let expected = [
            "select", "as", "c d", ",", "é_1", "from", "t", "where", "n", ">", "=", ":n",
        ];
        assert_eq!(words, expected);
        assert!(
            tokens(sql)
                .iter()
                .all(|(at, word)| { sql[*at..].trim_start_matches('"').starts_with(word) })
        );
        for (open, words) in [("'a", 0), ("\"a", 1), ("/* a", 0), ("-- a", 0), ("a-", 2)] {
            assert_eq!(tokens(open).len(), words, "{open}");
        }
        let quoted: Vec<&str> = tokens("[a b]`c)``\"\"(").into_iter().map(|t| t.1).collect();
        assert_eq!(quoted, ["a b", "c)", "\"\"("]);
    }

    #[test]
    fn parameters_are_what_sqlite_takes_for_them() {
        let sql =
            "select :a, ?, ?12, @b, $c, d$e, ':f', \":g\", [:h], 1::i -- :j\n from t /* :k */";
        let found: Vec<&str> = parameters(sql).map(|(_, word)| word).collect();
        assert_eq!(found, [":a", "?", "?12", "@b", "$c", ":i"]);
    }

    #[test]
    fn what_is_written_wrong_is_told_at_its_byte() {
        for (sql, told) in [
            (
                "select ')(', \"(\", [(] -- (\n from (select 1) /* ) */",
                None,
            ),
            (
                "select 1) from t",
                Some((8, "this ) closes nothing; remove it")),
            ),
            ("select (1, (2)", Some((7, "this ( is not closed; add a )"))),
            (
                "select a), b as (select 1",
                Some((8, "this ) closes nothing; remove it")),
            ),
            (
                "select ?1",
                Some((
                    7,
                    "parameters have names; write :name for ?1, such as :user",
                )),
            ),
            (
                "select $who",
                Some((7, "parameters begin with a colon; write :who for $who")),
            ),
            ("select '$.a', a$b, ':x?', @ ", None),
            ("select 1 in ('a, 'b')", None),
            ("select (\"a", None),
            ("select ('", None),
            ("select (a -- ", Some((7, "this ( is not closed; add a )"))),
        ] {
            let found = fault(sql);
            let found = found.as_ref().map(|(at, what)| (*at, what.as_str()));
            assert_eq!(found, told, "{sql}");
        }
    }
}
