//! Searching the bytes of events through the port, against counting lines.

use std::fs;

use crate::support::{Server, cli, local, temp_dir};

/// How many events hold a text, and how many blocks of bodies were decompressed for the answer.
fn counted(server: &Server, text: &str) -> (u64, u64) {
    let path = format!("/api/v1/count?format=json&contains={text}");
    let answer = server.get(&path).expect(200).json();
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    (
        number(&answer["rows"][0][0]),
        number(&answer["stats"]["blocks_read"]),
    )
}

#[test]
fn a_rare_text_is_found_exactly_and_reads_few_blocks() {
    let directory = temp_dir();
    let mut lines: Vec<String> = cli(&["generate", "--events", "9000", "--seed", "5"])
        .expect(0)
        .text()
        .lines()
        .map(str::to_owned)
        .collect();
    for (at, agent) in [(77, "zanzibar-quux-17"), (6001, "a zanzibar-quux-17b")] {
        let event = &mut lines[at];
        let agents = event.find("\"userAgent\":\"").unwrap() + "\"userAgent\":\"".len();
        event.insert_str(agents, agent);
    }
    let file = directory.path().join("events.jsonl");
    fs::write(&file, lines.join("\n")).unwrap();
    let data = directory.path().join("data");
    local(&data, "import", &[file.to_str().unwrap()]).expect(0);

    let server = Server::start(&data, &[]);
    // Too short to be looked up, so everything is searched.
    let (found, all) = counted(&server, "uux-17b");
    assert_eq!(found, 1);
    assert!(all > 6, "{all} blocks");
    // What is kept in columns and not in the bodies.
    let part = |line: &str, name: &str, length: usize| {
        let begin = line.find(name).unwrap();
        line[begin..begin + length].to_owned()
    };
    let id = part(&lines[4321], "\"auditID\":\"", 47);
    let time = part(&lines[4321], "\"stageTimestamp\":\"", 45);
    for text in [
        &id[11..31],
        &id[20..],
        &id,
        &time[19..],
        &time[10..],
        "zanzibar-quux-17",
        "zibar-qu",
        "ibar-quux-17b",
        "zanzibar-quux-18",
        "nowhere-to-be-found",
        "kube-system",
        "system:authenticated",
    ] {
        let expected = lines.iter().filter(|line| line.contains(text)).count() as u64;
        let (found, blocks) = counted(&server, &text.replace('"', "%22"));
        assert_eq!(found, expected, "{text}");
        if expected < 3 {
            assert!(blocks * 2 < all, "{blocks} of {all} blocks for {text}");
        } else {
            assert!(blocks <= all, "{blocks} of {all} blocks for {text}");
        }
    }
}
