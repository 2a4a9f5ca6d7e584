//! Acknowledged means durable: kill -9 at any moment loses nothing and doubles nothing.

use crate::support::{self, Server};

#[test]
fn a_stopped_server_has_kept_what_it_acknowledged() {
    let dir = support::temp_dir();
    let server = Server::start(dir.path(), &[]);
    let events: Vec<String> = (0..10).map(support::event).collect();
    let response = server
        .post("/webhook", support::event_list(&events))
        .expect(200);
    assert_eq!(response.json()["stored"], 10);
    assert!(server.stop().success());
    let mut sorted = events;
    sorted.sort_unstable();
    assert_eq!(support::raw_lines(dir.path()), sorted);
}
