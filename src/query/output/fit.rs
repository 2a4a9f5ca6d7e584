//! Widths of columns on a terminal, and cutting cells to them.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// No column is cut below this many cells.
const NARROWEST: usize = 6;

/// Spaces between columns.
pub(super) const GAP: usize = 2;

/// Cells of a line with columns of these widths.
pub(super) fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

/// Narrows the widest columns that may be cut until all fit, as far as [`NARROWEST`] lets them.
pub(super) fn fit(widths: &mut [usize], whole: &[bool], terminal: usize) {
    loop {
        let total = total(widths);
        let open = || (0..widths.len()).filter(|&at| !whole[at]);
        let Some(widest) = open().map(|at| widths[at]).max() else {
            return;
        };
        if total <= terminal || widest <= NARROWEST {
            return;
        }
        let chosen: Vec<usize> = open().filter(|&at| widths[at] == widest).collect();
        let next = open().map(|at| widths[at]).filter(|&width| width < widest);
        let floor = next.max().unwrap_or(0).max(NARROWEST);
        let step = (total - terminal)
            .div_ceil(chosen.len())
            .min(widest - floor)
            .max(1);
        for at in chosen {
            widths[at] -= step;
        }
    }
}

/// `text` in at most `width` cells; what is cut off behind leaves an ellipsis.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut shown: String = head(text.chars(), width);
    shown.push('…');
    shown
}

/// `text` in at most `width` cells, cut in front: of `system:serviceaccount:ns:name` the end is
/// what tells it from others. Of `user as other` both are cut so.
pub(super) fn cut_front(text: &str, width: usize) -> String {
    const AS: &str = " as ";
    if text.width() <= width {
        return text.to_owned();
    }
    if let Some((user, other)) = text.split_once(AS)
        && width > AS.len() + 2
    {
        let room = width - AS.len();
        let second = other
            .width()
            .min((room / 2).max(room.saturating_sub(user.width())));
        let first = room - second;
        return format!("{}{AS}{}", cut_front(user, first), cut_front(other, second));
    }
    let backwards: String = head(text.chars().rev(), width);
    let mut shown = String::from("…");
    shown.extend(backwards.chars().rev());
    shown
}

/// The first letters that leave room for an ellipsis in `width` cells.
fn head(letters: impl Iterator<Item = char>, width: usize) -> String {
    let mut used = 1;
    letters
        .take_while(|letter| {
            used += letter.width().unwrap_or(0);
            used <= width
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fitting_takes_from_the_widest() {
        for (widths, terminal, expected) in [
            (vec![10, 20], 40, vec![10, 20]),
            (vec![10, 60], 40, vec![10, 28]),
            (vec![30, 60], 42, vec![20, 20]),
            (vec![5, 100, 100], 20, vec![5, 6, 6]),
            (vec![3, 3], 2, vec![3, 3]),
            (vec![], 10, vec![]),
        ] {
            let mut fitted = widths.clone();
            fit(&mut fitted, &vec![false; widths.len()], terminal);
            assert_eq!(fitted, expected, "{widths:?} in {terminal}");
        }
    }

    #[test]
    fn times_and_numbers_stay_whole() {
        let mut widths = [27, 30, 20];
        fit(&mut widths, &[true, false, false], 60);
        assert_eq!(widths, [27, 14, 14]);
        let mut widths = [27, 5];
        fit(&mut widths, &[true, false], 10);
        assert_eq!(widths, [27, 5]);
    }

    #[test]
    fn cutting_counts_cells() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("abc", 1), "…");
    }

    #[test]
    fn users_keep_their_end() {
        for (text, width, expected) in [
            (
                "system:serviceaccount:shop:ci",
                29,
                "system:serviceaccount:shop:ci",
            ),
            ("system:serviceaccount:shop:ci", 12, "…unt:shop:ci"),
            ("日本語", 5, "…本語"),
            (
                "system:serviceaccount:shop:ci as system:admin",
                20,
                "…shop:ci as …m:admin",
            ),
            (
                "al as system:serviceaccount:shop:ci",
                16,
                "al as …t:shop:ci",
            ),
        ] {
            let shown = cut_front(text, width);
            assert_eq!(shown, expected);
            assert!(shown.width() <= width);
        }
    }
}
