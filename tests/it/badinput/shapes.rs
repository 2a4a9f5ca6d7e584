//! Documents that look like lists and are none, lists that hold more than items, and data of other
//! formats: every byte is found again, and the counts add up.

use std::io::Write;

use super::quarantine;
use crate::both::Both;
use crate::support::{event, event_list, local, temp_dir};

/// What came in by this answer: stored, duplicate, quarantined.
#[track_caller]
fn counts(both: &Both, body: impl AsRef<[u8]>) -> [u64; 3] {
    let answer = both.server.post("/webhook", body).expect(200).json();
    ["stored", "duplicates", "quarantined"].map(|key| answer[key].as_u64().unwrap())
}

/// An event of which `items` is the first member.
fn list_like(n: u64, items: &str) -> String {
    event(n).replacen('{', &format!(r#"{{"items":{items},"#), 1)
}

#[test]
fn an_event_with_items_is_an_event_wherever_it_stands() {
    let dir = temp_dir();
    let events = [
        event(1),
        list_like(2, "[]"),
        list_like(3, r#"[{"auditID":"hidden"}]"#),
        list_like(4, "null"),
        event(5).trim_end_matches('}').to_owned() + r#","items":[{}]}"#,
    ];
    let headless = r#"{"items":[{}],"auditID":"x","level":"None"}"#;
    let lines = format!("{}\n{headless}\n{}", events.join("\n"), event(6));
    let list = event_list(&[events.join(","), headless.to_owned(), event(6)]);
    for (number, input) in [lines, list].into_iter().enumerate() {
        let path = dir.path().join(format!("{number}.log"));
        std::fs::write(&path, &input).unwrap();
        let data = dir.path().join(format!("store-{number}"));
        let run = local(&data, "import", &[path.to_str().unwrap()]).expect(0);
        let expected = "read 7 items from 1 input: 6 stored, 0 duplicate, 1 quarantined";
        assert!(run.stderr.contains(expected), "{}", run.stderr);
        let mut all = events.to_vec();
        all.push(event(6));
        all.sort_unstable();
        assert_eq!(crate::support::raw_lines(&data), all);
        let again = local(&data, "import", &[path.to_str().unwrap()]).expect(0);
        let expected = "read 7 items from 1 input: 0 stored, 7 duplicate, 0 quarantined";
        assert!(again.stderr.contains(expected), "{}", again.stderr);

        let both = Both::empty();
        assert_eq!(counts(&both, &input), [6, 0, 1]);
        assert_eq!(quarantine(&both)[0].1, headless.as_bytes());
    }
}

#[test]
fn a_list_may_be_empty_and_what_it_holds_beside_its_items_is_kept() {
    let both = Both::empty();
    for empty in [
        r#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":null}"#,
        r#"{"items":null,"apiVersion":"audit.k8s.io/v1","kind":"EventList","metadata":null}"#,
    ] {
        assert_eq!(counts(&both, empty), [0, 0, 0], "{empty}");
    }
    // Keys in order, as tools write them that sort.
    let sorted = format!(
        r#"{{"apiVersion":"audit.k8s.io/v1","items":[{},{}],"kind":"EventList","metadata":{{}}}}"#,
        event(1),
        event(2)
    );
    assert_eq!(counts(&both, &sorted), [2, 0, 0]);
    let odd = event_list(&[event(3)]).replace("]}", r#"],"auditID":"hidden"}"#);
    assert_eq!(counts(&both, &odd), [1, 0, 1]);
    let pods = r#"{"kind":"PodList","items":[{}]}"#;
    assert_eq!(counts(&both, pods), [0, 0, 1]);
    let kept = quarantine(&both);
    assert!(kept[0].0.contains("beside its items"), "{}", kept[0].0);
    assert_eq!(kept[0].1, br#","auditID":"hidden"}"#);
    assert_eq!(kept[1].1, pods.as_bytes());
}

#[test]
fn space_that_parts_tokens_is_content() {
    let both = Both::empty();
    let with = |body: &str| {
        let event = event(1);
        format!("{},\"requestObject\":{body}}}", &event[..event.len() - 1])
    };
    // No JSON, but nothing in a body makes an event unreadable.
    assert_eq!(counts(&both, with(r#"{"n":1 2}"#)), [1, 0, 0]);
    assert_eq!(counts(&both, with(r#"{"n":12}"#)), [1, 0, 0]);
    assert_eq!(counts(&both, with(r#"{ "n" : 1  2 }"#)), [0, 1, 0]);
    assert_eq!(counts(&both, with(r#"{ "n": 12 }"#)), [0, 1, 0]);
    // Of items in quarantine every byte counts.
    assert_eq!(counts(&both, r#"{"n":1 2}"#), [0, 0, 1]);
    assert_eq!(counts(&both, r#"{"n":12}"#), [0, 0, 1]);
    assert_eq!(counts(&both, r#"{"n": 12}"#), [0, 0, 1]);
    assert_eq!(quarantine(&both).len(), 3);
}

#[test]
fn an_unreadable_body_that_comes_again_counts_as_duplicate() {
    let both = Both::empty();
    let body = b"\x00 no event";
    assert_eq!(counts(&both, body), [0, 0, 1]);
    assert_eq!(counts(&both, body), [0, 1, 0]);
    both.server.post("/api/v1/seal", "").expect(200);
    assert_eq!(counts(&both, body), [0, 1, 0]);
    let stats = both.server.get("/api/v1/stats").json();
    assert_eq!(
        [
            &stats["received"],
            &stats["duplicates"],
            &stats["quarantined"]
        ],
        [3, 2, 1]
    );
    assert_eq!(
        both.rows("select sum(events), sum(duplicates), sum(quarantined) from ingest_log"),
        ["0|2|1"]
    );
    assert_eq!(both.rows("select duplicates from quarantine"), ["2"]);
}

#[test]
fn compressed_bodies_without_a_word_of_it_are_told() {
    let both = Both::empty();
    let text = event_list(&(0..50).map(event).collect::<Vec<_>>());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let packed = [
        ("gzip", gzip.finish().unwrap()),
        ("zstd", zstd::encode_all(text.as_bytes(), 1).unwrap()),
    ];
    for (coding, body) in &packed {
        assert_eq!(counts(&both, body), [0, 0, 1], "{coding}");
    }
    for ((coding, body), (reason, kept)) in packed.iter().zip(quarantine(&both)) {
        let hint =
            format!("looks like {coding} data; send it with the header Content-Encoding: {coding}");
        assert!(reason.contains(&hint), "{reason}");
        assert!(kept == *body, "{coding}");
    }
}
