//! Instants as microseconds since 1970, UTC: reading, writing, and what people type.
//!
//! Digits beyond microseconds are cut off. A leap second (`:60`) is no instant here, nor is it to
//! Go's parser, so no apiserver writes one.

use std::time::{Duration, SystemTime};

mod human;
#[cfg(test)]
mod tests;

pub use human::{Zone, parse_human};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// 0000-01-01T00:00:00.000000Z and the last microsecond of 9999: what four digits of year hold.
const FIRST: i64 = -62_167_219_200 * SECOND;
const LAST: i64 = 253_402_300_800 * SECOND - 1;

/// The length of the canonical spelling.
pub const TEXT_BYTES: usize = 27;

/// The current time.
#[expect(clippy::disallowed_methods, reason = "this is the one clock")]
pub fn now() -> i64 {
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |us| -us),
    }
}

/// Reads an RFC 3339 time as Kubernetes writes it: `2026-11-21T03:40:53.734113Z`, any number of
/// fraction digits, `Z` or an offset. Nothing before or after it.
pub fn parse_rfc3339(text: &[u8]) -> Option<i64> {
    let (day, rest) = text.split_at_checked(10)?;
    let (&[b'T'], rest) = rest.split_at_checked(1)? else {
        return None;
    };
    let (clock, rest) = rest.split_at_checked(8)?;
    let (fraction, rest) = read_fraction(rest)?;
    let offset = read_zone(rest)?;
    Some(read_day(day)? + read_clock(clock)? + fraction - offset)
}

/// Whether `text`, which [`parse_rfc3339`] accepts, is spelled as [`to_text`] spells it.
pub fn is_canonical(text: &[u8]) -> bool {
    text.len() == TEXT_BYTES && text[TEXT_BYTES - 1] == b'Z'
}

/// `YYYY-MM-DD` to microseconds.
fn read_day(text: &[u8]) -> Option<i64> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else {
        return None;
    };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let month = two(m1, m2)?;
    let day = two(d1, d2)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if day == 0 || day > length {
        return None;
    }
    Some(days_from_civil(year, month, day) * DAY)
}

/// `HH:MM:SS` to microseconds.
fn read_clock(text: &[u8]) -> Option<i64> {
    let &[h1, h2, b':', m1, m2, b':', s1, s2] = text else {
        return None;
    };
    let (hour, minute, second) = (two(h1, h2)?, two(m1, m2)?, two(s1, s2)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some((hour * 3600 + minute * 60 + second) * SECOND)
}

/// A fraction if one stands at the start, in microseconds, and what follows.
fn read_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let count = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if count == 0 {
        return None;
    }
    let mut micros = 0;
    for place in 0..6 {
        let digit = digits[..count].get(place).map_or(0, |byte| byte - b'0');
        micros = micros * 10 + i64::from(digit);
    }
    Some((micros, &digits[count..]))
}

/// `Z` or `+HH:MM` to microseconds ahead of UTC.
fn read_zone(text: &[u8]) -> Option<i64> {
    let (sign, h1, h2, m1, m2) = match *text {
        [b'Z'] => return Some(0),
        [sign, h1, h2, b':', m1, m2] => (sign, h1, h2, m1, m2),
        _ => return None,
    };
    let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let ahead = (hours * 60 + minutes) * 60 * SECOND;
    match sign {
        b'+' => Some(ahead),
        b'-' => Some(-ahead),
        _ => None,
    }
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens * 10 + ones))
}

/// Days since 1970-01-01 of a day of the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a number of days since 1970-01-01.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// Writes `micros` as `2026-11-21T03:40:53.734113Z`. An instant outside the years 0000 to 9999 is
/// written as the nearest one inside.
pub fn write(micros: i64, text: &mut [u8; TEXT_BYTES]) {
    let micros = micros.clamp(FIRST, LAST);
    let (year, month, day) = civil_from_days(micros.div_euclid(DAY));
    let of_day = micros.rem_euclid(DAY);
    let seconds = of_day / SECOND;
    *text = *b"0000-00-00T00:00:00.000000Z";
    put(&mut text[0..4], year);
    put(&mut text[5..7], month);
    put(&mut text[8..10], day);
    put(&mut text[11..13], seconds / 3600);
    put(&mut text[14..16], seconds / 60 % 60);
    put(&mut text[17..19], seconds % 60);
    put(&mut text[20..26], of_day % SECOND);
}

