//! Looking for the original of an event costs what its own time costs, not what the store holds.

use crate::support::{self, Server};

/// The sealed segments that a process holds open.
fn open_segments(server: &Server) -> Vec<String> {
    let files = std::fs::read_dir(format!("/proc/{}/fd", server.child.id())).unwrap();
    let mut names: Vec<String> = files
        .filter_map(|file| std::fs::read_link(file.unwrap().path()).ok())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .filter(|name| name.starts_with("sealed-"))
        .collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn only_segments_that_cover_an_event_are_opened_to_look_for_its_original() {
    let dir = support::temp_dir();
    let time = |month: u64, n: u64| format!("2025-{month:02}-10T10:00:{n:02}Z");
    // Segments of different months are never merged.
    for month in 1..=12 {
        let lines: Vec<String> = (0..20)
            .map(|n| support::event_at(month * 100 + n, &time(month, n)))
            .collect();
        let import = ["import", "--data", dir.path().to_str().unwrap(), "-"];
        support::cli_with(&import, lines.join("\n").as_bytes()).expect(0);
    }
    let server = Server::start(dir.path(), &[]);
    assert_eq!(open_segments(&server), [""; 0]);
    let post = |n: u64, time: &str| {
        let answer = server
            .post("/webhook", support::event_at(n, time))
            .expect(200);
        let answer = answer.json();
        (
            answer["stored"].as_u64().unwrap(),
            answer["duplicates"].as_u64().unwrap(),
        )
    };
    // New events of today, and of a day that nothing is known of.
    assert_eq!(post(1, "2026-11-20T00:00:00Z"), (1, 0));
    assert_eq!(post(2, "2025-03-11T00:00:00Z"), (1, 0));
    assert_eq!(open_segments(&server), [""; 0]);
    assert_eq!(post(305, &time(3, 5)), (0, 1));
    assert_eq!(open_segments(&server).len(), 1);
    assert_eq!(post(3, &time(3, 5)), (1, 0));
    assert_eq!(open_segments(&server).len(), 1);
    assert_eq!(post(1105, &time(11, 5)), (0, 1));
    assert_eq!(open_segments(&server).len(), 2);
}
