//! Front coding of a dictionary's piece: what a string shares with the first one of its piece is
//! left out. Sorted strings share much: URIs that differ in a resource version, messages in a name.
//!
//! The first string stands as it is. Every other begins with one character that says how many
//! characters of the first come before the rest, so that SQL can put it together too (`views`).

/// The character for 0 shared characters. Up to [`SHORT_MAX`] more it needs no escape in JSON.
pub(crate) const SHORT_BASE: u32 = 35;
const SHORT_MAX: usize = 56;

/// The character for 0 shared characters in the form for more than [`SHORT_MAX`].
pub(crate) const LONG_BASE: u32 = 0x100;
/// What still takes two bytes of UTF-8.
const LONG_MAX: usize = 0x6ff;

/// The stored form of sorted strings.
pub(crate) fn shorten(strings: &[Box<str>]) -> Vec<String> {
    let Some(first) = strings.first() else {
        return Vec::new();
    };
    let rest = strings[1..].iter().map(|text| {
        let same = |((_, left), right): &((usize, char), char)| left == right;
        let both = text.char_indices().zip(first.chars());
        let shared = both.take_while(same).take(LONG_MAX).count();
        let begin = text.char_indices().nth(shared);
        let begin = begin.map_or(text.len(), |(begin, _)| begin);
        let code = match shared {
            ..=SHORT_MAX => SHORT_BASE + shared as u32,
            _ => LONG_BASE + shared as u32,
        };
        let mut short = String::with_capacity(text.len() - begin + 2);
        short.extend(char::from_u32(code));
        short.push_str(&text[begin..]);
        short
    });
    std::iter::once(first.to_string()).chain(rest).collect()
}

/// The strings again, in place; `None` for what [`shorten`] cannot have written.
pub(crate) fn restore(strings: &mut [Box<str>]) -> Option<()> {
    let Some((first, rest)) = strings.split_first_mut() else {
        return Some(());
    };
    let mut whole = String::new();
    for text in rest {
        whole.clear();
        restore_after(first, text, &mut whole)?;
        *text = whole.as_str().into();
    }
    Some(())
}

/// Appends a string that is not the first of its piece, of which the first is given.
pub(crate) fn restore_after(first: &str, text: &str, out: &mut String) -> Option<()> {
    let code = text.chars().next()?;
    let shared = match u32::from(code) {
        code if code >= LONG_BASE => code - LONG_BASE,
        code => code.checked_sub(SHORT_BASE)?,
    } as usize;
    let end = match first.is_ascii() {
        true => shared,
        false => {
            let mut ends = first.char_indices().map(|(begin, _)| begin);
            ends.nth(shared).or_else(|| {
                let all = first.chars().count() == shared;
                all.then_some(first.len())
            })?
        }
    };
    out.push_str(first.get(..end)?);
    out.push_str(&text[code.len_utf8()..]);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strings_come_back(
            prefix in "[ab\\PC]{0,70}",
            rests in prop::collection::btree_set("[ab\\PC]{0,6}", 0..12),
        ) {
            let strings: Vec<Box<str>> =
                rests.iter().map(|rest| format!("{prefix}{rest}").into()).collect();
            let mut back: Vec<Box<str>> =
                shorten(&strings).into_iter().map(String::into_boxed_str).collect();
            prop_assert!(restore(&mut back).is_some());
            prop_assert_eq!(back, strings);
        }

        #[test]
        fn arbitrary_strings_never_panic(strings in prop::collection::vec("\\PC{0,4}", 0..6)) {
            let mut strings: Vec<Box<str>> =
                strings.into_iter().map(String::into_boxed_str).collect();
            let _ = restore(&mut strings);
        }
    }
}