/// Fills `digits` with `value`, right-aligned over its zeros.
fn put(digits: &mut [u8], mut value: i64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// `micros` as `2026-11-21T03:40:53.734113Z`; see [`write()`].
pub fn to_text(micros: i64) -> String {
    let mut text = [0; TEXT_BYTES];
    write(micros, &mut text);
    text.iter().copied().map(char::from).collect()
}

/// Displays an instant as [`to_text`] does.
pub fn format(micros: i64) -> impl std::fmt::Display {
    std::fmt::from_fn(move |f| {
        let mut text = [0; TEXT_BYTES];
        write(micros, &mut text);
        f.pad(std::str::from_utf8(&text).unwrap_or_default())
    })
}

/// Reads what people write for an instant in SQL: a date (midnight), a date and a time of day to
/// the minute, second or any fraction of it, with `T` or a space between them, and `Z`, an offset
/// or nothing (UTC) behind. Surrounding spaces do not count.
pub fn parse_instant(text: &str) -> Option<i64> {
    let (clock, offset) = read_instant(text)?;
    Some(clock - offset.unwrap_or(0))
}

/// What a clock reads in [`parse_instant`]'s spellings, and how far it is ahead of UTC, if said.
fn read_instant(text: &str) -> Option<(i64, Option<i64>)> {
    let text = text.trim_ascii().as_bytes();
    let (day, rest) = text.split_at_checked(10)?;
    let day = read_day(day)?;
    let rest = match rest {
        [] => return Some((day, None)),
        [b'T' | b't', rest @ ..] => rest,
        [b' ', ..] => rest.trim_ascii_start(),
        _ => return None,
    };
    let (clock, rest) = read_time_of_day(rest)?;
    let offset = match rest.trim_ascii_start() {
        [] => None,
        [b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2] => Some(read_zone(&[*sign, *h1, *h2, b':', b'0', b'0'])?),
        [sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
            Some(read_zone(&[*sign, *h1, *h2, b':', *m1, *m2])?)
        }
        zone => Some(read_zone(zone)?),
    };
    Some((day + clock, offset))
}

/// `HH:MM`, `HH:MM:SS` or with a fraction, in microseconds, and what follows.
fn read_time_of_day(text: &[u8]) -> Option<(i64, &[u8])> {
    let (hour_minute, rest) = text.split_at_checked(5)?;
    let (second, rest) = match rest {
        [b':', s1, s2, rest @ ..] => ([*s1, *s2], rest),
        _ => ([b'0'; 2], rest),
    };
    let &[h1, h2, colon, m1, m2] = hour_minute else {
        return None;
    };
    let clock = read_clock(&[h1, h2, colon, m1, m2, b':', second[0], second[1]])?;
    let (fraction, rest) = read_fraction(rest)?;
    Some((clock + fraction, rest))
}

/// Reads a duration such as `2h`, `90m`, `1h30m`, `7d`, `1w`, `1y` (365 days), `500ms`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let micros = read_duration(text.trim()).ok_or_else(|| {
        format!(
            "'{}' is no duration; write for example 30s, 90m, 2h, 1h30m, 7d, 1w or 1y",
            text.escape_debug()
        )
    })?;
    Ok(Duration::from_micros(micros.unsigned_abs()))
}

/// Whole numbers with units, one after the other, in microseconds.
fn read_duration(text: &str) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    let mut micros = 0_i64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let unit = match unit.to_ascii_lowercase().as_str() {
            "us" => 1,
            "ms" => 1000,
            "s" | "sec" => SECOND,
            "m" | "min" => 60 * SECOND,
            "h" => 3600 * SECOND,
            "d" => DAY,
            "w" => 7 * DAY,
            "y" => 365 * DAY,
            _ => return None,
        };
        micros = micros.checked_add(number.parse::<i64>().ok()?.checked_mul(unit)?)?;
        rest = tail;
    }
    Some(micros)
}
