//! Text in HTML: none of it is markup, hides, or reorders or covers what stands around it.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter, Write};

use unicode_width::UnicodeWidthChar;

use crate::model::time;
use crate::query::output::visible;
use crate::report::figures::thousands;

/// Letters without a width of their own that may follow each other; more would pile up over the
/// lines around them.
const MARKS_MAX: usize = 4;

/// Line breaks of one value that are shown as such; more would take whole pages.
const LINES_MAX: usize = 40;

/// What stands where a value was cut.
const CUT: &str = "<span class=\"cut\">… cut here</span>";

/// Zeros in a row, after which one is written as a reference: the place of the digest is 64 of
/// them, and must be the only such in the document's bytes.
const ZEROS_MAX: usize = 48;

/// Text as it is, as the content of an element. What cannot be seen is spelled out and marked.
pub(super) struct Plain<'a>(pub(super) &'a str);

/// [`Plain`] for values: long words may be broken where their parts meet.
pub(super) struct Data<'a>(pub(super) &'a str);

/// [`Data`] of at most so many letters, and a mark where it was cut.
pub(super) struct Cut<'a>(pub(super) &'a str, pub(super) usize);

/// Text of several lines, such as a file's, in a frame; no more letters than of [`Cut`].
pub(super) struct Lines<'a>(pub(super) &'a str, pub(super) usize);

/// Text as the value of an attribute in double quotes.
pub(super) struct Attribute<'a>(pub(super) &'a str);

/// Paragraphs of text whose lines were broken for an editor.
pub(super) struct Paragraphs<'a>(pub(super) &'a str);

/// A number with its thousands apart.
pub(super) struct Count(pub(super) u64);

/// An instant to the minute or second; its zone is named beside it.
pub(super) struct When<'a>(pub(super) &'a str);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        content(f, self.0, false)
    }
}

impl Display for Data<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        content(f, self.0, true)
    }
}

impl Display for Cut<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some((at, _)) = self.0.char_indices().nth(self.1) else {
            return content(f, self.0, true);
        };
        content(f, &self.0[..at], true)?;
        f.write_str(CUT)
    }
}

impl Display for Lines<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let end = self.0.char_indices().nth(self.1).map(|(at, _)| at);
        f.write_str("<span class=\"lines\">")?;
        let mut lines = self.0[..end.unwrap_or(self.0.len())].splitn(LINES_MAX, '\n');
        content(f, lines.next().unwrap_or_default(), true)?;
        for line in lines {
            f.write_char('\n')?;
            content(f, line, true)?;
        }
        if end.is_some() {
            f.write_str(CUT)?;
        }
        f.write_str("</span>")
    }
}

impl Display for Attribute<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut zeros = 0;
        for letter in visible(self.0).chars() {
            escape(f, letter, &mut zeros)?;
        }
        Ok(())
    }
}

impl Display for Paragraphs<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut paragraph = String::new();
        for line in self.0.lines().chain([""]) {
            if !line.trim().is_empty() {
                for word in line.split_whitespace() {
                    if !paragraph.is_empty() {
                        paragraph.push(' ');
                    }
                    paragraph.push_str(word);
                }
            } else if !paragraph.is_empty() {
                write!(f, "<p>{}</p>", Plain(&paragraph))?;
                paragraph.clear();
            }
        }
        Ok(())
    }
}

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&thousands(self.0))
    }
}

impl Display for When<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(instant) = time::parse_instant(self.0) else {
            return content(f, self.0, true);
        };
        let whole = time::to_text(instant);
        let end = if &whole[17..19] == "00" { 16 } else { 19 };
        instant_to(f, &whole, end)
    }
}

/// `whole`, an instant as [`time::to_text`] writes it, up to the byte `end`.
pub(super) fn instant_to(f: &mut impl Write, whole: &str, end: usize) -> fmt::Result {
    write!(
        f,
        "<time datetime=\"{whole}\">{} {}</time>",
        &whole[..10],
        &whole[11..end]
    )
}

/// Bytes of an anchor; the PDF format allows names of 127.
const IDENT_BYTES_MAX: usize = 100;

