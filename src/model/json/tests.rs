use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::*;

/// Any JSON value, as `serde_json` writes it.
pub(crate) fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "\\PC{0,12}|[\"\\\\\n\u{0}\u{1f600}{}\\[\\],: ]{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec(("\\PC{0,6}|[\"\\\\]{1,3}", inner), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

fn accepts(text: &[u8]) -> bool {
    let mut scanner = Scanner::new(text);
    scanner.space();
    scanner.skip().is_ok() && {
        scanner.space();
        scanner.peek().is_none()
    }
}

fn depth_of(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => 1 + items.iter().map(depth_of).max().unwrap_or(0),
        serde_json::Value::Object(members) => 1 + members.values().map(depth_of).max().unwrap_or(0),
        _ => 0,
    }
}

proptest! {
    #[test]
    fn json_is_accepted_and_its_depth_counted(value in value(), pretty: bool) {
        let text = if pretty {
            serde_json::to_vec_pretty(&value).expect("a value")
        } else {
            serde_json::to_vec(&value).expect("a value")
        };
        let mut scanner = Scanner::new(&text);
        prop_assert_eq!(scanner.skip(), Ok(depth_of(&value)));
        prop_assert_eq!(scanner.at(), text.len());
        prop_assert_eq!(body_problem(&text), None);
    }

    #[test]
    fn damaged_json_is_judged_as_serde_json_judges_it(
        value in value(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..4),
    ) {
        let mut text = serde_json::to_vec(&value).expect("a value");
        for (index, byte, how) in damage {
            let at = index.index(text.len());
            match how {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                2 => text.insert(at, b"{}[],:\"\\ \n01-+.eEu"[byte as usize % 18]),
                _ => text.truncate(at + 1),
            }
        }
        let serde = serde_json::from_slice::<IgnoredAny>(&text).is_ok();
        prop_assert_eq!(accepts(&text), serde, "{}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn literals_read_as_serde_json_reads_them(text in any::<String>(), ascii: bool) {
        let mut quoted = serde_json::to_string(&text).expect("a string");
        if ascii {
            quoted = quoted
                .chars()
                .map(|char| {
                    let mut units = [0; 2];
                    match char.is_ascii() {
                        true => char.to_string(),
                        false => char.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04X}")).collect(),
                    }
                })
                .collect();
        }
        let literal = Scanner::new(quoted.as_bytes()).string().expect("a literal");
        prop_assert_eq!(literal.span.clone(), 1..quoted.len() - 1);
        prop_assert_eq!(unescape(&quoted[literal.span]), text);
    }

    #[test]
    fn no_bytes_make_scanning_panic(bytes in any::<Vec<u8>>(), text in "[{}\\[\\]\",:\\\\ u0-9a]{0,40}") {
        for bytes in [bytes.as_slice(), text.as_bytes()] {
            let _ = (Scanner::new(bytes).skip(), Scanner::new(bytes).skip_body(), body_problem(bytes));
            let _ = string_end(bytes, 0);
            let _ = unescape(&String::from_utf8_lossy(bytes));
        }
    }
}

#[test]
fn depth_costs_no_stack() {
    let deep = [vec![b'['; 1_000_000], vec![b']'; 1_000_000]].concat();
    assert_eq!(Scanner::new(&deep).skip(), Ok(1_000_000));
    let objects = [b"{\"a\":[".repeat(100_000), b"]}".repeat(100_000)].concat();
    assert_eq!(Scanner::new(&objects).skip(), Ok(200_000));
    // One bracket of the wrong kind, 64 levels and more from the end.
    let mut wrong = objects.clone();
    let at = wrong.len() - 301;
    wrong[at] = if wrong[at] == b'}' { b']' } else { b'}' };
    assert!(Scanner::new(&wrong).skip().is_err());
}

#[test]
fn bodies_have_a_depth_limit() {
    let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    assert_eq!(body_problem(&nested(1000)), None);
    assert_eq!(body_problem(&nested(1001)), Some(TOO_DEEP));
    assert_eq!(body_problem(b"{\"a\":\"\xff\"}"), Some(INVALID_UTF8));
    assert_eq!(body_problem(b"{\"a\":01}"), Some(NOT_JSON));
    assert_eq!(body_problem(b"{} {}"), Some(NOT_JSON));
}

#[test]
fn bodies_end_where_brackets_and_strings_balance() {
    for (text, body, problem) in [
        (&b"{\"a\":1},\"b\":2}"[..], &b"{\"a\":1}"[..], None),
        (b"[1, 2] }", b"[1, 2]", None),
        (b"null}", b"null", None),
        (b"01,", b"01", Some(NOT_JSON)),
        (b"{a:b,c} ,", b"{a:b,c}", Some(NOT_JSON)),
        (b"{\"a\":\"\\q}\"}}", b"{\"a\":\"\\q}\"}", Some(NOT_JSON)),
        (b"{\"a\":\"x\ny\"}}", b"{\"a\":\"x\ny\"}", Some(NOT_JSON)),
        (b"{} {} }", b"{} {}", Some(NOT_JSON)),
        (b"not json at all}", b"not json at all", Some(NOT_JSON)),
        (b"{[}]}", b"{[}]", Some(NOT_JSON)),
        (b"[1}}", b"[1}", Some(NOT_JSON)),
    ] {
        let mut scanner = Scanner::new(text);
        let (span, found) = scanner.skip_body().expect("balanced");
        assert_eq!(&text[span], body);
        assert_eq!(found, problem);
        assert!(matches!(scanner.peek(), Some(b',' | b'}')));
    }
    for text in [
        &b"{\"a\":1"[..],
        b"\"abc",
        b"\"abc\\",
        b"]}",
        b",",
        b"}",
        b"",
    ] {
        assert!(
            Scanner::new(text).skip_body().is_err(),
            "{}",
            String::from_utf8_lossy(text)
        );
    }
}

#[test]
fn half_a_surrogate_pair_reads_as_a_replacement() {
    assert_eq!(unescape("a\\ud800b"), "a\u{fffd}b");
    assert_eq!(unescape("\\ud800\\u0041"), "\u{fffd}A");
    assert_eq!(unescape("\\udc00"), "\u{fffd}");
    assert_eq!(unescape("\\ud83d\\ude00"), "\u{1f600}");
}
