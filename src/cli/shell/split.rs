//! Where statements end: SQLite's rules for texts, names and comments, and nothing more of them.

/// What the end of a text stands in. The number is where it begins, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    Code,
    /// After `'`.
    Text(usize),
    /// After `"`, `` ` `` or `[`.
    Name(usize),
    Comment,
}

/// Reads `text`, calls `end` with the place of every `;` that ends a statement, and says what the
/// text's own end stands in.
pub(super) fn scan(text: &str, mut end: impl FnMut(usize)) -> Inside {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (close, inside): (&[u8], Inside) = match rest[0] {
            b'\'' => (b"'", Inside::Text(at)),
            b'"' => (b"\"", Inside::Name(at)),
            b'`' => (b"`", Inside::Name(at)),
            b'[' => (b"]", Inside::Name(at)),
            b'-' if rest.starts_with(b"--") => (b"\n", Inside::Comment),
            b'/' if rest.starts_with(b"/*") => (b"*/", Inside::Comment),
            other => {
                if other == b';' {
                    end(at);
                }
                at += 1;
                continue;
            }
        };
        let open = if inside == Inside::Comment { 2 } else { 1 };
        // A doubled quote ends one text and begins the next, which comes to the same here.
        let Some(found) = rest[open..]
            .windows(close.len())
            .position(|part| part == close)
        else {
            return inside;
        };
        at += open + found + close.len();
    }
    Inside::Code
}

/// Whether there is nothing in it but spaces and comments.
pub(super) fn is_blank(text: &str) -> bool {
    let mut rest = text.trim_start();
    loop {
        let comment = match rest.get(..2) {
            _ if rest.is_empty() => return true,
            Some("--") => rest.split_once('\n'),
            Some("/*") => rest[2..].split_once("*/"),
            _ => return false,
        };
        match comment {
            Some((_, after)) => rest = after.trim_start(),
            None => return true,
        }
    }
}

/// A statement or a command of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// A line that begins with a dot, without the dot.
    Command { line: usize, text: String },
    /// Without its `;`. `line` is where it begins, from 1.
    Statement { line: usize, sql: String },
}

/// Puts lines together until statements end.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pending: String,
    /// The line where `pending` begins, from 0.
    begun: usize,
    read: usize,
}

impl Lines {
    /// Takes a line, with or without its newline, and gives what it completes.
    pub(super) fn push(&mut self, line: &str) -> Vec<Item> {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let number = self.read;
        self.read += 1;
        let code = scan(&self.pending, |_| {}) == Inside::Code;
        if code && is_blank(&self.pending) {
            self.pending.clear();
            self.begun = number;
            if let Some(text) = line.trim_start().strip_prefix('.') {
                return vec![Item::Command {
                    line: number + 1,
                    text: text.trim_end().to_owned(),
                }];
            }
        }
        self.pending.push_str(line);
        self.pending.push('\n');
        let mut ends = Vec::new();
        scan(&self.pending, |at| ends.push(at));
        let mut items = Vec::new();
        let mut from = 0;
        for end in ends {
            items.extend(self.statement(from, end));
            from = end + 1;
        }
        self.begun += self.pending[..from].matches('\n').count();
        self.pending.drain(..from);
        items
    }

    /// Whether a statement has begun and not ended.
    pub(super) fn is_open(&self) -> bool {
        !is_blank(&self.pending) || scan(&self.pending, |_| {}) != Inside::Code
    }

    /// What is left: a statement that no `;` ends.
    pub(super) fn end(self) -> Option<Item> {
        self.statement(0, self.pending.len())
    }

    fn statement(&self, from: usize, until: usize) -> Option<Item> {
        let text = &self.pending[from..until];
        if is_blank(text) {
            return None;
        }
        let blank = text.len() - text.trim_start().len();
        Some(Item::Statement {
            line: self.begun + self.pending[..from + blank].matches('\n').count() + 1,
            sql: text.trim().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn items(text: &str) -> Vec<String> {
        let mut lines = Lines::default();
        let mut items: Vec<Item> = text.lines().flat_map(|line| lines.push(line)).collect();
        items.extend(lines.end());
        let shown = |item: Item| match item {
            Item::Command { line, text } => format!("{line}.{text}"),
            Item::Statement { line, sql } => format!("{line}:{sql}"),
        };
        items.into_iter().map(shown).collect()
    }

    #[test]
    fn statements_end_at_semicolons_outside_of_texts_names_and_comments() {
        for (text, expected) in [
            ("select 1; select 2;", &["1:select 1", "1:select 2"][..]),
            ("select\n 1\n;\n\nselect 2", &["1:select\n 1", "5:select 2"]),
            (
                "select ';', 'it''s;' ; x",
                &["1:select ';', 'it''s;'", "1:x"],
            ),
            (r#"select ";", `;`, [;];"#, &[r#"1:select ";", `;`, [;]"#]),
            ("select 1 -- a;b\n+ 1;", &["1:select 1 -- a;b\n+ 1"]),
            ("/* ; */ select /* ; */ 1;", &["1:/* ; */ select /* ; */ 1"]),
            ("-- only a comment\n;;\n", &[]),
            (
                ".mode csv\nselect 1;\n.quit\n",
                &["1.mode csv", "2:select 1", "3.quit"],
            ),
            ("select 1\n.quit", &["1:select 1\n.quit"]),
            ("select '\n.x\n';", &["1:select '\n.x\n'"]),
            ("select 'a;", &["1:select 'a;"]),
            ("select 1 - 1 / 1;", &["1:select 1 - 1 / 1"]),
        ] {
            assert_eq!(items(text), expected, "{text}");
        }
    }

    proptest! {
        /// Nothing but semicolons, blank statements and outer spaces is lost.
        #[test]
        fn nothing_is_lost(text in "[a';\"\\[\\]`\n*/ -]{0,40}") {
            let mut lines = Lines::default();
            let mut all: Vec<Item> = text.lines().flat_map(|line| lines.push(line)).collect();
            all.extend(lines.end());
            let kept: String = all.iter().map(|item| match item {
                Item::Statement { sql, .. } => sql.as_str(),
                Item::Command { text, .. } => text.as_str(),
            }).collect();
            let letters = |text: &str| text.matches('a').count();
            let comments = text.contains("--") || text.contains("/*");
            prop_assert!(comments || letters(&kept) == letters(&text));
        }

        /// Values between quotes, whatever they are, stay in one statement.
        #[test]
        fn a_quoted_text_never_ends_a_statement(value in "[a;'\n-]{0,20}") {
            let sql = format!("select '{}'", value.replace('\'', "''"));
            let mut ends = Vec::new();
            let inside = scan(&format!("{sql};"), |at| ends.push(at));
            prop_assert_eq!(ends, vec![sql.len()]);
            prop_assert_eq!(inside, Inside::Code);
        }
    }
}
