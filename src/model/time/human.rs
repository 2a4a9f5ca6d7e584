//! What people type for an instant, and whose clock they mean.

use super::{DAY, SECOND, parse_duration, read_instant, read_time_of_day};

/// A time zone: how far its clocks are ahead of UTC at an instant, both in microseconds.
#[derive(Debug, Clone, Copy)]
pub struct Zone(pub fn(i64) -> i64);

impl Zone {
    pub const UTC: Zone = Zone(|_| 0);

    /// Microseconds ahead of UTC.
    pub fn ahead(self, instant: i64) -> i64 {
        (self.0)(instant)
    }

    /// What a clock reads at an instant, as if it were one in UTC.
    pub fn clock(self, instant: i64) -> i64 {
        instant.saturating_add(self.ahead(instant))
    }

    /// An instant for people, to the second, with its zone: `2026-11-21 03:40:53Z`.
    pub fn text(self, instant: i64) -> String {
        let clock = super::to_text(self.clock(instant));
        let minutes = self.ahead(instant) / (60 * SECOND);
        let zone = match minutes {
            0 => "Z".to_owned(),
            _ => {
                let sign = if minutes < 0 { '-' } else { '+' };
                format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
            }
        };
        format!("{} {}{zone}", &clock[..10], &clock[11..19])
    }

    /// The instant at which a clock reads this.
    pub fn instant(self, clock: i64) -> i64 {
        let near = clock.saturating_sub(self.ahead(clock));
        clock.saturating_sub(self.ahead(near))
    }
}

/// Reads what people type for `--since` and `--until`: an instant as [`super::parse_instant`]
/// reads it, a duration back from `now` (`2h`, `1h30m`, `7d`), a time of day (the last time that
/// it was so late), or `now`, `today`, `yesterday` (midnight), the last two also with a time of
/// day. What names no zone is in `zone`.
pub fn parse_human(text: &str, now: i64, zone: Zone) -> Result<i64, String> {
    let trimmed = text.trim();
    let today = zone.clock(now).div_euclid(DAY) * DAY;
    let lower = trimmed.to_ascii_lowercase();
    let named = |day: i64, rest: &str| match rest {
        "" => Some(zone.instant(day)),
        _ => time_of_day(rest.strip_prefix(' ')?.trim()).map(|clock| zone.instant(day + clock)),
    };
    if lower == "now" {
        return Ok(now);
    }
    let instant = if let Some(rest) = lower.strip_prefix("today") {
        named(today, rest)
    } else if let Some(rest) = lower.strip_prefix("yesterday") {
        named(today - DAY, rest)
    } else if let Some(clock) = time_of_day(trimmed) {
        let instant = zone.instant(today + clock);
        Some(match instant > now {
            true => zone.instant(today - DAY + clock),
            false => instant,
        })
    } else if let Some((clock, offset)) = read_instant(trimmed) {
        Some(match offset {
            Some(offset) => clock - offset,
            None => zone.instant(clock),
        })
    } else {
        let back = parse_duration(trimmed).ok();
        back.map(|back| now.saturating_sub(i64::try_from(back.as_micros()).unwrap_or(i64::MAX)))
    };
    instant.ok_or_else(|| {
        format!(
            "'{}' is no time; write 2h, 7d or 1h30m (ago), 14:00 (the last one), now, today, \
             yesterday, 'yesterday 14:00', 2026-11-20, '2026-11-20 14:00', 2026-11-20T14:00:00Z or \
             2026-11-20T14:00:00+02:00",
            trimmed.escape_debug()
        )
    })
}

/// `14:00`, `14:00:30`, in microseconds.
fn time_of_day(text: &str) -> Option<i64> {
    match read_time_of_day(text.as_bytes())? {
        (clock, []) => Some(clock),
        _ => None,
    }
}
