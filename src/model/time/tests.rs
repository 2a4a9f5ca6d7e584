use chrono::{DateTime, SecondsFormat};
use proptest::prelude::*;

use super::*;

#[test]
fn kubernetes_times_are_read() {
    let base = parse_rfc3339(b"2026-11-21T03:40:53Z").expect("a time");
    assert_eq!(base, 1_795_232_453_000_000);
    for (text, micros) in [
        ("2026-11-21T03:40:53.734113Z", Some(base + 734_113)),
        ("2026-11-21T03:40:53.7Z", Some(base + 700_000)),
        ("2026-11-21T03:40:53.734113999Z", Some(base + 734_113)),
        ("2026-11-21T05:40:53+02:00", Some(base)),
        ("2026-11-20T22:10:53-05:30", Some(base)),
        ("0001-01-01T00:00:00Z", Some(-62_135_596_800_000_000)),
        ("2024-02-29T00:00:00Z", Some(1_709_164_800_000_000)),
        ("2026-02-30T00:00:00Z", None),
        ("2026-02-29T00:00:00Z", None),
        ("1900-02-29T00:00:00Z", None),
        ("2026-13-01T00:00:00Z", None),
        ("2026-00-01T00:00:00Z", None),
        ("2026-01-00T00:00:00Z", None),
        ("2026-01-01T24:00:00Z", None),
        ("2026-01-01T23:60:00Z", None),
        ("2026-12-31T23:59:60Z", None),
        ("2026-11-21T03:40:53", None),
        ("2026-11-21T03:40:53.Z", None),
        ("2026-11-21T03:40:53,5Z", None),
        ("2026-11-21 03:40:53Z", None),
        ("2026-11-21T03:40:53Z ", None),
        (" 2026-11-21T03:40:53Z", None),
        ("2026-11-21T03:40:53+0200", None),
        ("2026-11-21T03:40:53+24:00", None),
        ("12026-11-21T03:40:53Z", None),
        ("", None),
    ] {
        assert_eq!(parse_rfc3339(text.as_bytes()), micros, "{text}");
    }
}

#[test]
fn instants_are_read_as_sql_users_write_them() {
    let hour = parse_rfc3339(b"2026-11-20T14:00:00Z");
    for text in [
        "2026-11-20T14:00:00Z",
        "2026-11-20T14:00:00.000000Z",
        "2026-11-20T14:00Z",
        "2026-11-20T14:00",
        "2026-11-20 14:00",
        "2026-11-20 14:00:00",
        "2026-11-20 14:00:00.0",
        "2026-11-20T16:00:00+02:00",
        "2026-11-20 16:00 +02:00",
        "2026-11-20 16:00:00+0200",
        "2026-11-20 16:00:00+02",
        "2026-11-20t14:00:00z",
        "  2026-11-20 14:00:00  ",
    ] {
        assert_eq!(parse_instant(text), hour, "{text}");
    }
    assert_eq!(
        parse_instant("2026-11-20"),
        parse_rfc3339(b"2026-11-20T00:00:00Z")
    );
    for text in [
        "",
        "2026",
        "2026-11",
        "2026-11-2",
        "20261120",
        "2026-11-20T",
        "2026-11-20T14",
        "2026-11-20Z",
        "2026-11-20T14:00:0",
        "2026-11-20T14:00:00+",
        "2026-11-20T14:00:00 UTC",
        "2026-02-30",
        "14:00",
        "yesterday",
        "2026-11-20T14.00",
        "2026-11-20T14:00:00.Z",
    ] {
        assert_eq!(parse_instant(text), None, "{text}");
    }
}

#[test]
fn people_write_durations_and_days() {
    let now = parse_rfc3339(b"2026-11-21T03:40:53.5Z").expect("a time");
    let hour = 3_600_000_000;
    for (text, instant) in [
        ("now", now),
        ("2h", now - 2 * hour),
        ("90m", now - 3 * hour / 2),
        ("1h30m", now - 3 * hour / 2),
        ("7d", now - 7 * 24 * hour),
        ("1w", now - 7 * 24 * hour),
        (" 2H ", now - 2 * hour),
        (
            "today",
            parse_rfc3339(b"2026-11-21T00:00:00Z").expect("a time"),
        ),
        (
            "Yesterday",
            parse_rfc3339(b"2026-11-20T00:00:00Z").expect("a time"),
        ),
        (
            "2026-11-20",
            parse_rfc3339(b"2026-11-20T00:00:00Z").expect("a time"),
        ),
    ] {
        assert_eq!(parse_human(text, now, Zone::UTC), Ok(instant), "{text}");
    }
    for text in [
        "",
        "2",
        "h",
        "2x",
        "-2h",
        "2h-",
        "2 h",
        "99999999999999999999h",
        "9999999999y",
    ] {
        let error = parse_human(text, now, Zone::UTC).expect_err(text);
        assert!(
            error.contains(&format!("'{text}'")) && error.contains("7d"),
            "{error}"
        );
        assert!(parse_duration(text).is_err(), "{text}");
    }
    assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
    assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
}

