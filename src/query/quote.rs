//! Values as JSON, appended to a line. Exports write hundreds of millions of these.

use crate::model::time;

/// Appends a string with its quotes, escaped as serde_json does.
pub fn text(out: &mut Vec<u8>, text: &str) {
    if !is_plain(text.as_bytes()) {
        return serde_json::to_writer(out, text).expect("writing text to memory cannot fail");
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Appends an instant (microseconds) as an ISO-8601 string with its quotes.
pub fn instant(out: &mut Vec<u8>, micros: i64) {
    let mut text = [0; time::TEXT_BYTES];
    time::write(micros, &mut text);
    out.push(b'"');
    out.extend_from_slice(&text);
    out.push(b'"');
}

/// Appends a whole number.
pub fn int(out: &mut Vec<u8>, number: i64) {
    serde_json::to_writer(out, &number).expect("writing a number to memory cannot fail");
}

/// Whether nothing in a text needs to be escaped.
fn is_plain(bytes: &[u8]) -> bool {
    let special = |byte: u8| (byte < b' ') | (byte == b'"') | (byte == b'\\');
    // Without early exits within a group, so that a group is one vector operation.
    let (groups, rest) = bytes.as_chunks::<16>();
    let plain = |group: &[u8]| {
        !group
            .iter()
            .fold(false, |found, &byte| found | special(byte))
    };
    groups.iter().all(|group| plain(group)) && plain(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_text_is_written_as_serde_json_writes_it(
            value in "(?s).{0,40}",
            special in prop::sample::select(vec!["", "\"", "\\", "\n", "\u{1f}", "\u{7f}", "é"]),
            at in 0usize..40,
        ) {
            let mut value = value;
            let at = (at..=value.len()).find(|&at| value.is_char_boundary(at));
            value.insert_str(at.unwrap_or(value.len()), special);
            let mut out = Vec::new();
            text(&mut out, &value);
            prop_assert_eq!(out, serde_json::to_vec(&value).unwrap());
        }

        #[test]
        fn numbers_and_instants_are_written_as_ever(number: i64) {
            let mut out = Vec::new();
            int(&mut out, number);
            let text = number.to_string();
            prop_assert_eq!(&out, text.as_bytes());
            out.clear();
            instant(&mut out, number);
            let text = format!("\"{}\"", time::to_text(number));
            prop_assert_eq!(&out, text.as_bytes());
        }
    }
}
