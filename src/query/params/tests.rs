use super::*;
use crate::store::filter::{Pattern, Term, Test};
use proptest::prelude::*;

const NOW: i64 = 1_763_712_000_000_000; // 2025-11-21T08:00:00Z

fn filter(name: &str, value: &str) -> Result<Filter, String> {
    let pair = (name.to_owned(), value.to_owned());
    EventParams::from_pairs([pair])?.filter.to_filter(NOW)
}

fn is(text: &str) -> Pattern {
    Pattern::Is(text.to_owned())
}

fn wild(text: &str) -> Pattern {
    Pattern::Wildcard(text.to_owned())
}

fn yes(test: Test) -> Term {
    Term {
        test,
        negate: false,
    }
}

fn no(test: Test) -> Term {
    Term { test, negate: true }
}

fn text(column: Column, any: &[Pattern]) -> Test {
    Test::Text {
        column,
        any: any.to_vec(),
    }
}

#[test]
fn every_name_is_handled() {
    for name in FilterParams::NAMES {
        let result = filter(name, "1");
        assert!(
            result.is_ok() || result.unwrap_err().starts_with("--"),
            "{name}"
        );
    }
}

#[test]
fn text_lists() {
    for (name, column) in [
        ("cluster", Column::Cluster),
        ("user", Column::User),
        ("verb", Column::Verb),
        ("subresource", Column::Subresource),
        ("namespace", Column::Namespace),
        ("name", Column::Name),
        ("user_agent", Column::UserAgent),
        ("audit_id", Column::AuditId),
        ("uri", Column::RequestUri),
    ] {
        for (value, terms) in [
            ("a", vec![yes(text(column, &[is("a")]))]),
            ("a,b", vec![yes(text(column, &[is("a"), is("b")]))]),
            ("!a,b", vec![no(text(column, &[is("a"), is("b")]))]),
            (
                "a*,!ab",
                vec![
                    yes(text(column, &[wild("a*")])),
                    no(text(column, &[is("ab")])),
                ],
            ),
            ("!*", vec![no(text(column, &[wild("*")]))]),
            (r"a\,b", vec![yes(text(column, &[is("a,b")]))]),
        ] {
            assert_eq!(filter(name, value).unwrap().terms, terms, "{name}={value}");
        }
    }
}

#[test]
fn closed_sets_and_numbers() {
    let number = |any: &[(i64, i64)]| Test::Number {
        column: Column::Code,
        any: any.to_vec(),
    };
    for (name, value, terms) in [
        (
            "verb",
            "GET",
            vec![yes(text(Column::Verb, &[is("GET"), is("get")]))],
        ),
        (
            "stage",
            "responsecomplete,Panic",
            vec![yes(text(
                Column::Stage,
                &[is("ResponseComplete"), is("Panic")],
            ))],
        ),
        (
            "stage",
            "Response*",
            vec![yes(text(
                Column::Stage,
                &[is("ResponseStarted"), is("ResponseComplete")],
            ))],
        ),
        (
            "level",
            "!Metadata",
            vec![no(text(Column::Level, &[is("Metadata")]))],
        ),
        (
            "outcome",
            "success",
            vec![yes(text(Column::Outcome, &[is("success")]))],
        ),
        ("code", "403", vec![yes(number(&[(403, 403)]))]),
        (
            "code",
            "4xx,500-503",
            vec![yes(number(&[(400, 499), (500, 503)]))],
        ),
        ("code", "!200", vec![no(number(&[(200, 200)]))]),
        (
            "code",
            "4xx,!404",
            vec![yes(number(&[(400, 499)])), no(number(&[(404, 404)]))],
        ),
        (
            "source_ip",
            "10.1.2.3",
            vec![yes(text(Column::SourceIps, &[is("10.1.2.3")]))],
        ),
        (
            "source_ip",
            "2001:DB8::0:1,10.*",
            vec![yes(text(
                Column::SourceIps,
                &[is("2001:DB8::0:1"), is("2001:db8::1"), wild("10.*")],
            ))],
        ),
        (
            "source_ip",
            "!10.0.0.0/8",
            vec![no(text(
                Column::SourceIps,
                &[Pattern::parse_cidr("10.0.0.0/8").unwrap()],
            ))],
        ),
    ] {
        assert_eq!(filter(name, value).unwrap().terms, terms, "{name}={value}");
    }
}

#[test]
fn resources() {
    let any = |pairs: &[(Pattern, Option<Pattern>)]| Test::Resource {
        any: pairs.to_vec(),
    };
    for (value, terms) in [
        ("secrets", vec![yes(any(&[(is("secrets"), None)]))]),
        ("deploy", vec![yes(any(&[(is("deployments"), None)]))]),
        (
            "deployments.apps",
            vec![yes(any(&[(is("deployments"), Some(is("apps")))]))],
        ),
        (
            "*.cert-manager.io,!leases",
            vec![
                yes(any(&[(wild("*"), Some(is("cert-manager.io")))])),
                no(any(&[(is("leases"), None)])),
            ],
        ),
    ] {
        assert_eq!(filter("resource", value).unwrap().terms, terms, "{value}");
    }
}