#[test]
fn people_write_times_of_day_and_mean_a_clock() {
    let at = |text: &str| parse_rfc3339(text.as_bytes()).expect("a time");
    let now = at("2026-11-21T00:40:53.5Z");
    let ahead = Zone(|_| 3600 * SECOND);
    // Clocks go from 2 to 3 at 01:00 UTC on 2026-03-29.
    let summer = Zone(|instant| {
        let change = parse_instant("2026-03-29T01:00:00Z").expect("a time");
        if instant < change {
            3600 * SECOND
        } else {
            7200 * SECOND
        }
    });
    for (text, zone, expected) in [
        ("14:00", Zone::UTC, "2026-11-20T14:00:00Z"),
        ("00:30", Zone::UTC, "2026-11-21T00:30:00Z"),
        ("14:00:30", Zone::UTC, "2026-11-20T14:00:30Z"),
        ("today 14:00", Zone::UTC, "2026-11-21T14:00:00Z"),
        ("Yesterday 14:00", Zone::UTC, "2026-11-20T14:00:00Z"),
        ("today", ahead, "2026-11-20T23:00:00Z"),
        ("01:30", ahead, "2026-11-21T00:30:00Z"),
        ("01:45", ahead, "2026-11-20T00:45:00Z"),
        ("2026-11-20", ahead, "2026-11-19T23:00:00Z"),
        ("2026-11-20 14:00", ahead, "2026-11-20T13:00:00Z"),
        ("2026-11-20T14:00:00Z", ahead, "2026-11-20T14:00:00Z"),
        ("2026-11-20 14:00 +02:00", ahead, "2026-11-20T12:00:00Z"),
        ("2026-03-29 01:30", summer, "2026-03-29T00:30:00Z"),
        ("2026-03-29 03:30", summer, "2026-03-29T01:30:00Z"),
    ] {
        assert_eq!(parse_human(text, now, zone), Ok(at(expected)), "{text}");
    }
    for text in [
        "24:00",
        "1:00",
        "today14:00",
        "today 2h",
        "tomorrow",
        "14:00 yesterday",
        "14",
    ] {
        let error = parse_human(text, now, Zone::UTC).expect_err(text);
        assert!(error.contains("'yesterday 14:00'"), "{error}");
    }
}

#[test]
fn instants_beyond_four_digit_years_are_written_as_the_nearest() {
    assert_eq!(to_text(i64::MAX), "9999-12-31T23:59:59.999999Z");
    assert_eq!(to_text(LAST), "9999-12-31T23:59:59.999999Z");
    assert_eq!(to_text(i64::MIN), "0000-01-01T00:00:00.000000Z");
    assert_eq!(
        format!("[{:>30}]", format(0)),
        "[   1970-01-01T00:00:00.000000Z]"
    );
}

proptest! {
    #[test]
    fn writing_agrees_with_chrono(micros in FIRST..=LAST) {
        let chrono = DateTime::from_timestamp_micros(micros).expect("in range");
        let text = to_text(micros);
        prop_assert_eq!(&text, &chrono.to_rfc3339_opts(SecondsFormat::Micros, true));
        prop_assert!(is_canonical(text.as_bytes()));
        prop_assert_eq!(parse_rfc3339(text.as_bytes()), Some(micros));
        prop_assert_eq!(parse_instant(&text), Some(micros));
    }

    #[test]
    fn reading_agrees_with_chrono(
        micros in FIRST / 2..=LAST / 2, minutes in -1439..=1439_i32, digits in 0..=9_usize,
    ) {
        let zone = chrono::FixedOffset::east_opt(minutes * 60).expect("under a day");
        let local = DateTime::from_timestamp_micros(micros).expect("in range").with_timezone(&zone);
        let mut text = local.format("%Y-%m-%dT%H:%M:%S").to_string();
        let nanos = format!("{:09}", local.timestamp_subsec_nanos());
        if digits > 0 {
            text = format!("{text}.{}", &nanos[..digits]);
        }
        text.push_str(&local.format("%:z").to_string());
        let chrono = DateTime::parse_from_rfc3339(&text).expect("its own text").timestamp_micros();
        prop_assert_eq!(parse_rfc3339(text.as_bytes()), Some(chrono));
        prop_assert!(!is_canonical(text.as_bytes()));
    }

    #[test]
    fn what_reads_as_canonical_is_what_is_written(
        text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9][.Z][0-9]{1,6}[Z0-9]",
    ) {
        if let Some(micros) = parse_rfc3339(text.as_bytes()) {
            prop_assert_eq!(is_canonical(text.as_bytes()), to_text(micros) == text);
        }
    }

    #[test]
    fn no_text_makes_reading_panic(text in "\\PC{0,40}", bytes in any::<Vec<u8>>()) {
        let _ = (parse_instant(&text), parse_human(&text, 0, Zone::UTC), parse_duration(&text));
        let _ = parse_rfc3339(&bytes);
    }
}