/// The instant that a text is, if it is spelled as [`time::to_text`] spells it.
pub(super) fn whole_instant(text: &str) -> Option<i64> {
    if text.len() != time::TEXT_BYTES {
        return None;
    }
    let instant = time::parse_rfc3339(text.as_bytes())?;
    (time::to_text(instant) == text).then_some(instant)
}

/// A sentence in which whole instants read as those of [`When`] do: `2026-11-21 03:40:53 UTC`.
pub(super) fn in_words_of_time(sentence: &str) -> Cow<'_, str> {
    let mut words = String::new();
    let mut written = 0;
    let mut at = 0;
    while let Some(found) = sentence[at..].find('T') {
        let t = at + found;
        at = t + 1;
        let Some(from) = t.checked_sub(10).filter(|from| *from >= written) else {
            continue;
        };
        let until = from + time::TEXT_BYTES;
        let Some(text) = sentence.get(from..until) else {
            continue;
        };
        if whole_instant(text).is_some() {
            let end = if &text[17..19] == "00" { 16 } else { 19 };
            let day = &sentence[written..from + 10];
            words.push_str(&format!("{day} {} UTC", &text[11..end]));
            written = until;
            at = until;
        }
    }
    match written {
        0 => Cow::Borrowed(sentence),
        _ => Cow::Owned(words + &sentence[written..]),
    }
}

/// A name that may stand in `id` and behind `#`. Other letters than these become their code and
/// long names end in their hash, so that different ones stay different.
pub(super) fn ident(name: &str) -> String {
    let mut ident = String::with_capacity(name.len());
    let mut zeros = 0;
    for letter in name.chars() {
        zeros = if letter == '0' { zeros + 1 } else { 0 };
        match letter {
            '0' if zeros > ZEROS_MAX => ident.push_str("_30_"),
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '(' | ')' => {
                ident.push(letter);
            }
            _ => ident.push_str(&format!("_{:x}_", u32::from(letter))),
        }
    }
    if ident.len() > IDENT_BYTES_MAX {
        ident.truncate(IDENT_BYTES_MAX - 17);
        let hash = xxhash_rust::xxh3::xxh3_64(name.as_bytes());
        ident.push_str(&format!("-{hash:016x}"));
    }
    ident
}

/// A path beside the document as the value of `href`: `./` keeps a colon from naming a scheme.
pub(super) fn file_link(path: &str) -> String {
    let mut link = String::from("./");
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' => {
                link.push(char::from(byte));
            }
            _ => link.push_str(&format!("%{byte:02X}")),
        }
    }
    link
}

/// What was written without its links: their text stays. Text of events has no bare `<`.
pub(super) fn unlinked(html: &str) -> String {
    let mut rest = html.replace("</a>", "");
    while let Some(at) = rest.find("<a ") {
        let end = rest[at..].find('>').map_or(rest.len(), |end| at + end + 1);
        rest.replace_range(at..end, "");
    }
    rest
}

/// A letter as it is shown.
enum Letter {
    Plain(char),
    /// What stands for one that cannot be seen, or would cover others.
    Spelled(String),
}

/// The letters of a text as they are shown.
fn letters(text: &str) -> impl Iterator<Item = Letter> {
    let mut marks = 0;
    text.chars().map(move |letter| {
        if letter == ' ' || letter.is_ascii_graphic() {
            marks = 0;
            return Letter::Plain(letter);
        }
        marks = if letter.width() == Some(0) {
            marks + 1
        } else {
            0
        };
        // HTML has no place for what Unicode calls no characters.
        let code = u32::from(letter);
        let none = code & 0xfffe == 0xfffe || matches!(code, 0xfdd0..=0xfdef);
        if marks > MARKS_MAX || none {
            return Letter::Spelled(format!("\\u{{{code:x}}}"));
        }
        match visible(letter.encode_utf8(&mut [0; 4])) {
            Cow::Borrowed(_) => Letter::Plain(letter),
            Cow::Owned(spelled) => Letter::Spelled(spelled),
        }
    })
}

