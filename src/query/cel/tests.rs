use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<Vec<Term>, String> {
    let mut filter = Filter::default();
    push(&mut filter, text)?;
    Ok(filter.terms)
}

fn words(column: Column, words: &str) -> Vec<Term> {
    let mut filter = Filter::default();
    filter.push_words(column, words).unwrap();
    filter.terms
}

#[test]
fn expressions_are_the_terms_of_filters() {
    for (text, column, list) in [
        ("verb == 'delete'", Column::Verb, "delete"),
        ("'delete' == verb", Column::Verb, "delete"),
        ("verb != 'delete'", Column::Verb, "!delete"),
        ("!(verb == 'delete')", Column::Verb, "!delete"),
        ("!!(verb == 'delete')", Column::Verb, "delete"),
        ("verb in ['get', 'list']", Column::Verb, "get,list"),
        ("!(verb in ['get', 'list'])", Column::Verb, "!get,list"),
        ("verb == 'get' || verb == 'list'", Column::Verb, "get,list"),
        ("code == 403 || code == 404", Column::Code, "403,404"),
        ("user.endsWith('@x.org')", Column::User, "*@x.org"),
        ("user.contains('admin')", Column::User, "*admin*"),
        ("'10.0.0.1' in source_ips", Column::SourceIps, "10.0.0.1"),
    ] {
        assert_eq!(read(text).unwrap(), words(column, list), "{text}");
    }
    let both = read("!(verb == 'get' || user == 'al')").unwrap();
    let expected = [words(Column::Verb, "!get"), words(Column::User, "!al")].concat();
    assert_eq!(both, expected);
    let absent = Term {
        test: Test::Absent {
            column: Column::Name,
        },
        negate: true,
    };
    for text in ["name != null", "event.name != null", "has(event.name)"] {
        assert_eq!(read(text).unwrap(), std::slice::from_ref(&absent), "{text}");
    }
    // A word that CEL reserves, but not behind a dot.
    let namespace = read("event.namespace == 'prod'").unwrap();
    assert_eq!(namespace, words(Column::Namespace, "prod"));
}

#[test]
fn bounds_on_the_time_narrow_the_range() {
    let mut filter = Filter::default();
    let text = "time >= timestamp('2026-11-20T00:00:00Z') && time < '2026-11-21T00:00:00Z'";
    push(&mut filter, text).unwrap();
    let day = clock::parse_instant("2026-11-20T00:00:00Z").unwrap();
    assert_eq!(filter.since, Some(day));
    assert_eq!(filter.until, Some(day + 86_400_000_000));
    // Not what must not hold.
    let mut filter = Filter::default();
    push(&mut filter, "!(time < '2026-11-21T00:00:00Z')").unwrap();
    assert_eq!((filter.since, filter.until), (None, None));
}

#[test]
fn what_terms_cannot_say_is_refused_with_a_way_out() {
    for (text, word) in [
        ("verb == 'get' || user == 'al'", "use SQL"),
        ("!(verb == 'get' && user == 'al')", "use SQL"),
        ("verb != 'get' || verb != 'list'", "use SQL"),
        ("user.matches('a+')", "matches is not supported"),
        ("user.endsWith('*')", "*"),
        ("usr == 'al'", "did you mean user?"),
        ("user == 5", "\"text\""),
        ("code == '5'", "whole number"),
        ("code == 5.5", "whole number"),
        ("time > 'soon'", "timestamp("),
        ("user", "compare it"),
        ("1 == 1", "field"),
        ("user == name", "\"text\""),
        ("request_object == 'x'", "SQL"),
        ("code + 1 == 5", "field"),
        ("true", "not supported"),
        ("name < null", "null"),
        ("verb == ", "no CEL"),
        ("namespace == 'prod'", "write event.namespace"),
        ("other.user == 'al'", "field"),
        ("", "no CEL"),
        ("[1].exists(x, x == 1)", "not supported"),
    ] {
        let refused = read(text).unwrap_err();
        assert!(refused.contains(word), "{text}: {refused}");
    }
    for deep in [
        format!("{}code == 1{}", "(".repeat(1500), ")".repeat(1500)),
        format!("{}(code == 1)", "!".repeat(1500)),
        format!("{}(code == 1)", "! ".repeat(1500)),
        format!("code in {}1", "[".repeat(3000)),
    ] {
        assert!(read(&deep).is_err());
    }
    // The parser folds signs into the number.
    let _ = read(&format!("code == {}1", "-".repeat(3000)));
    let long = vec!["code==1"; 450];
    assert_eq!(read(&long.join("&&")).unwrap().len(), 450);
    assert_eq!(read(&long.join("||")).unwrap().len(), 1);
    assert!(
        read(&format!("user == '{}'", "x".repeat(5000)))
            .unwrap_err()
            .contains("4096")
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in r#"[a-z!&|=<>()\[\]"'., 0-9\\\n-]{0,60}|\PC{0,30}"#) {
        let _ = read(&text);
    }

    #[test]
    fn any_value_is_taken_as_it_is(value in "\\PC{0,20}") {
        let quoted = serde_json::to_string(&value).unwrap();
        let terms = read(&format!("user == {quoted}"));
        let expected = Test::Text { column: Column::User, any: vec![Pattern::Is(value)] };
        prop_assert_eq!(&terms.unwrap()[0].test, &expected);
    }
}
