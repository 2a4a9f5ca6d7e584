//! Lean bodies: what the row holds is left out of the stored bytes and put back on reading.
//!
//! The audit id and the two timestamps are replaced by one control character each, which cannot
//! stand in a JSON string unescaped. A body that holds one of these bytes anyway is kept verbatim.

use crate::model::event::Spans;
use crate::model::time;

use super::layout::{decode_latency, uuid_text};

/// First byte of a body that was left as it is.
const VERBATIM: u8 = 0;
const AUDIT_ID: u8 = 1;
const RECEIVED_TIME: u8 = 2;
const TIME: u8 = 3;

/// The values that go back in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    pub(crate) audit_key: [u8; 16],
    pub(crate) time: i64,
    pub(crate) received_time: Option<i64>,
}

impl Fields {
    /// From what a row holds: its audit id, its time, and its latency as stored.
    pub(crate) fn new(audit_key: [u8; 16], time: i64, latency: i64) -> Fields {
        Fields {
            audit_key,
            time,
            received_time: decode_latency(latency).map(|latency| time.wrapping_sub(latency)),
        }
    }
}

/// Appends the lean form of `raw`.
pub(crate) fn strip(raw: &[u8], spans: &Spans, out: &mut Vec<u8>) {
    // An audit id, a received time and a time may come in any order in the bytes.
    let mut cuts: [Option<(usize, usize, u8)>; 3] = [
        spans
            .audit_id
            .as_ref()
            .map(|span| (span.start, span.end, AUDIT_ID)),
        spans
            .received_time
            .as_ref()
            .map(|span| (span.start, span.end, RECEIVED_TIME)),
        spans.time.as_ref().map(|span| (span.start, span.end, TIME)),
    ];
    cuts.sort_unstable_by_key(|cut| cut.map_or(usize::MAX, |(start, _, _)| start));
    let begin = out.len();
    let mut position = 0;
    for (start, end, marker) in cuts.into_iter().flatten() {
        out.extend_from_slice(&raw[position..start]);
        out.push(marker);
        position = end;
    }
    out.extend_from_slice(&raw[position..]);
    let cut_count = cuts.iter().flatten().count();
    if markers(&out[begin..]) != cut_count {
        out.truncate(begin);
        out.push(VERBATIM);
        out.extend_from_slice(raw);
    }
}

/// How many control characters that stand for something there are. Counted in bytes over stretches
/// that cannot overflow them, as many at once as a vector holds.
fn markers(bytes: &[u8]) -> usize {
    let count = |stretch: &[u8]| {
        let marker = |&byte: &u8| u8::from(byte <= TIME);
        usize::from(stretch.iter().map(marker).sum::<u8>())
    };
    bytes.chunks(192).map(count).sum()
}

/// Appends the exact bytes that `lean` was made from.
pub(crate) fn restore(lean: &[u8], fields: &Fields, out: &mut Vec<u8>) {
    if lean.first() == Some(&VERBATIM) {
        out.extend_from_slice(&lean[1..]);
        return;
    }
    out.reserve(lean.len() + 96);
    let mut rest = lean;
    while let Some(position) = memchr::memchr3(AUDIT_ID, RECEIVED_TIME, TIME, rest) {
        out.extend_from_slice(&rest[..position]);
        put(rest[position], fields, out);
        rest = &rest[position + 1..];
    }
    out.extend_from_slice(rest);
}

/// How many bytes [`restore`] appends.
pub(crate) fn restored_length(lean: &[u8]) -> usize {
    if lean.first() == Some(&VERBATIM) {
        return lean.len() - 1;
    }
    let grows = |at: usize| match lean[at] {
        AUDIT_ID => 36 - 1,
        _ => 27 - 1,
    };
    let markers = memchr::memchr3_iter(AUDIT_ID, RECEIVED_TIME, TIME, lean);
    lean.len() + markers.map(grows).sum::<usize>()
}

fn put(marker: u8, fields: &Fields, out: &mut Vec<u8>) {
    let mut text = [0; 27];
    match marker {
        AUDIT_ID => out.extend_from_slice(&uuid_text(&fields.audit_key)),
        RECEIVED_TIME => {
            time::write(fields.received_time.unwrap_or_default(), &mut text);
            out.extend_from_slice(&text);
        }
        _ => {
            time::write(fields.time, &mut text);
            out.extend_from_slice(&text);
        }
    }
}

/// Whether a text has bytes that stand for something in lean bodies, so that looking for it there would
/// mean something else.
pub(crate) fn has_marker(text: &[u8]) -> bool {
    text.iter().any(|&byte| byte <= TIME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::layout::encode_latency;
    use crate::store::sqlite::putback::Reach;
    use proptest::prelude::*;

    fn fields() -> Fields {
        Fields {
            audit_key: [0xab; 16],
            time: 1_700_000_000_123_456,
            received_time: Some(1_700_000_000_000_001),
        }
    }

    fn event(filler: &str) -> (Vec<u8>, Spans) {
        let fields = fields();
        let id = String::from_utf8(uuid_text(&fields.audit_key).to_vec()).unwrap();
        let (time, received) = (
            time::to_text(fields.time),
            time::to_text(fields.received_time.unwrap()),
        );
        let raw =
            format!(r#"{{"a":"{filler}","auditID":"{id}","x":1,"r":"{received}","s":"{time}"}}"#);
        let find = |text: &str| raw.find(text).map(|start| start..start + text.len());
        let spans = Spans {
            audit_id: find(&id),
            received_time: find(&received),
            time: find(&time),
        };
        (raw.into_bytes(), spans)
    }

    proptest! {
        #[test]
        fn bytes_come_back_exactly(filler in "\\PC{0,40}|[\u{0}-\u{5}a]{0,10}") {
            let (raw, spans) = event(&filler);
            let (mut lean, mut back) = (Vec::new(), Vec::new());
            strip(&raw, &spans, &mut lean);
            restore(&lean, &fields(), &mut back);
            prop_assert_eq!(&back, &raw);
            prop_assert_eq!(restored_length(&lean), raw.len());
        }

        #[test]
        fn a_needle_found_only_in_restored_bytes_is_announced(from in 0usize..200, length in 1usize..60) {
            let (raw, spans) = event("filler text");
            let mut lean = Vec::new();
            strip(&raw, &spans, &mut lean);
            let from = from.min(raw.len() - 1);
            let needle = &raw[from..(from + length).min(raw.len())];
            if memchr::memmem::find(&lean, needle).is_none() {
                let fields = fields();
                let latency = encode_latency(fields.time, fields.received_time);
                let reach = Reach::new(std::iter::once(needle));
                let touches = reach.touches(&fields.audit_key, fields.time, latency);
                prop_assert!(touches, "{:?}", String::from_utf8_lossy(needle));
            }
        }
    }
}
