//! Instants and durations as people type them.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat};

/// Microseconds since 1970, now.
pub fn now() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

/// ISO-8601 UTC with six digits.
pub fn to_text(time: i64) -> String {
    match DateTime::from_timestamp_micros(time) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Micros, true),
        None => time.to_string(),
    }
}

/// An absolute time; without a zone it is UTC, without a time of day midnight.
pub fn parse_text(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_micros());
    }
    for format in [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M",
    ] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, format) {
            return Some(time.and_utc().timestamp_micros());
        }
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros())
}

/// An absolute time, or a duration before `now`.
pub fn parse_human(text: &str, now: i64) -> Result<i64, String> {
    if let Some(time) = parse_text(text) {
        return Ok(time);
    }
    match parse_duration(text) {
        Ok(age) => Ok(now.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX))),
        Err(_) => Err(
            "is no time; use a time such as 2026-11-20T14:00:00Z or 2026-11-20, or an age such as 2h"
                .to_owned(),
        ),
    }
}

/// A duration such as `90s`, `2h`, `1h30m`, `7d`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let bad =
        || "is no duration; use a number and a unit: ms, s, m, h, d or w, such as 2h".to_owned();
    let mut rest = text;
    let mut total = 0u64;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let letters = rest.len()
            - rest
                .trim_start_matches(|c: char| c.is_ascii_alphabetic())
                .len();
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return Err(bad()),
        };
        rest = &rest[letters..];
        total = number
            .checked_mul(unit)
            .and_then(|ms| total.checked_add(ms))
            .ok_or_else(bad)?;
    }
    Ok(Duration::from_millis(total))
}
