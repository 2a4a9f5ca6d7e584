//! The scale of a chart's axis.

/// A round number at or above `most`, and how many lines divide it.
pub(super) fn scale(most: u64) -> (u64, u64) {
    let mut unit = 1;
    loop {
        for (times, lines) in [(1, 1), (2, 2), (4, 4), (5, 5), (8, 4)] {
            if unit * times >= most {
                // A scale of one or ten is divided as a larger one would be.
                return match (times, unit) {
                    (1, 1) => (1, 1),
                    (1, _) => (unit, 5),
                    _ => (unit * times, lines),
                };
            }
        }
        match unit.checked_mul(10) {
            Some(next) => unit = next,
            None => return (most, 1),
        }
    }
}

/// `1,200,000` as `1.2M`.
pub(super) fn short(value: u64) -> String {
    for (unit, letter) in [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")] {
        if value >= unit {
            let text = format!("{:.1}", value as f64 / unit as f64);
            return format!("{}{letter}", text.strip_suffix(".0").unwrap_or(&text));
        }
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_round_and_just_high_enough() {
        for (most, expected) in [
            (0, (1, 1)),
            (1, (1, 1)),
            (2, (2, 2)),
            (3, (4, 4)),
            (6, (8, 4)),
            (9, (10, 5)),
            (26_975, (40_000, 4)),
            (86_436, (100_000, 5)),
            (u64::MAX, (u64::MAX, 1)),
        ] {
            let (top, lines) = scale(most);
            assert_eq!((top, lines), expected, "{most}");
            assert!(top >= most && top % lines == 0);
        }
    }

    #[test]
    fn short_numbers_keep_what_is_round() {
        for (value, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1k"),
            (2500, "2.5k"),
            (1_200_000, "1.2M"),
            (4_000_000_000, "4G"),
        ] {
            assert_eq!(short(value), expected);
        }
    }
}
