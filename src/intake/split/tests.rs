use std::io::{Read, Seek, SeekFrom};

use proptest::prelude::*;

use super::*;

/// What came out, as comparable values.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Item(Vec<u8>, Position),
    Broken {
        bytes: Vec<u8>,
        at: Position,
        extent: Extent,
        reason: String,
    },
}

#[derive(Default)]
struct Recorder(Vec<Seen>);

impl Items for Recorder {
    type Error = io::Error;

    fn item(&mut self, bytes: &[u8], at: Position) -> io::Result<()> {
        self.0.push(Seen::Item(bytes.to_vec(), at));
        Ok(())
    }

    fn broken(&mut self, broken: Broken<'_>) -> io::Result<()> {
        let bytes = match broken.bytes {
            BrokenBytes::Slice(bytes) => bytes.to_vec(),
            BrokenBytes::File { mut file, bytes } => {
                let mut kept = Vec::new();
                file.seek(SeekFrom::Start(0))?;
                file.take(bytes).read_to_end(&mut kept)?;
                kept
            }
            BrokenBytes::Elsewhere => vec![b'?'; broken.size as usize],
        };
        self.0.push(Seen::Broken {
            bytes,
            at: broken.at,
            extent: broken.extent,
            reason: broken.reason.to_owned(),
        });
        Ok(())
    }
}

fn small(item_bytes_max: usize) -> Limits {
    Limits {
        item_bytes_max,
        ..Limits::default()
    }
}

fn split_in(limits: &Limits, input: &[u8], sizes: &[usize]) -> Vec<Seen> {
    let mut recorder = Recorder::default();
    let mut splitter = Splitter::new(limits.clone());
    let (mut rest, mut sizes) = (input, sizes.iter().cycle());
    while !rest.is_empty() {
        let size = sizes
            .next()
            .map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
        splitter.feed(&rest[..size], &mut recorder).unwrap();
        rest = &rest[size..];
    }
    splitter.finish(&mut recorder).unwrap();
    recorder.0
}

fn split(input: &str) -> Vec<Seen> {
    split_in(&small(1 << 20), input.as_bytes(), &[])
}

/// The items, and the broken pieces marked with `!`, as text.
fn texts(input: &str) -> Vec<String> {
    split(input).into_iter().map(text).collect()
}

fn text(seen: Seen) -> String {
    match seen {
        Seen::Item(bytes, _) => String::from_utf8(bytes).unwrap(),
        Seen::Broken { bytes, .. } => format!("!{}", String::from_utf8_lossy(&bytes)),
    }
}

const A: &str = r#"{"level":"Metadata","auditID":"a","requestObject":{"items":[1,{"x":"}\"{"}]}}"#;
const B: &str = r#"{"kind":"Event","auditID":"b\\","n":[[],{}]}"#;

fn pretty(auditid: &str) -> String {
    format!(
        "{{\n  \"kind\": \"Event\",\n  \"auditID\": \"{auditid}\",\n\n  \"user\": {{\n  }},\n  \"n\": [\n    1,\n    2\n  ]\n}}"
    )
}

#[test]
fn json_lines() {
    assert_eq!(texts(&format!("{A}\n{B}\n")), [A, B]);
    assert_eq!(texts(&format!("{A}\r\n\r\n \n{B}")), [A, B]);
    assert_eq!(texts(&format!("\u{feff}{A}\n\u{feff}{B}\n")), [A, B]);
    assert_eq!(texts(&format!("{A}{B} {A}\n")), [A, B, A]);
    assert_eq!(texts(&format!("{A},\n{B},\n")), [A, B]);
}

#[test]
fn nothing_in_it() {
    for input in [
        "",
        "\n",
        " \r\n\t",
        "\u{feff}",
        "[]",
        "[ \n ]",
        r#"{"items":[]}"#,
    ] {
        assert_eq!(split(input), [], "{input:?}");
    }
}

