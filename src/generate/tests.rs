use std::collections::{HashMap, HashSet};

use super::*;
use crate::model::normalise::normalise;

fn lines(options: Options) -> Vec<Vec<u8>> {
    let mut generator = Generator::new(options);
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        if !generator.next_into(&mut line) {
            return lines;
        }
        assert_eq!(line.pop(), Some(b'\n'));
        lines.push(line);
    }
}

fn some(events: u64) -> Options {
    Options {
        events,
        ..Options::default()
    }
}

#[test]
fn equal_options_give_equal_bytes_for_ever() {
    let all = lines(some(1000)).join(&b'\n');
    let hash = xxhash_rust::xxh3::xxh3_64(&all);
    assert_eq!(hash, PINNED, "{hash:#x}");
    let other = Options {
        seed: 2,
        ..some(1000)
    };
    assert_ne!(lines(other).join(&b'\n'), all);
}

/// Changes only together with a line in the change log.
const PINNED: u64 = 0xb4f8_4e26_1dad_3f6f;

#[test]
fn every_event_is_valid_and_distinct_in_time_order_and_within_the_span() {
    let options = some(20_000);
    let (start, end) = (options.start, options.start + options.span_us());
    let mut contents = HashSet::new();
    let mut stages = HashMap::<String, usize>::new();
    let mut codes = HashMap::<i64, usize>::new();
    let (mut last, mut bytes, mut named) = (start, 0, 0);
    let all = lines(options);
    for line in &all {
        bytes += line.len();
        serde_json::from_slice::<serde_json::Value>(line).expect("JSON");
        let (event, content) = normalise("c", line).expect("an event");
        assert!(contents.insert(content), "twice");
        let time = event.time.expect("a time");
        assert!(time >= last, "{}", String::from_utf8_lossy(line));
        assert!(event.received_time.expect("a time") <= time);
        last = time;
        *stages.entry(event.stage.to_string()).or_default() += 1;
        *codes.entry(event.code.unwrap_or(0)).or_default() += 1;
        assert_eq!(event.body_quality, None);
        let text = std::str::from_utf8(line).expect("UTF-8");
        named += usize::from(text.contains("\"generateName\"") && event.name.is_some());
    }
    assert_eq!(all.len(), 20_000);
    assert!((end - 60_000_000..end + 60_000_000).contains(&last));
    let mean = bytes / all.len();
    assert!((1500..2500).contains(&mean), "{mean} bytes per event");
    for stage in ["RequestReceived", "ResponseStarted", "ResponseComplete"] {
        assert!(stages[stage] > 200, "{stages:?}");
    }
    for code in [101, 200, 201, 401, 403, 404, 409] {
        assert!(codes.contains_key(&code), "no {code} in {codes:?}");
    }
    assert!(named > 100, "{named} generated names");
}

#[test]
fn the_incident_is_there_with_every_stage() {
    for span in [Duration::from_secs(10), Duration::from_secs(86_400 * 3)] {
        let options = Options {
            span,
            ..some(EVENTS_MIN)
        };
        let incident = incident(&options).expect("enough events");
        let mut found = HashMap::<String, u64>::new();
        let mut needles = 0;
        let all = lines(options);
        for line in &all {
            let (event, _) = normalise("c", line).expect("an event");
            *found.entry(event.audit_id.into_owned()).or_default() += 1;
            let text = std::str::from_utf8(line).expect("UTF-8");
            needles += usize::from(text.contains(incident.needle));
        }
        for step in &incident.steps {
            assert_eq!(
                found.get(&step.audit_id),
                Some(&step.events),
                "{}",
                step.what
            );
        }
        assert_eq!(needles, 1);
    }
    assert_eq!(incident(&some(EVENTS_MIN - 1)), None);
}
