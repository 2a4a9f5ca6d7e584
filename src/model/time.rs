//! Instants as microseconds since 1970, UTC: reading, writing, and what people type.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

/// Reads an instant: RFC 3339 with any offset, the same without a zone (UTC) or with a space for
/// the `T`, or a bare date (UTC midnight).
pub fn parse_instant(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_micros());
    }
    for format in [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
    ] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, format) {
            return Some(time.and_utc().timestamp_micros());
        }
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_time(NaiveTime::MIN).and_utc().timestamp_micros())
}

/// Writes an instant as ISO-8601 UTC with six digits.
pub fn to_text(micros: i64) -> String {
    let mut out = [0; 27];
    write(micros, &mut out);
    out.iter().map(|&byte| byte as char).collect()
}

/// Writes an instant as ISO-8601 UTC with six digits into a buffer.
pub fn write(micros: i64, out: &mut [u8; 27]) {
    let (days, rest) = (
        micros.div_euclid(86_400_000_000),
        micros.rem_euclid(86_400_000_000),
    );
    // Days to a civil date, after Howard Hinnant's `civil_from_days`.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = (yoe + era * 400 + i64::from(month <= 2)).clamp(0, 9999);
    out.copy_from_slice(b"0000-00-00T00:00:00.000000Z");
    let mut put = |at: usize, digits: usize, mut value: i64| {
        for place in (at..at + digits).rev() {
            out[place] = b'0' + (value % 10) as u8;
            value /= 10;
        }
    };
    put(0, 4, year);
    put(5, 2, month);
    put(8, 2, day);
    put(11, 2, rest / 3_600_000_000);
    put(14, 2, rest / 60_000_000 % 60);
    put(17, 2, rest / 1_000_000 % 60);
    put(20, 6, rest % 1_000_000);
}
