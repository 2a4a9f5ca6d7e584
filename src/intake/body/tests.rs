use super::*;
use crate::intake::testing::{self, Committed, Recording};

const A: &str = r#"{"level":"Metadata","auditID":"a"}"#;

fn body(input: &str, memory_max: usize) -> Body {
    let mut body = Body::with_limit(&std::env::temp_dir(), Some(input.len() as u64), memory_max);
    for chunk in input.as_bytes().chunks(7) {
        body.push(chunk).unwrap();
    }
    body
}

/// What a body gives, which must be the same from memory and from a file.
fn take(input: &str) -> (Receipt, Committed) {
    let took = [usize::MAX, 10].map(|memory_max| {
        let recording = Recording::default();
        let body = body(input, memory_max);
        assert_eq!(body.is_spooled(), input.len() > memory_max);
        let batch = recording.open();
        let receipt = take_with(testing::normalise, &body, "c", "webhook", batch).unwrap();
        (receipt, recording.committed())
    });
    let [memory, file] = took;
    assert_eq!(memory.1.events, file.1.events);
    assert_eq!(memory.1.quarantine, file.1.quarantine);
    assert!(memory.1.commits <= 1, "one transaction for a body");
    memory
}

fn quarantined(committed: &Committed) -> Vec<&str> {
    let bytes = committed.quarantine.iter().map(|(bytes, ..)| bytes);
    bytes
        .map(|bytes| std::str::from_utf8(bytes).unwrap())
        .collect()
}

#[test]
fn a_list_is_stored_at_once() {
    let (receipt, committed) = take(&format!(r#"{{"kind":"EventList","items":[{A},{A}]}}"#));
    assert_eq!(receipt.stored, 2);
    assert_eq!(committed.events, [A.as_bytes(), A.as_bytes()]);
}

#[test]
fn nothing_is_answered_with_zeros() {
    for input in ["", "\n", r#"{"kind":"EventList","items":[]}"#] {
        let (receipt, committed) = take(input);
        assert_eq!(receipt, Receipt::default());
        assert_eq!(committed.commits, 0);
    }
}

#[test]
fn a_bad_item_costs_itself() {
    let (receipt, committed) = take(&format!(r#"{{"items":[{A},{{"x":1}},5,{A}]}}"#));
    assert_eq!(
        receipt,
        Receipt {
            stored: 2,
            duplicates: 0,
            quarantined: 2
        }
    );
    assert_eq!(quarantined(&committed), [r#"{"x":1}"#, "5"]);
    assert_eq!(committed.quarantine[0].1, "no auditID");
    assert_eq!(
        committed.quarantine[0].2,
        "webhook: item 1 at byte 45, line 1"
    );
}

#[test]
fn broken_lines_among_good_ones_are_kept_one_by_one() {
    let (_, committed) = take(&format!(
        "{A}\nbroken\n{A}\n{{\"cut\":\"\n{A}\n{{\"auditID\":\""
    ));
    assert_eq!(committed.events.len(), 3);
    assert_eq!(
        quarantined(&committed),
        ["broken", "{\"cut\":\"", "{\"auditID\":\""]
    );
}

#[test]
fn a_body_that_cannot_be_parsed_is_kept_whole() {
    for input in [
        "garbage",
        "garbage\nmore\n",
        "\u{0}\u{1}",
        "null",
        r#"{"kind":"Event","auditID":"cut"#,
        "{\n \"kind\": \"Event\",\n \"auditID\": \"cut\"\n",
    ] {
        let (receipt, committed) = take(input);
        assert_eq!(receipt.quarantined, 1, "{input:?}");
        assert_eq!(quarantined(&committed), [input]);
    }
}

#[test]
fn a_cut_list_is_kept_whole_and_its_complete_items_are_stored() {
    for end in ["", ",", r#",{"auditID":"#, "]", " oops", "}"] {
        let input = format!(r#"{{"kind":"EventList","items":[{A},{{"x":1}},{A}{end}"#);
        let (receipt, committed) = take(&input);
        assert_eq!(
            receipt,
            Receipt {
                stored: 2,
                duplicates: 0,
                quarantined: 1
            },
            "{end:?}"
        );
        assert_eq!(quarantined(&committed), [&input]);
    }
}

#[test]
fn very_many_bad_items_are_kept_as_one_body() {
    let input = format!(
        "{A}\n{}{A}\n",
        "{}\n".repeat(limits::BODY_QUARANTINE_ITEMS_MAX + 1)
    );
    let (receipt, committed) = take(&input);
    assert_eq!(
        receipt,
        Receipt {
            stored: 2,
            duplicates: 0,
            quarantined: 1
        }
    );
    assert_eq!(quarantined(&committed), [&input]);
}

#[test]
fn a_failed_commit_is_no_receipt() {
    let recording = Recording::default();
    recording.0.lock().unwrap().fail_at = Some(0);
    let batch = recording.open();
    assert!(take_with(testing::normalise, &body(A, 100), "c", "webhook", batch).is_err());
}
