//! Compliance reports through the real binary and its port.

use crate::both::{Both, Shared, recorded};
use crate::support::{cli, local};

/// A store of the recorded events, in many segments.
static STORE: Shared = Shared::new(|| {
    Both::imported_with(
        &[&recorded("recorded.jsonl.zst")],
        &["--segment-events", "500"],
    )
});

#[test]
fn reports_are_listed_and_made() {
    let listed = cli(&["report", "-o", "jsonl"]).expect(0);
    assert!(listed.text().contains("\"pci-dss\""), "{}", listed.text());
    let store = STORE.get();
    let run = local(
        store.data(),
        "report",
        &["pci-dss", "--since", "all", "-o", "json"],
    )
    .expect(0);
    let made: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(made["report"], "pci-dss");
    assert_eq!(made["coverage"]["events"], 3083);
}