#[test]
fn times() {
    let hour = 3_600_000_000;
    let params = |since: &str, until: &str| FilterParams {
        since: Some(since.to_owned()),
        until: Some(until.to_owned()),
        ..FilterParams::default()
    };
    let filter = params("2h", "1h").to_filter(NOW).unwrap();
    assert_eq!(filter.since, Some(NOW - 2 * hour));
    assert_eq!(filter.until, Some(NOW - hour));
    let filter = params("2025-11-21", "2025-11-21T09:00:00+01:00")
        .to_filter(NOW)
        .unwrap();
    assert_eq!(filter.since, Some(NOW - 8 * hour));
    assert_eq!(filter.until, Some(NOW));
    let error = params("1h", "2h").to_filter(NOW).unwrap_err();
    assert!(error.starts_with("--since 2025-11-21T07:00:00.000000Z is not before"));
}

#[test]
fn errors_name_flag_value_and_fix() {
    for (name, value, expected) in [
        (
            "user",
            "",
            "--user \"\": has an empty item; remove the comma or give a value",
        ),
        ("user", "a,,b", "--user \"a,,b\": has an empty item"),
        ("user_agent", "!", "--user-agent \"!\": has an empty item"),
        (
            "stage",
            "ResponseCompleted",
            "--stage \"ResponseCompleted\": \"ResponseCompleted\" is no stage; did you mean ResponseComplete?",
        ),
        (
            "level",
            "zzz",
            "use one of None, Metadata, Request, RequestResponse",
        ),
        ("outcome", "denied", "is no outcome; use one of success, "),
        ("outcome", "sucess", "did you mean success?"),
        ("outcome", "zz*", "\"zz*\" is no outcome"),
        (
            "code",
            "abc",
            "--code \"abc\": \"abc\" is no status code; use 403, 4xx, 400-499 or *",
        ),
        ("code", "499-400", "is no status code"),
        (
            "source_ip",
            "10.0.0.300",
            "--source-ip \"10.0.0.300\": \"10.0.0.300\" is no address; use 10.1.2.3",
        ),
        ("source_ip", "10.0.0.0/40", "is no address"),
        (
            "resource",
            "pods/exec",
            "holds a subresource; use --resource pods --subresource exec",
        ),
        ("resource", ".apps", "is no resource"),
        (
            "contains",
            "",
            "--contains \"\": is empty; give the text to look for",
        ),
        ("since", "soon", "--since \"soon\": "),
        ("until", "2025-13-01", "--until \"2025-13-01\": "),
        ("usr", "x", "unknown parameter \"usr\"; did you mean user?"),
        (
            "source-ip",
            "x",
            "unknown parameter \"source-ip\"; did you mean source_ip?",
        ),
        (
            "limit",
            "many",
            "limit \"many\" is no number; use 0 for all rows",
        ),
        (
            "reverse",
            "maybe",
            "reverse \"maybe\" is no truth value; use true or false",
        ),
    ] {
        let error = filter(name, value).unwrap_err();
        assert!(error.contains(expected), "{name}={value}: {error}");
    }
    let twice = ["a", "b"].map(|value| ("user".to_owned(), value.to_owned()));
    let error = EventParams::from_pairs(twice).unwrap_err();
    assert_eq!(
        error,
        "parameter user is given twice; use one comma list: user=a,b"
    );
}

#[test]
fn listings() {
    let query = EventParams::default().into_query(NOW).unwrap();
    assert_eq!(query.limit, 100);
    assert_eq!(query.order, Order::NewestFirst);
    assert_eq!(query.columns, DEFAULT_COLUMNS);
    assert!(!query.columns.contains(&Column::Raw));
    assert!(query.columns.contains(&Column::SourceIps));

    let params = |columns: &str| EventParams {
        columns: Some(columns.to_owned()),
        reverse: true,
        r#final: true,
        limit: 0,
        ..EventParams::default()
    };
    let query = params("user, raw").into_query(NOW).unwrap();
    assert_eq!(query.columns, [Column::User, Column::Raw]);
    assert_eq!(query.order, Order::OldestFirst);
    assert!(query.last_stage_only);
    assert_eq!(params("all").into_query(NOW).unwrap().columns, Column::ALL);
    for (columns, expected) in [
        ("usr", "unknown column \"usr\"; did you mean user?"),
        ("user,user", "user is given twice"),
        ("", "unknown column \"\""),
    ] {
        let error = params(columns).into_query(NOW).unwrap_err();
        assert!(error.contains(expected), "{columns}: {error}");
    }
}

proptest! {
    #[test]
    fn pairs_round_trip(
        values in prop::collection::vec(prop::option::of(any::<String>()), FilterParams::NAMES.len()),
        limit: u64,
        switches: (bool, bool, bool),
        columns in prop::option::of(any::<String>()),
    ) {
        let mut params = EventParams {
            limit,
            reverse: switches.0,
            r#final: switches.1,
            skip_damaged: switches.2,
            columns,
            ..EventParams::default()
        };
        for (name, value) in FilterParams::NAMES.iter().zip(values) {
            *params.filter.slot(name).unwrap() = value;
        }
        let pairs = params.to_pairs();
        let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value));
        prop_assert_eq!(EventParams::from_pairs(pairs), Ok(params));
    }

    #[test]
    fn no_value_panics(at in 0..FilterParams::NAMES.len(), value: String) {
        let _ = filter(FilterParams::NAMES[at], &value);
    }
}