/// Cells that the first `most` letters of a text take, roughly.
pub(super) fn cells(text: &str, most: usize) -> usize {
    letters(text)
        .take(most)
        .map(|letter| match letter {
            Letter::Plain(letter) => letter.width().unwrap_or(0),
            Letter::Spelled(spelled) => spelled.len(),
        })
        .sum()
}

fn content(f: &mut Formatter<'_>, text: &str, breaks: bool) -> fmt::Result {
    let mut zeros = 0;
    let mut before = ' ';
    let mut letters = letters(text).peekable();
    while let Some(letter) = letters.next() {
        let letter = match letter {
            Letter::Plain(letter) => letter,
            Letter::Spelled(spelled) => {
                write!(f, "<span class=\"x\">{spelled}</span>")?;
                continue;
            }
        };
        escape(f, letter, &mut zeros)?;
        // Times, versions and addresses stay whole.
        let digit = std::mem::replace(&mut before, letter).is_ascii_digit();
        let joint = breaks
            && matches!(letter, ':' | '.' | '_' | '=' | '&' | '?' | ',' | '@' | '/')
            && matches!(letters.peek(), Some(Letter::Plain(next))
                if next.is_ascii_alphanumeric() && !(digit && next.is_ascii_digit()));
        if joint {
            f.write_str("<wbr>")?;
        }
    }
    Ok(())
}

fn escape(f: &mut Formatter<'_>, letter: char, zeros: &mut usize) -> fmt::Result {
    *zeros = if letter == '0' { *zeros + 1 } else { 0 };
    if *zeros > ZEROS_MAX {
        *zeros = 0;
        return f.write_str("&#48;");
    }
    match letter {
        '&' => f.write_str("&amp;"),
        '<' => f.write_str("&lt;"),
        '>' => f.write_str("&gt;"),
        '"' => f.write_str("&quot;"),
        '\'' => f.write_str("&#39;"),
        _ => f.write_char(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_in_sentences_are_short() {
        for (sentence, words) in [
            ("Nothing.", "Nothing."),
            (
                "From 2026-11-21T03:40:53.734113Z to 2026-11-22T00:00:00.000000Z.",
                "From 2026-11-21 03:40:53 UTC to 2026-11-22 00:00 UTC.",
            ),
            ("TéT2026-11-21T03:40", "TéT2026-11-21T03:40"),
            ("2026-11-21T03:40:53.73411éZ", "2026-11-21T03:40:53.73411éZ"),
            ("9999-99-99T99:99:99.000000Z", "9999-99-99T99:99:99.000000Z"),
        ] {
            assert_eq!(in_words_of_time(sentence), words);
        }
    }

    #[test]
    fn marks_do_not_pile_up() {
        let text = "z\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}a\u{301}";
        assert_eq!(
            Data(text).to_string(),
            "z\u{301}\u{302}\u{303}\u{304}<span class=\"x\">\\u{305}</span>\
             <span class=\"x\">\\u{306}</span>a\u{301}"
        );
        assert_eq!(cells(text, 100), 2 + 2 * "\\u{305}".len());
        assert_eq!(cells("日本", 100), 4);
    }

    #[test]
    fn names_of_anchors_stay_apart() {
        let long = "x".repeat(500);
        let names = [
            "a",
            "A",
            "a b",
            "a_20_b",
            "a\u{20}\u{20}b",
            "",
            "é",
            "(1)",
            &long,
            &long[1..],
        ];
        let idents: std::collections::BTreeSet<String> = names.map(ident).into();
        assert_eq!(idents.len(), names.len());
        assert!(idents.iter().all(|ident| ident.len() <= IDENT_BYTES_MAX));
        assert_eq!(ident("e-10.2.1.4-1"), "e-10.2.1.4-1");
    }

    #[test]
    fn links_to_files_name_no_scheme() {
        assert_eq!(file_link("pci-dss/e-1-x.csv"), "./pci-dss/e-1-x.csv");
        assert_eq!(file_link("javascript:a()"), "./javascript%3Aa%28%29");
    }

    #[test]
    fn numbers_have_their_thousands_apart() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(Count(count).to_string(), text);
        }
    }
}
