//! `column match 'words'`: a filter's words as a condition in SQL.

use crate::both::{Both, recorded};

use super::error;

#[test]
fn words_mean_what_they_mean_in_a_filter() {
    let both = Both::imported(&[&recorded("recorded.jsonl.zst")]);
    for (flag, column, words) in [
        ("--user", "user", "system:serviceaccount:*,!*:kube-system:*"),
        ("--user", "user", "!system:*"),
        ("--verb", "verb", "DELETE,patch"),
        ("--resource", "resource", "deploy,secrets"),
        ("--resource", "resource", "*.rbac.authorization.k8s.io"),
        ("--namespace", "namespace", "!*"),
        ("--name", "name", "web*"),
        ("--code", "code", "4xx"),
        ("--code", "code", "!2xx"),
        ("--outcome", "outcome", "denied_*"),
        ("--stage", "stage", "responsecomplete"),
        ("--source-ip", "source_ips", "10.0.0.0/8,127.0.0.1"),
        ("--uri", "request_uri", "/api/v1/secrets*"),
        ("--contains", "raw", "nginx"),
    ] {
        let sql = format!("select count(*) from events where {column} match '{words}'");
        let found = both.count(&[&format!("{flag}={words}")]);
        assert_eq!(both.number(&sql), found as u64, "{column} {words}");
    }
    let all = both.number("select count(*) from events");
    assert_eq!(
        both.number("select count(*) from events where user match null and code match null"),
        all
    );
    let deletes = both.number("select count(*) from requests where verb = 'delete'");
    assert!(deletes > 0);
    assert_eq!(
        both.number("select count(*) from requests where verb match 'del*,!deletecollection'"),
        deletes
    );
    // Whatever the order of the tables, the words are known to the scan that takes them.
    assert_eq!(
        both.number(
            "select count(*) from verbs v join events e on e.verb match v.verb where v.verb = 'delete'"
        ),
        both.number("select count(*) from events where verb = 'delete'")
    );
}

#[test]
fn words_that_cannot_be_understood_are_an_error() {
    let both = Both::empty();
    both.server
        .post("/webhook", crate::support::event(1))
        .expect(200);
    for (condition, said) in [
        (
            "code match '4x'",
            "code match \"4x\": \"4x\" is no status code",
        ),
        ("outcome match 'sucess'", "did you mean success?"),
        ("user match 'a,'", "user match \"a,\": has an empty item"),
        ("user match x'ff'", "user match: the words are no text"),
        ("user match 'a' or verb match 'b'", "joined with and"),
        ("time match '2h'", "joined with and"),
        ("request_object match 'x'", "joined with and"),
    ] {
        let error = error(&both, &format!("select * from events where {condition}"));
        assert!(error.contains(said), "{condition}: {error}");
    }
}
