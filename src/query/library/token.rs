//! The words and signs of a statement, as far as is needed to find some of them.

/// Words and signs of one letter, with the byte at which each begins; a quoted name without its quotes.
/// Strings and comments are left out.
pub(super) fn tokens(sql: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(letter) = sql[at..].chars().next() {
        let rest = &sql[at..];
        let past = |from: usize, end: &str| {
            let found = rest[from..].find(end);
            found.map_or(rest.len(), |found| from + found + end.len())
        };
        let word = |from: usize| {
            let in_word = |letter: char| letter.is_alphanumeric() || letter == '_';
            let end = rest[from..].find(|letter| !in_word(letter));
            end.map_or(rest.len(), |end| from + end)
        };
        let (length, token) = match letter {
            '\'' => (past(1, "'"), None),
            '"' => {
                let length = past(1, "\"");
                (length, Some(rest[..length].trim_matches('"')))
            }
            '-' if rest.starts_with("--") => (past(2, "\n"), None),
            '/' if rest.starts_with("/*") => (past(2, "*/"), None),
            letter if letter.is_whitespace() => (letter.len_utf8(), None),
            letter => {
                let length = word(0).max(letter.len_utf8());
                (length, Some(&rest[..length]))
            }
        };
        tokens.extend(token.map(|token| (at, token)));
        at += length;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_comments_are_no_words() {
        let sql = "select 'a b' as \"c d\", é_1 -- x\n from t/* z */where n>=:n";
        let words: Vec<&str> = tokens(sql).into_iter().map(|(_, word)| word).collect();
        let expected = [
            "select", "as", "c d", ",", "é_1", "from", "t", "where", "n", ">", "=", ":", "n",
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
    }
}
