//! *Who did it*.

use super::{ask, audit_ids, cell, recorded_ids, text};

pub(super) const TESTED: &[&str] = &["who-deleted"];

#[test]
fn who_deleted() {
    let ended = |event: &serde_json::Value| {
        ["delete", "deletecollection"].contains(&text(event, "/verb"))
            && event["stage"] == "ResponseComplete"
    };
    let rows = ask("who-deleted", &[]);
    assert_eq!(audit_ids(&rows), recorded_ids(ended));
    assert!(
        rows.windows(2)
            .all(|pair| cell(&pair[0], "time") >= cell(&pair[1], "time"))
    );

    let rows = ask(
        "who-deleted",
        &["--user", "mallory", "--outcome", "denied_*"],
    );
    let denied = |event: &serde_json::Value| {
        ended(event)
            && event["user"]["username"] == "mallory"
            && event["responseStatus"]["code"] == 403
    };
    assert_eq!(audit_ids(&rows), recorded_ids(denied));
}
