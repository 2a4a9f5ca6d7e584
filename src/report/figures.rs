//! Figures as sentences and tables of a report write them, so that both say the same.

/// A number with its thousands apart: `1,234,567`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut apart = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart
}

/// `1 event` and `1,234 events`.
pub(super) fn plural(number: u64, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{} {many}", thousands(number)),
    }
}

/// A share to the nearest tenth of a per cent; a small one does not read as none, nor a large one
/// as all.
pub(super) fn percent(part: u64, whole: u64) -> String {
    let (part, whole) = (u128::from(part), u128::from(whole.max(1)));
    match (part * 1000 + whole / 2) / whole {
        0 if part == 0 => "0 %".to_owned(),
        0 => "below 0.1 %".to_owned(),
        1000 if part < whole => "above 99.9 %".to_owned(),
        tenths => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_they_are() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(number), text);
        }
        assert_eq!(thousands(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(plural(0, "hour", "hours"), "0 hours");
        assert_eq!(plural(1, "hour", "hours"), "1 hour");
        assert_eq!(plural(1200, "hour", "hours"), "1,200 hours");
        for (part, whole, text) in [
            (0, 0, "0 %"),
            (0, 5, "0 %"),
            (5, 5, "100.0 %"),
            (30_251, 100_000, "30.3 %"),
            (30_249, 100_000, "30.2 %"),
            (1, 1_000_000, "below 0.1 %"),
            (999_999, 1_000_000, "above 99.9 %"),
            (u64::MAX, u64::MAX, "100.0 %"),
        ] {
            assert_eq!(percent(part, whole), text, "{part} of {whole}");
        }
    }
}
