//! A piece of a dictionary in memory: an export reads most strings of a segment, so what each takes
//! beside its own bytes counts.

/// Sorted strings, one after the other.
pub(crate) struct Strings {
    text: Box<str>,
    ends: Box<[u32]>,
}

impl Strings {
    pub(super) fn new(strings: &[Box<str>]) -> Strings {
        let mut end = 0;
        let ends = strings.iter().map(|text| {
            end += text.len() as u32;
            end
        });
        Strings {
            ends: ends.collect(),
            text: strings.concat().into(),
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start as usize..end as usize)
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// All strings, one after the other without anything between them.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).filter_map(|index| self.get(index))
    }

    pub(super) fn last(&self) -> Option<&str> {
        self.get(self.ends.len().checked_sub(1)?)
    }

    /// The place of a string.
    pub(super) fn find(&self, text: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle)?.cmp(text) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Bytes of memory, about.
    pub(super) fn memory(&self) -> usize {
        self.text.len() + self.ends.len() * 4 + 64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_back_and_are_found() {
        let words = ["", "a", "aé", "b", "日本"].map(Box::<str>::from);
        let strings = Strings::new(&words);
        assert!(strings.iter().eq(words.iter().map(|word| &**word)));
        for (at, word) in words.iter().enumerate() {
            assert_eq!(strings.find(word), Some(at));
        }
        for none in ["A", "aa", "c", "日"] {
            assert_eq!(strings.find(none), None);
        }
        assert_eq!((strings.get(5), strings.last()), (None, Some("日本")));
        let none = Strings::new(&[]);
        assert_eq!(none.last(), None);
    }
}
