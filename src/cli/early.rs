//! Flags that must be known before flags are read.

use std::ffi::OsString;

/// The value of a flag such as `--data`, the last one given.
pub(super) fn flag(arguments: impl IntoIterator<Item = OsString>, name: &str) -> Option<OsString> {
    let mut found = None;
    let mut next_is_value = false;
    for argument in arguments {
        let text = argument.to_string_lossy();
        let joined = text
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('='));
        let is_flag = !next_is_value && text == name;
        if let Some(value) = joined {
            found = Some(value.into());
        } else if next_is_value {
            found = Some(argument);
        }
        next_is_value = is_flag;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_given() {
        for (words, expected) in [
            ("ask --queries a who", Some("a")),
            ("ask who --queries=a/b", Some("a/b")),
            ("--queries a --queries b", Some("b")),
            ("--queries --queries", Some("--queries")),
            ("--queriesx y --quer z", None),
            ("--queries", None),
        ] {
            let value = flag(words.split(' ').map(OsString::from), "--queries");
            assert_eq!(value.as_deref(), expected.map(AsRef::as_ref), "{words}");
        }
    }
}
