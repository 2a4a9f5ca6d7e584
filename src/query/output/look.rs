//! For whom a table is: a terminal or a file, and whose clock.

use crate::model::time::{self, Zone};

const SECOND: i64 = 1_000_000;

/// How an answer looks.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Whether people read it on a terminal, which text of events must not reach: CSV and JSON spell
    /// out there what tables always do.
    pub terminal: bool,
    /// Cells of the terminal's line; `None` leaves everything whole.
    pub width: Option<usize>,
    pub colour: bool,
    /// The zone of its times.
    pub zone: Zone,
    pub columns: Columns,
}

/// Who chose the columns, which says what may go for want of room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// The reader, one by one: none goes.
    Asked,
    /// A question or statement: those without a value may go, and then the last ones.
    Offered,
    /// They are the usual ones of events: those that say nothing go anyhow.
    Usual,
}

impl Default for Look {
    fn default() -> Look {
        Look {
            terminal: false,
            width: None,
            colour: false,
            zone: Zone::UTC,
            columns: Columns::Offered,
        }
    }
}

/// How much of a time stands in a cell, the longest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeForm {
    /// `2026-11-21T03:40:53.734113Z`, for programs too.
    Whole,
    /// `2026-11-21 03:40:53.734113`; the zone is named above.
    Micros,
    /// `2026-11-21 03:40:53`
    Seconds,
    /// `11-21 03:40:53`, while the year is clear.
    Short,
    /// `03:40:53`, while the day is clear.
    Clock,
}

impl TimeForm {
    /// The forms to try on a terminal, in this order.
    pub(super) const ON_TERMINAL: [TimeForm; 4] = [
        TimeForm::Micros,
        TimeForm::Seconds,
        TimeForm::Short,
        TimeForm::Clock,
    ];

    /// `instant` as a clock in `zone` reads; `day` (`2026-11-21`) is one whose year, or which
    /// itself, goes without saying, and with `offset` the distance to UTC stands behind.
    pub(super) fn write(self, instant: i64, zone: Zone, day: &str, offset: bool) -> String {
        let text = time::to_text(zone.clock(instant));
        let ahead = zone.ahead(instant);
        if self == TimeForm::Whole {
            return match ahead {
                0 => text,
                _ => format!("{}{}", &text[..26], offset_text(ahead)),
            };
        }
        let mut shown = match self {
            TimeForm::Clock if text[..10] == *day => text[11..19].to_owned(),
            TimeForm::Short | TimeForm::Clock if day.get(..4) == Some(&text[..4]) => {
                format!("{} {}", &text[5..10], &text[11..19])
            }
            TimeForm::Micros => format!("{} {}", &text[..10], &text[11..26]),
            _ => format!("{} {}", &text[..10], &text[11..19]),
        };
        if offset {
            shown.push_str(&offset_text(ahead));
        }
        shown
    }
}

/// The name of a zone that is so far ahead: `UTC`, `+01:00`.
pub(super) fn zone_name(ahead: i64) -> String {
    match ahead {
        0 => "UTC".to_owned(),
        _ => offset_text(ahead),
    }
}

fn offset_text(ahead: i64) -> String {
    let sign = if ahead < 0 { '-' } else { '+' };
    let minutes = ahead.abs() / (60 * SECOND);
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The colour of an outcome: red for what was denied, yellow for what failed, faint for what is
/// not known yet.
pub(super) fn colour(outcome: &str) -> Option<&'static str> {
    match outcome {
        "success" | "upgraded" | "-" => None,
        "pending" => Some("2"),
        denied if denied.starts_with("denied_") => Some("31"),
        _ => Some("33"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_get_shorter_and_never_lose_their_year_or_zone() {
        let at = time::parse_instant("2026-11-21T23:40:53.734113Z").unwrap();
        let india = Zone(|_| 19_800 * SECOND);
        for (form, zone, day, offset, expected) in [
            (TimeForm::Clock, Zone::UTC, "2026-11-21", false, "23:40:53"),
            (
                TimeForm::Clock,
                india,
                "2026-11-21",
                false,
                "11-22 05:10:53",
            ),
            (
                TimeForm::Whole,
                Zone::UTC,
                "",
                false,
                "2026-11-21T23:40:53.734113Z",
            ),
            (
                TimeForm::Whole,
                india,
                "",
                false,
                "2026-11-22T05:10:53.734113+05:30",
            ),
            (
                TimeForm::Micros,
                Zone::UTC,
                "2026-11-21",
                false,
                "2026-11-21 23:40:53.734113",
            ),
            (
                TimeForm::Seconds,
                india,
                "2026-11-21",
                false,
                "2026-11-22 05:10:53",
            ),
            (
                TimeForm::Short,
                india,
                "2026-11-21",
                false,
                "11-22 05:10:53",
            ),
            (
                TimeForm::Short,
                india,
                "2026-11-21",
                true,
                "11-22 05:10:53+05:30",
            ),
            (
                TimeForm::Short,
                Zone::UTC,
                "2025-11-21",
                false,
                "2026-11-21 23:40:53",
            ),
        ] {
            assert_eq!(form.write(at, zone, day, offset), expected);
        }
        assert_eq!(zone_name(0), "UTC");
        assert_eq!(zone_name(-12_600 * SECOND), "-03:30");
    }
}
