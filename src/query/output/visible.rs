//! Text that cannot move the cursor, hide itself or reorder what stands around it.

use std::borrow::Cow;

/// `text` with control characters, terminal escapes, bidirectional controls and invisible
/// characters spelled out: `\n`, `\t`, `\u{1b}`, `\u{202e}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            _ if hidden(letter) => shown.push_str(&format!("\\u{{{:x}}}", u32::from(letter))),
            _ => shown.push(letter),
        }
    }
    Cow::Owned(shown)
}

/// [`visible`] for a text whose lines are its own.
pub fn visible_lines(text: &str) -> String {
    let lines = text.split('\n').map(|line| match line.strip_suffix('\r') {
        Some(line) => visible(line) + "\r",
        None => visible(line),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// General categories Cc, Cf (with the bidirectional controls, joiners and tags), Zl and Zp, and
/// the fillers that look like nothing.
pub(super) fn hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}'
                | '\u{34f}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stays_hidden() {
        for (text, expected) in [
            ("plain", "plain"),
            ("ünïcödé 日本", "ünïcödé 日本"),
            ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
            ("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{7f}\0", "\\u{7f}\\u{0}"),
            ("abc\u{202e}fdp.exe", "abc\\u{202e}fdp.exe"),
            ("ad\u{200b}min", "ad\\u{200b}min"),
            ("\u{feff}x", "\\u{feff}x"),
            ("\u{e0041}", "\\u{e0041}"),
            ("\u{2028}", "\\u{2028}"),
        ] {
            assert_eq!(visible(text), expected);
        }
        assert_eq!(
            visible_lines("a\u{1b}b\r\nc\rd\n\n"),
            "a\\u{1b}b\r\nc\\rd\n\n"
        );
    }
}
