//! Compliance reports through the real binary and its port.

mod asked;
mod charts;
mod clocks;
mod coverage;
mod doubt;
mod floods;
mod forms;
mod gaps;
mod learned;
mod limits;
mod own;
mod scheduled;
mod sets;
mod sheet;
mod short;
mod unusual;

use std::path::Path;

use serde_json::Value;

use crate::both::{Both, Shared, recorded};

/// A store of the recorded events, in many segments.
static STORE: Shared = Shared::new(|| {
    Both::imported_with(
        &[&recorded("recorded.jsonl.zst")],
        &["--segment-events", "500"],
    )
});

/// A directory with one report of one's own, `mine`.
fn own(definition: &str) -> tempfile::TempDir {
    let dir = crate::support::temp_dir();
    std::fs::write(dir.path().join("mine.toml"), definition).unwrap();
    dir
}

/// A report whose evidence is the answer of questions, each as the lines of one piece of evidence.
fn definition(pieces: &[&str]) -> String {
    let mut text = "title = \"Mine\"\nversion = \"1\"\nabout = \"A\"\n[[controls]]\nid = \"1.a\"\n\
                    title = \"T\"\ndemands = \"D\"\ncannot_prove = \"C\"\n"
        .to_owned();
    for piece in pieces {
        text.push_str(&format!("[[controls.evidence]]\n{piece}\n"));
    }
    text
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(bytes));
    })
}

/// A made report without what differs from one making to the next, and from place to place.
fn settled(mut made: Value) -> Value {
    for name in ["digest", "made_at", "made_for", "store"] {
        made[name] = Value::Null;
    }
    made
}