#[test]
fn lists_give_their_items() {
    let before = r#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":["#;
    assert_eq!(texts(&format!("{before}{A},{B}]}}\n")), [A, B]);
    assert_eq!(
        texts(&format!(
            r#"{{"items":[{A} , {B}],"kind":"EventList","metadata":{{}}}}"#
        )),
        [A, B]
    );
    assert_eq!(
        texts(&format!("{before}{A}]}}\n{before}{B},{B}]}}\n{A}\n")),
        [A, B, B, A]
    );
    assert_eq!(texts(&format!("[{A},{B}]")), [A, B]);
    assert_eq!(texts(&format!("[\n{A},\n{B}\n]\n{A}")), [A, B, A]);
    let a = pretty("a");
    let list = format!(
        "{{\n \"metadata\": {{}},\n \"items\": [\n{a},\n{A},\n{a}\n],\n \"kind\": \"EventList\"\n}}\n{a}\n{a}\n"
    );
    assert_eq!(texts(&list), [a.as_str(), A, &a, &a, &a]);
    assert_eq!(
        texts(r#"{"items":[1,"a]",null,[2],{}]}"#),
        ["1", "\"a]\"", "null", "[2]", "{}"]
    );
    assert_eq!(
        texts(&format!(r#"{{"items":[{A}],"items":[{B}]}}"#)),
        [A, B]
    );
}

#[test]
fn a_list_is_told_by_its_keys() {
    for event in [
        r#"{"level":"Metadata","items":[1]}"#,
        r#"{"metadata":{"items":[1]},"stage":"x"}"#,
        r#"{"items":{"a":[1]}}"#,
        r#"{"items":"[1]"}"#,
        r#"{"x":"items","y":[1]}"#,
        "{}",
    ] {
        assert_eq!(texts(event), [event]);
    }
    for event in [
        r#"{"items":[],"auditID":"hidden"}"#,
        r#"{"items":[{}],"kind":"Event"}"#,
        r#"{"kind":"Event","level":"M","items":null}"#,
        r#"{"kind":"PodList","items":[{}]}"#,
        r#"{"items":[{},{}],"metadata":{},"user":{}}"#,
        r#"{"kind":7,"items":[{}]}"#,
        r#"{"kind":"EventList","items":{}}"#,
        r#"{"kind":"EventList","items":null,"x":1}"#,
        r#"{"kind":"EventList"}"#,
    ] {
        assert_eq!(texts(event), [event]);
        let list = format!(r#"{{"items":[{A},{event},{B}],"kind":"EventList"}}"#);
        assert_eq!(texts(&list), [A, event, B]);
        assert_eq!(texts(&format!("{A}\n{event}\n{B}")), [A, event, B]);
    }
}

#[test]
fn an_absent_slice_is_an_empty_list() {
    for list in [
        r#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":null}"#,
        r#"{"items": null, "kind":"EventList"}"#,
        "{\n\"items\":null}",
    ] {
        assert_eq!(split(list), [], "{list}");
        assert_eq!(texts(&format!("{list}\n{A}\n")), [A]);
    }
}

#[test]
fn what_stands_beside_the_items_of_a_list_is_kept() {
    for (input, expected) in [
        (
            format!(r#"{{"kind":"EventList","x":[1],"items":[{A}]}}"#),
            [r#"!{"kind":"EventList","x":[1],"items":["#, A].as_slice(),
        ),
        (
            format!(r#"{{"items":[{A}],"kind":"EventList","x":1}}"#),
            &[A, r#"!,"kind":"EventList","x":1}"#],
        ),
        (
            format!(r#"{{"kind":"EventList","items":[{A}],"auditID":"x","items":[1]}}"#),
            &[A, r#"!,"auditID":"x","items":["#, "1"],
        ),
        (
            format!(r#"{{"x":1,"items":[{A},{B}]}}"#),
            &[r#"!{"x":1,"items":["#, A, B],
        ),
        (
            format!(r#"{{"kind":"EventList","items":[{A}] stray}}"#),
            &[A, "! stray}"],
        ),
        (
            format!(r#"{{"kind":"EventList","metadata":"x","items":[{A}]}}"#),
            &[r#"!{"kind":"EventList","metadata":"x","items":["#, A],
        ),
        (
            format!(r#"{{"kind":"EventList","items":[{A}],"kind":"Event"}}"#),
            &[A, r#"!,"kind":"Event"}"#],
        ),
    ] {
        assert_eq!(texts(&input), expected, "{input}");
    }
}

/// It cannot be held until the end of it says what it is.
#[test]
fn an_object_larger_than_an_item_is_a_list_if_it_has_items() {
    let items = [A; 20].join(",");
    let input = format!(r#"{{"items":[{items}],"auditID":"x"}}"#);
    for sizes in [&[][..], &[7], &[1]] {
        let seen = split_in(&small(500), input.as_bytes(), sizes);
        assert_eq!(seen.len(), 21);
        assert_eq!(text(seen[20].clone()), r#"!,"auditID":"x"}"#);
    }
}

#[test]
fn documents_over_many_lines() {
    let (a, b) = (pretty("a"), pretty("b"));
    assert_eq!(texts(&format!("{a}\n{b}\n")), [a.as_str(), &b]);
    assert_eq!(texts(&format!("{a}{b}")), [a.as_str(), &b]);
    assert_eq!(texts(&format!("{A}\n{a}\n{B}\n")), [A, &a, B]);
    let crlf = a.replace('\n', "\r\n");
    assert_eq!(texts(&format!("{crlf}\r\n{crlf}")), [crlf.as_str(), &crlf]);
    let Seen::Item(_, at) = split(&format!("{a}\n\n{b}"))[1].clone() else {
        panic!("the second document is an item")
    };
    assert_eq!(
        at,
        Position {
            offset: a.len() as u64 + 2,
            line: 13
        }
    );
}

#[test]
fn a_broken_line_costs_itself() {
    for line in [
        "garbage",
        r#"{"a":"cut"#,
        r#"{"a":{"b":1"#,
        r#"{"a":"#,
        r#"{"a":1,"#,
        "{",
        "\u{0}\u{0}",
        "[INFO] not an event",
        r#"{"a":"\"#,
    ] {
        let broken = format!("!{line}");
        assert_eq!(
            texts(&format!("{A}\n{line}\n{B}\n{A}\n")),
            [A, &broken, B, A],
            "in the middle"
        );
        assert_eq!(
            texts(&format!("{line}\n{B}\n{A}\n")),
            [&broken, B, A],
            "first"
        );
        assert_eq!(texts(&format!("{B}\n{line}\n")), [B, &broken], "last");
        assert_eq!(
            texts(&format!("{line}\n{B}")),
            [&broken, B],
            "before the last"
        );
        assert_eq!(
            texts(&format!("{A}\n{line}\n{line}\n{B}\n")),
            [A, &broken, &broken, B],
            "two in a row"
        );
    }
    assert_eq!(texts(&format!("{A}}}\n{B}\n")), [A, "!}", B]);
}

#[test]
fn where_and_why_is_told() {
    let seen = split(&format!("{A}\n\n{{\"a\":\"x\r\n{B}\n{{\"level\":\"M"));
    let Seen::Broken {
        at, extent, reason, ..
    } = &seen[1]
    else {
        panic!("the third line is broken")
    };
    assert_eq!((at.line, at.offset), (3, A.len() as u64 + 2));
    assert_eq!(*extent, Extent::Line);
    assert_eq!(reason, "unexpected end of JSON at byte 7 (line cut short?)");
    let Seen::Broken { at, reason, .. } = &seen[3] else {
        panic!("the last line is broken")
    };
    assert_eq!(at.line, 5);
    assert_eq!(
        reason,
        "unexpected end of JSON at byte 11 (line cut short?)"
    );
    for (input, expected) in [
        (
            "{\"a\":\n",
            "unexpected end of JSON at byte 5 (line cut short?)",
        ),
        (
            "{\n  \"a\": 1\n  \"b\": 2\n}\n",
            "broken JSON at byte 13: '\\\"' cannot follow '1' over a line break",
        ),
        (
            "[{}; {}]",
            "broken JSON at byte 0: ';' stands where a list needs ',' or ']'",
        ),
        (
            "{\"items\":[{},{\"a\"",
            "unexpected end of JSON at byte 4: the input ends inside a document (cut short?)",
        ),
        ("\u{1}", "not a JSON object: it begins with '\\x01'"),
        ("BZh9 x", "not a JSON object: it looks like bzip2 data"),
    ] {
        let Some(Seen::Broken { reason, .. }) = split(input).pop() else {
            panic!("{input:?} is broken")
        };
        assert_eq!(reason, expected, "{input:?}");
    }
}

#[test]
fn a_broken_document_costs_itself() {
    let (a, b) = (pretty("a"), pretty("b"));
    let cut = a.replace("    1,\n", "    1\n");
    assert_eq!(
        texts(&format!("{b}\n{cut}\n{b}\n")),
        [b.as_str(), &format!("!{cut}"), &b]
    );
    let end = &a[..a.len() - 6];
    assert_eq!(
        texts(&format!("{b}\n{end}")),
        [b.as_str(), &format!("!{end}")]
    );
}

#[test]
fn a_broken_list_keeps_what_came_before() {
    let list = format!(r#"{{"kind":"EventList","items":[{A},{B},{{"level":"Met"#);
    let seen = split(&list);
    assert_eq!(seen.len(), 3);
    let Seen::Broken { bytes, extent, .. } = &seen[2] else {
        panic!("the third is broken")
    };
    assert_eq!(bytes, br#"{"level":"Met"#);
    assert_eq!(*extent, Extent::Rest);
    assert_eq!(texts(&format!("[{A},{B}")), [A, B, "!"]);
    assert_eq!(
        texts(&format!("{{\"items\":[{A} oops,{B}]}}\n{A}\n")),
        [A, &format!("! oops,{B}]}}"), A]
    );
    assert_eq!(
        texts(&format!("{A}\n{{\"items\":[{B},\n{A}\n{B}\n{A}\n")),
        [A, B, A, "!", B, A]
    );
}

#[test]
fn an_item_over_the_limit_is_kept_apart() {
    let big = format!(r#"{{"level":"M","x":"{}"}}"#, "y".repeat(5000));
    for input in [
        format!("{A}\n{big}\n{B}\n"),
        format!(r#"{{"items":[{A},{big},{B}]}}"#),
    ] {
        for sizes in [&[][..], &[100], &[1]] {
            let seen = split_in(&small(1000), input.as_bytes(), sizes);
            let Seen::Broken {
                bytes,
                extent,
                reason,
                ..
            } = &seen[1]
            else {
                panic!("the second is too large")
            };
            assert_eq!(bytes, big.as_bytes());
            assert_eq!(*extent, Extent::Item);
            assert_eq!(
                reason,
                &format!(
                    "item of {} bytes: over the limit of 1000 bytes (event_bytes_max)",
                    big.len()
                )
            );
            assert_eq!((seen.len(), text(seen[2].clone())), (3, B.to_owned()));
        }
    }
    let exact = small(B.len());
    assert_eq!(
        split_in(&exact, B.as_bytes(), &[]),
        [Seen::Item(B.into(), Position { offset: 0, line: 1 })]
    );
}

#[test]
fn of_a_huge_piece_the_first_part_is_kept() {
    let limits = Limits {
        kept_bytes_max: 2000,
        ..small(1000)
    };
    let line = "x".repeat(5000);
    let seen = split_in(&limits, format!("{A}\n{line}\r\n{B}\n").as_bytes(), &[64]);
    let Seen::Broken { bytes, reason, .. } = &seen[1] else {
        panic!("the second is broken")
    };
    assert_eq!(bytes.len(), 2000);
    assert!(
        reason.ends_with("; only its first 2000 of 5000 bytes are kept"),
        "{reason}"
    );
    assert_eq!(seen.len(), 3);
}

#[test]
fn the_window_stays_small() {
    let limits = Limits {
        spill: None,
        ..small(1 << 16)
    };
    let mut splitter = Splitter::new(limits);
    let mut recorder = Recorder::default();
    for first in [
        &b"{\"a\":\""[..],
        b"garbage",
        b"{\"items\":[{\"a\":\"",
        b"{\"items\":[ ",
    ] {
        splitter.feed(first, &mut recorder).unwrap();
        let byte = if first.ends_with(b" ") { b' ' } else { b'x' };
        for _ in 0..1000 {
            splitter.feed(&[byte; 4096], &mut recorder).unwrap();
            assert!(
                splitter.window.len() <= 1 << 17,
                "{}",
                splitter.window.len()
            );
        }
        splitter.feed(b"\n", &mut recorder).unwrap();
    }
}

#[test]
fn depth_has_no_limit() {
    let deep = format!(
        r#"{{"level":{}1{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_eq!(texts(&format!("{A}\n{deep}\n{B}")), [A, &deep, B]);
}

#[test]
fn hostile_lines_cost_a_constant_factor() {
    let input = "{\"a\":\n".repeat(200_000);
    let seen = split(&input);
    assert_eq!(seen.len(), 200_000);
}

#[test]
fn any_bytes_may_stand_in_strings() {
    let line = b"{\"level\":\"\xff\xfe\"}";
    let seen = split_in(&small(1000), line, &[]);
    assert_eq!(
        seen,
        [Seen::Item(line.to_vec(), Position { offset: 0, line: 1 })]
    );
}

fn parts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => Just(A.to_owned()),
        2 => Just(B.to_owned()),
        1 => Just(pretty("p")),
        1 => Just(format!(r#"{{"items":[{A},{B}],"x":1}}"#)),
        1 => Just(format!("{{\n \"items\": [\n  {A},\n  {B}\n ]\n}}")),
        1 => Just("[{},\n{}".to_owned()),
        1 => Just("{\"a\":".to_owned()),
        1 => Just("{\"a\":\"b".to_owned()),
        1 => Just("junk".to_owned()),
        1 => Just("\u{feff}".to_owned()),
        1 => Just(format!("{{\"x\":\"{}\"}}", "z".repeat(400))),
        2 => "[\\[\\]{}\",:a\\\\ \n\r]{0,12}",
    ];
    let separator = prop_oneof![6 => Just("\n"), 1 => Just("\r\n"), 1 => Just(""), 1 => Just(",")];
    prop::collection::vec((part, separator), 0..8)
        .prop_map(|parts| parts.into_iter().map(|(part, end)| part + end).collect())
}

/// Documents of members that events and lists have, in any order and any number of times.
fn objects() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        4 => prop::sample::select(vec!["null", "[]", "[{}]", "{}", "[1,{\"auditID\":\"i\"}]", "\"x\""])
            .prop_map(|value| format!("\"items\":{value}")),
        2 => prop::sample::select(vec!["EventList", "Event", "List", "Pod"])
            .prop_map(|kind| format!("\"kind\": \"{kind}\"")),
        1 => prop::sample::select(vec!["null", "1", "[]"]).prop_map(|kind| format!("\"kind\":{kind}")),
        2 => Just(r#""apiVersion":"audit.k8s.io/v1""#.to_owned()),
        2 => Just("\"metadata\":{\"items\":[{}]}".to_owned()),
        2 => prop::sample::select(vec!["auditID", "stage", "level", "verb", "x", "it\\u0065ms"])
            .prop_map(|key| format!("\"{key}\":\"[{{,:\\\"\"")),
        1 => prop::sample::select(vec!["stray", ":", "\"", "nul", "{", "]"]).prop_map(str::to_owned),
    ];
    let separator =
        prop_oneof![8 => Just(","), 2 => Just(",\n  "), 1 => Just(" "), 1 => Just("\n")];
    (prop::collection::vec((member, separator), 0..7), "[ \n]?").prop_map(|(members, end)| {
        let mut text = "{".to_owned();
        for (index, (member, separator)) in members.iter().enumerate() {
            text += if index > 0 { separator } else { "" };
            text += member;
        }
        text + &end + "}"
    })
}

/// What of `input` is neither in an item nor in a broken piece.
fn left_behind(input: &str, seen: &[Seen]) -> String {
    let (mut left, mut from) = (String::new(), 0);
    for Seen::Item(bytes, at) | Seen::Broken { bytes, at, .. } in seen {
        left += &input[from..at.offset as usize];
        from = at.offset as usize + bytes.len();
    }
    left + &input[from..]
}

/// Takes away what may stand in the envelope of a list.
fn without_envelope(mut text: String) -> String {
    for member in [
        r#""kind": "EventList""#,
        r#""kind": "List""#,
        r#""kind":null"#,
        r#""apiVersion":"audit.k8s.io/v1""#,
        "\"metadata\":{\"items\":[{}]}",
        "\"items\":null",
        "\"items\":",
    ] {
        text = text.replace(member, "");
    }
    text.retain(|char| !" \n,{}[]".contains(char));
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn only_envelopes_are_left_behind(
        objects in prop::collection::vec(objects(), 1..4),
        limit in prop_oneof![Just(30_usize), Just(1 << 20)],
    ) {
        let input = objects.join("\n");
        let seen = split_in(&small(limit), input.as_bytes(), &[]);
        prop_assert_eq!(&split_in(&small(limit), input.as_bytes(), &[3]), &seen);
        let left = left_behind(&input, &seen);
        prop_assert_eq!(without_envelope(left.clone()), "", "{}", left);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn chunking_makes_no_difference(
        input in parts(),
        sizes in prop::collection::vec(1_usize..200, 1..5),
        limit in prop_oneof![Just(300_usize), Just(1 << 20)],
    ) {
        let whole = split_in(&small(limit), input.as_bytes(), &[]);
        prop_assert_eq!(&split_in(&small(limit), input.as_bytes(), &sizes), &whole);
        prop_assert_eq!(&split_in(&small(limit), input.as_bytes(), &[1]), &whole);
    }

    #[test]
    fn pieces_stand_where_they_say(input in parts()) {
        let mut end = 0;
        for seen in split(&input) {
            let (Seen::Item(bytes, at) | Seen::Broken { bytes, at, .. }) = seen;
            let start = at.offset as usize;
            prop_assert!(start >= end, "pieces overlap or come out of order");
            end = start + bytes.len();
            prop_assert_eq!(&input.as_bytes()[start..end], &bytes[..]);
            prop_assert_eq!(at.line, 1 + newlines(&input.as_bytes()[..start]));
        }
    }
}
